"""The decisions of each arm on each symbol in columns: what a list, a strip of days and a comparison of arms need of
every bar, without its words.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from llm_strategy.support.outside_text import spelled_out
from simulator.folder.record import ArmRecord
from simulator.reporting.inspector.numbering import Numbers, steps
from simulator.reporting.inspector.words import Gate, Outcome, failure_in_words, gate_of, outcome_of

NONE = -1
"""The number of what is not there."""


@dataclass(slots=True)
class Series:
    """One arm on one symbol, an entry a decision: ``times`` (milliseconds of UTC), ``closes``, numbers of label,
    action, status, intent and limits that cut in the tables of all, confidence of the action (percent), and numbers of
    outcome and verdict. ``busy`` says whether something changed or happened there."""

    arm: int
    symbol: int
    times: list[int] = field(default_factory=list)
    closes: list[float] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    actions: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    intents: list[int] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    confidences: list[int] = field(default_factory=list)
    outcomes: list[int] = field(default_factory=list)
    gates: list[int] = field(default_factory=list)
    busy: list[bool] = field(default_factory=list)

    def as_dict(self, bar_of: dict[int, int]) -> dict[str, Any]:
        """The columns as JSON types; ``bar_of`` gives the number of a time among those of the symbol."""
        return {
            "arm": self.arm,
            "symbol": self.symbol,
            "at": steps([bar_of[time] for time in self.times]),
            "label": self.labels,
            "action": self.actions,
            "status": self.statuses,
            "intent": self.intents,
            "cut": self.cuts,
            "sure": self.confidences,
        }


class SeriesTables:
    """Takes arms one by one; what several decisions have in common is kept once."""

    def __init__(self) -> None:
        self.symbols: Numbers[str] = Numbers()
        self.labels: Numbers[str] = Numbers()
        self.actions: Numbers[str] = Numbers()
        self.statuses: Numbers[tuple[str, bool]] = Numbers()
        """Status, with the reason of a failure, and whether it is one."""
        self.intents: Numbers[str] = Numbers()
        self.cuts: Numbers[tuple[str, ...]] = Numbers()
        self.outcomes: list[Numbers[Outcome]] = []
        """Of each arm."""
        self.gates: Numbers[Gate] = Numbers()
        self.series: list[Series] = []

    def take(self, arm: ArmRecord, *, labelled: bool) -> None:
        """Take the decisions of an arm; where it is not ``labelled`` it says nothing of the market."""
        number, made = len(self.outcomes), dict[str, Series]()
        outcomes: Numbers[Outcome] = Numbers()
        self.outcomes.append(outcomes)
        for row in arm.decisions:
            symbol = row["snapshot"]["symbol"]
            if symbol not in made:
                made[symbol] = Series(number, self.symbols(symbol))
            self._take(made[symbol], row, outcomes, labelled)
        self.series += made.values()

    def _take(self, series: Series, row: dict[str, Any], outcomes: Numbers[Outcome], labelled: bool) -> None:
        advice, gate, failure = row["advice"], gate_of(row), failure_in_words(row)
        status = f"{row['status']}: {failure.partition(':')[0]}" if failure else str(row["status"])
        now = (
            self.labels(spelled_out(advice["regime"]["label"])) if advice and labelled else NONE,
            self.actions(advice["action"]["type"]) if advice else NONE,
            self.statuses((status, bool(failure))),
        )
        before = (series.labels[-1], series.actions[-1], series.statuses[-1]) if series.labels else None
        series.times.append(milliseconds(row["time"]))
        series.closes.append(row["snapshot"]["close"])
        for column, value in zip((series.labels, series.actions, series.statuses), now, strict=True):
            column.append(value)
        series.intents.append(self.intents(gate.intent))
        series.cuts.append(self.cuts(tuple(dict.fromkeys(limit for limit, _, _ in gate.cuts))))
        series.confidences.append(round(100 * advice["action"]["confidence"]) if advice else NONE)
        series.outcomes.append(outcomes(outcome_of(row)))
        series.gates.append(self.gates(gate))
        series.busy.append(now != before or gate.intent != "none" or bool(failure))

    def mark_partings(self, arms: Iterable[int]) -> None:
        """Let the bars at which these arms do not say the same be busy ones, too."""
        told: dict[tuple[int, int], set[tuple[int, int]]] = defaultdict(set)
        among = [series for series in self.series if series.arm in {*arms}]
        for series in among:
            for time, *said in zip(series.times, series.labels, series.actions, strict=True):
                told[series.symbol, time].add((said[0], said[1]))
        for series in among:
            series.busy = [
                busy or len(told[series.symbol, time]) > 1 for busy, time in zip(series.busy, series.times, strict=True)
            ]

    def of_symbol(self, symbol: int) -> Iterator[Series]:
        """The series of all arms on a symbol."""
        return (series for series in self.series if series.symbol == symbol)


def milliseconds(time: str) -> int:
    """A time of the journal (ISO 8601, UTC) as milliseconds since 1970."""
    return round(datetime.fromisoformat(time).replace(tzinfo=UTC).timestamp() * 1000)
