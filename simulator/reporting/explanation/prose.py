"""Whether a sentence that a model wrote may be shown: figures only as placeholders that read as what they are, every
word of the closed vocabulary, and every direction backed by a checked claim of that very sentence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from simulator.reporting.explanation import vocabulary
from simulator.reporting.explanation.pieces import (
    Kind,
    Lexicon,
    Piece,
    plain_text,
    singular,
    words_of_fact,
    words_of_pieces,
)
from simulator.reporting.explanation.relations import CONVERSE, Claim, Known, UnbackedError, check_claim
from simulator.reporting.facts.fact import Fact

MOST_CLAIMS = 6
"""Claims of one sentence that are checked; of more the sentence is refused."""
_NEAR = 3
"""Words behind a figure that may say what it is."""
_OF_INTERVALS = ("not distinguishable", "distinguishable")


@dataclass(frozen=True, slots=True)
class Told:
    """A sentence as it is shown, facts as ``{id}``, and the ids of the facts that it tells."""

    template: str
    facts: tuple[str, ...]


class Reader:
    """Reads sentences about the facts of a part; ``names`` are the words by which arms go in them, and a
    figure for which no arm is named is one of ``about``.

    A sentence has to be one, in plain letters. Each figure stands as ``{id}``, and the words around it say whose and
    what it is; where they say nothing of it the program adds the label, and where they say something else the sentence
    is refused. Each word is known to claim nothing, or is backed by a claim or a figure of the same sentence.
    """

    def __init__(self, known: Known, names: Mapping[str, str], about: str) -> None:
        self._known, self._names, self._about = known, names, about
        self._lexicon = Lexicon(known, names)
        self._called = {fact.id: words_of_fact(fact, self._lexicon.arms) for fact in known.cited.values()}
        self._figure_words = frozenset(word for words in self._called.values() for word in words)

    def read(self, sentence: str, claims: Sequence[Claim]) -> Told:
        """The sentence as it may be shown; raises ``UnbackedError`` with what is wrong."""
        if len(claims) > MOST_CLAIMS:
            raise UnbackedError(f"it makes {len(claims)} claims, at most {MOST_CLAIMS} are checked")
        for claim in claims:
            check_claim(claim, self._known)
        text = plain_text(sentence)
        pieces = self._lexicon.pieces(text)
        told = tuple(dict.fromkeys(piece.text for piece in pieces if piece.kind is Kind.FACT))
        if not told and not any(piece.kind is Kind.DIRECTION for piece in pieces):
            raise UnbackedError("it tells no fact")
        self._check_words(pieces)
        labels = self._check_figures(pieces)
        for at, piece in enumerate(pieces):
            if piece.kind is Kind.DIRECTION:
                self._check_direction(pieces, at, claims)
        for name, label in labels.items():
            text = text.replace(f"{{{name}}}", f"{{{name}}} ({label})", 1)
        return Told(_finished(text, self._names), told)

    def _check_words(self, pieces: Sequence[Piece]) -> None:
        metrics = [piece.fact.metric for piece in pieces if piece.fact is not None]
        for word in (piece.text for piece in pieces if piece.kind is Kind.WORD):
            if word in vocabulary.PLAIN or word in (*vocabulary.OPENINGS, *vocabulary.SAME):
                continue
            if word in vocabulary.EVIDENCE:
                if any(re.fullmatch(vocabulary.EVIDENCE[word], metric) for metric in metrics):
                    continue
                raise UnbackedError(f"{word!r} stands without the figure that says so")
            for fault, refused in vocabulary.REFUSED.items():
                if word in refused:
                    raise UnbackedError(f"{word!r} {fault}")
            if singular(word) not in self._figure_words:
                raise UnbackedError(f"{word!r} may claim what no fact backs")

    def _check_figures(self, pieces: Sequence[Piece]) -> dict[str, str]:
        """Check that each figure reads as whose and what it is; gives the labels of those of which nothing says it."""
        labels: dict[str, str] = {}
        begun = 0
        for at, piece in enumerate(pieces):
            if piece.fact is None:
                continue
            behind = list(takewhile(lambda each: each.kind not in (Kind.BREAK, Kind.FACT), pieces[at + 1 :]))[:_NEAR]
            called = self._is_called(piece.fact, [*pieces[begun:at], *behind], pieces[:at])
            if not (self._is_owned(pieces, at) and called):
                labels[piece.text] = piece.fact.label
            begun = at + 1
        return labels

    def _is_owned(self, pieces: Sequence[Piece], at: int) -> bool:
        """Whether the name at a figure is that of its arm; raises where it is another's, False where there is none."""
        arms = pieces[at].of
        if not arms:
            return True
        behind = [piece for piece in pieces[at + 1 : at + 5] if piece.text not in ("the", "arm")][:2]
        names = [piece.of[0] for piece in pieces[:at] if piece.kind is Kind.NAME]
        if len(behind) == 2 and behind[0].text in ("of", "for", "by") and behind[1].kind is Kind.NAME:
            names = [behind[1].of[0]]
        if not names:
            later = {piece.of[0] for piece in pieces if piece.kind is Kind.NAME}
            refers = any(piece.text in vocabulary.REFERRING for piece in pieces)
            return later == {arms[0]} or (not later and not refers and arms == (self._about,))
        if names[-1] not in arms and not _is_in_order(pieces):
            raise UnbackedError(f"{{{pieces[at].text}}} stands where a figure of {names[-1]} is told")
        everywhere = {piece.of[0] for piece in pieces if piece.kind is Kind.NAME}
        return len(arms) == 1 or arms[1] in everywhere

    def _is_called(self, fact: Fact, close: Sequence[Piece], earlier: Sequence[Piece]) -> bool:
        """Whether the words at a figure are those by which it goes; raises where they are those of another one."""
        for pieces in (close, earlier):
            scores = self._scores(words_of_pieces(pieces), fact)
            other = max(scores, key=lambda name: scores[name])
            if scores[fact.id] == scores[other] > 0:
                return True
            if scores[other]:
                raise UnbackedError(f"the words at {{{fact.id}}} are those of {{{other}}}")
        return False

    def _scores(self, words: set[str], fact: Fact) -> dict[str, int]:
        """How many of the words by which each fact of the same subject goes are among these."""
        return {
            name: len(words & self._called[name])
            for name, other in self._known.cited.items()
            if other.subject == fact.subject
        }

    def _check_direction(self, pieces: Sequence[Piece], at: int, claims: Sequence[Claim]) -> None:
        word = pieces[at].text
        senses = vocabulary.DIRECTIONS[word]
        turned = [Claim(CONVERSE[each.relation], each.facts[::-1]) for each in claims if each.relation in CONVERSE]
        fitting = [claim for claim in (*claims, *turned) if claim.relation in senses]
        if not fitting:
            raise UnbackedError(f"{word!r} needs a claim in the same sentence: {' or '.join(senses)}")
        if not any(self._fits(pieces, at, claim, fitting) for claim in fitting):
            raise UnbackedError(f"no checked claim says {word!r} of what the sentence says it of")

    def _fits(self, pieces: Sequence[Piece], at: int, claim: Claim, alike: Sequence[Claim]) -> bool:
        """Whether a direction says of the same arms and figures what the claim does."""
        facts = [self._known.cited[name] for name in claim.facts]
        if not self._speaks_of(facts, pieces, at):
            return False
        left = [piece for piece in pieces[:at] if piece.kind in (Kind.NAME, Kind.FACT)]
        right = [piece for piece in pieces[at + 1 :] if piece.kind in (Kind.NAME, Kind.FACT)]
        if claim.relation in _OF_INTERVALS:
            backed = {arm for each in alike for name in each.facts for arm in self._arms(name)}
            named = {piece.of[0] for piece in pieces if piece.kind is Kind.NAME}
            return named <= backed and bool(named) | all(piece.fact in facts for piece in (*left, *right))
        if len(facts) == 1:
            near = (left[-1:] or right)[:1]
            return not near or self._is_of(near[0], facts[0])
        shown = [piece.text for piece in (*left, *right) if piece.text in claim.facts]
        if claim.relation in ("rose", "fell"):
            return shown in (list(claim.facts), []) and all(self._is_of(piece, facts[0]) for piece in left[-1:])
        if not left or not self._is_of(left[-1], facts[0], facts[1]):
            return False
        further = [piece for piece in right if not self._is_of(piece, facts[0], facts[1])]
        if further:
            return self._is_of(further[0], facts[1], facts[0])
        return any(self._is_of(piece, facts[1], facts[0]) for piece in left[:-1])

    def _arms(self, name: str) -> tuple[str, ...]:
        return self._lexicon.arms_of(self._known.cited[name])

    def _is_of(self, piece: Piece, fact: Fact, other: Fact | None = None) -> bool:
        """Whether a name or a figure is that of a fact, and not of the ``other``."""
        arms = self._lexicon.arms_of(fact)
        if piece.fact is not None and (not arms or (other is not None and arms == self._lexicon.arms_of(other))):
            return piece.fact.id == fact.id
        return bool(set(piece.of) & set(arms))

    def _speaks_of(self, facts: Sequence[Fact], pieces: Sequence[Piece], at: int) -> bool:
        """Whether the words at a direction, or else those of the sentence, are those of the figure that is claimed."""
        breaks = [where for where, piece in enumerate(pieces) if piece.kind is Kind.BREAK]
        begin = max((where for where in breaks if where < at), default=-1) + 1
        end = min((where for where in breaks if where > at), default=len(pieces))
        for window in (pieces[begin:end], pieces):
            scores = self._scores(words_of_pieces(window), facts[0])
            if max(scores.values()):
                return scores[facts[0].id] == max(scores.values())
        return any(piece.fact in facts for piece in pieces)


def _is_in_order(pieces: Sequence[Piece]) -> bool:
    """Whether names stand first, and then a figure of each in the same order: "a trails b, 0.1 against 0.2"."""
    begun = next(at for at, piece in enumerate(pieces) if piece.kind is Kind.FACT)
    names = [piece.of[0] for piece in pieces[:begun] if piece.kind is Kind.NAME]
    later = [piece for piece in pieces[begun:] if piece.kind is Kind.NAME]
    figures = [piece.of for piece in pieces if piece.kind is Kind.FACT]
    return len(names) > 1 and not later and figures == [(name,) for name in names]


def _finished(text: str, names: Mapping[str, str]) -> str:
    """With a capital letter, where no name of an arm stands first, and a full stop."""
    named = any(re.match(rf"{re.escape(arm)}\b", text) for arm in names.values())
    return f"{text if named else text[:1].upper() + text[1:]}."
