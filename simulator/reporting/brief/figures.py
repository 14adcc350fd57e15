"""The figures of a brief: the outputs of analytics at one close, as facts, and what is to be told of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple, Self

from llm_strategy.support.condition import Condition, Quantity, Value, Vocabulary, show_value
from simulator.folder.evidence import round_digits
from simulator.reporting.brief.names import NAMES
from simulator.reporting.explanation.parts import Part
from simulator.reporting.explanation.relations import Known
from simulator.reporting.explanation.wording import Item
from simulator.reporting.facts.fact import NOT_AVAILABLE, Fact, listed_names
from simulator.reporting.facts.terms import Unit

SUBJECT = "market"
"""Of what the sentences of a brief speak: which symbol it is stands beside them, and a masked model never reads it."""
LINE = "market"
"""The analytic that tells the features of the market's line; every brief has its figures."""
_UNITS = {"days": Unit.COUNT, "word": Unit.TEXT}
_DIRECTIONS = {
    "change": ("falling", "rising"),
    "mean": ("below its mean", "above its mean"),
    "rank": ("lower than usual", "higher than usual"),
}
"""How the program tells what lies below and above the middle."""
_LONGEST_NAME = 60
_NO_NAME = re.compile(
    r"[,:;()]|^(of|from|where|how|what|which|whether|as|part|if)\b|\b(same|its|that|these|them|it|this|if|minus|behind|each)\b"
)
"""What a description has that is no name by itself: it explains, or refers to the one before."""
ADVERSE = (
    "market.drawdown < -0.1",
    "market.volatility_rank > 0.8",
    "market.momentum < -0.1",
    "market.trend < -0.1",
    "drawdown_anatomy.depth < -0.1",
    "drawdown_anatomy.deepest < -0.2",
    "returns_by_horizon.bars_20 < -0.1",
    "returns_by_horizon.bars_60 < -0.15",
    "returns_by_horizon.bars_250 < -0.2",
    "moving_averages.from_200 < -0.1",
    "extremes.from_high_20 < -0.1",
    "volatility_cone.rank_20 > 0.8",
    "true_range.rank > 0.8",
    "tails.worst < -0.05",
    "liquidity.impact_rank > 0.8",
    "calendar.days_since_bar > 5",
)
"""What a reader must not miss, in the words of conditions: a deep fall, a restless market, or one that was closed."""


class Figure(NamedTuple):
    """One output of an analytic at a close: its value, None where there is none, and what is measured."""

    analytic: str
    output: str
    value: Value
    quantity: Quantity

    @property
    def field(self) -> str:
        """Its name in conditions."""
        return f"{self.analytic}.{self.output}"

    @property
    def id(self) -> str:
        """The id of its fact."""
        return f"model.brief.{self.field}"

    @property
    def text(self) -> str:
        """Its only spelling."""
        return show_value(self.value, self.quantity.unit) or NOT_AVAILABLE

    @property
    def name(self) -> str:
        """What it is called in a sentence: by ``NAMES``, its description where that is short and plain, or its own
        name."""
        if self.field in NAMES:
            return NAMES[self.field]
        said = self.quantity.description
        if len(said) <= _LONGEST_NAME and not _NO_NAME.search(said):
            return said
        words = self.output if self.analytic == LINE else f"{self.analytic} {self.output}"
        return words.replace("_", " ")

    @property
    def direction(self) -> str:
        """What its sign says; empty where that is nothing, or where it shows as the middle."""
        quantity = self.quantity
        if not quantity.direction or not isinstance(self.value, float):
            return ""
        if self.text.lstrip("+-") == show_value(quantity.middle, quantity.unit).lstrip("+-"):
            return ""
        return _DIRECTIONS[quantity.direction][self.value > quantity.middle]

    @property
    def fact(self) -> Fact:
        """It as a fact of a page."""
        known = self.value is not None
        unit = Unit(_UNITS.get(self.quantity.unit, self.quantity.unit)) if known else Unit.TEXT
        value = round_digits(self.value) if isinstance(self.value, float) else self.value
        label = f"{SUBJECT}'s {self.name}"
        return Fact(self.id, SUBJECT, self.field, NOT_AVAILABLE if value is None else value, unit, label, self.text)

    def as_dict(self) -> dict[str, Any]:
        """It as plain data."""
        unit, description, words, direction = self.quantity
        told = {"analytic": self.analytic, "output": self.output, "value": self.value, "text": self.text}
        more = {"words": list(words)} if words else {}
        return told | {"unit": unit, "description": description, "direction": direction} | more

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """What ``as_dict`` gave."""
        quantity = Quantity(row["unit"], str(row["description"]), tuple(row.get("words", ())), row["direction"])
        value = row["value"]
        if not (value is None or (isinstance(value, (str, float)) and not isinstance(value, bool))):
            raise ValueError(f"{value!r:.40} is no value")
        return cls(str(row["analytic"]), str(row["output"]), value, quantity)


def facts_of(figures: Iterable[Figure]) -> dict[str, Fact]:
    """The figures as facts by id, in their order."""
    return {figure.id: figure.fact for figure in figures}


def quantities_of(figures: Iterable[Figure]) -> Vocabulary:
    """What is measured, by the metric of its fact."""
    return {figure.field: figure.quantity for figure in figures}


def parts_of(figures: Sequence[Figure]) -> list[Part]:
    """A part of a brief for each analytic, in the order of the figures."""
    facts, quantities = facts_of(figures), quantities_of(figures)
    ready = []
    for analytic, group in groupby(figures, key=lambda figure: figure.analytic):
        own = list(group)
        items = tuple(sorted(_items(own), key=lambda item: not item.adverse))
        cited = {figure.id: facts[figure.id] for figure in own if figure.value is not None}
        name = "The market's line" if analytic == LINE else analytic.replace("_", " ").capitalize()
        known = Known(cited, facts, quantities)
        ready.append(Part(name, "", known, items, SUBJECT, {"market": SUBJECT, "the market": SUBJECT}))
    return ready


def _items(figures: Sequence[Figure]) -> Iterator[Item]:
    for figure in figures:
        if figure.value is not None:
            direction = f", {figure.direction}" if figure.direction else ""
            template = f"The {figure.fact.label} is {{{figure.id}}}{direction}."
            yield Item((figure.id,), template=template, adverse=is_adverse(figure))
    if missing := [figure for figure in figures if figure.value is None]:
        names = listed_names([figure.name for figure in missing])
        yield Item((), template=f"Not known at this close: {names}.", adverse=True)


def is_adverse(figure: Figure) -> bool:
    """Whether a reader must not miss the figure."""
    quantities = {figure.field: figure.quantity}
    own = (text for text in ADVERSE if text.partition(" ")[0] == figure.field)
    return any(Condition.parse(text, quantities, "a brief").holds(figure.value) for text in own)
