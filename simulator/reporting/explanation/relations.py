"""The closed list of relations in which facts may be said to stand, and whether their values bear one out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from llm_strategy.support.condition import Quantity, Vocabulary, show_value
from simulator.reporting.facts.fact import NOT_AVAILABLE, Fact, Facts
from simulator.reporting.facts.terms import ARM_TERMS, Unit

NO_QUANTITIES: Vocabulary = MappingProxyType({})
MERIT = {metric: term.better for metric, term in ARM_TERMS.items() if term.better}
"""Metrics of which more is better (+1) or worse (-1); of the others nothing is better or worse."""
ELEVATED = 0.3
"""From the middle of a rank to what is much higher or lower than usual: one value in five is as far on that side."""


class UnbackedError(Exception):
    """Why a claim or a sentence is not shown; never leaves this package."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A relation of the closed list, and the ids of the facts that are said to stand in it, in its order."""

    relation: str
    facts: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.relation} ({', '.join(self.facts)})"


class Known(NamedTuple):
    """What a claim is checked against: the facts that may be cited, all facts, over which a superlative ranges, and
    what is measured, by metric, where a figure may be said to have a direction."""

    cited: Facts
    everything: Facts
    quantities: Vocabulary = NO_QUANTITIES


_KINDS = (
    ("sharpe", r"sharpe|(?:.+\.)?sharpe_(?:mean|lowest|highest)|(?:timing|beyond_rule)\.(?:own|mean)|.+\.sharpe"),
    (
        "sharpe difference",
        r"sharpe_difference|low|high|detectable|worthwhile|worth\.\w+|(?:timing|beyond_rule)\.effect",
    ),
    ("p", r"p|p_value|p_together|.+\.p(?:_trials)?"),
)


def kind_of(metric: str) -> str:
    """What a metric measures: only figures of one kind are compared. Windows and steps, which differ by their number
    alone, are of one kind."""
    for kind, pattern in _KINDS:
        if re.fullmatch(pattern, metric):
            return kind
    return re.sub(r"\d+", "#", metric)


def number_of(fact: Fact) -> float:
    """The value of a fact; raises ``UnbackedError`` where it is none that could be compared."""
    if fact.value == NOT_AVAILABLE:
        raise UnbackedError(f"there is no {fact.label} to tell")
    if isinstance(fact.value, str):
        raise UnbackedError(f"the {fact.label} is not a number")
    return float(fact.value)


def check_claim(claim: Claim, known: Known) -> None:
    """Raise ``UnbackedError`` where the values of the facts do not bear the claim out, or it cannot be checked."""
    relation = RELATIONS.get(claim.relation)
    if relation is None:
        raise UnbackedError(f"{claim.relation!r:.60} is no relation of the list")
    facts = [find_fact(name, known) for name in claim.facts]
    if len(facts) not in relation.counts:
        needed = " or ".join(str(count) for count in relation.counts)
        raise UnbackedError(f"{claim.relation!r} takes {needed} facts, and not {len(facts)}")
    if len(set(claim.facts)) < len(facts):
        raise UnbackedError("it compares a fact with itself")
    if not relation.holds(facts, known):
        raise UnbackedError(f"the facts do not say {claim}")


def find_fact(name: str, known: Known) -> Fact:
    """A fact that may be cited."""
    fact = known.cited.get(name)
    if fact is None:
        raise UnbackedError(f"{name!r:.60} is no fact that may be cited here")
    return fact


def _compared(sign: int, *, by_merit: bool = False) -> Callable[[list[Fact], Known], bool]:
    def holds(facts: list[Fact], known: Known) -> bool:
        return _surpasses(*comparable(*facts), sign, by_merit=by_merit)

    return holds


def comparable(one: Fact, two: Fact) -> tuple[Fact, Fact]:
    """The two facts; raises ``UnbackedError`` where they measure different things, or in different units."""
    for fact in (one, two):
        number_of(fact)
    if one.unit is not two.unit:
        raise UnbackedError(f"{one.unit} and {two.unit} cannot be compared ({one.id}, {two.id})")
    if kind_of(one.metric) != kind_of(two.metric):
        raise UnbackedError(f"{one.id} and {two.id} measure different things")
    return one, two


def _surpasses(one: Fact, two: Fact, sign: int, *, by_merit: bool) -> bool:
    if by_merit:
        if one.metric not in MERIT or one.metric != two.metric:
            raise UnbackedError(f"more {one.metric} is neither better nor worse")
        sign *= MERIT[one.metric]
    return one.text != two.text and (number_of(one) - number_of(two)) * sign > 0


def _extreme(sign: int, *, by_merit: bool = False, sizes: bool = False) -> Callable[[list[Fact], Known], bool]:
    def holds(facts: list[Fact], known: Known) -> bool:
        (fact,) = facts
        number_of(fact)
        alike = [other for other in known.everything.values() if other.metric == fact.metric and other.id != fact.id]
        others = [other for other in alike if "." not in other.subject and not isinstance(other.value, str)]
        if not others:  # a symbol is not among the arms
            raise UnbackedError(f"there is no other {fact.metric} to range over")
        if sizes and min(number_of(each) for each in (fact, *others)) < 0:
            raise UnbackedError(f"the size of a negative {fact.metric} cannot be checked")
        return all(_surpasses(fact, other, sign, by_merit=by_merit) for other in others)

    return holds


