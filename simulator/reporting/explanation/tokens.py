"""From a sentence to tokens, through a lexicon made from the facts that the sentence may use."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import zip_longest

from simulator.reporting.explanation import words
from simulator.reporting.facts.fact import Fact, Facts

INTERVAL = "interval"
"""The metric of a sentence that speaks of an interval as a whole; its facts are the two bounds."""

_NEUTRAL = re.compile(r"'s\b|[\s\"')\]:=]|(?<! is | of | at )(?<! was )[(\[]")
"""Signs that claim nothing; a number alone in brackets ("is (0.42)") does, bookkeepers write a minus so."""


class UnbackedError(Exception):
    """Why a sentence is not shown; never leaves this package."""


class Kind(StrEnum):
    """What a token of a sentence is."""

    SUBJECT = "subject"
    SUBJECTS = "subjects"
    """Two arms in one breath: "a and b"."""
    METRIC = "metric"
    NUMBER = "number"
    """The shown text of a fact."""
    NUMBERS = "numbers"
    """Two of them: the figures of two arms, or the ends of an interval."""
    COMPARATIVE = "comparative"
    EQUAL = "equal"
    SUPERLATIVE = "superlative"
    AMONG = "among"
    """What a superlative ranges over."""
    SIGN = "sign"
    ZERO = "zero"
    """Whether an interval holds zero."""
    LINK = "link"
    """Leads to the other side of a comparison."""
    BREAK = "break"
    """Begins another clause."""


@dataclass(frozen=True, slots=True)
class Token:
    """One meaningful piece of a sentence.

    ``value`` is the subject, metric or text, or the word that a table of ``words`` explains; ``other`` is the second
    one of a pair. ``after`` holds the neutral words between the token before and this one. ``headed`` is the
    superlative with which a metric's name begins, as in "largest drawdown".
    """

    kind: Kind
    value: str
    other: str = ""
    after: str = ""
    headed: str = ""

    @property
    def bound(self) -> bool:
        """Whether the token hangs on the one before: "0.42 of b", "0.42 for b"."""
        return re.fullmatch(r"(?:of|for|between|that of|those of)(?: the)?(?: arm)?", self.after) is not None


def spelled(text: str) -> str:
    """A text in the one spelling that is compared: lower case, single spaces, spaces for underscores, plain minus."""
    text = text.translate({0x2212: "-", 0x2019: "'", 0xA0: " ", 0x202F: " ", 0x5F: " "}).lower()
    text = re.sub(r"(?<=\d) ?(?:%|percent\b)", "%", text)
    # A dash before a number reads like a minus, so it stays and is refused.
    return re.sub(r"\s+", " ", re.sub(r"\s[-\u2013\u2014]\s(?!\W*\d)", ", ", text)).strip()


class Lexicon:
    """Every phrase that a sentence about these facts may use."""

    def __init__(self, topic: Facts) -> None:
        self._phrases: dict[str, tuple[Token, ...]] = {}
        self._add_words()
        for fact in topic.values():
            if _in_label(fact):
                self._add_subject(fact.subject)
        for metric, names in words.METRICS.items():
            if any(fact.metric == metric for fact in topic.values()):
                for name in names:
                    self._add_metric(name, metric)
        labels = Counter(spelled(fact.label) for fact in topic.values())
        for fact in topic.values():
            self._phrases.setdefault(spelled(fact.text), (Token(Kind.NUMBER, spelled(fact.text)),))
        for fact in topic.values():
            if labels[spelled(fact.label)] == 1:
                self._add_label(fact)
        longest_first = sorted(self._phrases, key=lambda phrase: (-len(phrase), phrase))
        self._phrase = re.compile(
            r"(?<![\w.,%+-])(?:" + "|".join(map(re.escape, longest_first)) + r")(?![\w%+-]|[.,]\d)"
        )

    def tokens(self, sentence: str) -> list[Token]:
        """The sentence as tokens; ``UnbackedError`` names the first word or number that no table holds."""
        text, found, after, at = spelled(sentence).removesuffix("."), list[Token](), "", 0
        while at < len(text):
            if neutral := _NEUTRAL.match(text, at):
                after, at = f"{after} {neutral[0].strip()}".strip(), neutral.end()
            elif text[at] in ",;":
                found.append(Token(Kind.BREAK, text[at]))
                after, at = "", at + 1
            elif phrase := self._phrase.match(text, at):
                tokens = self._phrases[phrase[0]]
                if tokens:
                    found += (replace(tokens[0], after=after), *tokens[1:])
                after, at = "" if tokens else f"{after} {phrase[0]}".strip(), phrase.end()
            else:
                raise UnbackedError(_unknown(text, at))
        return list(_with_superlatives(found))

    def _add_words(self) -> None:
        for phrase in words.PLAIN:
            self._phrases[phrase] = ()
        for kind, phrases in (
            (Kind.COMPARATIVE, words.COMPARATIVES),
            (Kind.SUPERLATIVE, words.SUPERLATIVES),
            (Kind.AMONG, words.AMONG),
            (Kind.EQUAL, words.EQUALS),
            (Kind.SIGN, words.SIGNS),
            (Kind.ZERO, words.ZERO),
            (Kind.LINK, words.LINKS),
            (Kind.BREAK, (*words.BREAKS, *words.REFERRING)),
        ):
            for phrase in phrases:
                self._phrases[phrase] = (Token(kind, phrase),)
        for phrase in words.INTERVAL:
            self._phrases[phrase] = (Token(Kind.METRIC, INTERVAL),)

    def _add_subject(self, subject: str) -> None:
        for name in (subject, subject.replace("_", "-")):
            self._phrases[spelled(name)] = (Token(Kind.SUBJECT, subject),)

    def _add_metric(self, name: str, metric: str) -> None:
        first = name.split(" ")[0]
        token = Token(Kind.METRIC, metric, headed=first if first in words.SUPERLATIVES else "")
        for phrase in (name, f"{name}s"):
            self._phrases[phrase] = (token,)

    def _add_label(self, fact: Fact) -> None:
        label = spelled(fact.label)
        whole = (Token(Kind.METRIC, fact.metric), Token(Kind.SUBJECT, fact.subject))
        self._phrases[label] = self._phrases[spelled(fact.id)] = whole
        if _in_label(fact) and "-" not in fact.subject:
            before = label.split(spelled(fact.subject))[0]
            if name := re.sub(r"[ ,]+(of|for|by)[ ,]*$", "", before).strip():
                self._add_metric(name, fact.metric)


def _in_label(fact: Fact) -> bool:
    """Whether the fact's subject goes by its name in sentences, as arms and pairs of arms do."""
    return all(re.search(rf"\b{re.escape(name)}\b", fact.label) for name in fact.subject.split("-"))


