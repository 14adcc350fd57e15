"""Prices through backtrader: what a run will see and decide on, before it runs, as advice knows the market alone; and
the trading of one advisor."""

from __future__ import annotations

import gc
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import backtrader as bt

from llm_strategy.advice.protocol import Advisor
from llm_strategy.costs.cash_rates import CashRates
from llm_strategy.costs.costs import Costs
from llm_strategy.market.feature import COLUMNS, Feature
from llm_strategy.market.features import Lookbacks
from llm_strategy.market.schedule import Schedule
from llm_strategy.market.snapshot import Measured, SnapshotReader, measure_market, timeframe_of
from llm_strategy.market.view import measured_for
from llm_strategy.risk import Limits
from llm_strategy.trading.bar_loop import PreloadedCerebro
from llm_strategy.trading.broker import SimulatedBroker
from llm_strategy.trading.checklist_inputs import lookback
from llm_strategy.trading.decision_lines import Entry
from llm_strategy.trading.journal import Journal
from llm_strategy.trading.orders import OrderRules
from llm_strategy.trading.strategy import AdvisedStrategy
from llm_strategy.types import Snapshot
from simulator.experiment.advisor import AdvisorConfig
from simulator.experiment.configuration import Experiment
from simulator.folder.evidence import DECISIONS, write_tables
from simulator.prices.feed import add_feeds, backtrader_days, make_feed
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
    prices: Prices, experiment: Experiment | None = None, config: AdvisorConfig | None = None, *, bars: int = 0
) -> list[Snapshot]:
    """What an advisor (that of the primary arm if none is given) may see at each close, in order, from the first
    decision of an experiment on, or without one from the first close with all features on; windows hold at least so
    many ``bars``."""
    choice = config or (experiment.primary_config if experiment else AdvisorConfig())
    lookbacks, further, window = choice.lookbacks, choice.view.measured, max(choice.shown_context.window, bars)
    if experiment is not None and experiment.risk.checklist is not None:
        window = max(window, lookback(experiment.risk.checklist))
    warm_up = (experiment.warm_up if experiment else lookbacks.longest).bars
    if len(prices.table) < warm_up:
        return []
    found = measured(prices, lookbacks, further, window)
    return list(found.snapshots[max(0, warm_up - found.bars_needed) :])


_known: WeakKeyDictionary[Prices, dict[tuple[Lookbacks, tuple[Feature, ...], int], Measured]] = WeakKeyDictionary()


def measured(prices: Prices, lookbacks: Lookbacks, further: tuple[Feature, ...] = (), window: int = 0) -> Measured:
    """What is measured at every close of a market, with ``further`` features and a window of bars; measured once for
    all who look at these prices, as long as somebody holds them."""
    known, key = _known.setdefault(prices, {}), (lookbacks, further, window)
    if key not in known:
        known[key] = _measure(prices, lookbacks, further, window)
    return known[key]


def _measure(prices: Prices, lookbacks: Lookbacks, further: tuple[Feature, ...], window: int) -> Measured:
    if not further and not window:
        feed = make_feed(prices)
        columns = {name: array("d", prices.table[name].to_numpy().tobytes()) for name in COLUMNS}
        times = backtrader_days(prices.table.index).tolist()
        return measure_market(columns, times, prices.symbol, timeframe_of(feed), lookbacks)
    first = max(lookbacks.longest.bars, *(feature.lookback for feature in further), window)
    if len(prices.table) < first:
        return Measured(first, ())
    reader = {"symbol": prices.symbol, "lookbacks": lookbacks, "measured": further, "window": window}
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(make_feed(prices))
    cerebro.addstrategy(_Collector, reader=reader)
    (collector,) = cerebro.run()
    return Measured(first, tuple(collector.seen))


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
    *,
    limits: Limits | None = None,
) -> Journal:
    """Let one advisor trade these symbols through gate, orders and costs, at the bars that its settings, or those of
    the primary arm, want; everything that happened is in the journal. ``limits`` take the place of those of the
    experiment, and need no more bars."""
    choice = config or experiment.primary_config
    conditions = Conditions.of(universe, experiment, choice)
    cerebro = cerebro_of(conditions)
    allowed = limits or experiment.risk
    further = measured_for(getattr(advisor, "view", None), choice.changed_view)
    window = max(getattr(advisor, "window", 0), 0 if allowed.checklist is None else lookback(allowed.checklist))
    add_strategy(
        cerebro,
        AdvisedStrategy,
        conditions,
        advisor=advisor,
        measured={
            name: measured(universe.decisions(name), choice.lookbacks, further, window) for name in universe.symbols
        },
        limits=allowed,
        decide_every=choice.decide_every,
        decide_when_changed=choice.changed_view,
        journal=journal,
    )
    with without_garbage_collection():
        cerebro.run()
    return journal


