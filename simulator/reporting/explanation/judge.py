"""Whether a sentence about results is backed by facts, wholly; what cannot be read in one way only is refused."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.reporting.explanation import words
from simulator.reporting.explanation.fact_check import FactCheck
from simulator.reporting.explanation.tokens import (
    INTERVAL,
    NAMES,
    NUMBERS,
    OPERATORS,
    Kind,
    Lexicon,
    Token,
    Tokens,
    UnbackedError,
    allow,
    around_link,
    check_owner,
    clauses,
    of,
    sides,
)
from simulator.reporting.facts.fact import Facts

LONGEST_SENTENCE = 1_000
"""Characters; a longer sentence is refused unread, since reading takes time with the square of its clauses."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """``facts`` are the ids that back an accepted sentence; ``refusal`` says why another one is not shown."""

    facts: tuple[str, ...] = ()
    refusal: str = ""

    @property
    def accepted(self) -> bool:
        """Whether the sentence may be shown."""
        return not self.refusal


class Judge:
    """Judges sentences on one topic.

    A sentence may tell the facts of ``topic`` only, each number in the fact's own spelling and with the right subject
    and metric; superlatives range over ``everything``. Each word must be known: causes, forecasts, advice, praise,
    denials and spelled numbers have no fact behind them.
    """

    def __init__(self, topic: Facts, everything: Facts) -> None:
        self._topic, self._everything = topic, everything
        self._lexicon = Lexicon(topic)

    def judge(self, sentence: str) -> Judgement:
        """Accept the sentence with the facts that it tells, or refuse it with the reason."""
        if len(sentence) > LONGEST_SENTENCE:
            return Judgement(refusal="it is too long to be checked")
        facts = FactCheck(self._topic, self._everything)
        try:
            SentenceReader(facts).read(self._lexicon.tokens(sentence))
        except UnbackedError as problem:
            return Judgement(refusal=str(problem))
        return Judgement(tuple(facts.backing))


class SentenceReader:
    """One sentence, clause after clause; what a clause leaves unsaid it takes from the clause before."""

    def __init__(self, facts: FactCheck) -> None:
        self._facts = facts
        self._subject = self._metric = self._reference = ""
        self._latest = ""
        """The arm that was named last; where it is not the subject, "which" and a bare number could mean either."""
        self._owed: set[str] = set()
        """What was named and not yet spoken of."""

    def read(self, tokens: Tokens) -> None:
        """Check every claim; raises ``UnbackedError``."""
        for clause in clauses(tokens):
            self._clause(clause)
        if not self._facts.backing:
            raise UnbackedError("it tells no fact")
        if self._owed:
            raise UnbackedError(f"nothing checkable is said of its {' and '.join(sorted(self._owed))}")

    def _clause(self, clause: list[Token]) -> None:
        if clause[0].kind is Kind.BREAK:
            opening, clause = clause[0].value, clause[1:]
            if opening in words.REFERRING and self._latest != self._subject and not of(clause, *NAMES):
                raise UnbackedError(f"it is not plain what {opening!r} refers to")
        clause = self._with_pairs(clause)
        operators = of(clause, *OPERATORS)
        if len(operators) > 1:
            raise UnbackedError(f"{operators[0].value!r} and {operators[1].value!r} in one clause cannot be told apart")
        if of(clause, Kind.AMONG) and not of(clause, Kind.SUPERLATIVE):
            raise UnbackedError("it speaks of all arms at once")
        if not operators:
            self._read_values(clause)
        elif operators[0].kind in (Kind.COMPARATIVE, Kind.EQUAL):
            self._read_comparison(clause, operators[0])
        else:
            self._read_judgement([token for token in clause if token.kind is not Kind.AMONG], operators[0])

    def _read_values(self, clause: list[Token]) -> None:
        for position, side in enumerate(sides(clause)):
            kinds = {token.kind for token in side}
            if position and kinds == {Kind.SUBJECT} and len(side) == 1:
                self._reference = self._latest = side[0].value
                self._owed.add("reference")
            elif position and Kind.SUBJECT not in kinds:
                raise UnbackedError("one side of the comparison has no name")
            elif not position and kinds <= {Kind.SUBJECT, Kind.METRIC} and len(side) == len(kinds):
                self._begin(side)
            elif Kind.SUBJECTS in kinds:
                allow(side, subjects=1, metric=1, numbers=1)
                self._read_two_values(side)
            else:
                self._read_value(side)

    def _begin(self, side: Tokens) -> None:
        """A clause that only names something, of which a later clause tells the figure."""
        for token in side:
            if token.kind.value in self._owed:
                raise UnbackedError(f"nothing checkable is said of its first {token.kind}")
            self._owed.add(token.kind.value)
        self._take_names(side)

    def _read_value(self, side: Tokens) -> None:
        allow(side, subject=1, metric=1, number=1, numbers=1)
        numbers = of(side, *NUMBERS)
        if len(numbers) != 1:
            raise UnbackedError("it names what it tells no figure of" if not numbers else "it mixes its numbers")
        if len(side) == 1 and self._latest != self._subject:
            raise UnbackedError(f"it is not plain whose figure {numbers[0].value!r} is")
        check_owner(side)
        self._facts.check_number(*self._spoken_of(side), numbers[0])

    def _read_two_values(self, side: Tokens) -> None:
        names, numbers = of(side, Kind.SUBJECTS), of(side, Kind.NUMBERS)
        if not numbers:
            raise UnbackedError("it tells no figure of each of the two")
        _, metric = self._spoken_of(of(side, Kind.METRIC), subject=names[0].value)
        for subject, text in ((names[0].value, numbers[0].value), (names[0].other, numbers[0].other)):
            self._facts.check_number(subject, metric, Token(Kind.NUMBER, text))
        self._latest = names[0].other

    def _read_comparison(self, clause: list[Token], operator: Token) -> None:
        at = clause.index(operator)
        left, right = clause[:at], clause[at + 1 :]
        if of(left, Kind.SUBJECTS):
            self._read_equality([*left, *right], operator)
            return
        if (left and left[-1].kind is Kind.NUMBER and not operator.after) or (right and right[0].kind is Kind.NUMBER):
            raise UnbackedError(f"it is not plain what {operator.value!r} does with the number beside it")
        middle, other = around_link(right)
        allow(left, subject=1, metric=1, number=1)
        allow(middle, metric=1, number=1)
        allow(other, subject=1, metric=1, number=1)
        allow([*left, *middle], subject=1, metric=1, number=1)
        allow([*left, *middle, *other], subject=2, metric=1, number=2)
        check_owner(left)
        check_owner(other)
        metrics = of([*left, *middle, *other], Kind.METRIC)
        first, metric = self._spoken_of([*of(left, Kind.SUBJECT), *metrics])
        second = self._other_side(operator, other)
        self._facts.check_relation(first, second, metric, operator)
        for subject, side in ((first, [*left, *middle]), (second, other)):
            for number in of(side, Kind.NUMBER):
                self._facts.check_number(subject, metric, number)

    def _read_equality(self, clause: Tokens, operator: Token) -> None:
        rest = [token for token in clause if token is not operator]
        allow(rest, subjects=1, metric=1)
        if operator.kind is not Kind.EQUAL:
            raise UnbackedError(f"{operator.value!r} is said of two arms at once")
        names = of(rest, Kind.SUBJECTS)[0]
        _, metric = self._spoken_of(of(rest, Kind.METRIC), subject=names.value)
        self._latest = names.other
        self._facts.check_relation(names.value, names.other, metric, operator)

    def _other_side(self, operator: Token, other: Tokens) -> str:
        if names := of(other, Kind.SUBJECT):
            self._latest = names[0].value
            return self._latest
        if other or not self._reference:
            raise UnbackedError(f"{operator.value!r} is compared with nothing that has a name")
        self._owed.discard("reference")
        return self._reference

    def _read_judgement(self, clause: list[Token], operator: Token) -> None:
        allow(clause, subject=1, metric=1, number=1, numbers=1, **{operator.kind.value: 1})
        check_owner(clause)
        if operator.kind is Kind.ZERO and not of(clause, Kind.METRIC) and self._metric not in words.OF_INTERVALS:
            self._metric = INTERVAL
        subject, metric = self._spoken_of(clause)
        self._facts.check_judgement(subject, metric, operator)
        for number in of(clause, *NUMBERS):
            self._facts.check_number(subject, metric, number)

    def _spoken_of(self, tokens: Tokens, subject: str = "") -> tuple[str, str]:
        """Subject and metric of a claim: the clause's own, else the ones before, else the only possible one."""
        for kind in (Kind.SUBJECT, Kind.METRIC):
            if kind.value in self._owed and of(tokens, kind):
                raise UnbackedError(f"nothing checkable is said of its first {kind}")
            self._owed.discard(kind.value)
        self._take_names(tokens)
        if not self._metric:
            raise UnbackedError("it names no metric")
        if not (subject or self._subject):
            self._subject = self._latest = self._facts.only_subject(self._metric)
        self._subject = subject or self._subject
        return self._subject, self._metric

    def _take_names(self, tokens: Tokens) -> None:
        for token in of(tokens, Kind.SUBJECT):
            self._subject = self._latest = token.value
        for token in of(tokens, Kind.METRIC):
            self._metric = token.value

    def _with_pairs(self, clause: list[Token]) -> list[Token]:
        """Two arms that stand against each other become one subject where the metric is that of a pair."""
        metrics = [token.value for token in of(clause, Kind.METRIC)] or [self._metric]
        if not self._facts.of_pairs(metrics[0]) and not of(clause, Kind.ZERO):
            return clause
        for at, token in enumerate(clause):
            width, second = 1, token.other if token.kind is Kind.SUBJECTS else ""
            if [other.kind for other in clause[at : at + 3]] == [Kind.SUBJECT, Kind.LINK, Kind.SUBJECT]:
                width, second = 3, clause[at + 2].value
            if second:
                pair = Token(Kind.SUBJECT, f"{token.value}-{second}", after=token.after)
                return [*clause[:at], pair, *clause[at + width :]]
        return clause
