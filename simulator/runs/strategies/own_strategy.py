"""The arm of a person's own ``bt.Strategy``: behind the gate, with the fills, costs and evidence of every arm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import backtrader as bt

from llm_strategy.advice.rules import Rule
from llm_strategy.errors import ConfigurationError
from llm_strategy.market.snapshot import iso_time
from llm_strategy.risk import Intent, Verdict
from llm_strategy.trading.broker import SimulatedBroker
from llm_strategy.trading.decision_lines import Entry
from llm_strategy.trading.gated.arm import ArmTerms, GatedArm, Wish
from llm_strategy.trading.journal import Journal
from llm_strategy.types import ActionType, ClampEvent, Snapshot
from simulator.experiment.configuration import Experiment
from simulator.prices.feed import backtrader_days, make_feed
from simulator.prices.universe import Universe, decisions_name
from simulator.runs.simulation import broker_of, snapshots, without_garbage_collection, write_evidence
from simulator.runs.strategies.strategy_class import (
    as_one_sentence,
    find_strategy,
    subject_of,
    typed_params,
)

OnWishes = Callable[[str, str, list[Wish]], None]
"""Told time and symbol of a decision with the orders that were asked for."""


@dataclass(frozen=True, slots=True)
class OwnStrategy:
    """A strategy as an experiment names it: the arm's name, its reference (or the class itself), params, and the hash
    of its file where that is fixed."""

    name: str
    reference: str | type
    params: Mapping[str, Any]
    sha256: str = ""

    @property
    def subject(self) -> str:
        """How sentences about it begin."""
        return subject_of(self.name, self.reference)

    def find(self) -> type[bt.Strategy]:
        """Its class; raises ``ConfigurationError`` as ``find_strategy``."""
        return find_strategy(self.name, self.reference, self.params, self.sha256)


def trade_strategy(
    universe: Universe,
    strategy: OwnStrategy,
    experiment: Experiment,
    decided: Callable[[Entry], None],
    folder: Path,
) -> None:
    """Let a person's strategy trade and write the evidence into its folder; each decision is ``decided`` and not kept.

    A decision is a close of a symbol from the first decision of the experiment on: its action is what the strategy
    sent orders for since the last one (the last entry, else an exit at the market, else a hold), its verdict what the
    gate made of them. Feeds are all symbols by name, and after them their decision bars where those are longer. Raises
    ``ConfigurationError`` in one sentence for whatever the strategy raises, and for what an arm cannot do.
    """
    write_evidence(folder, decided, lambda journal: simulate_strategy(universe, strategy, experiment, journal))


def simulate_strategy(universe: Universe, strategy: OwnStrategy, experiment: Experiment, journal: Journal) -> Journal:
    """Let a person's strategy trade; everything that happened is in the journal."""
    journal.begin()
    arm = _run(universe, strategy, experiment, _Recorder(universe, experiment, journal))
    ledger = arm.gate.ledger
    ledger.finish(arm.broker.get_orders_open())
    journal.finished(ledger.orders, ledger.trades)
    return journal


def ask_strategy(universe: Universe, strategy: OwnStrategy, experiment: Experiment, on_wishes: OnWishes) -> None:
    """Let a person's strategy trade as its arm does, and tell at each decision what orders it asked for since the last
    one; raises as ``trade_strategy``."""
    _run(universe, strategy, experiment, _Listener(universe, experiment, on_wishes))


def _run(universe: Universe, strategy: OwnStrategy, experiment: Experiment, closes: _Closes) -> Any:
    """The strategy at the end of its run; raises ``ConfigurationError`` for what an arm cannot do."""
    kind, subject = strategy.find(), strategy.subject
    cerebro = bt.Cerebro(stdstats=False)
    for prices in universe.markets:
        cerebro.adddata(make_feed(prices))
    for symbol in universe.symbols if universe.decide_on else ():
        cerebro.adddata(make_feed(universe.decisions(symbol), decisions_name(symbol)))
    broker = cerebro.broker = broker_of(universe, experiment)
    members = {"terms": _terms(universe, experiment, subject), "after_bar": lambda arm: closes.bar_closed(arm)}
    arm: Any = type(f"_{kind.__name__}", (GatedArm, kind), members | {"__module__": kind.__module__})
    cerebro.addstrategy(arm, **typed_params(kind, strategy.params))
    as_given = _settings_of(broker)
    try:
        with without_garbage_collection():
            run = cerebro.run()
    except (Exception, SystemExit) as problem:
        raise as_one_sentence(subject, problem, kind, _when(cerebro)) from None
    if not run:
        raise ConfigurationError(f"{subject} skips itself: let it begin, and send no orders where it should not trade.")
    if cerebro.broker is not broker or _settings_of(broker) != as_given:
        raise ConfigurationError(
            f"{subject} changes the broker (cash, commission, slippage or how it fills): every arm trades with the "
            "costs of the experiment, set those there."
        )
    if closes.bars < len({time for prices in universe.markets for time in prices.table.index}):
        raise ConfigurationError(
            f"{subject} stops the run at {closes.time}: let it go on to the end, and send no orders."
        )
    return run[0]


