"""What happens in a watched market and may be told to a person: changes, cuts, limits, silence.

An event is a fact of the program's own, found by rule, in one sentence; its ``key`` is the same whenever the same bars
are gone through again, so that whoever sends events sends each once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, Self


class EventKind(StrEnum):
    """What can happen in a watch."""

    REGIME_CHANGED = "regime_changed"
    """The label of an advisor is another than at its last decision on the symbol. Facts: ``before``, ``after``."""
    ACTION_CHANGED = "action_changed"
    """So is its action. Facts: ``before``, ``after``, ``confidence``."""
    CUT = "cut"
    """The gate cut or refused what was advised. Facts: ``limit``, ``from``, ``to``; ``to`` of 0 is refused."""
    KILL_SWITCH = "kill_switch"
    """An account fell so far that everything is sold and nothing more is bought. Facts: ``equity``, ``drawdown``."""
    DRAWDOWN = "drawdown"
    """An account is further below its highest close than at any close before, by a step of ``DRAWDOWN_STEP`` from
    there or from where a rule begins. Facts: ``drawdown`` and ``before``, the deepest until then (fractions, negative),
    ``step``, ``equity``."""
    DISAGREEMENT = "disagreement"
    """Advisors decided differently at one close. Facts: the action of each, by the advisor's name."""
    ABSTENTION = "abstention"
    """No advice at a close. Facts: ``reason``, ``detail``."""
    STALE_FEED = "stale_feed"
    """Nothing came for longer than ``watch.stale_after``. Facts: ``seconds``, ``last`` (the last bar's end)."""
    FEED_BACK = "feed_back"
    """It came again. Facts: ``seconds`` of silence."""
    FEED_TROUBLE = "feed_trouble"
    """The feed lost its connection, or gave what cannot be read. Facts: ``kind``, ``detail``, ``count``."""
    LATE_TICKS = "late_ticks"
    """Ticks or bars came for a bar that was closed, and were left out. Facts: ``count``, ``bar``."""
    MISSED_BARS = "missed_bars"
    """Bars were over for long when they came, because the program or the feed was down. Facts: ``count``, ``first``,
    ``last``, ``decided`` (whether they were decided late)."""
    BUDGET = "budget"
    """A limit of questions, tokens or money is reached. Facts: ``detail``."""
    ORDER_FILLED = "order_filled"
    """An order on paper was filled. Facts: ``side``, ``size``, ``price``, ``kind``."""


DRAWDOWN_STEP = 0.05
"""Fraction of the highest close; a rule that alerts from a certain drawdown on looks at the fact ``drawdown``."""


def steps_from(above: float, depth: float) -> int:
    """How many steps an account is ``depth`` (fraction) down from ``above`` on, the first of them there."""
    return int((depth - above) / DRAWDOWN_STEP + 1 + 1e-9) if depth > above - 1e-9 else 0


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One thing that happened. ``key`` names it for good: equal keys are the same event. ``time`` is that of the market
    (the end of the bar, or when the silence began), UTC, ISO 8601; ``text`` is one sentence with its numbers, without
    any secret; ``facts`` hold what it says, for rules. ``symbol`` and ``advisor`` (name of the arm) are empty where it
    concerns all."""

    key: str
    kind: EventKind
    time: str
    text: str
    symbol: str = ""
    advisor: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, which ``from_record`` reads."""
        return asdict(self) | {"kind": str(self.kind), "facts": dict(self.facts)}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """The event that a line of ``events.jsonl`` holds."""
        return cls(**{**record, "kind": EventKind(record["kind"])})


@dataclass(frozen=True, slots=True)
class WatchState:
    """How a watch stands after a close, for whoever shows it. Money is in the currency of the prices."""

    time: str
    """End of the last bar, UTC, ISO 8601; empty before the first."""
    accounts: Mapping[str, Mapping[str, float]]
    """Of each arm: ``equity``, ``cash``, ``net``, ``gross``, ``drawdown`` (fraction)."""
    symbols: Mapping[str, Mapping[str, Any]]
    """Of each symbol: ``close``, ``bar`` (its end), and by arm under ``arms``: ``label``, ``action``, ``confidence``,
    ``status``, ``intent`` (what the gate left), ``position`` (shares)."""
    bars: int
    decisions: int
    lag_s: float | None
    """Seconds from the end of the last bar to its decisions, by the wall clock; None in a replay."""
    left_out: Mapping[str, int]
    """Ticks and bars that are part of no bar, by reason (``simulator.watch.left_out``)."""
    feed: str
    """``live``, ``stale``, ``lost`` or ``ended``."""
    since: datetime | None = None


class Sink(Protocol):
    """Whoever is told: an outbox, a terminal, a page. Called by the watch between two bars, so it must be quick and
    must not raise; what it sends it sends in a thread of its own."""

    def take(self, event: WatchEvent) -> None:
        """An event happened; after a restart those of bars that are gone through again are told again, by the same
        keys."""

    def show(self, state: WatchState) -> None:
        """How things stand after a close; called also where nothing happened, and for the first time before the first
        new close: what was told until then is of recorded ones."""

    def close(self) -> None:
        """The watch ends."""
