"""The backtrader strategy: thin glue between advisor, risk gate and order desk."""

from __future__ import annotations

import backtrader as bt

from llm_strategy.errors import ConfigurationError, SimulationOnlyError
from llm_strategy.journal import EquityRow, Journal
from llm_strategy.kill_switch import KillSwitch
from llm_strategy.ledger import ExitReason, Ledger
from llm_strategy.limits import Limits
from llm_strategy.orders import OrderDesk
from llm_strategy.risk import Account, Market, Verdict, judge
from llm_strategy.snapshot import SnapshotReader


class AdvisedStrategy(bt.Strategy):
    """Asks an advisor at every close, puts its advice through the risk gate, and trades what is left at the next open.

    Parameters: ``advisor`` (``ModelAdvisor``, a rule of ``llm_strategy.baselines``, or your own), ``limits``
    (``Limits``), ``symbol`` (the name in advice and journal; the feed's name if absent), ``journal`` (``Journal``; one
    in memory if absent, as ``strategy.journal``). Works on the first feed.

    Raises ``SimulationOnlyError`` for any broker but backtrader's simulated one. It switches the broker's check at
    submission off: with it on, exits near full cash are lost (the check at the fill stays on).
    """

    params = (("advisor", None), ("limits", None), ("symbol", None), ("journal", None))

    def __init__(self) -> None:
        if self.p.advisor is None:
            raise ConfigurationError("AdvisedStrategy needs an advisor: addstrategy(AdvisedStrategy, advisor=...).")
        self.limits: Limits = self.p.limits or Limits()
        self.journal: Journal = self.p.journal or Journal()
        self._reader = SnapshotReader(self.data, self.p.symbol)
        self.p.advisor.attach(self.data)
        self._ledger = Ledger(self.data)
        self._desk = OrderDesk(self, self.data, self._ledger)
        self._bars_seen = 0
        self._kill_switch = KillSwitch(self.limits.max_drawdown, self.limits.rearm_after_bars)

    def start(self) -> None:
        """Refuse a broker that could trade for real, or that fills in the past."""
        if not isinstance(self.broker, bt.brokers.BackBroker):
            raise SimulationOnlyError(
                f"The broker is a {type(self.broker).__name__}: only backtrader's simulated BackBroker is allowed, "
                "leave cerebro.broker as it is."
            )
        if self.broker.p.coc or self.broker.p.coo:
            raise ConfigurationError(
                "The broker fills at the bar of the decision (cheat-on-close or cheat-on-open): switch it off, orders "
                "fill at the next open."
            )
        self.broker.set_checksubmit(False)
        self._commission = _commission_fraction(self.broker.getcommissioninfo(self.data))

    def next(self) -> None:
        """One close: snapshot, decision, verdict, order, journal."""
        if len(self.data) == self._bars_seen:
            return  # backtrader calls at the times of every feed; this is another one's
        self._bars_seen = len(self.data)
        equity = self.broker.getvalue()
        self._kill_switch.update(equity)
        decision = self.p.advisor.decide(self._reader.read())
        account = self._account(equity)
        verdict = judge(decision.advice, self._market(), account, self.limits)
        bar = len(self.data) - 1
        self.journal.decided(bar, decision, verdict)
        self.journal.closed(
            EquityRow(decision.snapshot.time, decision.snapshot.close, equity, account.cash, account.position)
        )
        self._act(verdict)

    def notify_order(self, order: bt.Order) -> None:
        """Hand the broker's word to the order desk."""
        self._desk.on_order(order)

    def stop(self) -> None:
        """Mark what is still open and close the books."""
        self._ledger.mark_open_trade()
        self.journal.finished(self._ledger.orders, self._ledger.trades)

    def _act(self, verdict: Verdict) -> None:
        self._desk.act(verdict, ExitReason.KILL_SWITCH if self._kill_switch.killed else ExitReason.ADVICE)

    def _account(self, equity: float) -> Account:
        stopped = self._desk.last_stop_bar
        return Account(
            equity=equity,
            cash=self.broker.getcash(),
            position=self._desk.position,
            other_exposure=self._other_exposure(),
            drawdown=self._kill_switch.drawdown,
            killed=self._kill_switch.killed,
            bars_since_stop=None if stopped is None else len(self.data) - stopped,
        )

    def _market(self) -> Market:
        return Market(self.data.close[0], self._commission, self.broker.p.slip_perc)

    def _other_exposure(self) -> float:
        """Gross value of everything in the broker's book that this desk does not hold."""
        gross = 0.0
        for data, position in self.broker.positions.items():
            foreign = position.size - (self._desk.position if data is self.data else 0.0)
            gross += abs(foreign * data.close[0])
        return gross


def _commission_fraction(scheme: bt.CommInfoBase) -> float:
    """Commission as a fraction of the traded value; the gate sizes nothing else (futures, leverage, fixed amounts)."""
    plain = scheme.stocklike and scheme._commtype == scheme.COMM_PERC
    if not plain or scheme.p.mult != 1 or scheme.p.leverage != 1:
        raise ConfigurationError(
            "The broker's commission scheme is not a percentage of a stock's value, and the gate cannot size positions "
            "under it: use setcommission(commission=0.001) without margin, mult or leverage."
        )
    return float(scheme.p.commission)
