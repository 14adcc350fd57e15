"""A benchmark line without a gate: what the market itself did, or a rule on all the cash of its symbol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import backtrader as bt

from llm_strategy.advice.rules import Rule, stances
from llm_strategy.costs.costs import Costs
from llm_strategy.market.schedule import Schedule
from llm_strategy.market.snapshot import Measured, MeasuredReader, iso_time
from llm_strategy.market.view import measured_for
from llm_strategy.risk import Intent, Verdict
from llm_strategy.trading.book import account_row
from llm_strategy.trading.broker import SimulatedBroker
from llm_strategy.trading.decision_lines import Entry
from llm_strategy.trading.gated.books import StrategyLedger
from llm_strategy.trading.journal import Journal
from llm_strategy.trading.ledger import OrderKind
from llm_strategy.types import ActionType, Decision
from simulator.experiment.advisor import AdvisorConfig
from simulator.experiment.configuration import Experiment
from simulator.prices.feed import add_feeds
from simulator.prices.universe import Universe, decisions_name
from simulator.runs.simulation import broker_of, measured, without_garbage_collection, write_evidence

_ROUNDING = 1e-12
"""Part of a purse that stays cash, so that the last bit of a product does not overdraw it."""
_HALVINGS = 60


def trade_ungated(
    universe: Universe, rule: Rule, experiment: Experiment, decided: Callable[[Entry], None], folder: Path
) -> None:
    """Let a rule trade without a gate and write the evidence into its folder; each decision is ``decided``, not kept.

    Every symbol has a purse of its own, an equal part of the starting cash. While the rule is long the whole purse is
    in the symbol: bought at the fill after the decision with the costs of every arm, in parts of a share where need be.
    When it is out, or would be short, the purse is cash: nothing is borrowed and nothing sold short. There are no
    limits, stops and targets. With ``BuyAndHold`` and without costs the return is the mean of the symbols' returns
    from their first fills to their last closes.
    """
    write_evidence(folder, decided, lambda journal: simulate_ungated(universe, rule, experiment, journal))


def simulate_ungated(
    universe: Universe, rule: Rule, experiment: Experiment, journal: Journal, config: AdvisorConfig | None = None
) -> Journal:
    """Let a rule trade without a gate, at the bars that these settings, or those of the primary arm, want; everything
    that happened is in the journal."""
    cerebro = bt.Cerebro(stdstats=False)
    add_feeds(cerebro, universe)
    cerebro.broker = broker_of(universe, experiment, PurseBroker)
    cerebro.addstrategy(_Ungated, universe=universe, rule=rule, experiment=experiment, journal=journal, config=config)
    with without_garbage_collection():
        cerebro.run()
    return journal


class PurseBroker(SimulatedBroker):
    """A simulated broker that fills a purchase for as much as a purse of cash buys at the price of its fill."""

    def __init__(self, costs: Costs, *, same_close: bool = False, interest_from: date | None = None) -> None:
        super().__init__(costs, same_close=same_close, interest_from=interest_from)
        self._purses: dict[int, float] = {}

    def spend(self, order: bt.Order, cash: float) -> None:
        """Let an order cost so much, commission included, however many shares that is."""
        self._purses[order.ref] = cash

    def _execute(
        self, order: bt.Order, ago: int | None = None, price: float | None = None, *rest: Any, **how: Any
    ) -> Any:
        if order.ref in self._purses and ago is not None and price is not None:
            done = order.executed
            left = self._purses[order.ref] - done.size * done.price - done.comm
            size = max(0.0, affordable(left * (1 - _ROUNDING), price, self.costs))
            done.remsize = size
            order.size = order.created.size = done.size + size
        return super()._execute(order, ago, price, *rest, **how)


def affordable(cash: float, price: float, costs: Costs) -> float:
    """The most shares (parts included) that so much cash buys at a price, commission paid."""
    most = cash / price
    if most <= 0 or most * price + costs.commission(most, price) <= cash:
        return most
    least = 0.0
    for _ in range(_HALVINGS):
        middle = (least + most) / 2
        if middle * price + costs.commission(middle, price) <= cash:
            least = middle
        else:
            most = middle
    return least


class _Purse:
    """One symbol of an ungated line: its feeds, its rule, its cash, and what it waits for."""

    def __init__(
        self,
        data: Any,
        decisions: Any,
        rule: Rule,
        experiment: Experiment,
        choice: AdvisorConfig,
        seen: Measured,
        cash: float,
    ) -> None:
        self.data, self.decisions, self.cash = data, decisions, cash
        self.rule = rule.attach(decisions)
        self._reader = MeasuredReader(decisions, seen)
        self._schedule = Schedule(choice.decide_every, choice.changed_view)
        self._first, self._seen = experiment.warm_up.bars, 0
        self.size, self.waits = 0.0, False
        self._bars = 0

    @property
    def begun(self) -> bool:
        """Whether its first decision bar has closed."""
        return bool(len(self.decisions) >= self._first)

    def has_new_bar(self) -> bool:
        """Whether a trading bar has closed since the last call."""
        bars, self._bars = self._bars, len(self.data)
        return bars != self._bars

    def decide(self) -> Decision | None:
        """The rule's decision, where a decision bar has closed and the schedule wants one."""
        if not self.begun or len(self.decisions) == self._seen:
            return None
        self._seen = len(self.decisions)
        snapshot = self._reader.read()
        return self.rule.decide(snapshot) if self._schedule.wants(snapshot) else None


