"""The books of one strategy: every order sent and every round trip, as rows ready to be written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import backtrader as bt

from llm_strategy.market.snapshot import iso_time
from llm_strategy.trading.bar_check import last_close


class OrderKind(StrEnum):
    """What an order is for."""

    ENTRY = "entry"
    STOP = "stop"
    TARGET = "target"
    EXIT = "exit"


class ExitReason(StrEnum):
    """Why a round trip ended; ``OPEN`` is a position still held at the end of the data, marked at the last close."""

    STOP = "stop"
    TARGET = "target"
    ADVICE = "advice"
    TIME = "time"
    KILL_SWITCH = "kill_switch"
    OPEN = "open"


@dataclass(slots=True)
class OrderRow:
    """One order; times are ISO 8601 in UTC, prices in currency, sizes in shares and positive. ``done`` is empty while
    pending."""

    order: int
    symbol: str
    created: str
    kind: str
    side: str
    type: str
    size: float
    price: float | None
    status: str
    done: str
    fill_price: float | None
    filled: float
    commission: float
    reason: str


@dataclass(slots=True)
class TradeRow:
    """One round trip; profits, commission and the loss planned at the stop are in currency."""

    trade: int
    symbol: str
    side: str
    size: float
    entered: str
    entry_price: float
    exited: str
    exit_price: float
    exit_reason: str
    bars_held: int
    gross: float
    commission: float
    net: float
    planned_loss: float
    entry_bar_breach: int


@dataclass(slots=True)
class _OpenTrade:
    direction: int
    size: float
    entered: str
    entry_price: float
    entry_bar: int
    planned_loss: float
    breached: bool
    commission: float
    exited_size: float = 0.0
    exited_value: float = 0.0


_TYPES = {
    bt.Order.Market: "market",
    bt.Order.Close: "close",
    bt.Order.Limit: "limit",
    bt.Order.Stop: "stop",
    bt.Order.StopTrail: "stop",
    bt.Order.StopLimit: "stop",
    bt.Order.StopTrailLimit: "stop",
}
"""What an order is due at: the open, the close, its limit or its trigger."""
_WITHOUT_PRICE = (bt.Order.Market, bt.Order.Close)
DUST = 1e-9
"""Shares; below this a position is flat (0.1 + 0.2 - 0.3 is not 0)."""


class Ledger:
    """Books orders and trades of the traded feeds, in the order in which they happened."""

    def __init__(self, symbols: Mapping[bt.AbstractDataBase, str]) -> None:
        self._symbols = symbols
        self._kinds: dict[int, OrderKind] = {}
        self._rows: dict[int, OrderRow] = {}
        self._feeds: dict[int, bt.AbstractDataBase] = {}
        self._open: dict[bt.AbstractDataBase, _OpenTrade] = {}
        self.trades: list[TradeRow] = []

    @property
    def orders(self) -> list[OrderRow]:
        """Every order sent so far, oldest first."""
        return list(self._rows.values())

    def sent(self, order: bt.Order, kind: OrderKind, reason: str) -> None:
        """Book an order at the close at which it was sent."""
        self._kinds[order.ref] = kind
        self._feeds[order.ref] = order.data
        self._rows[order.ref] = OrderRow(
            order=len(self._rows) + 1,
            symbol=self._symbols[order.data],
            created=now_of(order.data),
            kind=kind,
            side="buy" if order.isbuy() else "sell",
            type=_TYPES[order.exectype],
            size=abs(order.created.size),
            price=None if order.exectype in _WITHOUT_PRICE else order.created.price,
            status="pending",
            done="",
            fill_price=None,
            filled=0.0,
            commission=0.0,
            reason=reason,
        )

    def kind_of(self, order: bt.Order) -> OrderKind | None:
        """What this order is for, or ``None`` if it is not one of ours."""
        return self._kinds.get(order.ref)

    def row_of(self, order: bt.Order) -> OrderRow:
        """The row of an order that was sent."""
        return self._rows[order.ref]

    def update(self, order: bt.Order) -> float:
        """Book a notification; returns the shares filled since the last one, signed."""
        row = self._rows[order.ref]
        fresh = float(abs(order.executed.size) - row.filled)
        if fresh > 0:
            row.filled = abs(order.executed.size)
            row.fill_price = order.executed.price
            row.commission = order.executed.comm
        if not order.alive():
            row.status = order.getstatusname().lower()
            row.done = now_of(order.data)
        return fresh if order.isbuy() else -fresh

    def open_trade(self, order: bt.Order, *, planned_loss_pct: float, breached: bool) -> None:
        """Begin a round trip with a filled entry; the planned loss is that fraction of its value."""
        done = order.executed
        self._open[order.data] = _OpenTrade(
            direction=1 if done.size > 0 else -1,
            size=abs(done.size),
            entered=now_of(order.data),
            entry_price=done.price,
            entry_bar=len(order.data),
            planned_loss=abs(done.size) * done.price * planned_loss_pct,
            breached=breached,
            commission=done.comm,
        )

    def begin_trade(self, data: bt.AbstractDataBase, size: float, price: float, commission: float) -> None:
        """Begin a round trip with shares (signed) that were filled at a price, for which no loss is planned."""
        self._open[data] = _OpenTrade(
            direction=1 if size > 0 else -1,
            size=abs(size),
            entered=now_of(data),
            entry_price=price,
            entry_bar=len(data),
            planned_loss=0.0,
            breached=False,
            commission=commission,
        )

    def reduce_trade(self, order: bt.Order) -> None:
        """Book the fills of an order that has ended and took part of the open position away."""
        trade, done = self._open[order.data], order.executed
        trade.exited_size += abs(done.size)
        trade.exited_value += abs(done.size) * done.price
        trade.commission += done.comm

    def close_trade(self, data: bt.AbstractDataBase, reason: ExitReason) -> TradeRow:
        """End the round trip with what was booked by ``reduce_trade``."""
        trade = self._open.pop(data)
        return self._write(data, trade, trade.exited_value / trade.exited_size, reason)

    def finish(self, waiting: Sequence[bt.Order]) -> None:
        """At the end of the data: end what was cancelled at the last close, which nobody announces, and show positions
        still held as rows marked at their last close. ``waiting`` are the orders that the broker still holds."""
        self._cancel_all_but(waiting)
        for order in waiting:
            if self._kinds.get(order.ref) is OrderKind.EXIT and order.executed.size:
                self.reduce_trade(order)
        self._mark_open_trades()

    def _cancel_all_but(self, waiting: Sequence[bt.Order]) -> None:
        alive = {order.ref for order in waiting}
        for ref, row in self._rows.items():
            if row.status == "pending" and ref not in alive:
                row.status, row.done = "canceled", now_of(self._feeds[ref])

    def _mark_open_trades(self) -> None:
        for data, trade in self._open.items():
            left = trade.size - trade.exited_size
            value = trade.exited_value + left * last_close(data)
            self._write(data, trade, value / trade.size, ExitReason.OPEN)

    def _write(self, data: bt.AbstractDataBase, trade: _OpenTrade, exit_price: float, reason: ExitReason) -> TradeRow:
        gross = trade.direction * trade.size * (exit_price - trade.entry_price)
        row = TradeRow(
            trade=len(self.trades) + 1,
            symbol=self._symbols[data],
            side="long" if trade.direction > 0 else "short",
            size=trade.size,
            entered=trade.entered,
            entry_price=trade.entry_price,
            exited=now_of(data),
            exit_price=exit_price,
            exit_reason=reason,
            bars_held=len(data) - trade.entry_bar,
            gross=gross,
            commission=trade.commission,
            net=gross - trade.commission,
            planned_loss=trade.planned_loss,
            entry_bar_breach=int(trade.breached),
        )
        self.trades.append(row)
        return row

    def is_flat(self, position: float) -> bool:
        """Whether what is left of a position is binary dust."""
        return abs(position) < DUST


def now_of(data: bt.AbstractDataBase) -> str:
    """The time of the bar of a feed that has just closed, ISO 8601."""
    return iso_time(data.datetime[0])
