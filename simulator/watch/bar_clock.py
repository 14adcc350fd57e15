"""Ticks and bars as they are heard, to closes: when a bar is over, what it is made of, and what comes too late.

The rule. A bar takes every tick whose own time lies in its period, in whatever order they are heard, until it is
closed: its open is the price of the earliest tick, its close that of the latest (of two at the same time the one heard
last), its volume the sum of sizes. A tick whose ``id`` the bar has taken already is the same trade again, and is left
out. A bar that the feed gives whole takes the place of what was heard of that period before. A bar is closed when the
clock has passed its end by the grace; from then on nothing changes it: what still comes for it is late, is counted and
told, and is left out of every later bar, too. A period without a tick has no bar. What comes while the market is
closed, is ahead of the wall clock, or has a price that none can have, is counted and left out.
"""

from __future__ import annotations

import datetime
from collections import Counter
from dataclasses import dataclass, field

from llm_strategy.trading.bar_check import problem_of_bar
from simulator.watch.feed import FeedBar, Tick
from simulator.watch.periods import Period, Periods

FIRST_MOMENT = datetime.datetime.min.replace(tzinfo=datetime.UTC)
LAST_MOMENT = datetime.datetime.max.replace(tzinfo=datetime.UTC)


@dataclass(frozen=True, slots=True)
class ClosedBar:
    """A bar of one symbol that nothing changes any more; ``first`` is the time of its first tick, where it was made of
    ticks."""

    open: float
    high: float
    low: float
    close: float
    volume: float
    first: datetime.datetime | None = None


@dataclass(frozen=True, slots=True)
class Close:
    """One close of the market: the bars of all symbols that traded in a period."""

    period: Period
    bars: dict[str, ClosedBar]


@dataclass(slots=True)
class _Making:
    """A bar while it is made; ``bar`` where the feed gave it whole."""

    open: float = 0.0
    high: float = 0.0
    low: float = 0.0
    close: float = 0.0
    volume: float = 0.0
    first: datetime.datetime | None = None
    last: datetime.datetime | None = None
    ids: set[str] = field(default_factory=set)
    whole: bool = False

    def take(self, tick: Tick) -> bool:
        """Take a tick; whether it was one that was not taken before."""
        if tick.id and tick.id in self.ids:
            return False
        if tick.id:
            self.ids.add(tick.id)
        if self.whole:
            return True  # the feed's own bar has it
        if self.first is None or self.last is None:
            self.open = self.high = self.low = self.close = tick.price
            self.first = self.last = tick.time
        if tick.time < self.first:
            self.open, self.first = tick.price, tick.time
        if tick.time >= self.last:
            self.close, self.last = tick.price, tick.time
        self.high, self.low = max(self.high, tick.price), min(self.low, tick.price)
        self.volume += tick.size
        return True

    def give(self, bar: FeedBar) -> None:
        """Be the feed's own bar."""
        self.open, self.high, self.low, self.close, self.volume = bar.open, bar.high, bar.low, bar.close, bar.volume
        self.first, self.whole = None, True

    def closed(self) -> ClosedBar:
        return ClosedBar(self.open, self.high, self.low, self.close, self.volume, self.first)


class BarClock:
    """Makes the closes of these ``symbols``. ``since`` is by symbol the end of the last bar that is known already: what
    comes for it or for earlier ones is left out without a word, as a feed that begins anew tells of it again.
    ``closed`` is the end of the last close of all."""

    def __init__(
        self,
        symbols: tuple[str, ...],
        periods: Periods,
        since: dict[str, datetime.datetime] | None = None,
        closed: datetime.datetime = FIRST_MOMENT,
    ) -> None:
        self._symbols = frozenset(symbols)
        self._periods = periods
        self._since = dict(since or {})
        self._making: dict[Period, dict[str, _Making]] = {}
        self._heard: dict[Period, datetime.datetime] = {}
        self._closed = closed
        self._known: Period | None = None
        self.counts: Counter[str] = Counter()
        """How many messages were left out: ``late``, ``doubled``, ``impossible``, ``ahead`` (of the clock), ``closed``
        (market), ``unknown`` (symbol)."""

    @property
    def pending(self) -> bool:
        """Whether a bar is being made."""
        return bool(self._making)

    def take(
        self,
        message: Tick | FeedBar,
        latest: datetime.datetime = LAST_MOMENT,
        heard: datetime.datetime = FIRST_MOMENT,
    ) -> str:
        """Take what was heard; returns why it was left out, a word of ``counts``, or ``known`` for what was known
        already, or nothing. What is later than ``latest`` (aware) cannot have happened. ``heard`` is
        now."""
        why = self._take(message, latest, heard)
        if why and why != "known":
            self.counts[why] += 1
        return why

    def _take(self, message: Tick | FeedBar, latest: datetime.datetime, heard: datetime.datetime) -> str:
        if message.symbol not in self._symbols:
            return "unknown"
        if isinstance(message, Tick):
            moment = message.time
            prices = (message.price,) * 4
            volume = message.size
        else:
            moment = message.start
            prices, volume = (message.open, message.high, message.low, message.close), message.volume
        if problem_of_bar(*prices, volume, has_volume=True):
            return "impossible"
        if moment > latest:
            return "ahead"
        period = self._period(moment) if isinstance(message, Tick) else self._periods.of_bar(moment)
        if period is None:
            return "closed"
        if (known := self._since.get(message.symbol)) is not None and period.end <= known:
            return "known"
        if period.end <= self._closed:
            return "late"
        self._heard.setdefault(period, heard)
        making = self._making.setdefault(period, {}).setdefault(message.symbol, _Making())
        if isinstance(message, FeedBar):
            making.give(message)
            return ""
        return "" if making.take(message) else "doubled"

    def closes(self, now: datetime.datetime, heard: datetime.datetime = LAST_MOMENT) -> list[Close]:
        """The closes whose periods are over at ``now`` (aware; the grace is taken off by whoever calls), the earliest
        first; from then on they are closed for good. One that was first heard of after ``heard`` waits, and those
        behind it: of bars that come long after their end, those of all symbols come together."""
        found = []
        for period in sorted(self._making):
            if period.end > now or self._heard[period] > heard:
                break
            found.append(self._close(period))
        return found

    def complete(self) -> list[Close]:
        """The closes for which the feed has given a whole bar of every symbol, and for none before them less: they need
        no waiting."""
        found = []
        for period in sorted(self._making):
            bars = self._making[period]
            if len(bars) < len(self._symbols) or not all(making.whole for making in bars.values()):
                break
            found.append(self._close(period))
        return found

    def is_open(self, moment: datetime.datetime) -> bool:
        """Whether the market trades at that moment."""
        return self._periods.is_open(moment)

    def _close(self, period: Period) -> Close:
        making = self._making.pop(period)
        del self._heard[period]
        self._closed = max(self._closed, period.end)
        return Close(period, {symbol: making[symbol].closed() for symbol in sorted(making)})

    def _period(self, moment: datetime.datetime) -> Period | None:
        if self._known is None or not self._known.start <= moment < self._known.end:
            self._known = self._periods.at(moment)
        return self._known
