"""The books of one strategy on one feed: every order sent and every round trip, as rows ready to be written."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import backtrader as bt


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
    KILL_SWITCH = "kill_switch"
    OPEN = "open"


@dataclass(slots=True)
class OrderRow:
    """One order; times are ISO 8601, prices in currency, sizes in shares and positive. ``done`` is empty while
    pending."""

    order: int
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


_TYPES = {bt.Order.Market: "market", bt.Order.Stop: "stop", bt.Order.Limit: "limit"}
_DUST = 1e-9
"""Shares; below this a position is flat (0.1 + 0.2 - 0.3 is not 0)."""


class Ledger:
    """Books orders and trades of one feed in the order in which they happened."""

    def __init__(self, data: bt.AbstractDataBase) -> None:
        self._data = data
        self._kinds: dict[int, OrderKind] = {}
        self._rows: dict[int, OrderRow] = {}
        self._open: _OpenTrade | None = None
        self.trades: list[TradeRow] = []

    @property
    def orders(self) -> list[OrderRow]:
        """Every order sent so far, oldest first."""
        return list(self._rows.values())

    @property
    def entry_price(self) -> float:
        """Average fill price of the open position, in currency."""
        return self._trade.entry_price

    def sent(self, order: bt.Order, kind: OrderKind, reason: str) -> None:
        """Book an order at the close at which it was sent."""
        self._kinds[order.ref] = kind
        self._rows[order.ref] = OrderRow(
            order=len(self._rows) + 1,
            created=self._now(),
            kind=kind,
            side="buy" if order.isbuy() else "sell",
            type=_TYPES[order.exectype],
            size=abs(order.created.size),
            price=None if order.exectype == bt.Order.Market else order.created.price,
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
            row.done = self._now()
        return fresh if order.isbuy() else -fresh

    def open_trade(self, order: bt.Order, *, planned_loss_pct: float, breached: bool) -> None:
        """Begin a round trip with a filled entry; the planned loss is that fraction of its value."""
        done = order.executed
        self._open = _OpenTrade(
            direction=1 if done.size > 0 else -1,
            size=abs(done.size),
            entered=self._now(),
            entry_price=done.price,
            entry_bar=len(self._data),
            planned_loss=abs(done.size) * done.price * planned_loss_pct,
            breached=breached,
            commission=done.comm,
        )

    def reduce_trade(self, order: bt.Order) -> None:
        """Book the fills of an order that has ended and took part of the open position away."""
        trade, done = self._trade, order.executed
        trade.exited_size += abs(done.size)
        trade.exited_value += abs(done.size) * done.price
        trade.commission += done.comm

    def close_trade(self, reason: ExitReason) -> None:
        """End the round trip with what was booked by ``reduce_trade``."""
        trade = self._trade
        self._write(trade, trade.exited_value / trade.exited_size, reason)
        self._open = None

    def mark_open_trade(self) -> None:
        """At the end of the data: show a position still held as a row marked at the last close."""
        if self._open is not None:
            trade, left = self._open, self._open.size - self._open.exited_size
            value = trade.exited_value + left * self._data.close[0]
            self._write(trade, value / trade.size, ExitReason.OPEN)

    def _write(self, trade: _OpenTrade, exit_price: float, reason: ExitReason) -> None:
        gross = trade.direction * trade.size * (exit_price - trade.entry_price)
        self.trades.append(
            TradeRow(
                trade=len(self.trades) + 1,
                side="long" if trade.direction > 0 else "short",
                size=trade.size,
                entered=trade.entered,
                entry_price=trade.entry_price,
                exited=self._now(),
                exit_price=exit_price,
                exit_reason=reason,
                bars_held=len(self._data) - trade.entry_bar,
                gross=gross,
                commission=trade.commission,
                net=gross - trade.commission,
                planned_loss=trade.planned_loss,
                entry_bar_breach=int(trade.breached),
            )
        )

    def is_flat(self, position: float) -> bool:
        """Whether what is left of a position is binary dust."""
        return abs(position) < _DUST

    @property
    def _trade(self) -> _OpenTrade:
        if self._open is None:
            raise ValueError("no trade is open")
        return self._open

    def _now(self) -> str:
        return str(self._data.datetime.datetime(0).isoformat())
