"""The facts of a topic, and whether they bear out a single claim."""

from __future__ import annotations

from simulator.evaluation.metrics import MERIT
from simulator.reporting.explanation.grounding import words
from simulator.reporting.explanation.grounding.tokens import INTERVAL, Kind, Token, UnbackedError, spelled
from simulator.reporting.facts.fact import Fact, Facts
from simulator.reporting.facts.table import NOT_AVAILABLE


class FactCheck:
    """Checks claims; ``told`` are the ids of the facts that bore them out, in order.

    ``topic`` are the facts that a sentence may tell, ``everything`` those that a superlative ranges over. Every check
    raises ``UnbackedError`` where the facts say otherwise or nothing.
    """

    def __init__(self, topic: Facts, everything: Facts) -> None:
        self.told: dict[str, None] = {}
        self._topic = {(fact.subject, fact.metric): fact for fact in topic.values()}
        self._everything = everything

    def only_subject(self, metric: str) -> str:
        """The subject of the one fact of this metric."""
        holders = [holder for holder, known in self._topic if known == _bound(metric)]
        if len(holders) != 1:
            raise UnbackedError(f"it does not say whose {metric} it means")
        return holders[0]

    def of_pairs(self, metric: str) -> bool:
        """Whether the metric belongs to two arms together."""
        return any("-" in holder and known == _bound(metric) for holder, known in self._topic)

    def check_number(self, subject: str, metric: str, number: Token) -> None:
        """That the number is the fact's own text; for an interval, that both ends are."""
        if number.kind is Kind.NUMBERS:
            if metric not in (INTERVAL, words.DIFFERENCE):
                raise UnbackedError(f"{number.value!r} and {number.other!r} stand where one number belongs")
            for bound, text in zip(words.BOUNDS, (number.value, number.other), strict=True):
                self.check_number(subject, bound, Token(Kind.NUMBER, text))
            return
        fact = self._fact(subject, metric)
        if fact.value == NOT_AVAILABLE:
            raise UnbackedError(f"there is no {metric} of {subject} to tell")
        if spelled(fact.text) != number.value:
            raise UnbackedError(f"{number.value!r} is not the {metric} of {subject}, which is {fact.text!r}")

    def check_relation(self, first: str, second: str, metric: str, operator: Token) -> None:
        """That the first compares with the second as the comparative, or the word for equality, says."""
        if first == second:
            raise UnbackedError(f"it compares {first} with itself")
        one, two = self._fact(first, metric), self._fact(second, metric)
        if operator.kind is Kind.EQUAL:
            if one.text != two.text:
                raise UnbackedError(f"the {metric} of {first} and {second} is not {operator.value}")
        elif not _surpasses(one, two, *words.COMPARATIVES[operator.value]):
            raise UnbackedError(f"the {metric} of {first} is not {operator.value} against {second}")

    def check_judgement(self, subject: str, metric: str, operator: Token) -> None:
        """That a superlative, a sign or the place of zero is right."""
        if operator.kind is Kind.ZERO:
            self._check_zero(subject, metric, words.ZERO[operator.value])
            return
        fact = self._fact(subject, metric)
        if operator.kind is Kind.SIGN:
            if _number(fact) * words.SIGNS[operator.value] <= 0:
                raise UnbackedError(f"the {metric} of {subject} is not {operator.value}")
            return
        alike = [other for other in self._everything.values() if other.metric == metric and other.id != fact.id]
        others = [other for other in alike if "." not in other.subject]  # a symbol is not among the arms
        if not others:
            raise UnbackedError(f"{operator.value!r} has nothing to range over")
        if not all(_surpasses(fact, other, *words.SUPERLATIVES[operator.value]) for other in others):
            raise UnbackedError(f"the {metric} of {subject} is not the {operator.value}")

    def _check_zero(self, subject: str, metric: str, inside: bool) -> None:
        if metric not in words.OF_INTERVALS and metric != INTERVAL:
            raise UnbackedError(f"the {metric} of {subject} is no interval")
        low, high = (_number(self._fact(subject, bound)) for bound in words.BOUNDS)
        if (low <= 0 <= high) is not inside:
            raise UnbackedError(f"zero lies {'outside' if inside else 'inside'} the interval of {subject}")

    def _fact(self, subject: str, metric: str) -> Fact:
        if metric == INTERVAL:
            raise UnbackedError("an interval has two ends")
        fact = self._topic.get((subject, metric))
        if fact is None:
            raise UnbackedError(f"no fact of this topic tells the {metric} of {subject}")
        self.told[fact.id] = None
        return fact


def _bound(metric: str) -> str:
    return words.BOUNDS[0] if metric == INTERVAL else metric


def _number(fact: Fact) -> float:
    if isinstance(fact.value, str):
        raise UnbackedError(f"the {fact.metric} of {fact.subject} is not a number")
    return float(fact.value)


def _surpasses(one: Fact, two: Fact, scale: words.Scale, sign: int) -> bool:
    first, second = _number(one), _number(two)
    if one.text == two.text:
        return False
    if scale is words.Scale.MERIT:
        if one.metric not in MERIT:
            raise UnbackedError(f"more {one.metric} is neither better nor worse")
        sign *= MERIT[one.metric]
    elif scale is words.Scale.SIZE and min(first, second) < 0:
        raise UnbackedError(f"the size of a negative {one.metric} cannot be checked")
    return (first - second) * sign > 0
