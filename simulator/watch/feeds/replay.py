"""The kind ``replay:``: the prices of an experiment, or of another source, played as if they came now."""

from __future__ import annotations

import datetime
import time
from collections import deque
from collections.abc import Iterator
from itertools import groupby

import pandas as pd

from llm_strategy.errors import ConfigurationError
from simulator.prices.load import load_prices
from simulator.prices.resampling import in_session
from simulator.prices.table import COLUMNS
from simulator.watch.feed import Feed, FeedBar, FeedEnd, FeedKind, FeedRequest, FeedTime, Message


class ReplayFeed(Feed):
    """Gives bars in the order of their ends, and behind each end its time; between two of them passes as much time as
    between the ends in the market, divided by the speed."""

    uses_wall_clock = False

    def __init__(self, bars: Iterator[FeedBar], speed: float) -> None:
        self._groups = groupby(bars, key=lambda bar: bar.end)
        self._speed = speed
        self._waiting: deque[Message] = deque()
        self._last: datetime.datetime | None = None
        self._due = 0.0

    def take(self, timeout_s: float) -> Message | None:
        """As of ``Feed``."""
        if not self._waiting:
            self._next_group()
        wait = self._due - time.monotonic()
        if wait > timeout_s:
            time.sleep(timeout_s)
            return None
        if wait > 0:
            time.sleep(wait)
        return self._waiting.popleft()

    def _next_group(self) -> None:
        end, bars = next(self._groups, (None, iter(())))
        if end is None:
            self._waiting.append(FeedEnd())
            return
        now = time.monotonic()
        if self._speed and self._last is not None:
            self._due = max(self._due, now) + (end - self._last).total_seconds() / self._speed
        self._last = end
        self._waiting.extend(bars)
        self._waiting.append(FeedTime(end))


def open_replay(request: FeedRequest) -> ReplayFeed:
    """Play the experiment's own prices, or those of the source behind the colon for its only symbol."""
    tables = {prices.symbol: prices.table for prices in request.universe.markets}
    if request.name:
        if len(request.symbols) > 1:
            raise ConfigurationError(
                f"watch.feed is {request.text!r:.80}, one source, and the experiment has {len(request.symbols)} "
                "symbols: write replay: alone to play their own prices."
            )
        loaded = load_prices(
            request.name,
            symbol=request.symbols[0],
            timeframe=str(request.timeframe),
            clock=request.experiment.data.clock,
            volume=request.experiment.data.volume,
            folder=request.folder,
        )
        tables = {loaded.symbol: in_session(loaded, request.experiment.data.calendar()).table}
    bars = [bar for symbol, table in tables.items() for bar in _bars(symbol, table, request)]
    return ReplayFeed(iter(sorted(bars, key=lambda bar: (bar.end, bar.symbol))), request.speed)


def _bars(symbol: str, table: pd.DataFrame, request: FeedRequest) -> Iterator[FeedBar]:
    since, step = request.since.get(symbol), request.timeframe.duration
    times = pd.DatetimeIndex(table.index).to_pydatetime()
    for moment, *values in zip(times, *(table[name].tolist() for name in COLUMNS), strict=True):
        start = moment.replace(tzinfo=datetime.UTC)
        if since is None or start + step > since:
            yield FeedBar(symbol, start, start + step, *values)


REPLAY = FeedKind("replay", open_replay, "replay:[SOURCE]  the experiment's prices, or another source, played")
