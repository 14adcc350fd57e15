"""The snapshots that a run will decide on, before it runs: advice knows the market alone, so they are known from the
prices."""

from __future__ import annotations

import backtrader as bt

from llm_strategy.schedule import Schedule
from llm_strategy.snapshot import SnapshotReader
from llm_strategy.types import Snapshot
from simulator.advisor_choice import AdvisorChoice
from simulator.feed import make_feed
from simulator.market import Prices
from simulator.universe import Universe


def snapshots(prices: Prices) -> list[Snapshot]:
    """What an advisor may see at each close, in order, from the first one with all features on."""
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(make_feed(prices))
    cerebro.addstrategy(_Collector, symbol=prices.symbol)
    (collector,) = cerebro.run()
    return list(collector.seen)


def upcoming(universe: Universe, choice: AdvisorChoice) -> list[Snapshot]:
    """The snapshots of the closes at which an advisor is asked, symbol by symbol, in order."""
    return [
        snapshot
        for symbol in universe.symbols
        for schedule in (Schedule(choice.decide_every, choice.changed_view),)
        for snapshot in snapshots(universe.decisions(symbol))
        if schedule.wants(snapshot)
    ]


class _Collector(bt.Strategy):
    params = (("symbol", None),)

    def __init__(self) -> None:
        self._reader = SnapshotReader(self.data, self.p.symbol)
        self.seen: list[Snapshot] = []

    def next(self) -> None:
        self.seen.append(self._reader.read())
