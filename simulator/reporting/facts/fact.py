"""A fact: one measured figure with a name, a unit and the only spelling in which a page may show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Unit(StrEnum):
    """What a fact's value counts."""

    FRACTION = "fraction"
    """1.0 for 100 percent; shown as percent."""
    RATIO = "ratio"
    """A pure number, such as a Sharpe ratio; shown with two decimals."""
    COUNT = "count"
    BARS = "bars"
    CURRENCY = "currency"
    SECONDS = "seconds"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Fact:
    """One figure of a report.

    ``id`` is ``subject.metric`` (``llm.sharpe``, ``llm-buy_and_hold.sharpe_difference``, ``run.bars``); ``label`` reads
    in a sentence ("annual Sharpe ratio of llm"); ``text`` is ``value`` as shown everywhere.
    """

    id: str
    subject: str
    metric: str
    value: float | int | str
    unit: Unit
    label: str
    text: str


Facts = Mapping[str, Fact]
"""Facts by id, in the order of the report."""
