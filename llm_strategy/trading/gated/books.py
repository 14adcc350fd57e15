"""The books of a strategy that sends its own orders: every order, and every round trip from flat to flat."""

from __future__ import annotations

import math
from collections.abc import Sequence

import backtrader as bt

from llm_strategy.trading.ledger import DUST, ExitReason, Ledger, OrderKind


class StrategyLedger(Ledger):
    """Books any orders in any sequence: positions may be added to and reduced in parts.

    The size of a round trip is all that was bought (sold) for it, its prices are means over the fills. What ended it is
    the kind of the order that closed the rest. No loss is planned, as only the strategy knows its stops.
    """

    def update(self, order: bt.Order) -> float:
        """As of any ledger; fills are booked on the round trip as they come."""
        row = self._rows[order.ref]
        value, paid = row.filled * (row.fill_price or 0.0), row.commission
        fresh = super().update(order)
        if row.type == "stop" and fresh:
            row.price = order.created.price  # where a trailing stop has come to
        if fresh:
            price = (row.filled * (row.fill_price or 0.0) - value) / abs(fresh)
            self._book_fill(order, fresh, price, row.commission - paid)
        return fresh

    def finish(self, waiting: Sequence[bt.Order]) -> None:
        """As of any ledger; what partly filled is booked already."""
        self._cancel_all_but(waiting)
        self._mark_open_trades()

    def _book_fill(self, order: bt.Order, size: float, price: float, commission: float) -> None:
        """Book shares (signed) that were filled at a price."""
        data = order.data
        trade = self._open.get(data)
        if trade is None:
            self.begin_trade(data, size, price, commission)
            return
        if size * trade.direction > 0:
            whole = trade.size + abs(size)
            trade.entry_price = (trade.size * trade.entry_price + abs(size) * price) / whole
            trade.size = whole
            trade.commission += commission
            return
        left = trade.size - trade.exited_size
        closing = min(abs(size), left)
        part = closing / abs(size)
        trade.exited_size += closing
        trade.exited_value += closing * price
        trade.commission += commission * part
        if left - closing <= DUST:
            self.close_trade(data, self._ended_by(order))
        if abs(size) - closing > DUST:
            self.begin_trade(data, math.copysign(abs(size) - closing, size), price, commission * (1 - part))

    def _ended_by(self, order: bt.Order) -> ExitReason:
        row = self._rows[order.ref]
        if row.reason in (ExitReason.KILL_SWITCH, ExitReason.TIME):
            return ExitReason(row.reason)
        kinds = {OrderKind.STOP: ExitReason.STOP, OrderKind.TARGET: ExitReason.TARGET}
        return kinds.get(OrderKind(row.kind), ExitReason.ADVICE)
