"""From a sentence of a model to pieces: names of arms, facts, names of figures, directions, breaks and words.

What is no word of plain English letters, no mark of punctuation and no ``{id}`` of a fact never gets further than here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from simulator.reporting.explanation import vocabulary
from simulator.reporting.explanation.relations import Known, UnbackedError, find_fact
from simulator.reporting.facts.fact import NOT_AVAILABLE, Fact
from simulator.reporting.facts.terms import ARM_TERMS, PAIR_TERMS

LONGEST_SENTENCE = 400
"""Characters of a sentence as the model writes it; a longer one is refused unread."""
_SPELLED = {0x2019: "'", 0x2018: "'", 0x2011: "-", 0x2010: "-", 0x2013: " - ", 0x2014: " - "}
_STRANGE = re.compile(r"[^A-Za-z0-9 ,.;:()'_\-{}]")
_PIECE = re.compile(
    r"\{(?P<fact>[^{}]*)\}|(?P<word>[a-z]+(?:['-][a-z]+)*)|(?P<mark>[,;:]|(?<=\s)-(?=\s))|'s\b|(?P<bare>[.()'])"
)
_MADE_ANOTHER_BEFORE = re.compile(r"(?:[^\s(]|[-+]\s*\(?|\b(?:is|of|at|was|to|from|minus|plus)\s*\()$", re.IGNORECASE)
_MADE_ANOTHER_BEHIND = re.compile(r"[^\s,;:).]|\.\w|\s+-?\s*\{|\s*\(|\)\s*\{")
_EMPTY = frozenset(
    "a an the of for by in on at to from and or its with where that which is was over between".split()  # noqa: SIM905
)


class Kind(StrEnum):
    """What a piece of a sentence is."""

    NAME = "name"
    FACT = "fact"
    DIRECTION = "direction"
    """A word or phrase that claims a relation."""
    FIGURE = "figure"
    """What a figure is called."""
    BREAK = "break"
    WORD = "word"


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece; ``of`` are the arms that are named, or that a fact is of: none, one, or the two of a pair."""

    kind: Kind
    text: str
    of: tuple[str, ...] = ()
    fact: Fact | None = None


def plain_text(sentence: str) -> str:
    """The sentence in plain letters and single spaces, without its full stop; raises ``UnbackedError``."""
    if len(sentence) > LONGEST_SENTENCE:
        raise UnbackedError("it is too long to be checked")
    text = re.sub(r"[ \t\r\n]+", " ", sentence.translate(_SPELLED)).strip().removesuffix(".")
    if strange := _STRANGE.search(text):
        raise UnbackedError(f"{strange[0]!a} is no sign of plain text")
    if re.search(r"\.\s", text):
        raise UnbackedError("it is more than one sentence")
    return text


