"""The life of a position as a state machine.

::

    FLAT --enter--> ENTERING --filled--> OPEN --stop or target filled--> FLAT
      ^                |                  |
      |<---refused-----+                  +--exit--> EXITING --filled--> FLAT
                                          ^             |
                                          +---refused---+  (stop and target are placed again)

An entry is a market order alone. On its fill, stop and target are computed from the **actual** price and size and sent
as a one-cancels-other pair; they are live from the next bar on. An entry that is filled in part is cut to that part. An
exit cancels that pair first, so that nothing is left behind that could open the opposite position, and only one exit is
ever in flight. A reversal is an exit; the entry follows at a later close. The broker must not check orders at
submission (``set_checksubmit(False)``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import backtrader as bt

from llm_strategy.ledger import ExitReason, Ledger, OrderKind
from llm_strategy.risk import Intent, Verdict


class Stage(StrEnum):
    """Where the life of a position stands."""

    FLAT = "flat"
    ENTERING = "entering"
    OPEN = "open"
    EXITING = "exiting"


@dataclass(slots=True)
class _Plan:
    side: int
    stop_pct: float
    target_pct: float | None
    exit_reason: ExitReason = ExitReason.ADVICE


class OrderDesk:
    """Sends the orders of one strategy on one feed and books what became of them.

    ``position`` is signed, in shares, and counts this desk's own fills only.
    """

    def __init__(self, strategy: bt.Strategy, data: bt.AbstractDataBase, ledger: Ledger) -> None:
        self._strategy = strategy
        self._data = data
        self._ledger = ledger
        self._plan: _Plan | None = None
        self._entry: bt.Order | None = None
        self._exits: list[bt.Order] = []
        self.stage = Stage.FLAT
        self.position = 0.0
        self.last_stop_bar: int | None = None

    def act(self, verdict: Verdict, exit_reason: ExitReason = ExitReason.ADVICE) -> None:
        """Carry out a verdict of the gate; it fills at the next open."""
        if verdict.intent in (Intent.ENTER_LONG, Intent.ENTER_SHORT) and self.stage is Stage.FLAT:
            self._enter(verdict)
        elif verdict.intent is Intent.EXIT and self.stage is Stage.OPEN:
            self._exit(exit_reason)

    def _enter(self, verdict: Verdict) -> None:
        if verdict.stop_pct is None:
            raise ValueError("an entry needs a stop")
        side = 1 if verdict.intent is Intent.ENTER_LONG else -1
        self._plan = _Plan(side, verdict.stop_pct, verdict.target_pct)
        self.stage = Stage.ENTERING
        self._entry = self._send(
            side, verdict.size, bt.Order.Market, OrderKind.ENTRY, reason=verdict.reason or "advice"
        )

    def _exit(self, reason: ExitReason) -> None:
        self._current_plan.exit_reason = reason
        self._withdraw_protection()
        self.stage = Stage.EXITING
        self._send(-self._side, abs(self.position), bt.Order.Market, OrderKind.EXIT, reason=str(reason))

    def on_order(self, order: bt.Order) -> None:
        """Take a notification of the broker; orders of other strategies are ignored."""
        kind = self._ledger.kind_of(order)
        if kind is None:
            return
        self.position += self._ledger.update(order)
        if order.alive():
            if kind is OrderKind.ENTRY and order.executed.size:
                self._strategy.cancel(self._entry)  # what is filled must be protected before more is bought
            return
        if kind is OrderKind.ENTRY:
            self._entry_ended(order)
        elif order.executed.size:
            self._position_reduced(order, kind)
        elif kind is OrderKind.EXIT:
            self._stay_open()

    def _entry_ended(self, order: bt.Order) -> None:
        if not order.executed.size:
            self.stage = Stage.FLAT
            self._plan = None
            return
        stop_pct = self._current_plan.stop_pct
        breached = self._beyond(self._stop_price(order.executed.price))
        self._ledger.open_trade(order, planned_loss_pct=stop_pct, breached=breached)
        self._stay_open()

    def _stay_open(self) -> None:
        """Send stop and target for the whole position."""
        self.stage = Stage.OPEN
        plan, entry = self._current_plan, self._ledger.entry_price
        size, side = abs(self.position), -self._side
        stop = self._send(side, size, bt.Order.Stop, OrderKind.STOP, price=self._stop_price(entry), reason="protection")
        self._exits = [stop]
        if plan.target_pct is not None and (target := entry * (1 + self._side * plan.target_pct)) > 0:
            self._exits.append(
                self._send(side, size, bt.Order.Limit, OrderKind.TARGET, price=target, reason="protection", oco=stop)
            )

    def _position_reduced(self, order: bt.Order, kind: OrderKind) -> None:
        plan = self._current_plan
        self._ledger.reduce_trade(order)
        if self.stage is Stage.EXITING and kind is not OrderKind.EXIT:
            return  # a part-filled stop that was withdrawn for the exit now in flight
        self._withdraw_protection()
        if not self._ledger.is_flat(self.position):
            self._stay_open()
            return
        reasons = {OrderKind.STOP: ExitReason.STOP, OrderKind.TARGET: ExitReason.TARGET}
        self._ledger.close_trade(reasons.get(kind, plan.exit_reason))
        if kind is OrderKind.STOP:
            self.last_stop_bar = len(self._data)
        self.position = 0.0
        self.stage = Stage.FLAT
        self._plan = None

    def _withdraw_protection(self) -> None:
        for order in self._exits:
            if order.alive():
                self._strategy.cancel(order)
        self._exits = []

    def _stop_price(self, entry: float) -> float:
        return entry * (1 - self._side * self._current_plan.stop_pct)

    def _beyond(self, stop: float) -> bool:
        """Whether the bar of the fill itself traded through the stop, which wakes only on the next bar."""
        return bool(self._data.low[0] <= stop if self._side > 0 else self._data.high[0] >= stop)

    @property
    def _current_plan(self) -> _Plan:
        if self._plan is None:
            raise ValueError(f"no position is planned in stage {self.stage}")
        return self._plan

    @property
    def _side(self) -> int:
        return self._current_plan.side

    def _send(
        self,
        side: int,
        size: float,
        exectype: int,
        kind: OrderKind,
        *,
        reason: str,
        price: float | None = None,
        **how: Any,
    ) -> bt.Order:
        trade = self._strategy.buy if side > 0 else self._strategy.sell
        order = trade(data=self._data, size=size, price=price, exectype=exectype, **how)
        self._ledger.sent(order, kind, reason)
        return order
