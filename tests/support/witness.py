"""A run through ``simulate`` with a witness inside: what the broker held and what was pending at each close."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import NamedTuple

import backtrader as bt

from llm_strategy import AdvisedStrategy
from llm_strategy.trading.broker import SimulatedBroker
from llm_strategy.trading.journal import Journal
from llm_strategy.trading.ledger import OrderRow
from simulator.experiment.configuration import Experiment
from simulator.prices.config import DataConfig
from simulator.prices.feed import make_feed
from simulator.runs.simulation import simulate

DUST = 1e-9


class Fill(NamedTuple):
    """One execution: signed shares, price and commission in currency, and the row of ``Played.closes`` it is of."""

    close: int
    size: float
    price: float
    commission: float


class Waiting(NamedTuple):
    """An order alive after a close; ``size`` is what is still to be filled, signed."""

    number: int
    size: float
    price: float | None


@dataclass
class Close:
    """The broker after a close of the engine."""

    time: str
    cash: float
    value: float
    carry: float
    positions: dict[str, float]
    bars: dict[str, int]
    prices: dict[str, float]
    waiting: dict[str, list[Waiting]]


@dataclass
class Sent:
    """An order with its row of the journal and its fills."""

    row: OrderRow
    fills: list[Fill]
    created: int
    """Row of ``Played.closes`` at which it was sent."""


class Witness(bt.Analyzer):
    """Looks at the broker after each close; changes nothing."""

    def __init__(self):
        self.closes, self.orders, self.fills, self.created = [], [], {}, {}
        broker = self.strategy.broker
        accept = broker.submit_accept  # without the check at submission the broker keeps no list of its orders

        def accept_and_remember(order):
            self.orders.append(order)
            self.created[order.ref], self.fills[order.ref] = len(self.closes), []
            accept(order)

        broker.submit_accept = accept_and_remember

    def next(self):
        broker = self.strategy.broker
        now = len(self.closes)
        waiting = {}
        pending = {order.ref for order in broker.pending}  # a cancelled clone leaves its original "alive"
        for order in self.orders:
            seen = self.fills[order.ref]
            for bit in list(order.executed.exbits)[len(seen) :]:
                seen.append(Fill(now, bit.size, bit.price, bit.closedcomm + bit.openedcomm))
            if order.ref in pending:
                waiting.setdefault(order.data._name, []).append(
                    Waiting(order.ref, order.executed.remsize, order.created.price)
                )
        begun = [data for data in self.strategy.datas if len(data)]
        self.closes.append(
            Close(
                bt.num2date(self.strategy.datetime[0]).isoformat(),
                broker.getcash(),
                broker.getvalue(),
                broker.carry,
                {data._name: broker.getposition(data).size for data in begun},
                {data._name: len(data) for data in begun},
                {data._name: data.close[0] for data in begun},
                waiting,
            )
        )


class _Watched:
    """An advisor that brings a witness into the Cerebro it is used in."""

    def __init__(self, advisor):
        self._advisor = advisor
        self.cerebro = None

    def attach(self, data):
        if self.cerebro is None:
            self.cerebro = data._env
            self.cerebro.addanalyzer(Witness, _name="witness")
        return self._advisor.attach(data)


@dataclass
class Played:
    """A case, its journal, and what the witness saw."""

    case: object
    universe: object
    journal: Journal
    closes: list[Close]
    orders: list[Sent]

    def of(self, symbol, *kinds):
        """The orders of a symbol, oldest first."""
        return [sent for sent in self.orders if sent.row.symbol == symbol and (not kinds or sent.row.kind in kinds)]

    def waiting(self, symbol, close):
        """The orders of a symbol alive after a close, with what is left of them (signed)."""
        return [(self.orders[item.number - 1], item) for item in close.waiting.get(symbol, ())]


def play_case(case, *, universe=None):
    """Run a case through ``simulate``."""
    universe = universe or case.universe()
    groups = {group: (name,) for name, group in case.groups.items()} or {"one": ("A",)}
    experiment = Experiment(
        data=DataConfig(groups=groups), risk=case.limits, costs=case.costs, orders=case.rules, arms=("llm",)
    )
    watched = _Watched(case.advisor())
    journal = simulate(universe, watched, experiment, Journal())
    (strategy,) = watched.cerebro.runstrats[0]
    witness = strategy.analyzers.witness
    numbers = {ref: number for number, ref in enumerate(sorted(witness.fills), 1)}
    for close in witness.closes:
        for name, items in close.waiting.items():
            close.waiting[name] = [item._replace(number=numbers[item.number]) for item in items]
    orders = [
        Sent(row, witness.fills[ref], witness.created[ref])
        for row, ref in zip(journal.orders, sorted(witness.fills), strict=True)
    ]
    return Played(case, universe, journal, witness.closes, orders)


def play_by_hand(case, *, order=1, **engine):
    """The same run in a Cerebro made by hand, the feeds in another order, the engine in another mode."""
    universe = case.universe()
    journal = Journal()
    cerebro = bt.Cerebro(stdstats=False, **engine)
    for prices in universe.markets[::order]:
        cerebro.adddata(make_feed(prices))
    cerebro.broker = SimulatedBroker(case.costs, same_close=case.rules.fill == "same_close")
    cerebro.addstrategy(
        AdvisedStrategy,
        advisor=case.advisor(),
        limits=case.limits,
        orders=case.rules,
        trade="all",
        groups=universe.groups,
        journal=journal,
    )
    cerebro.run()
    return journal


def comparable(journal):
    """Everything in a journal that two equal runs have in common; NaN equals NaN."""
    entries = [(entry.bar, str(entry.decision), str(entry.verdict)) for entry in journal.entries]
    return entries, list(journal.equity), [replace(row) for row in journal.orders], list(journal.trades)


def rounded(comparables):
    """The same as text, with nine significant digits of every number."""
    return [re.sub(r"\d+\.\d+(e-?\d+)?", lambda found: f"{float(found[0]):.9g}", str(part)) for part in comparables]
