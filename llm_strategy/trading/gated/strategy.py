"""The risk gate around a strategy of your own: its orders are cut to what the limits allow, or refused."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import backtrader as bt

from llm_strategy.errors import ConfigurationError
from llm_strategy.risk import Limits
from llm_strategy.trading.gated.checklist import bars_kept
from llm_strategy.trading.gated.gate import AskedOrder, Gate, GateCut, StopDistance

if TYPE_CHECKING:
    from backtrader import Strategy as _Strategy
else:
    _Strategy = object

_ARGUMENTS = (
    "price",
    "plimit",
    "exectype",
    "valid",
    "tradeid",
    "oco",
    "trailamount",
    "trailpercent",
    "parent",
    "transmit",
)
"""Of ``buy`` and ``sell`` after data and size, in backtrader's order."""


class _Refused(Exception):
    """Leaves a bracket whose entry was refused."""


class Gated(_Strategy):
    """Put it before your strategy: ``class Mine(Gated, MyStrategy): limits = Limits(...)``.

    ``limits`` is a class attribute or a parameter, ``groups`` (group by symbol, for ``max_group_exposure``) a class
    attribute. What was cut is in ``gate_log``, a list of ``GateCut``. ``buy``, ``sell``, ``close``, the
    ``order_target`` methods and the brackets go through the gate; orders sent to ``self.broker`` directly do not.

    - An order that opens or increases a position is cut to the largest size that the limits allow, or refused: ``None``
      is returned, as backtrader does for a size of 0 (for a bracket, three times). A limit entry is sized at its limit,
      a stop entry at its trigger and the gap. An entry that waits counts towards the exposure. No lot is split.
    - An order that reduces a position passes, but no further than flat: of a reversal the closing part goes through.
      Resting exits together never exceed the position, where orders of one one-cancels-other group or bracket count
      once. An exit at the market goes before them: they are reduced or cancelled. Send exits when the entry was filled,
      or as a bracket.
    - The kill switch and ``max_holding_bars`` cancel what waits and close the position at the market, before ``next``;
      the kill switch, the daily loss and the losing streak withdraw waiting entries too.
    - Positions and orders that wait of other strategies count towards the exposure, and are not touched.

    Limits in bars count those of the first feed, or of the symbol where they are about one. The loss at the stop
    (``max_risk_per_trade``) is measured at the stop of a bracket, and for every other entry at ``stop_loss_pct``,
    **which nothing here places**. The cooldown follows exits by an order of a stop type.

    Not enforced, because only the strategy knows: the bounds of stops and targets, trailing stops, reward to risk,
    confidence, ``volatility_target`` (as ``fixed_fraction``), and ``min_holding_bars``, which would hold back exits.

    A ``checklist`` of the limits goes before every order that opens or increases a position; nothing is known of an
    advice there, so that its items on advice and its questions never fire.

    The broker's check at submission is switched off, because it loses exits near full cash. Raises
    ``SimulationOnlyError`` for any broker but backtrader's simulated one, ``ConfigurationError`` for cheat-on-open, for
    feeds of the same name and for commission schemes that are not those of a stock, and ``MarketDataError`` where an
    order is sent or a position held at a bar that cannot be true (NaN, zero or negative prices, a time that does not
    increase); feeds that are only looked at may hold anything.
    """

    limits: Limits = Limits()
    groups: Mapping[str, str] = {}
    _bracket_stop: StopDistance | None = None
    _in_bracket = False

    def __init_subclass__(cls, **how: Any) -> None:
        super().__init_subclass__(**how)
        order = cls.__mro__
        if any(issubclass(base, bt.Strategy) and not issubclass(base, Gated) for base in order[: order.index(Gated)]):
            raise ConfigurationError(
                f"{cls.__name__} names its strategy before Gated, so that orders would pass by the gate: write "
                f"class {cls.__name__}(Gated, MyStrategy)."
            )

    @property
    def gate_log(self) -> list[GateCut]:
        """Every order that was cut, refused or withdrawn, oldest first."""
        return self._gate.log

    def buy(self, data: Any = None, size: float | None = None, *args: Any, **how: Any) -> bt.Order | None:
        """backtrader's ``buy`` of what the gate allows."""
        return self._send(1, data, size, dict(zip(_ARGUMENTS, args, strict=False)) | how)

    def sell(self, data: Any = None, size: float | None = None, *args: Any, **how: Any) -> bt.Order | None:
        """backtrader's ``sell`` of what the gate allows."""
        return self._send(-1, data, size, dict(zip(_ARGUMENTS, args, strict=False)) | how)

    def buy_bracket(self, *args: Any, **how: Any) -> list[bt.Order | None]:
        """backtrader's ``buy_bracket``, sized for the loss at its own stop."""
        return self._bracket(1, super().buy_bracket, args, how)

    def sell_bracket(self, *args: Any, **how: Any) -> list[bt.Order | None]:
        """backtrader's ``sell_bracket``, sized for the loss at its own stop."""
        return self._bracket(-1, super().sell_bracket, args, how)

    def _send(self, side: int, data: Any, size: float | None, how: dict[str, Any]) -> bt.Order | None:
        if isinstance(data, str):
            data = self.getdatabyname(data)
        data = self.datas[0] if data is None else data
        wanted = self.getsizing(data, isbuy=side > 0) if size is None else size
        if not wanted:
            return None
        asked = AskedOrder(side, abs(wanted), how, self._bracket_stop)
        allowed = self._gate.allowed(data, asked)
        order = None
        if allowed > 0:
            send = super().buy if side > 0 else super().sell
            order = send(data=data, size=allowed, **how)
        if order is not None:
            self._gate.sent(order, asked)
        elif self._in_bracket and how.get("parent") is None:
            raise _Refused
        return order

    def _bracket(self, side: int, send: Any, args: Any, how: Any) -> list[bt.Order | None]:
        given = inspect.signature(bt.Strategy.buy_bracket).bind(self, *args, **how)
        given.apply_defaults()
        self._bracket_stop, self._in_bracket = _distance(side, given.arguments), True
        try:
            return list(send(*args, **how))
        except _Refused:
            return [None, None, None]
        finally:
            self._bracket_stop, self._in_bracket = None, False

    # backtrader's own hooks, and not start, next and notify_order: a strategy overrides those without calling super.

    def qbuffer(self, savemem: int = 0, replaying: bool = False) -> None:
        """With ``exactbars=1`` feeds keep what a checklist looks back on; backtrader calls it before the first bar."""
        super().qbuffer(savemem, replaying)
        checklist = getattr(self._given_limits, "checklist", None)  # the gate says what is no Limits
        if savemem > 0 and checklist is not None:
            for data in self.datas:
                data.minbuffer(bars_kept(checklist))

    def _start(self) -> None:
        self._gate = self._new_gate()
        super()._start()

    def _new_gate(self) -> Gate:
        return Gate(self, self._given_limits, self.groups)

    @property
    def _given_limits(self) -> Limits:
        return getattr(self.p, "limits", None) or self.limits

    def _addnotification(self, order: bt.Order, quicknotify: bool = False) -> None:
        self._gate.booked(order)
        super()._addnotification(order, quicknotify=quicknotify)

    def _notify(self, qorders: Any = (), qtrades: Any = ()) -> None:
        if not qorders:
            self._gate.bar_closed()
        super()._notify(qorders=qorders, qtrades=qtrades)


def _distance(side: int, given: Mapping[str, Any]) -> StopDistance | None:
    """How far the stop of a bracket is from a price, as a fraction; ``None`` for a bracket without one."""
    if given["stopexec"] is None:
        return None
    stop, amount, percent = (
        given["stopprice"],
        *(given["stopargs"].get(f"trail{unit}") for unit in ("amount", "percent")),
    )
    if stop is not None:
        return lambda price: side * (price - stop) / price
    if amount:
        return lambda price: amount / price
    return (lambda price: percent) if percent else (lambda price: math.nan)
