"""One traded symbol of an advised strategy: with the feed its advisor, its schedule and its order desk."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import backtrader as bt

from llm_strategy.advice.advisor import rewind_advisor
from llm_strategy.advice.outcome import bad_bar, missed_bar
from llm_strategy.advice.protocol import Advisor, witness_of
from llm_strategy.errors import MarketDataError
from llm_strategy.market.feature import Feature
from llm_strategy.market.features import Lookbacks
from llm_strategy.market.schedule import Schedule
from llm_strategy.market.snapshot import AverageRange, Measured, MeasuredReader, SnapshotReader, bars_in_year
from llm_strategy.risk import Limits, Market
from llm_strategy.trading.bar_check import BarCheck
from llm_strategy.trading.checklist_inputs import ChecklistInputs
from llm_strategy.trading.desk_feed import DeskFeed
from llm_strategy.trading.orders import OrderDesk
from llm_strategy.types import Decision, Snapshot


class AdvisedFeed(DeskFeed):
    """The parts of one symbol; ``data`` and ``decisions`` are the same feed unless decisions are made on longer bars.

    Created in a strategy's ``__init__``, because it creates indicators.
    """

    def __init__(
        self,
        data: bt.AbstractDataBase,
        decisions: bt.AbstractDataBase,
        *,
        symbol: str,
        group: str,
        advisor: Advisor,
        desk: OrderDesk,
        limits: Limits,
        schedule: Schedule,
        bars_per_year: float | None,
        tick_volume: bool,
        lookbacks: Lookbacks,
        further: tuple[Feature, ...],
        window: int,
        measured: Measured | None,
        checklist: ChecklistInputs | None,
        start: float,
        missed: Mapping[str, str],
    ) -> None:
        super().__init__(data, decisions, symbol=symbol, group=group, desk=desk, tick_volume=tick_volume)
        self.bars_needed = 0
        self._bars_per_year = bars_per_year
        self._count = BarCount(decisions) if limits.sizing == "volatility_target" else None
        self._decisions_counted = 0
        self._is_ready = False
        self._start = start
        self._missed = missed
        self._checklist = checklist
        if checklist is not None:
            window = max(window, checklist.window)
        self._reader: SnapshotReader | MeasuredReader
        if measured is None:
            self._reader = SnapshotReader(decisions, symbol, lookbacks, further, window)
        else:
            self._reader = MeasuredReader(decisions, measured)
        self.least_bars = 0 if measured is None else measured.bars_needed
        """Bars that the features need, where no indicator says so."""
        self._advisor = advisor.attach(decisions)
        self._witness = witness_of(self._advisor)
        self._schedule = schedule
        self.indicators: list[Any] = []
        """Those of the decision feed: features, ranges and the advisor's own."""
        self.checks: dict[bt.AbstractDataBase, BarCheck] = {}
        """For the trading and the decision feed, where bars have to be looked at one by one."""
        indicator: Any = AverageRange
        self._average_range = indicator(decisions) if limits.uses_average_range else None
        self._decisions_seen = 0
        self._snapshot: Snapshot | None = None
        self._interrupted = False

    @property
    def ready(self) -> bool:
        """Whether all indicators have values, and the decisions begin here at the latest."""
        if not self._is_ready:
            clock = self._decision_clock
            self._is_ready = len(clock) >= self.bars_needed and clock[0] >= self._start
        return self._is_ready

    @property
    def counts_bars(self) -> bool:
        """Whether ``count_bar`` has to be called at every close: sizes depend on the bars of a year, and those before
        the first decision count towards them."""
        return self._count is not None

    def count_bar(self) -> None:
        """Count a decision bar, where one has closed since the last call."""
        if self._count is not None and (bars := len(self._decision_clock)) != self._decisions_counted:
            self._decisions_counted = bars
            self._count.bar_closed()

    def require(self, bars: int, *, warm_up: int, ended: bool = False) -> None:
        """Raise ``MarketDataError`` where these are too few bars for a single decision, or where the feed has ``ended``
        without one."""
        if bars < self.bars_needed == warm_up:
            raise MarketDataError(
                f"{self.symbol} has {bars} bars to decide on and warm_up wants {warm_up}, so that no decision was "
                "made: lower warm_up, or give the feed more bars."
            )
        if bars < self.bars_needed:
            raise MarketDataError(
                f"{self.symbol} has {bars} bars to decide on and its indicators need {self.bars_needed}, so that no "
                "decision was made: give the feed more bars, set shorter lookbacks, or leave it out of trade."
            )
        if bars and self._decisions_seen == 0 and ended:
            raise MarketDataError(
                f"{self.symbol} has no bar from start on, so that no decision was made: set an earlier start, or leave "
                "it out of trade."
            )

    def read(self) -> Snapshot | None:
        """The snapshot of a decision bar that has closed since the last call; None where there is no new one."""
        bars = self.bars
        if bars == self._decisions_seen:
            return None
        self._decisions_seen = bars
        self._snapshot = self._reader.read()
        return self._snapshot

    def decide(self) -> Decision | None:
        """The advisor's decision, where a decision bar has closed and the schedule wants one; at others it witnesses
        the bar."""
        snapshot = self.read()
        if snapshot is None:
            return None
        if self._checklist is not None:
            self._checklist.take(snapshot)
        if self.checks:
            if why := self._bad_bar():
                self._interrupted = True
                if self._checklist is not None:
                    self._checklist.forget(snapshot.symbol)
                return bad_bar(snapshot, why) if self._schedule.due() else None
            if self._interrupted:
                self._interrupted = False
                self._advisor = rewind_advisor(self._advisor, self.symbol)
                self._witness = witness_of(self._advisor)
        wanted = self._schedule.wants(snapshot)
        why = self._missed.get(snapshot.time, "") if wanted and self._missed else ""
        if wanted and not why:
            return self._advisor.decide(snapshot)
        if self._witness is not None:
            self._witness(snapshot)
        return missed_bar(snapshot, why) if why else None

    def _bad_bar(self) -> str:
        """Why the advisor is not asked: a bar that cannot be true is still in a window; empty where none is."""
        check = self.checks.get(self.decisions)
        since = None if check is None else check.bars_since
        if check is not None and since is not None:
            if since < self.bars_needed:
                return f"{_sentence(check.why)}, and features look back on it for {self.bars_needed - since} more bars."
            for indicator in self.indicators:
                if any(math.isnan(line[0]) for line in indicator.lines):
                    return f"{_sentence(check.why)}, and {type(indicator).__name__} has had no value since then."
        trading = self.checks.get(self.data)
        if trading is not None and trading.bars_since == 0:
            return f"{_sentence(trading.why)}, and it is the bar to trade on."
        return ""

    @property
    def snapshot(self) -> Snapshot:
        """Of the last decision bar that has closed."""
        if self._snapshot is None:
            raise ValueError(f"no bar of {self.symbol} has closed yet")
        return self._snapshot

    def market_at(self, broker: bt.brokers.BackBroker | None, *, decided: bool) -> Market:
        """The market with its range and, at a decision and where sizes depend on it, from the snapshot its
        volatility."""
        volatility = None
        if decided and self._count is not None:
            volatility = self.snapshot.volatility * math.sqrt(self._bars_per_year or self._count.per_year)
        average_range = None if self._average_range is None else self._average_range[0]
        if average_range != average_range:  # behind a bar without true prices
            average_range = None
        seen = self.market(broker)
        return Market(seen.price, seen.costs, seen.volume, average_range, volatility)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


