"""The snapshots that a run will see and decide on, before it runs: advice knows the market alone, so they are known
from the prices."""

from __future__ import annotations

from dataclasses import dataclass

import backtrader as bt

from llm_strategy.advice.advisor import Schedule
from llm_strategy.market.features import DEFAULT_LOOKBACKS
from llm_strategy.market.snapshot import SnapshotReader
from llm_strategy.types import Snapshot
from simulator.experiment.experiment import Experiment
from simulator.prices.feed import make_feed
from simulator.prices.load import Prices
from simulator.prices.universe import Universe


@dataclass(frozen=True)
class Upcoming:
    """``snapshots`` of every close from the first decision on, symbol by symbol, in order, and those among them at
    which an advisor is asked."""

    snapshots: tuple[Snapshot, ...]
    decisions: frozenset[Snapshot]

    def wants(self, snapshot: Snapshot) -> bool:
        """Whether an advisor is asked about it."""
        return snapshot in self.decisions


def upcoming(universe: Universe, experiment: Experiment) -> Upcoming:
    """The closes of a run, as its schedule takes them."""
    choice = experiment.advisor
    seen: list[Snapshot] = []
    wanted: list[Snapshot] = []
    for symbol in universe.symbols:
        schedule = Schedule(choice.decide_every, choice.changed_view)
        of_symbol = snapshots(universe.decisions(symbol), experiment)
        seen += of_symbol
        wanted += filter(schedule.wants, of_symbol)
    return Upcoming(tuple(seen), frozenset(wanted))


def snapshots(prices: Prices, experiment: Experiment | None = None) -> list[Snapshot]:
    """What an advisor may see at each close, in order, from the first decision of an experiment on, or without one from
    the first close with all features on."""
    lookbacks = experiment.advisor.lookbacks if experiment else DEFAULT_LOOKBACKS
    measured = experiment.advisor.view.measured if experiment else ()
    warm_up = (experiment.warm_up if experiment else lookbacks.longest).bars
    if len(prices.table) < warm_up:
        return []
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(make_feed(prices))
    cerebro.addstrategy(_Collector, reader={"symbol": prices.symbol, "lookbacks": lookbacks, "measured": measured})
    (collector,) = cerebro.run()
    first = max(lookbacks.longest.bars, *(feature.lookback for feature in measured), 0)
    return list(collector.seen[warm_up - first :])


class _Collector(bt.Strategy):
    params = (("reader", None),)

    def __init__(self) -> None:
        self._reader = SnapshotReader(self.data, **self.p.reader)
        self.seen: list[Snapshot] = []

    def next(self) -> None:
        self.seen.append(self._reader.read())
