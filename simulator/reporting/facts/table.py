"""How a figure becomes a fact: its one spelling, its label and its id."""

from __future__ import annotations

import math
import re

from simulator.reporting.facts.fact import Fact, Unit
from simulator.reporting.facts.vocabulary import COUNTED_TERMS, Term

NOT_AVAILABLE = "n/a"
KINDS = 12
"""Kinds that a count by kind names; the rest are counted together as "other"."""

ENDLESS_PERCENT = 1e9
"""From here on a percentage, such as the growth a year of a good week, is told by its power of ten."""

Value = float | int | str | None


def show(value: Value, unit: Unit) -> str:
    """The only spelling of a value: percent with one decimal, ratios and money with two, thousands separated.

    What would be rounded to zero keeps one digit, so that nothing small is shown as nothing.
    """
    if value is None or isinstance(value, str):
        return value or NOT_AVAILABLE
    match unit:
        case Unit.FRACTION:
            percent = 100 * value
            return f"{percent:.1e}%" if abs(percent) >= ENDLESS_PERCENT else f"{_decimal(percent, 1)}%"
        case Unit.RATIO | Unit.CURRENCY:
            return _decimal(value, 2)
        case Unit.SECONDS:
            return f"{_decimal(value, 1 if value >= 10 else 2)} s"
        case _:
            return f"{value:,}"


def _decimal(value: float, places: int) -> str:
    if abs(value) < 1e-9:
        value = 0.0
    if value and round(value, places) == 0:
        places = -math.floor(math.log10(abs(value)))
    return f"{round(value, places) + 0.0:,.{places}f}"


class FactTable:
    """Facts in the making, in the order in which they are added."""

    def __init__(self) -> None:
        self.facts: dict[str, Fact] = {}

    def add(self, subject: str, metric: str, value: Value, unit: Unit, label: str, text: str | None = None) -> None:
        if isinstance(value, float):
            value = float(f"{value:.12g}")  # the last digits differ between processors
        shown = show(value, unit) if text is None else text
        if value is None or value == "":
            value, unit = NOT_AVAILABLE, Unit.TEXT
        identity = f"{subject}.{metric}"
        self.facts[identity] = Fact(identity, subject, metric, value, unit, label, shown)

    def term(self, subject: str, metric: str, term: Term, value: Value) -> None:
        words = term.words if subject == "model" else f"{term.words} of {subject}"
        self.add(subject, metric, value, term.unit, words)

    def counts(self, subject: str, metric: str, counts: dict[str, int]) -> None:
        named: dict[str, int] = {}
        for rank, (kind, count) in enumerate(counts.items()):
            slug = re.sub(r"[^\w.]+", "_", kind.lower()).strip("_")[:40] if rank < KINDS else "other"
            named[slug] = named.get(slug, 0) + count
        for slug, count in named.items():
            label = f"{COUNTED_TERMS[metric]} {slug.replace('.', ' ')} of {subject}"
            self.add(subject, f"{metric}.{slug}", count, Unit.COUNT, label)

    def number(self, identity: str) -> float | None:
        value = self.facts[identity].value
        return None if isinstance(value, str) else value