@dataclass(frozen=True)
class Conditions:
    """Under what an arm trades, whoever decides: prices, gate, orders and costs, and the bars before its first
    decision."""

    universe: Universe
    limits: Limits
    orders: OrderRules
    costs: Costs
    warm_up: int
    lookbacks: Lookbacks
    first_day: date | None = None
    """Of the first decision, where the prices do not hold it yet."""

    @classmethod
    def of(cls, universe: Universe, experiment: Experiment, config: AdvisorConfig | None = None) -> Conditions:
        """Those of an experiment, for an advisor with these settings, or those of the primary arm."""
        choice = config or experiment.primary_config
        return cls(
            universe, experiment.risk, experiment.orders, experiment.costs, experiment.warm_up.bars, choice.lookbacks
        )

    def broker(self) -> SimulatedBroker:
        """A broker with these costs and fills, where cash earns interest from the day of the first decision on."""
        return SimulatedBroker(
            self.costs, same_close=self.orders.fill == "same_close", interest_from=self._first_decision
        )

    @cached_property
    def _first_decision(self) -> date:
        return self.first_day or _first_day(self.universe, self.warm_up)


def cerebro_of(conditions: Conditions) -> bt.Cerebro:
    """The feeds of all symbols and a broker."""
    cerebro = PreloadedCerebro(stdstats=False)
    add_feeds(cerebro, conditions.universe)
    cerebro.broker = conditions.broker()
    return cerebro


def add_strategy(cerebro: bt.Cerebro, strategy: type[AdvisedStrategy], conditions: Conditions, **more: Any) -> None:
    """Add a strategy that trades all symbols under these conditions; ``more`` are further parameters, or others in
    their place."""
    universe = conditions.universe
    usual: dict[str, Any] = {
        "limits": conditions.limits,
        "orders": conditions.orders,
        "trade": universe.symbols,
        "decide_on": {name: decisions_name(name) for name in universe.symbols} if universe.decide_on else None,
        "groups": universe.groups,
        "tick_volume": [prices.symbol for prices in universe.markets if prices.volume == "ticks"],
        "warm_up": conditions.warm_up,
        "lookbacks": conditions.lookbacks,
        "missed": universe.missed,
        "tell": False,
    }
    cerebro.addstrategy(strategy, **(usual | more))


def broker_of(
    universe: Universe, experiment: Experiment, kind: type[SimulatedBroker] = SimulatedBroker
) -> SimulatedBroker:
    """The broker of every arm: with the costs of the experiment, where cash earns interest from the day of the first
    decision on."""
    return kind(
        experiment.costs,
        same_close=experiment.orders.fill == "same_close",
        interest_from=first_decision(universe, experiment),
    )


def first_decision(universe: Universe, experiment: Experiment) -> date:
    """The day of the first decision on any symbol."""
    return _first_day(universe, experiment.warm_up.bars)


def _first_day(universe: Universe, warm_up: int) -> date:
    bar = warm_up - 1
    indexes = (universe.decisions(symbol).table.index for symbol in universe.symbols)
    days: list[date] = [index[min(bar, len(index) - 1)].date() for index in indexes if len(index)]
    return min(days, default=date.max)


def check_cash_rates(experiment: Experiment, universe: Universe) -> None:
    """Raise ``ConfigurationError`` for dated rates of cash that begin too late for these prices, or end too early."""
    if isinstance(experiment.costs.cash_rate, CashRates):
        last: date = max(prices.table.index[-1] for prices in universe.markets).date()
        experiment.costs.cash_rate.check(first_decision(universe, experiment), last)


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