class _Ungated(bt.Strategy):
    """Each purse is in its symbol while the rule is long, and cash else."""

    params = (("universe", None), ("rule", None), ("experiment", None), ("journal", None), ("config", None))

    def __init__(self) -> None:
        universe, experiment = self.p.universe, self.p.experiment
        by_name: Mapping[str, Any] = {data._name: data for data in self.datas}
        choice = self.p.config or experiment.primary_config
        cash = experiment.costs.starting_cash / len(universe.symbols)
        self._purses = []
        for symbol in universe.symbols:
            decisions = by_name[decisions_name(symbol)] if universe.decide_on else by_name[symbol]
            seen = measured(universe.decisions(symbol), choice.lookbacks, measured_for(choice.view))
            self._purses.append(_Purse(by_name[symbol], decisions, self.p.rule, experiment, choice, seen, cash))
        self._by_data = {purse.data: purse for purse in self._purses}
        self._shared = 0.0
        self._ledger = StrategyLedger({purse.data: purse.data._name for purse in self._purses})
        self.p.journal.begin()

    def prenext(self) -> None:
        """Symbols begin one by one."""
        self.next()

    def next(self) -> None:
        """One close."""
        self._share_interest()
        new = [purse for purse in self._purses if purse.has_new_bar() and purse.begun]
        for purse in new:
            if (decision := purse.decide()) is not None:
                verdict = self._act(purse, decision)
                self.p.journal.decided(len(purse.decisions) - 1, decision, verdict)
        if new:
            time, broker = iso_time(self.datetime[0]), self.broker
            self.p.journal.closed(account_row(broker, time, broker.getvalue(), broker.getcash()))

    def notify_order(self, order: bt.Order) -> None:
        """Book what was filled."""
        purse, row = self._by_data[order.data], self._ledger.row_of(order)
        value, paid = row.filled * (row.fill_price or 0.0), row.commission
        fresh = self._ledger.update(order)
        moved = row.filled * (row.fill_price or 0.0) - value
        purse.size += fresh
        purse.cash -= (moved if fresh > 0 else -moved) + row.commission - paid
        if not order.alive():
            row.size = row.filled or row.size  # the one that was sent was a guess
        purse.waits = order.alive()

    def stop(self) -> None:
        """Close the books."""
        self._ledger.finish(self.broker.get_orders_open())
        self.p.journal.finished(self._ledger.orders, self._ledger.trades)

    def _share_interest(self) -> None:
        """Give each purse what its cash earned."""
        earned, self._shared = self.broker.interest - self._shared, self.broker.interest
        cash = [max(0.0, purse.cash) for purse in self._purses]
        if earned and sum(cash):
            for purse, own in zip(self._purses, cash, strict=True):
                purse.cash += earned * own / sum(cash)

    def _act(self, purse: _Purse, decision: Decision) -> Verdict:
        """Send what brings a purse to where the rule is."""
        action = ActionType.HOLD if decision.advice is None else decision.advice.action.type
        if purse.waits or action is ActionType.HOLD:
            return Verdict(Intent.NONE)
        if stances([action]) == [1] and not purse.size:
            size = purse.cash / purse.data.close[0]
            order = self.buy(purse.data, size=size)
            self.broker.spend(order, purse.cash)
            self._ledger.sent(order, OrderKind.ENTRY, "")
            purse.waits = True
            return Verdict(Intent.ENTER_LONG, size)
        if stances([action]) != [1] and purse.size:
            order = self.sell(purse.data, size=purse.size)
            self._ledger.sent(order, OrderKind.EXIT, "")
            purse.waits = True
            return Verdict(Intent.EXIT)
        return Verdict(Intent.NONE)
