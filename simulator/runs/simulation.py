"""Prices through backtrader: what a run will see and decide on, before it runs, as advice knows the market alone; and
the trading of one advisor."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import backtrader as bt

from llm_strategy.advice.advisor import Advisor
from llm_strategy.market.schedule import Schedule
from llm_strategy.market.snapshot import SnapshotReader
from llm_strategy.trading.broker import SimulatedBroker
from llm_strategy.trading.decision_lines import Entry
from llm_strategy.trading.journal import Journal
from llm_strategy.trading.strategy import AdvisedStrategy
from llm_strategy.types import Snapshot
from simulator.experiment.advisor import AdvisorConfig
from simulator.experiment.configuration import Experiment
from simulator.folder.evidence import DECISIONS, write_tables
from simulator.prices.feed import add_feeds, make_feed
from simulator.prices.load import Prices
from simulator.prices.universe import Universe, decisions_name


@dataclass(frozen=True)
class Upcoming:
    """``snapshots`` of every close from the first decision on, symbol by symbol, or in the order of time where the
    advisor shows more than a line of its market, and those among them at which an advisor is asked."""

    snapshots: tuple[Snapshot, ...]
    decisions: frozenset[Snapshot]

    def wants(self, snapshot: Snapshot) -> bool:
        """Whether an advisor is asked about it."""
        return snapshot in self.decisions


def upcoming(universe: Universe, experiment: Experiment, config: AdvisorConfig | None = None) -> Upcoming:
    """The closes of a run, as the schedule of an advisor, or of the primary arm, takes them."""
    choice = config or experiment.primary_config
    seen: list[Snapshot] = []
    wanted: list[Snapshot] = []
    for symbol in universe.symbols:
        schedule = Schedule(choice.decide_every, choice.changed_view)
        of_symbol = snapshots(universe.decisions(symbol), experiment, choice)
        seen += of_symbol
        wanted += filter(schedule.wants, of_symbol)
    seen = list(choice.shown_context.in_order(seen))
    return Upcoming(tuple(seen), frozenset(wanted))


def snapshots(
    prices: Prices, experiment: Experiment | None = None, config: AdvisorConfig | None = None
) -> list[Snapshot]:
    """What an advisor (that of the primary arm if none is given) may see at each close, in order, from the first
    decision of an experiment on, or without one from the first close with all features on."""
    choice = config or (experiment.primary_config if experiment else AdvisorConfig())
    lookbacks, measured, window = choice.lookbacks, choice.view.measured, choice.shown_context.window
    warm_up = (experiment.warm_up if experiment else lookbacks.longest).bars
    if len(prices.table) < warm_up:
        return []
    reader = {"symbol": prices.symbol, "lookbacks": lookbacks, "measured": measured, "window": window}
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(make_feed(prices))
    cerebro.addstrategy(_Collector, reader=reader)
    (collector,) = cerebro.run()
    first = max(lookbacks.longest.bars, *(feature.lookback for feature in measured), window)
    return list(collector.seen[warm_up - first :])


class _Collector(bt.Strategy):
    params = (("reader", None),)

    def __init__(self) -> None:
        self._reader = SnapshotReader(self.data, **self.p.reader)
        self.seen: list[Snapshot] = []

    def next(self) -> None:
        self.seen.append(self._reader.read())


def simulate(
    universe: Universe,
    advisor: Advisor,
    experiment: Experiment,
    journal: Journal,
    config: AdvisorConfig | None = None,
) -> Journal:
    """Let one advisor trade these symbols through gate, orders and costs, at the bars that its settings, or those of
    the primary arm, want; everything that happened is in the journal."""
    cerebro = bt.Cerebro(stdstats=False)
    add_feeds(cerebro, universe)
    cerebro.broker = SimulatedBroker(experiment.costs, same_close=experiment.orders.fill == "same_close")
    longer = {symbol: decisions_name(symbol) for symbol in universe.symbols} if universe.decide_on else None
    choice = config or experiment.primary_config
    cerebro.addstrategy(
        AdvisedStrategy,
        advisor=advisor,
        limits=experiment.risk,
        orders=experiment.orders,
        trade=universe.symbols,
        decide_on=longer,
        groups=universe.groups,
        decide_every=choice.decide_every,
        decide_when_changed=choice.changed_view,
        tick_volume=[prices.symbol for prices in universe.markets if prices.volume == "ticks"],
        warm_up=experiment.warm_up.bars,
        lookbacks=choice.lookbacks,
        journal=journal,
        tell=False,
    )
    with without_garbage_collection():
        cerebro.run()
    return journal


def trade(
    universe: Universe,
    advisor: Advisor,
    experiment: Experiment,
    decided: Callable[[Entry], None],
    folder: Path,
    config: AdvisorConfig | None = None,
) -> None:
    """Let one advisor trade as ``simulate`` does, and write the evidence into its folder; each decision is ``decided``
    and not kept."""
    write_evidence(folder, decided, lambda journal: simulate(universe, advisor, experiment, journal, config))


def write_evidence(folder: Path, decided: Callable[[Entry], None], simulated: Callable[[Journal], Journal]) -> None:
    """Write what is ``simulated`` into a folder; each decision is ``decided`` and not kept."""
    with collection_of_garbage():
        with (folder / DECISIONS).open("w", encoding="utf-8", newline="\n") as sink:
            journal = simulated(Journal(sink, keep=decided))
        write_tables(journal, folder)


@contextmanager
def collection_of_garbage() -> Iterator[None]:
    """Collect at the end what was made meanwhile: broker and strategy hold each other, and with them the bars. What was
    there before is left alone, because to walk it takes longer than a short run."""
    gc.freeze()
    try:
        yield
    finally:
        gc.collect()
        gc.unfreeze()


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Collect no garbage meanwhile: to walk the bars and indicators again and again would take a tenth of a run."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
