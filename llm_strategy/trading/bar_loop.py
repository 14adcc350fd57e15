"""A shorter way for backtrader through bars that are all in memory: the same broker, feeds, orders and account, without
what an ``AdvisedStrategy`` has no use for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import backtrader as bt
import numpy as np

from llm_strategy.trading.broker import SimulatedBroker
from llm_strategy.trading.strategy import AdvisedStrategy

_LEFT_OUT = ("_oncepost", "_notify", "prenext", "nextstart", "notify_trade", "notify_cashvalue", "notify_fund")
"""Methods of a strategy that the short way does not call; one that has its own takes backtrader's way."""


class PreloadedCerebro(bt.Cerebro):
    """A ``Cerebro`` that takes one ``AdvisedStrategy`` through preloaded feeds in a fraction of the time.

    At each time the feeds advance, the broker looks at its orders (or passes a bar that none of them can fill on), the
    strategy hears of them, and ``next`` is called: what backtrader does, in its order. Left out are the values of
    ticks, which a broker takes from the bar where there are none, and what analyzers, observers, timers and writers
    need. Wherever a run has one of these, another broker, several strategies or bars that are not all there, it is
    backtrader's own way.
    """

    def _runonce(self, runstrats: Sequence[bt.Strategy]) -> None:
        if not self._is_plain(runstrats):
            super()._runonce(runstrats)
            return
        (strategy,) = runstrats
        strategy._once()
        strategy.reset()
        broker, clock, next_bar = self._broker, strategy.lines.datetime, strategy.next
        indicators = [
            (indicator._clock.lines[0], list(indicator.lines))
            for indicator in strategy._lineiterators[strategy.IndType]
        ]
        notices, orders = broker.notifs, strategy._orderspending
        for data in self.datas:
            data._tick_nullify()
        for time, moved in _moves(self.datas):
            for feeds in moved:
                feeds.bars = bars = feeds.bars + 1
                last = bars - 1
                for line in feeds.lines:
                    line._idx = last
                    line.lencount = bars
            if not broker.pass_bar():
                broker.next()
            for source, lines in indicators:
                if source.lencount > lines[0].lencount:
                    for line in lines:
                        line._idx += 1
                        line.lencount += 1
            clock.forward(time)
            if notices:
                while notices:
                    strategy._addnotification(notices.popleft())
                for order in orders:
                    strategy.notify_order(order)
                strategy.clear()
                orders = strategy._orderspending
            next_bar()
            if self._event_stop:
                return

    def _is_plain(self, strategies: Sequence[bt.Strategy]) -> bool:
        """Whether nothing of the run needs what the short way leaves out."""
        broker, first = self._broker, strategies[0]
        return (
            len(strategies) == 1
            and isinstance(first, AdvisedStrategy)
            and all(getattr(type(first), name) is getattr(AdvisedStrategy, name) for name in _LEFT_OUT)
            and isinstance(broker, SimulatedBroker)
            and not (broker._userhist or broker._fundhist or broker.p.checksubmit)
            and not (first.analyzers or first._slave_analyzers or first._lineiterators[first.ObsType])
            and not (self._timers or self._timerscheat or self.runwriters or self.p.oldsync)
            and not (self.p.cheat_on_open or self.p.quicknotify)
            and all(line.mode == line.UnBounded for data in self.datas for line in data.lines)
            and all((np.diff(data.lines.datetime.array) > 0).all() for data in self.datas)
        )


class _Feeds:
    """Feeds that have their bars at the same times: all their lines, and how many ``bars`` have been delivered."""

    def __init__(self, lines: Sequence[Any]) -> None:
        self.lines = lines
        self.bars = 0


def _moves(datas: Sequence[bt.AbstractDataBase]) -> Iterator[tuple[float, list[_Feeds]]]:
    """Every time at which a feed has a bar, and the feeds that have one then."""
    alike: dict[bytes, list[Any]] = {}
    for data in datas:
        times = np.array(data.lines.datetime.array[: data.buflen()])
        alike.setdefault(times.tobytes(), []).extend(data.lines)
    feeds = [_Feeds(lines) for lines in alike.values()]
    clocks = [np.frombuffer(times) for times in alike]
    every = np.unique(np.concatenate(clocks))
    has_bar = np.array([np.isin(every, clock) for clock in clocks]).T
    together: dict[bytes, list[_Feeds]] = {}
    for time, row in zip(every.tolist(), has_bar, strict=True):
        key = row.tobytes()
        moved = together.get(key)
        if moved is None:
            moved = together[key] = [feeds[place] for place in np.flatnonzero(row).tolist()]
        yield time, moved
