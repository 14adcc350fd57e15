"""One arm of a watched market in backtrader: a Cerebro on feeds that wait for the next close.

The arm is the one that a run would trade: the same strategy, gate, costs and simulated broker. backtrader calls for
bars and is never called, so each arm has a thread, and one of all threads runs at a time: ``ArmEngine.step`` hands a
close over and returns when everything is decided and sent.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import backtrader as bt
import pandas as pd

from llm_strategy.advice.protocol import Advisor
from llm_strategy.errors import MarketDataError
from llm_strategy.trading.journal import Journal
from llm_strategy.trading.strategy import AdvisedStrategy
from simulator.experiment.advisor import AdvisorConfig
from simulator.experiment.configuration import Experiment
from simulator.prices.feed import backtrader_days, backtrader_frame
from simulator.prices.sessions import parse_timeframe
from simulator.prices.universe import Universe
from simulator.runs.simulation import Conditions, add_strategy
from simulator.watch.bar_clock import ClosedBar


class _Hub:
    """The closes of one arm on their way into backtrader. The first feed of a round takes the next close; the others
    take their bars of it, or have none."""

    def __init__(self) -> None:
        self.to_arm: queue.SimpleQueue[tuple[datetime, Mapping[str, ClosedBar]] | None] = queue.SimpleQueue()
        self.from_arm: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self.ended = False
        self._begun = False
        self._time = 0.0
        self._bars: dict[str, ClosedBar] = {}

    def next_close(self) -> None:
        """Tell that the last close is dealt with, and wait for the next one."""
        if self._begun:
            self.from_arm.put(None)
        self._begun = True
        given = self.to_arm.get()
        if given is None:
            self.ended = True
        else:
            self._time = float(backtrader_days(pd.DatetimeIndex([given[0]]))[0])
            self._bars = dict(given[1])

    def bar_of(self, symbol: str) -> tuple[float, ClosedBar] | None:
        """The bar of a symbol at this close, once."""
        bar = self._bars.pop(symbol, None)
        return None if bar is None else (self._time, bar)


class WaitingFeed(bt.feed.DataBase):
    """The bars of one symbol (``dataname``) from the ``hub`` of its arm, as they close; ``leads`` is set for the first
    feed of a Cerebro, which waits for all."""

    params = (("hub", None), ("leads", False))

    def islive(self) -> bool:
        """Whether bars come while the Cerebro runs, so that none are loaded before, and nothing is computed ahead."""
        return True

    def start(self) -> None:
        """Begin."""
        super().start()
        self._is_new_round = False

    def do_qcheck(self, onoff: bool, qlapse: float) -> None:
        """backtrader calls it once a round before it asks for a bar; asked again in that round, a feed has none."""
        super().do_qcheck(onoff, qlapse)
        self._is_new_round = True

    def _load(self) -> bool | None:
        hub: _Hub = self.p.hub
        if self.p.leads and self._is_new_round and not hub.ended:
            hub.next_close()
        self._is_new_round = False
        if hub.ended:
            return False
        found = hub.bar_of(self.p.dataname)
        if found is None:
            return None
        time, bar = found
        lines = self.lines
        lines.datetime[0] = time
        lines.open[0], lines.high[0], lines.low[0] = bar.open, bar.high, bar.low
        lines.close[0], lines.volume[0] = bar.close, bar.volume
        return True


class WatchedStrategy(AdvisedStrategy):
    """The strategy, which also tells each fill at once (``on_fill``: symbol, signed shares, price) and whether the kill
    switch holds."""

    params: Any = (("on_fill", None),)

    def notify_order(self, order: bt.Order) -> None:
        """Hand the broker's word on, and tell a fill."""
        super().notify_order(order)
        bits = list(order.executed.iterpending())
        if bits and order.status in (bt.Order.Partial, bt.Order.Completed):
            size = sum(bit.size for bit in bits)
            self.p.on_fill(order.data._name, float(size), float(bits[-1].price))

    @property
    def is_killed(self) -> bool:
        """Whether everything is to be sold and nothing bought."""
        return self._dealer.book.killed

    @property
    def held(self) -> dict[str, float]:
        """Shares by symbol, signed. The broker is not asked: to ask it of a symbol that it never held changes the order
        in which it adds its positions up."""
        return {feed.symbol: feed.position for feed in self._feeds}


