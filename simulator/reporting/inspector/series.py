"""The decisions of each arm on each symbol in columns: what a list, a strip of days and a comparison of arms need of
every bar, without its words.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from llm_strategy.support.outside_text import spelled_out
from simulator.folder.journal_lines import Common
from simulator.folder.record import ArmRecord
from simulator.reporting.inspector.numbering import Numbers, steps
from simulator.reporting.inspector.words import Gate, Outcome, Row, failure_in_words, gate_of, outcome_of

NONE = -1
"""The number of what is not there."""
_MOST_STATEMENTS, _MOST_TIMES = 4_096, 16_384


class Statement(NamedTuple):
    """What a decision says, in numbers of the tables of all: label, action, status, intent, limits that cut, confidence
    of the action (percent), outcome and verdict; and whether the gate did something, or the advisor failed."""

    label: int
    action: int
    status: int
    intent: int
    cut: int
    confidence: int
    outcome: int
    gate: int
    eventful: bool


@dataclass(slots=True)
class Series:
    """One arm on one symbol, an entry a decision: ``times`` (milliseconds of UTC), ``closes`` and what was said.
    ``busy`` says whether something changed or happened there."""

    arm: int
    symbol: int
    times: list[int] = field(default_factory=list)
    closes: list[float] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    busy: list[bool] = field(default_factory=list)

    def take(self, time: int, close: float, statement: Statement) -> None:
        """Take one more decision."""
        before = self.statements[-1] if self.statements else None
        differs = before is None or (before is not statement and before[:3] != statement[:3])
        self.times.append(time)
        self.closes.append(close)
        self.statements.append(statement)
        self.busy.append(differs or statement.eventful)

    def as_dict(self, bar_of: dict[int, int]) -> dict[str, Any]:
        """The columns as JSON types; ``bar_of`` gives the number of a time among those of the symbol."""
        return {
            "arm": self.arm,
            "symbol": self.symbol,
            "at": steps([bar_of[time] for time in self.times]),
            "label": [one.label for one in self.statements],
            "action": [one.action for one in self.statements],
            "status": [one.status for one in self.statements],
            "intent": [one.intent for one in self.statements],
            "cut": [one.cut for one in self.statements],
            "sure": [one.confidence for one in self.statements],
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
        self._times = lru_cache(_MOST_TIMES)(milliseconds)

    def take(self, arm: ArmRecord, *, labelled: bool) -> None:
        """Take the decisions of an arm; where it is not ``labelled`` it says nothing of the market."""
        number, made = len(self.outcomes), dict[str, Series]()
        outcomes: Numbers[Outcome] = Numbers()
        self.outcomes.append(outcomes)
        said: dict[Common, Statement] = {}
        for line in arm.decisions.lines():
            if (series := made.get(line.market.symbol)) is None:
                series = made[line.market.symbol] = Series(number, self.symbols(line.market.symbol))
            if (statement := said.get(line.common)) is None:
                if len(said) >= _MOST_STATEMENTS:
                    said.clear()
                statement = said[line.common] = self._statement(line.common.row, outcomes, labelled)
            series.take(self._times(line.time), line.market.close, statement)
        self.series += made.values()

    def _statement(self, row: Row, outcomes: Numbers[Outcome], labelled: bool) -> Statement:
        advice, gate, failure = row["advice"], gate_of(row), failure_in_words(row)
        status = f"{row['status']}: {failure.partition(':')[0]}" if failure else str(row["status"])
        return Statement(
            label=self.labels(spelled_out(advice["regime"]["label"])) if advice and labelled else NONE,
            action=self.actions(advice["action"]["type"]) if advice else NONE,
            status=self.statuses((status, bool(failure))),
            intent=self.intents(gate.intent),
            cut=self.cuts(tuple(dict.fromkeys(limit for limit, _, _ in gate.cuts))),
            confidence=round(100 * advice["action"]["confidence"]) if advice else NONE,
            outcome=outcomes(outcome_of(row)),
            gate=self.gates(gate),
            eventful=gate.intent != "none" or bool(failure),
        )

    def mark_partings(self, arms: Iterable[int]) -> None:
        """Let the bars at which these arms do not say the same be busy ones, too."""
        told: dict[tuple[int, int], set[tuple[object, ...]]] = defaultdict(set)
        among = [series for series in self.series if series.arm in {*arms}]
        for series in among:
            for time, statement in zip(series.times, series.statements, strict=True):
                told[series.symbol, time].add(statement[:2])
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