def _unknown(text: str, at: int) -> str:
    piece = re.compile(r"[\w'.%+-]*[\w%]|\S").match(text, at)
    word = piece[0] if piece else text[at]
    if any(char.isnumeric() for char in word):
        return f"the number {word!r} is no fact of this topic"
    for fault, refused in words.REFUSED.items():
        if word in refused:
            return f"{word!r} {fault}"
    return f"{word!r} claims something that no fact backs"


def _with_superlatives(tokens: list[Token]) -> Iterator[Token]:
    """ "The largest drawdown of b" names a metric; "llm has the largest drawdown" also ranks."""
    for token, following in zip_longest(tokens, tokens[1:]):
        named = following is not None and following.kind in (Kind.SUBJECT, Kind.SUBJECTS) and following.bound
        if token.headed and not named and token.after.split(" ")[-1] not in ("a", "'s"):
            yield Token(Kind.SUPERLATIVE, token.headed)
        yield token


Tokens = Sequence[Token]

NUMBERS = (Kind.NUMBER, Kind.NUMBERS)
NAMES = (Kind.SUBJECT, Kind.SUBJECTS)
OPERATORS = (Kind.COMPARATIVE, Kind.EQUAL, Kind.SUPERLATIVE, Kind.SIGN, Kind.ZERO)


def clauses(tokens: Tokens) -> list[list[Token]]:
    """The clauses of a sentence; each but the first keeps the last of the breaks that open it."""
    cut: list[list[Token]] = [[]]
    for token in _paired(tokens):
        if token.kind is not Kind.BREAK:
            cut[-1].append(token)
        elif cut[-1] and cut[-1][-1].kind is Kind.BREAK:
            cut[-1][-1] = token
        else:
            cut.append([token])
    return [clause for clause in cut if any(token.kind is not Kind.BREAK for token in clause)]


def _paired(tokens: Tokens) -> list[Token]:
    """ "a and b" becomes one token: two names wherever they stand, two numbers beside two names or an interval."""
    named = _merged(tokens, Kind.SUBJECT, Kind.SUBJECTS, ("and",))
    if any(token.kind in (Kind.SUBJECTS, Kind.ZERO) or token.value == INTERVAL for token in named):
        return _merged(named, Kind.NUMBER, Kind.NUMBERS, ("and", ",", ""))
    return named


def _merged(tokens: Tokens, single: Kind, double: Kind, joints: tuple[str, ...]) -> list[Token]:
    merged: list[Token] = []
    for token in tokens:
        joint = merged[-1].value if merged and merged[-1].kind is Kind.BREAK else ""
        before = merged[:-1] if joint else merged
        if token.kind is single and joint in joints and before and before[-1].kind is single:
            first = before[-1]
            merged = [*before[:-1], Token(double, first.value, token.value, first.after)]
        else:
            merged.append(token)
    return merged


def of(tokens: Tokens, *kinds: Kind) -> list[Token]:
    """The tokens of these kinds, in order."""
    return [token for token in tokens if token.kind in kinds]


def allow(tokens: Tokens, **counts: int) -> None:
    """Refuse a token of a kind that is not named here, or one too many of its kind."""
    for token in tokens:
        if len(of(tokens, token.kind)) > counts.get(token.kind.value, 0):
            raise UnbackedError(f"{token.value!r} stands where it cannot be checked")


def check_owner(side: Tokens) -> None:
    """A name behind a number owns it only where it says so: "0.42 of b"."""
    kinds = [token.kind for token in side]
    numbers = [at for at, kind in enumerate(kinds) if kind in NUMBERS]
    names = [at for at, kind in enumerate(kinds) if kind is Kind.SUBJECT]
    if numbers and names and names[0] > numbers[0] and not side[names[0]].bound:
        raise UnbackedError(f"it is not plain whose figure {side[numbers[0]].value!r} is")


def sides(clause: Tokens) -> list[list[Token]]:
    """The clause cut at its links; the first side may be empty ("compared to b")."""
    cut: list[list[Token]] = [[]]
    for token in clause:
        if token.kind is Kind.LINK:
            cut.append([])
        else:
            cut[-1].append(token)
    return cut


def around_link(right: list[Token]) -> tuple[list[Token], list[Token]]:
    """What stands between a comparative and the link, and what stands behind the link; without one, from the name."""
    cut = sides(right)
    if len(cut) > 2:
        raise UnbackedError("it compares more than two sides")
    if len(cut) == 2:
        return cut[0], cut[1]
    name = next((at for at, token in enumerate(right) if token.kind is Kind.SUBJECT), len(right))
    return right[:name], right[name:]