class ArmEngine:
    """An arm that trades close by close. ``universe`` holds the bars before the first close, ``first_day`` is the day
    of the first decision, from which cash earns interest; ``missed`` may grow (``AdvisedStrategy``). The ``journal``
    must have no other owner, and holds the orders and trades after ``finish``."""

    def __init__(
        self,
        name: str,
        advisor: Advisor,
        universe: Universe,
        experiment: Experiment,
        config: AdvisorConfig,
        journal: Journal,
        *,
        first_day: date,
        missed: Mapping[str, Mapping[str, str]],
    ) -> None:
        self.name = name
        self.journal = journal
        self._hub = _Hub()
        conditions = Conditions.of(universe, experiment, config)
        self._cerebro = cerebro = bt.Cerebro(stdstats=False)
        length = parse_timeframe(universe.timeframe)
        timeframe, compression = backtrader_frame(length)
        for number, symbol in enumerate(universe.symbols):
            cerebro.adddata(
                WaitingFeed(
                    dataname=symbol,
                    name=symbol,
                    timeframe=timeframe,
                    compression=compression,
                    hub=self._hub,
                    leads=not number,
                )
            )
        cerebro.broker = replace(conditions, first_day=first_day).broker()
        add_strategy(
            cerebro,
            WatchedStrategy,
            conditions,
            advisor=advisor,
            decide_every=config.decide_every,
            decide_when_changed=config.changed_view,
            journal=journal,
            missed=missed,
            on_fill=self._filled,
        )
        self.fills: list[tuple[str, float, float]] = []
        """Symbol, signed shares and price of each fill of the last close."""
        self._thread = threading.Thread(target=self._run, name=f"watch {name}", daemon=True)
        self._ended = False

    def begin(self, universe: Universe) -> None:
        """Start, and go through the bars before the first close."""
        self._thread.start()
        for time, bars in closes_of(universe):
            self.step(time, bars)

    def step(self, time: datetime, bars: Mapping[str, ClosedBar]) -> None:
        """One close: ``time`` is what its bars bear in tables, without zone. Raises what went wrong in the arm."""
        self.fills.clear()
        self._hub.to_arm.put((time, bars))
        self._wait()

    def finish(self) -> bool:
        """End the account at the last close: what is still open is marked there, and the journal has all orders and
        trades. Returns whether there was a decision at all."""
        self._ended = True
        self._hub.to_arm.put(None)
        try:
            self._wait()
        except MarketDataError:
            if self.journal.decisions:
                raise
            return False
        return True

    def leave(self) -> None:
        """Let go of the thread where something went wrong elsewhere; what its model is being asked may go on for a
        while, and nothing comes of it."""
        if not self._ended and self._thread.is_alive():
            self._ended = True
            self._hub.to_arm.put(None)

    @property
    def is_killed(self) -> bool:
        """Whether the kill switch of the account holds."""
        return bool(self._cerebro.runningstrats and self._cerebro.runningstrats[0].is_killed)

    def _filled(self, symbol: str, size: float, price: float) -> None:
        self.fills.append((symbol, size, price))

    @property
    def positions(self) -> dict[str, float]:
        """Shares held, signed, by symbol."""
        return self._cerebro.runningstrats[0].held if self._cerebro.runningstrats else {}

    def _wait(self) -> None:
        problem = self._hub.from_arm.get()
        if problem is not None:
            self._ended = True
            raise problem

    def _run(self) -> None:
        try:
            self._cerebro.run()
        except BaseException as problem:  # whoever handed the close over raises it
            self._hub.from_arm.put(problem)
        else:
            self._hub.from_arm.put(None)


def closes_of(universe: Universe) -> list[tuple[datetime, dict[str, ClosedBar]]]:
    """The bars of all symbols by their times, the earliest first."""
    closes: dict[datetime, dict[str, ClosedBar]] = {}
    for prices in universe.markets:
        times = pd.DatetimeIndex(prices.table.index).to_pydatetime()
        for time, row in zip(times, prices.table.to_numpy().tolist(), strict=True):
            closes.setdefault(time, {})[prices.symbol] = ClosedBar(*row)
    return sorted(closes.items())
