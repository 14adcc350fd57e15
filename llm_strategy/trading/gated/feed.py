"""The orders of somebody else's strategy on one feed: what they have come to, and what they may still do."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

import backtrader as bt

from llm_strategy.trading.ledger import DUST
from llm_strategy.trading.traded_feed import TradedFeed
from llm_strategy.types import ClampEvent

MARKET_TYPES = (None, bt.Order.Market, bt.Order.Close)
STOP_TYPES = (bt.Order.Stop, bt.Order.StopTrail, bt.Order.StopLimit, bt.Order.StopTrailLimit)

OnCut = Callable[["GatedFeed", float, float, tuple[ClampEvent, ...]], None]
"""Told of each cut: the feed, the signed shares asked for and those allowed, and why."""


@dataclass(slots=True)
class SentOrder:
    """An order that the gate let through, and what has been booked of it (shares, currency, currency)."""

    order: bt.Order
    worst: float
    """The highest price that it may fill at, currency."""
    opens: bool
    """Whether it was judged as an entry."""
    group: int
    """Equal for orders of which only one can fill: a one-cancels-other group, or the exits of a bracket."""
    size: float = 0.0
    value: float = 0.0
    commission: float = 0.0

    @property
    def side(self) -> int:
        """1 for a purchase, -1 for a sale."""
        return 1 if self.order.isbuy() else -1

    @property
    def left(self) -> float:
        """Shares that are not booked yet and may still be."""
        ended = not self.order.alive() and abs(self.order.executed.size) <= self.size + DUST
        return 0.0 if ended else float(abs(self.order.size)) - self.size

    @property
    def dormant(self) -> bool:
        """Whether it waits for the entry of its bracket."""
        return self.order.parent is not None and self.order.parent.alive()

    @property
    def at_market(self) -> bool:
        """Whether it fills at the next bar in any case."""
        return self.order.exectype in MARKET_TYPES


class GatedFeed(TradedFeed):
    """Position, waiting entries and exits of one strategy on one feed."""

    def __init__(
        self,
        data: bt.AbstractDataBase,
        decisions: bt.AbstractDataBase | None = None,
        *,
        symbol: str,
        group: str,
        on_cut: OnCut,
        tick_volume: bool = False,
    ) -> None:
        super().__init__(
            data, data if decisions is None else decisions, symbol=symbol, group=group, tick_volume=tick_volume
        )
        self._on_cut = on_cut
        self._position = 0.0
        self._cash_flow = 0.0
        self._sent: dict[int, SentOrder] = {}

    @property
    def position(self) -> float:
        """Signed shares of the strategy's own fills."""
        return self._position

    @property
    def entering(self) -> float:
        """Signed shares of the waiting entries of one side, that which could hold more."""
        return max(self.waiting(1), -self.waiting(-1), key=abs)

    @property
    def firm(self) -> bool:
        """Held, and neither an entry nor an exit at the market waits; a resting exit may fill at any time."""
        return bool(self._position) and not any(
            sent.left and (sent.opens or sent.at_market) for sent in self._sent.values()
        )

    @property
    def exposure(self) -> float:
        """Signed currency of the side that could come to more."""
        return max(self.worth(1), -self.worth(-1), key=abs)

    @property
    def reserved(self) -> float:
        """What waiting entries may need."""
        return self._waiting_worth(1) + self._waiting_worth(-1)

    def worth(self, side: int) -> float:
        """Currency (positive) on this side: the position at the close, waiting entries at their worst price."""
        held = float(self._position * self.data.close[0]) if side * self._position > 0 else 0.0
        return abs(held) + self._waiting_worth(side)

    def waiting(self, side: int) -> float:
        """Shares of entries on this side that wait."""
        return math.fsum(sent.left for sent in self._entries(side))

    def room_to_close(self, *, at_market: bool, group: int | None) -> float:
        """Shares of the position that exits do not cover yet: for an order at the market those in flight, for a resting
        one those of every other group."""
        taken = math.fsum(
            max(sent.left for sent in exits)
            for exits in self._exit_groups()
            if exits[0].group != group and (not at_market or any(sent.at_market for sent in exits))
        )
        return max(0.0, abs(self._position) - taken)

    def group_of(self, order: bt.Order | None) -> int | None:
        """The group that an order is to share with this one; ``None`` where there is none, or where this is an exit of
        a bracket, whose other exit backtrader would leave alive."""
        if order is None or order.parent is not None:
            return None
        return self._sent[order.ref].group if order.ref in self._sent else int(order.ref)

    def keep(self, sent: SentOrder) -> None:
        """Take an order that was sent; resting exits give way to one at the market."""
        self._sent[sent.order.ref] = sent
        if sent.at_market and not sent.opens:
            self.trim_exits()

    def book(self, order: bt.Order) -> tuple[float, bool] | None:
        """Take a notification. Where a round trip has ended: its net profit, and whether a stop ended it."""
        sent = self._sent.get(order.ref) or SentOrder(order, self.data.close[0], opens=False, group=order.ref)
        self._sent[order.ref] = sent
        done, before = order.executed, self._position
        fresh, sent.size = abs(done.size) - sent.size, abs(done.size)
        value, sent.value = abs(done.size) * done.price - sent.value, abs(done.size) * done.price
        fee, sent.commission = done.comm - sent.commission, done.comm
        self._cash_flow -= sent.side * value + fee
        self._position += sent.side * fresh
        if abs(self._position) <= DUST:
            self._position = 0.0
        if not order.alive():
            del self._sent[order.ref]
        if self._position and self._position * before <= 0:
            self.entered()
        if not before or self._position * before > 0:
            return None
        left = self._position * value / fresh if fresh else 0.0
        net, self._cash_flow = self._cash_flow + left, -left
        return net, order.exectype in STOP_TYPES

    def trim_exits(self) -> None:
        """Cut resting exits to what the position leaves to close, the newest first; those that would open one go."""
        for sent in list(self._sent.values()):
            if sent.left and not sent.dormant and not sent.opens and sent.side * self._position >= 0:
                self._shrink(sent, 0.0)
        room = abs(self._position)
        groups = list(self._exit_groups())
        for exits in sorted(groups, key=lambda exits: not any(sent.at_market for sent in exits)):
            for sent in exits:
                if sent.left > room + DUST:
                    self._shrink(sent, room)
            room -= min(room, max(sent.left for sent in exits))

    def withdraw(self, *, entries_alone: bool = False) -> None:
        """Cancel what waits."""
        for sent in list(self._sent.values()):
            if sent.order.alive() and (sent.opens or not entries_alone):
                sent.order.owner.broker.cancel(sent.order)

    def _entries(self, side: int) -> Iterator[SentOrder]:
        if side * self._position >= 0:
            yield from (sent for sent in self._sent.values() if sent.side == side and sent.opens and sent.left)

    def _waiting_worth(self, side: int) -> float:
        return math.fsum(sent.left * sent.worst for sent in self._entries(side))

    def _exit_groups(self) -> Iterator[list[SentOrder]]:
        """Orders that reduce the position, by group."""
        exits = [
            sent for sent in self._sent.values() if sent.left and not sent.dormant and sent.side * self._position < 0
        ]
        exits.sort(key=attrgetter("group"))
        for _, group in groupby(exits, key=attrgetter("group")):
            yield list(group)

    def _shrink(self, sent: SentOrder, size: float) -> None:
        order, asked = sent.order, sent.side * sent.left
        if size <= DUST:
            order.owner.broker.cancel(order)
        else:
            order.size = order.created.size = order.created.remsize = sent.side * (sent.size + size)
            order.executed.remsize = sent.side * size
        self._on_cut(self, asked, sent.side * size, (ClampEvent("resting_exits", abs(asked), size),))
