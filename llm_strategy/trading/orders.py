"""The life of a position as a state machine.

::

    FLAT --enter--> ENTERING --filled--> OPEN --stop or target filled--> FLAT
      ^                |                 |  ^
      |<--refused, ----+       tighten --+--+--exit--> EXITING --filled--> FLAT
      |   withdrawn,                        ^             |
      |   expired                           +---refused---+  (stop and target are placed again)

- An entry is a market order, or a limit order, alone. On its fill, stop and target are computed from the **actual**
  price and size and sent as a one-cancels-other pair; they are live from the next bar on.
- An entry that is filled in part is cut to that part. A target filled in part is placed again for the rest; of a stop
  filled in part the rest leaves at the next open. What is settled this way is settled on the bar of the fill.
- An exit cancels the pair first, so that nothing is left behind that could open the opposite position, and only one
  exit is ever in flight. A reversal is an exit; the entry follows at a later close.
- A stop that is tightened is cancelled and sent again with its target.

The broker must not check orders at submission (``set_checksubmit(False)``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal

import backtrader as bt
from pydantic import Field

from llm_strategy.errors import ConfigurationError, did_you_mean
from llm_strategy.risk import Intent, Limits, Verdict
from llm_strategy.trading.ledger import ExitReason, Ledger, OrderKind, TradeRow

Entry = Literal["market", "limit"]
Fill = Literal["next_open", "same_close"]
ENTRIES: tuple[Entry, ...] = ("market", "limit")
FILLS: tuple[Fill, ...] = ("next_open", "same_close")


@dataclass(frozen=True, slots=True)
class OrderRules:
    """Raises ``ConfigurationError`` for settings that are impossible or contradict each other."""

    entry: Entry = "market"
    """``market`` fills at the next open; ``limit`` waits for a better price than the close."""
    limit_offset_pct: Annotated[float, Field(ge=0)] = 0.005
    """Of ``limit``: distance of the entry from the close, below it to buy and above it to sell (fraction)."""
    entry_bars: Annotated[int, Field(ge=1)] = 1
    """Bars that an entry waits for its fill before it is withdrawn."""
    fill: Fill = "next_open"
    """``same_close`` fills a market entry or exit at the very close that decided it, which nobody could have done;
    every report says so."""

    def __post_init__(self) -> None:
        for name, allowed in (("entry", ENTRIES), ("fill", FILLS)):
            value = getattr(self, name)
            if value not in allowed:
                raise ConfigurationError(f"orders.{name} is {value!r}{did_you_mean(str(value), list(allowed))}")
        object.__setattr__(self, "limit_offset_pct", float(self.limit_offset_pct))
        if not 0 <= self.limit_offset_pct < 1:
            raise ConfigurationError(
                f"orders.limit_offset_pct is {self.limit_offset_pct}: it is a share of the close, from 0 to below 1."
            )
        if isinstance(self.entry_bars, bool) or self.entry_bars != int(self.entry_bars) or self.entry_bars < 1:
            raise ConfigurationError(
                f"orders.entry_bars is {self.entry_bars}: it must be a whole number from 1 upwards."
            )
        if self.entry == "limit" and self.fill == "same_close":
            raise ConfigurationError(
                "orders.fill is same_close and orders.entry is limit: a limit order waits for later bars, choose one."
            )

    def problem_with(self, limits: Limits) -> str | None:
        """One sentence where these rules and limits contradict each other."""
        if self.entry == "limit" and limits.allow_short and self.limit_offset_pct > limits.gap_buffer:
            return (
                f"orders.limit_offset_pct ({self.limit_offset_pct}) is above risk.gap_buffer ({limits.gap_buffer}): a "
                "short position could be larger than the gate sized it, lower the one or raise the other."
            )
        return None


class Stage(StrEnum):
    """Where the life of a position stands."""

    FLAT = "flat"
    ENTERING = "entering"
    OPEN = "open"
    EXITING = "exiting"


@dataclass(slots=True)
class Plan:
    """What is planned for a position from its entry on: prices in currency, distances as fractions of the fill."""

    side: int
    size: float
    stop_pct: float
    target_pct: float | None
    sent_bar: int
    stop_price: float = 0.0
    target_price: float | None = None
    entry_bar: int = 0
    exit_reason: ExitReason = ExitReason.ADVICE


class OrderDesk:
    """Sends the orders of one strategy on one feed and books what became of them.

    ``position`` is signed, in shares, and counts this desk's own fills only. ``last_closed`` is the round trip that
    ended last.
    """

    def __init__(self, strategy: bt.Strategy, data: bt.AbstractDataBase, ledger: Ledger, rules: OrderRules) -> None:
        self._strategy = strategy
        self._data = data
        self._ledger = ledger
        self._rules = rules
        self._entry: bt.Order | None = None
        self._protection: list[bt.Order] = []
        self._settled: set[int] = set()
        self.plan: Plan | None = None
        self.stage = Stage.FLAT
        self.position = 0.0
        self.last_closed: TradeRow | None = None

    @property
    def entering(self) -> float:
        """Signed shares of an entry that waits for its fill."""
        return self.plan.side * self.plan.size if self.plan and self.stage is Stage.ENTERING else 0.0

    def act(self, verdict: Verdict, exit_reason: ExitReason = ExitReason.ADVICE) -> None:
        """Carry out a verdict of the gate."""
        match verdict.intent, self.stage:
            case ((Intent.ENTER_LONG | Intent.ENTER_SHORT), Stage.FLAT):
                self._enter(verdict)
            case Intent.EXIT, Stage.OPEN:
                self._withdraw_protection()
                self._exit(exit_reason)
            case Intent.EXIT, Stage.ENTERING:
                self._strategy.cancel(self._entry)
            case Intent.TIGHTEN, Stage.OPEN:
                self._withdraw_protection()
                self._current_plan.stop_price = verdict.stop_price or self._current_plan.stop_price
                self._protect()

    def bar_closed(self) -> None:
        """Withdraw an entry that has waited its time."""
        if self.stage is Stage.ENTERING and len(self._data) - self._current_plan.sent_bar >= self._rules.entry_bars:
            self._strategy.cancel(self._entry)

    def on_order(self, order: bt.Order) -> None:
        """Take a notification of the broker; orders of other desks are ignored."""
        kind = self._ledger.kind_of(order)
        if kind is None or order.data is not self._data:
            return
        fresh = self._ledger.update(order)
        self.position += fresh
        if order.ref in self._settled:
            return
        if order.alive():
            if not fresh or kind is OrderKind.EXIT:
                return
            self._strategy.cancel(order)
            self._settled.add(order.ref)
        if kind is OrderKind.ENTRY:
            self._entry_ended(order)
        elif order.executed.size:
            self._position_reduced(order, kind)
        elif kind is OrderKind.EXIT:
            self._protect()

    def _enter(self, verdict: Verdict) -> None:
        if verdict.stop_pct is None:
            raise ValueError("an entry needs a stop")
        side = 1 if verdict.intent is Intent.ENTER_LONG else -1
        self.plan = Plan(side, verdict.size, verdict.stop_pct, verdict.target_pct, len(self._data))
        self.stage = Stage.ENTERING
        price, exectype = None, bt.Order.Market
        if self._rules.entry == "limit":
            price, exectype = self._data.close[0] * (1 - side * self._rules.limit_offset_pct), bt.Order.Limit
        self._entry = self._send(side, verdict.size, exectype, OrderKind.ENTRY, "advice", price=price)

    def _entry_ended(self, order: bt.Order) -> None:
        if not order.executed.size:
            self.stage, self.plan = Stage.FLAT, None
            return
        plan, price = self._current_plan, order.executed.price
        plan.entry_bar = len(self._data)
        plan.stop_price = price * (1 - plan.side * plan.stop_pct)
        plan.target_price = None if plan.target_pct is None else price * (1 + plan.side * plan.target_pct)
        self._ledger.open_trade(order, planned_loss_pct=plan.stop_pct, breached=self._beyond(plan.stop_price))
        self._protect()

    def _protect(self) -> None:
        """Send stop and target for the whole position."""
        self.stage = Stage.OPEN
        plan, size = self._current_plan, abs(self.position)
        stop = self._send(-plan.side, size, bt.Order.Stop, OrderKind.STOP, "protection", price=plan.stop_price)
        self._protection = [stop]
        if plan.target_price is not None and plan.target_price > 0:
            target = self._send(
                -plan.side, size, bt.Order.Limit, OrderKind.TARGET, "protection", price=plan.target_price, oco=stop
            )
            self._protection.append(target)

    def _exit(self, reason: ExitReason) -> None:
        plan = self._current_plan
        plan.exit_reason = reason
        self.stage = Stage.EXITING
        self._send(-plan.side, abs(self.position), bt.Order.Market, OrderKind.EXIT, str(reason))

    def _position_reduced(self, order: bt.Order, kind: OrderKind) -> None:
        self._ledger.reduce_trade(order)
        self._withdraw_protection()
        reasons = {OrderKind.STOP: ExitReason.STOP, OrderKind.TARGET: ExitReason.TARGET}
        reason = reasons.get(kind, self._current_plan.exit_reason)
        if self._ledger.is_flat(self.position):
            self.last_closed = self._ledger.close_trade(self._data, reason)
            self.position = 0.0
            self.stage, self.plan = Stage.FLAT, None
        elif kind is OrderKind.TARGET:
            self._protect()
        else:
            self._exit(reason)

    def _withdraw_protection(self) -> None:
        for order in self._protection:
            if order.alive():
                self._strategy.cancel(order)
        self._protection = []

    def _beyond(self, stop: float) -> bool:
        """Whether the bar of the fill itself traded through the stop, which wakes only on the next bar."""
        return bool(self._data.low[0] <= stop if self._current_plan.side > 0 else self._data.high[0] >= stop)

    @property
    def _current_plan(self) -> Plan:
        if self.plan is None:
            raise ValueError(f"no position is planned in stage {self.stage}")
        return self.plan

    def _send(
        self,
        side: int,
        size: float,
        exectype: int,
        kind: OrderKind,
        reason: str,
        *,
        price: float | None = None,
        **how: Any,
    ) -> bt.Order:
        trade = self._strategy.buy if side > 0 else self._strategy.sell
        order = trade(data=self._data, size=size, price=price, exectype=exectype, **how)
        self._ledger.sent(order, kind, reason)
        return order