DAYS_IN_YEAR = 365.25
DAYS_IN_WEEK = 7
_COUNTED = (bt.TimeFrame.Days, bt.TimeFrame.Minutes, bt.TimeFrame.Seconds)
"""Bars whose number in a year depends on when the market is open; weeks and months come as the calendar has them."""


class BarCount:
    """Counts the bars of whole weeks, so that nights and weekends weigh as they do over a year.

    What it knows at a close comes from that close and those before it: bars that follow change nothing. Before the
    first whole week is over, ``per_year`` is that of ``bars_in_year``.
    """

    def __init__(self, data: bt.AbstractDataBase) -> None:
        self._clock = data.lines.datetime
        self._counts = data._timeframe in _COUNTED
        self._first: tuple[float, int] | None = None
        self._weeks = 0
        self.per_year = bars_in_year(data)

    def bar_closed(self) -> None:
        """Count the bar that has just closed."""
        now = self._clock[0]
        if self._first is None:
            self._first = now, len(self._clock)
        first, before = self._first
        if self._counts and now - first >= (self._weeks + 1) * DAYS_IN_WEEK:
            self._weeks = int((now - first) // DAYS_IN_WEEK)
            self.per_year = (len(self._clock) - before) * DAYS_IN_YEAR / (self._weeks * DAYS_IN_WEEK)