class _Closes:
    """Follows a strategy from close to close; ``first_bar`` is the row of the first decision bar."""

    def __init__(self, universe: Universe, experiment: Experiment) -> None:
        self.first_bar = experiment.warm_up.bars - 1
        self.bars = 0
        self.time = ""
        self._begun: set[str] = set()
        self._seen = dict.fromkeys(universe.symbols, 0)
        times = {symbol: universe.decisions(symbol).table.index[self.first_bar :] for symbol in universe.symbols}
        self._due = {
            symbol: {iso_time(day): place for place, day in enumerate(backtrader_days(index).tolist())}
            for symbol, index in times.items()
        }

    def bar_closed(self, arm: Any) -> None:
        """Take a close that the strategy is through with."""
        self.bars += 1
        self.time = iso_time(max(data.datetime[0] for data in arm.datas if len(data)))
        any_begun = False
        for data in arm.datas[: len(self._seen)]:
            symbol, bars = data._name, len(data)
            if bars == self._seen[symbol]:
                continue
            self._seen[symbol] = bars
            time = iso_time(data.datetime[0])
            place = self._due[symbol].get(time)
            if place is not None:
                self._begun.add(symbol)
                self.decided(symbol, time, place, *arm.gate.take_wishes(symbol))
            any_begun = any_begun or symbol in self._begun
        if any_begun:
            self.valued(arm)

    def decided(self, symbol: str, time: str, place: int, wishes: list[Wish], forced: ClampEvent | None) -> None:
        """Take a decision, the number ``place`` of its symbol from 0."""
        raise NotImplementedError

    def valued(self, arm: Any) -> None:
        """Take the account at a close."""


class _Listener(_Closes):
    """Tells what a strategy asks for."""

    def __init__(self, universe: Universe, experiment: Experiment, on_wishes: OnWishes) -> None:
        super().__init__(universe, experiment)
        self._on_wishes = on_wishes

    def decided(self, symbol: str, time: str, place: int, wishes: list[Wish], forced: ClampEvent | None) -> None:
        """Tell it."""
        self._on_wishes(time, symbol, wishes)


class _Recorder(_Closes):
    """Writes what a strategy did into a journal."""

    def __init__(self, universe: Universe, experiment: Experiment, journal: Journal) -> None:
        super().__init__(universe, experiment)
        self._journal = journal
        self._snapshots = {symbol: snapshots(universe.decisions(symbol), experiment) for symbol in universe.symbols}
        self._rule = _Doing()

    def decided(self, symbol: str, time: str, place: int, wishes: list[Wish], forced: ClampEvent | None) -> None:
        """Write a line."""
        wish = next((each for each in reversed(wishes) if each.opens), None)
        wish = wish or next((each for each in reversed(wishes) if each.at_market), None)
        self._rule.does = _action(wish)
        verdict = _forced(forced) if forced else _verdict(self._rule.does, wish)
        decision = self._rule.decide(self._snapshots[symbol][place])
        self._journal.decided(self.first_bar + place, decision, verdict)

    def valued(self, arm: Any) -> None:
        """Write a row."""
        self._journal.closed(arm.gate.row(self.time))


class _Doing(Rule):
    """Says what a strategy did."""

    rationale = "Sends orders of its own."
    does = ActionType.HOLD

    def action(self, snapshot: Snapshot) -> ActionType:
        """What was done at this close."""
        return self.does


def _action(wish: Wish | None) -> ActionType:
    if wish is None:
        return ActionType.HOLD
    if not wish.opens:
        return ActionType.EXIT
    return ActionType.ENTER_LONG if wish.side > 0 else ActionType.ENTER_SHORT


def _verdict(action: ActionType, wish: Wish | None) -> Verdict:
    if wish is None:
        return Verdict(Intent.NONE)
    if wish.allowed > 0:
        return Verdict(Intent(action), wish.allowed if wish.opens else 0.0, clamps=wish.clamps)
    limit = wish.clamps[-1].limit if wish.clamps else "the gate"
    return Verdict(Intent.NONE, reason=f"Nothing is left of the order: {limit}.", clamps=wish.clamps)


def _forced(why: ClampEvent) -> Verdict:
    return Verdict(Intent.EXIT, reason=f"The gate closes the position: {why.limit}.", clamps=(why,))


def _terms(universe: Universe, experiment: Experiment, subject: str) -> ArmTerms:
    warm_up = experiment.warm_up.bars
    first_bars, counted = {}, {}
    for prices in universe.markets:
        symbol, decisions = prices.symbol, universe.decisions(prices.symbol).table
        first = decisions.index[min(warm_up, len(decisions)) - 1]
        first_bars[symbol] = int(prices.table.index.searchsorted(first)) + 1
        counted[symbol] = symbol
        if universe.decide_on:
            first_bars[decisions_name(symbol)] = warm_up
            counted[symbol] = decisions_name(symbol)
    ticks = tuple(prices.symbol for prices in universe.markets if prices.volume == "ticks")
    lookbacks = experiment.primary_config.lookbacks
    return ArmTerms(subject, experiment.risk, first_bars, counted, universe.groups, ticks, lookbacks)


def _settings_of(broker: SimulatedBroker) -> tuple[Any, ...]:
    """What decides how a broker fills and charges, and the cash that it began with."""
    varies = ("slip_perc",) if broker.slippage_varies else ()
    settings = {key: value for key, value in broker.p._getkwargs().items() if key not in varies}
    schemes = [id(scheme) for scheme in broker.comminfo.values()]
    return settings, schemes, broker.costs, broker.startingcash, broker.fundshares


def _when(cerebro: bt.Cerebro) -> str:
    """Where a run is, as it reads in a sentence."""
    now = [data.datetime[0] for data in cerebro.datas if len(data)]
    return f"at {iso_time(max(now))}" if now else "before its first bar"