def _signed(sign: int) -> Callable[[list[Fact], Known], bool]:
    return lambda facts, known: number_of(facts[0]) * sign > 0


def _equal(facts: list[Fact], known: Known) -> bool:
    one, two = comparable(*facts)
    return one.text == two.text


def _told(facts: list[Fact], known: Known) -> bool:
    return facts[0].value != NOT_AVAILABLE


def _moved(sign: int) -> Callable[[list[Fact], Known], bool]:
    """From the first of two to the second, which comes after it; or one figure that tells a change."""

    def holds(facts: list[Fact], known: Known) -> bool:
        if len(facts) == 1:
            return _points("change", sign)(facts, known)
        one, two = comparable(*facts)
        if one.subject != two.subject or _step(one) is None or (_step(one) or 0) >= (_step(two) or 0):
            raise UnbackedError(f"{two.id} does not come after {one.id}")
        return _surpasses(two, one, sign, by_merit=False)

    return holds


def _step(fact: Fact) -> int | None:
    found = re.search(r"\d+", fact.metric)
    return int(found[0]) if found else None


def _interval(*, holds_zero: bool) -> Callable[[list[Fact], Known], bool]:
    def holds(facts: list[Fact], known: Known) -> bool:
        low, high = facts
        ends = [fact.metric.rpartition("_")[2] for fact in facts]
        same = low.subject == high.subject and low.metric.removesuffix("low") == high.metric.removesuffix("high")
        if ends != ["low", "high"] or not same:
            raise UnbackedError(f"{low.id} and {high.id} are not the two ends of an interval")
        return (number_of(low) <= 0 <= number_of(high)) is holds_zero

    return holds


def _points(direction: str, sign: int, distance: float = 0.0) -> Callable[[list[Fact], Known], bool]:
    """Whether a figure lies on this side of its middle, as far as its text shows."""

    def holds(facts: list[Fact], known: Known) -> bool:
        (fact,) = facts
        quantity: Quantity | None = known.quantities.get(fact.metric)
        if quantity is None or quantity.direction != direction:
            raise UnbackedError(f"the {fact.label} has no such direction")
        if fact.text.lstrip("+-") == show_value(quantity.middle, quantity.unit).lstrip("+-"):
            return False
        beyond = (number_of(fact) - quantity.middle) * sign
        return beyond > 0 and beyond >= distance

    return holds


class Relation(NamedTuple):
    """One of the list: how many facts it takes, whether it holds, and what it means to whoever is asked."""

    counts: tuple[int, ...]
    holds: Callable[[list[Fact], Known], bool]
    meaning: str
    of_quantities: bool = False
    """Whether only a measured figure with a direction can stand in it."""


RELATIONS: Mapping[str, Relation] = MappingProxyType({
    "is": Relation((1,), _told, "the figure is told"),
    "higher than": Relation((2,), _compared(1), "the first is above the second"),
    "lower than": Relation((2,), _compared(-1), "the first is below the second"),
    "better than": Relation((2,), _compared(1, by_merit=True), "the first is better to have"),
    "worse than": Relation((2,), _compared(-1, by_merit=True), "the first is worse to have"),
    "equal to": Relation((2,), _equal, "both read alike"),
    "highest": Relation((1,), _extreme(1), "above that of every other arm"),
    "lowest": Relation((1,), _extreme(-1), "below that of every other arm"),
    "largest": Relation((1,), _extreme(1, sizes=True), "larger than that of every other arm"),
    "smallest": Relation((1,), _extreme(-1, sizes=True), "smaller than that of every other arm"),
    "best": Relation((1,), _extreme(1, by_merit=True), "better than that of every other arm"),
    "worst": Relation((1,), _extreme(-1, by_merit=True), "worse than that of every other arm"),
    "positive": Relation((1,), _signed(1), "above zero"),
    "negative": Relation((1,), _signed(-1), "below zero"),
    "rose": Relation((1, 2), _moved(1), "one figure that tells a rise, or a later one beside an earlier one"),
    "fell": Relation((1, 2), _moved(-1), "one figure that tells a fall, or a later one beside an earlier one"),
    "not distinguishable": Relation((2,), _interval(holds_zero=True), "the two ends of an interval that holds zero"),
    "distinguishable": Relation((2,), _interval(holds_zero=False), "the two ends of an interval without zero"),
    "above its mean": Relation((1,), _points("mean", 1), "a figure beside its mean", True),
    "below its mean": Relation((1,), _points("mean", -1), "a figure beside its mean", True),
    "higher than usual": Relation((1,), _points("rank", 1), "a share of earlier figures that were lower", True),
    "lower than usual": Relation((1,), _points("rank", -1), "a share of earlier figures that were lower", True),
    "much higher than usual": Relation((1,), _points("rank", 1, ELEVATED), "of nearly every earlier figure", True),
    "much lower than usual": Relation((1,), _points("rank", -1, ELEVATED), "of hardly any earlier figure", True),
})  # fmt: skip
"""Every relation that may be claimed, by name."""

CONVERSE = {
    "higher than": "lower than", "lower than": "higher than", "better than": "worse than",
    "worse than": "better than", "equal to": "equal to",
}  # fmt: skip
"""What the second is to the first."""


def is_text(fact: Fact) -> bool:
    """Whether a fact tells words and no figure."""
    return fact.unit is Unit.TEXT