class Lexicon:
    """Every phrase that a sentence about these facts may use; ``names`` are the words by which arms go."""

    def __init__(self, known: Known, names: Mapping[str, str]) -> None:
        self._known = known
        self.arms = frozenset(names.values())
        self._table: dict[str, tuple[Kind, str]] = {
            phrase: (Kind.DIRECTION, phrase) for phrase in vocabulary.DIRECTIONS if " " in phrase
        }
        stems = [stem_of(fact, self.arms) for fact in known.cited.values()]
        for name in (*vocabulary.FIGURES, *(stem for stem in stems if " " in stem)):
            self._table[name] = Kind.FIGURE, name
        for phrase in vocabulary.SAME:
            self._table[phrase] = Kind.WORD, phrase
        for phrase, arm in names.items():
            self._table[phrase] = Kind.NAME, arm
        longest = sorted(self._table, key=lambda phrase: (-len(phrase), phrase))
        self._phrase = re.compile(r"(?<![\w-])(?:" + "|".join(map(re.escape, longest)) + r")(?![\w-])")
        self._arms_of = {fact.subject: _arms_of(fact.subject, self.arms) for fact in known.cited.values()}

    def arms_of(self, fact: Fact) -> tuple[str, ...]:
        """The arm that a fact is of, the two of a pair, or none where it is of the run."""
        return self._arms_of[fact.subject]

    def pieces(self, text: str) -> list[Piece]:
        """The pieces of a plain text; ``UnbackedError`` names the first that is none."""
        found: list[Piece] = []
        at, lowered = 0, text.lower()
        while at < len(text):
            phrase = self._phrase.match(lowered, at)
            if phrase and self._stands_here(*self._table[phrase[0]], found):
                found += _of_phrase(*self._table[phrase[0]], found, lowered[phrase.end() :])
                at = phrase.end()
            elif lowered[at] == " ":
                at += 1
            elif piece := _PIECE.match(lowered, at):
                found += self._of_match(piece, text)
                at = piece.end()
            else:
                word = re.compile(r"[\w'.%+-]*[\w%]|\S").match(text, at)
                raise UnbackedError(f"{word[0] if word else text[at]!r} is no word, and no placeholder of a fact")
        return found

    def _of_match(self, piece: re.Match[str], text: str) -> Iterator[Piece]:
        if piece["fact"] is not None:
            fact = find_fact(text[piece.start() + 1 : piece.end() - 1], self._known)
            if fact.value == NOT_AVAILABLE:
                raise UnbackedError(f"there is no {fact.label} to tell")
            if _MADE_ANOTHER_BEFORE.search(text[: piece.start()]) or _MADE_ANOTHER_BEHIND.match(text[piece.end() :]):
                raise UnbackedError(f"what stands beside {{{fact.id}}} makes another figure of it")
            yield Piece(Kind.FACT, fact.id, self.arms_of(fact), fact)
        elif piece["mark"]:
            yield Piece(Kind.BREAK, piece["mark"])
        elif piece["word"]:
            word = piece["word"].removesuffix("'s")
            kind = Kind.BREAK if word in vocabulary.BREAKS else Kind.WORD
            yield Piece(Kind.DIRECTION if word in vocabulary.DIRECTIONS else kind, word)

    def _stands_here(self, kind: Kind, value: str, before: Sequence[Piece]) -> bool:
        """An arm that is called as a word that claims something goes by that name only where a name must stand."""
        word = value.replace("_", " ")
        claims = word in vocabulary.DIRECTIONS or any(word in words for words in vocabulary.REFUSED.values())
        if kind is not Kind.NAME or not claims:
            return True
        return bool(before) and before[-1].text in (*vocabulary.OPENINGS, "arm")


def _of_phrase(kind: Kind, value: str, before: Sequence[Piece], behind: str) -> Iterator[Piece]:
    """A phrase as pieces: "has the largest drawdown" also ranks, "the largest drawdown of b" only names a figure."""
    first = value.split(" ")[0]
    ranks = kind is Kind.FIGURE and first in vocabulary.DIRECTIONS and bool(before) and before[-1].text == "the"
    if ranks and not re.match(r"\s+(?:of|for)\b", behind):
        yield Piece(Kind.DIRECTION, first)
    yield Piece(kind, value, (value,) if kind is Kind.NAME else ())


def _arms_of(subject: str, arms: Collection[str]) -> tuple[str, ...]:
    if subject in arms:
        return (subject,)
    for joint in ("-", "."):
        pair = subject.removeprefix("pair.") if joint == "." else subject
        for one in sorted(arms):
            if pair.startswith(f"{one}{joint}") and pair.removeprefix(f"{one}{joint}") in arms:
                return one, pair.removeprefix(f"{one}{joint}")
    return ()


def stem_of(fact: Fact, arms: Collection[str]) -> str:
    """What a fact is called without its arm: "annual Sharpe ratio" for that of llm."""
    label = fact.label.lower()
    for arm in arms:
        label = re.sub(rf" (?:of|for|by) {re.escape(arm.lower())}$|^{re.escape(arm.lower())}'s ", "", label)
    return label.replace("_", " ")


def words_of_fact(fact: Fact, arms: Collection[str]) -> frozenset[str]:
    """The words by which a figure goes, in the singular."""
    term = ARM_TERMS.get(fact.metric) or PAIR_TERMS.get(fact.metric)
    told = " ".join([fact.label, *(term.names if term else ())]).lower()
    for arm in sorted(arms, key=len, reverse=True):
        told = re.sub(rf"\b{re.escape(arm.lower())}\b(?:'s)?", " ", told)
    return frozenset(singular(word) for word in re.findall(r"[a-z]+|\d+", told.replace("_", " ")) if word not in _EMPTY)


def singular(word: str) -> str:
    """A word without the s of its plural."""
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word


def words_of_pieces(pieces: Sequence[Piece]) -> set[str]:
    """The words of some pieces, in the singular."""
    return {
        singular(word)
        for piece in pieces
        if piece.kind not in (Kind.NAME, Kind.FACT)
        for word in re.findall(r"[a-z]+|\d+", piece.text)
        if word not in _EMPTY
    }
