"""One traded symbol whose orders go through an order desk: what the gate and the book are told of it."""

from __future__ import annotations

import math
from abc import abstractmethod

import backtrader as bt

from llm_strategy.risk import Limits, Market
from llm_strategy.risk.sizing import worst_price
from llm_strategy.trading.orders import OrderDesk, Plan, Stage
from llm_strategy.trading.traded_feed import TradedFeed
from llm_strategy.types import Snapshot


class DeskFeed(TradedFeed):
    """A traded feed with its order ``desk``; a subclass says what the market is like."""

    def __init__(
        self,
        data: bt.AbstractDataBase,
        decisions: bt.AbstractDataBase,
        *,
        symbol: str,
        group: str,
        desk: OrderDesk,
        tick_volume: bool = False,
    ) -> None:
        super().__init__(data, decisions, symbol=symbol, group=group, tick_volume=tick_volume)
        self.desk = desk
        self._entry_value = self._entry_cash = 0.0

    @property
    @abstractmethod
    def snapshot(self) -> Snapshot:
        """Of the last close at which something could be decided."""

    @abstractmethod
    def market_at(self, broker: bt.brokers.BackBroker | None, *, decided: bool) -> Market:
        """The market at this close, with what is known of it where something was ``decided``; costs only with the
        ``broker`` of an entry, because they take time."""

    def entry_sent(self, size: float, market: Market, limits: Limits) -> None:
        """Set aside what an entry of this size may come to at the worst price that sizing foresees."""
        self._entry_value = size * worst_price(size, market, limits)
        self._entry_cash = self._entry_value + market.costs.commission(size, market.price * (1 + limits.gap_buffer))

    @property
    def position(self) -> float:
        """Signed shares of the desk's own fills."""
        return self.desk.position

    @property
    def entering(self) -> float:
        """Signed shares of the entry that waits."""
        return self.desk.entering

    @property
    def exposure(self) -> float:
        """The position at the close, or the entry that waits at its worst price; signed currency."""
        value = float(self.desk.position * self.price)
        return value + math.copysign(self._entry_value, self.desk.entering) if self.desk.entering else value

    @property
    def reserved(self) -> float:
        """What the entry that waits may need."""
        return self._entry_cash if self.desk.entering else 0.0

    @property
    def firm(self) -> bool:
        """Held, and neither an entry nor an exit waits."""
        return self.desk.stage is Stage.OPEN

    @property
    def stop_price(self) -> float | None:
        """Where the desk's stop stands."""
        return self._live_plan.stop_price if self._live_plan else None

    @property
    def stop_pct(self) -> float | None:
        """Distance of the stop from the fill (fraction)."""
        return self._live_plan.stop_pct if self._live_plan else None

    @property
    def bars_held(self) -> int | None:
        """Decision bars since the entry was filled."""
        return len(self._decision_clock) - self._entered_at if self._live_plan else None

    @property
    def _live_plan(self) -> Plan | None:
        return self.desk.plan if self.desk.stage in (Stage.OPEN, Stage.EXITING) else None
