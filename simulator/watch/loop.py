"""From the messages of a feed to closes: what waits for the clock, what was missed, and when a feed stands still."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from llm_strategy.errors import BudgetReached
from simulator.experiment.watch import WatchConfig
from simulator.prices.sessions import Timeframe
from simulator.watch.bar_clock import LAST_MOMENT, BarClock, Close
from simulator.watch.events import EventKind, WatchEvent
from simulator.watch.feed import Feed, FeedBar, FeedEnd, FeedRequest, FeedTime, FeedTrouble, Tick
from simulator.watch.periods import periods_of
from simulator.watch.trading import WatchedMarket

POLL_S = 0.2
"""Seconds for which a feed is waited for before the clock is looked at."""
AHEAD_S = 60.0
"""Seconds by which the clock of an exchange may be ahead of the one here."""


class FeedLoop:
    """Takes messages of a feed, and hands closes on when they are over."""

    def __init__(
        self,
        config: WatchConfig,
        timeframe: Timeframe,
        feed: Feed,
        market: WatchedMarket,
        stop: threading.Event,
        now: Callable[[], datetime],
    ) -> None:
        self._config = config
        self._feed = feed
        self._market = market
        self._stop = stop
        self._now = now
        self._timeframe = timeframe
        self._stale_s = config.stale_s(timeframe)
        self._own_time = datetime.min.replace(tzinfo=UTC)
        self._heard = now()
        self._is_stale = False
        self._missed: list[Close] = []
        self._malformed: FeedTrouble | None = None
        self._late = self._unread = 0

    @property
    def _grace_s(self) -> float:
        """Seconds that a bar waits beyond its end: more of them once a feed polls that streamed."""
        return max(self._config.grace_s, self._feed.grace_s) if self._feed.uses_wall_clock else self._config.grace_s

    def run(self, request: FeedRequest) -> bool:
        """Go on until the feed ends (True) or a stop is wanted (False)."""
        periods = periods_of(self._config.calendar, self._timeframe, request.experiment.data.calendar())
        clock = BarClock(request.symbols, periods, dict(request.since), self._market.last_end)
        self._tell_gap(clock)
        while not self._stop.is_set():
            message = self._feed.take(POLL_S)
            closes: list[Close] = []
            match message:
                case Tick() | FeedBar():
                    clock.take(message, self._latest(), self._now())
                    self._own_time = max(self._own_time, self._time_of(message))
                    closes = clock.complete()
                case FeedTime():
                    closes = clock.closes(message.time)
                case FeedTrouble():
                    self._trouble(message)
                case FeedEnd():
                    self._tell_malformed()
                    self._deal(clock.closes(LAST_MOMENT), clock)
                    return True
            self._listen(message, clock)
            self._market.left_out.note(clock.counts | Counter(malformed=self._unread))
            closes += self._over(clock)
            self._deal(closes, clock)
            if message is None:
                self._tell_missed()
            if message is None or closes:
                self._tell_malformed()
        return False

    def _over(self, clock: BarClock) -> list[Close]:
        """What the clock closes. What was heard and not taken yet may belong to a bar that is over: while there is any,
        bars wait for it until they are missed."""
        if not self._feed.uses_wall_clock:
            return clock.closes(_earlier(self._own_time, self._grace_s))
        over = _earlier(self._now(), self._grace_s + (self._stale_s if self._feed.behind else 0.0))
        return clock.closes(over, over)

    def _latest(self) -> datetime:
        return self._now() + timedelta(seconds=AHEAD_S) if self._feed.uses_wall_clock else LAST_MOMENT

    def _time_of(self, message: Tick | FeedBar) -> datetime:
        return message.time if isinstance(message, Tick) else message.start

    def _deal(self, closes: list[Close], clock: BarClock) -> None:
        for close in closes:
            lag = (self._now() - close.period.end).total_seconds() if self._feed.uses_wall_clock else None
            missed = lag is not None and lag > self._stale_s + self._grace_s
            why = ""
            if missed:
                self._missed.append(close)
                if self._config.missed == "skip":
                    why = f"The bar ended at {close.period.end.isoformat()} and was known long after that."
            else:
                self._tell_missed()
            late = clock.counts["late"]
            try:
                self._market.take(close, missed=why, late=missed and not why, lag=lag)
            except BudgetReached as problem:
                time = close.period.end.isoformat()
                self._emit(EventKind.BUDGET, time, str(problem), {"detail": str(problem)}, f"{time}|budget")
                raise
            if late > self._late:
                count, self._late = late - self._late, late
                time = close.period.end.isoformat()
                text = f"{count:,} ticks or bars came after their bar had closed, and were left out."
                self._emit(EventKind.LATE_TICKS, time, text, {"count": count, "bar": time}, f"{time}|late_ticks")
            if self._stop.is_set():
                return

    def _listen(self, message: object, clock: BarClock) -> None:
        """Notice silence, and its end."""
        now = self._now()
        if isinstance(message, Tick | FeedBar | FeedTime):
            if self._is_stale:
                seconds = (now - self._heard).total_seconds()
                text = f"The feed goes on after {seconds:.0f} s of silence."
                began = self._heard.isoformat()
                self._emit(EventKind.FEED_BACK, now.isoformat(), text, {"seconds": seconds}, f"{began}|feed_back")
                self._is_stale = False
            self._market.feed = "live"
            self._heard = now
            return
        seconds = (now - self._heard).total_seconds()
        if not self._feed.uses_wall_clock or self._is_stale or seconds <= self._stale_s:
            return
        if not clock.is_open(now):
            self._heard = now
            return
        self._is_stale = True
        self._market.feed = "stale"
        last = self._market.last_end.isoformat() if self._market.closes else ""
        began = self._heard.isoformat()
        text = f"The feed has stood still for {seconds:.0f} s: nothing is decided until it goes on."
        facts = {"seconds": seconds, "last": last}
        self._emit(EventKind.STALE_FEED, began, text, facts, f"{began}|stale_feed")
        self._market.show()

    def _trouble(self, trouble: FeedTrouble) -> None:
        if trouble.kind == "malformed":
            self._unread += trouble.count
            # There may be many of them: they are told together.
            self._malformed = replace(trouble, count=trouble.count + (self._malformed.count if self._malformed else 0))
            return
        self._market.feed = "lost" if trouble.kind == "lost" else self._market.feed
        self._tell_trouble(trouble)

    def _tell_malformed(self) -> None:
        if self._malformed is not None:
            trouble, self._malformed = self._malformed, None
            self._tell_trouble(trouble)

    def _tell_trouble(self, trouble: FeedTrouble) -> None:
        now = self._now().isoformat()
        facts = {"kind": trouble.kind, "detail": trouble.text, "count": trouble.count}
        self._emit(EventKind.FEED_TROUBLE, now, trouble.text, facts, f"{now}|feed_trouble|{trouble.kind}")

    def _tell_missed(self) -> None:
        if not self._missed:
            return
        first, last, count = self._missed[0].period, self._missed[-1].period, len(self._missed)
        self._missed = []
        decided = self._config.missed == "decide_late"
        how = "decided late" if decided else "not decided on"
        text = (
            f"{count:,} closes from {first.end.isoformat()} to {last.end.isoformat()} were over for long when they "
            f"came: they are {how}."
        )
        facts = {"count": count, "first": first.end.isoformat(), "last": last.end.isoformat(), "decided": decided}
        key = f"{first.end.isoformat()}|missed_bars"
        self._emit(EventKind.MISSED_BARS, last.end.isoformat(), text, facts, key)

    def _tell_gap(self, clock: BarClock) -> None:
        """That nobody may ever know the bars since the last close, where the market was open."""
        if not (self._feed.uses_wall_clock and self._market.closes):
            return
        last, now = self._market.last_end, self._now()
        if (now - last).total_seconds() > self._stale_s + self._grace_s and clock.is_open(last):
            text = f"Nothing was watched from {last.isoformat()} to {now.isoformat()}; what the feed can still tell of "
            text += "that time is taken as missed."
            facts = {"count": 0, "first": last.isoformat(), "last": now.isoformat(), "decided": False}
            self._emit(EventKind.MISSED_BARS, now.isoformat(), text, facts, f"{last.isoformat()}|not_watched")

    def _emit(self, kind: EventKind, time: str, text: str, facts: dict[str, Any], key: str) -> None:
        self._market.emit(WatchEvent(key, kind, time, text, facts=facts))


def _earlier(moment: datetime, seconds: float) -> datetime:
    try:
        return moment - timedelta(seconds=seconds)
    except OverflowError:
        return moment
