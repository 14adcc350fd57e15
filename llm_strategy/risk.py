"""The risk gate: pure, deterministic, and the only stage that knows the account.

It turns an advice into an intent with a size, a stop and a target. The advice's own constraints can only make a
position smaller and a loss smaller; every cut is a ``ClampEvent``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from enum import StrEnum

from llm_strategy.errors import ConfigurationError
from llm_strategy.types import ActionType, Advice, ClampEvent


@dataclass(frozen=True, slots=True)
class Limits:
    """What no advice can exceed. All are fractions unless the name says bars or shares.

    Raises ``ConfigurationError`` for limits that are impossible or contradict each other.
    """

    max_position_size: float = 0.20
    """Value of a new position as a share of equity, at the worst price that ``gap_buffer`` foresees."""
    max_gross_exposure: float = 1.0
    """Value of all positions together as a share of equity."""
    max_risk_per_trade: float = 0.02
    """Loss at the stop as a share of equity, ``gap_buffer`` included."""
    stop_loss_pct: float = 0.08
    """Distance of the stop from the fill where the advice asks for none."""
    min_stop_pct: float = 0.01
    max_stop_pct: float = 0.20
    take_profit_pct: float | None = None
    """Distance of the target from the fill where the advice asks for none; ``None`` places no target."""
    min_target_pct: float = 0.01
    max_target_pct: float = 1.0
    min_confidence: float = 0.0
    """Entries below this confidence are refused. 0 is off: until it is calibrated, a confidence means nothing."""
    max_drawdown: float = 0.25
    """Kill switch: at this loss from the highest equity everything is closed and no entry is allowed."""
    rearm_after_bars: int | None = None
    """Bars after which the kill switch lets entries through again, drawdown counted anew; ``None`` means never."""
    cooldown_bars: int = 5
    """Bars without entries after a stop was hit."""
    allow_short: bool = False
    lot_step: float = 1.0
    """Sizes are multiples of this many shares."""
    gap_buffer: float = 0.02
    """Adverse move from this close to the next open that sizing pays for."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if str(field.type).startswith("float") and isinstance(value, int):  # 1 and 1.0 are written alike
                object.__setattr__(self, field.name, float(value))
            if value is not None and not isinstance(value, bool) and not (math.isfinite(value) and value >= 0):
                raise ConfigurationError(f"risk.{field.name} is {value}: it must be a number from 0 upwards.")
        shares = (
            "max_position_size",
            "max_risk_per_trade",
            "max_drawdown",
            "min_confidence",
            "max_stop_pct",
            "gap_buffer",
        )
        for name in shares:
            if getattr(self, name) > 1:
                raise ConfigurationError(f"risk.{name} is {getattr(self, name)}: it is a share, 1 means 100 percent.")
        positive = (
            "max_position_size",
            "max_gross_exposure",
            "max_risk_per_trade",
            "min_stop_pct",
            "lot_step",
            "max_drawdown",
        )
        for name in positive:
            if getattr(self, name) == 0:
                raise ConfigurationError(f"risk.{name} is 0, which allows no trade at all: set it above 0.")
        if not self.min_stop_pct <= self.stop_loss_pct <= self.max_stop_pct:
            raise ConfigurationError(
                f"risk.stop_loss_pct is {self.stop_loss_pct}: it must lie between min_stop_pct ({self.min_stop_pct}) "
                f"and max_stop_pct ({self.max_stop_pct})."
            )
        if self.max_stop_pct == 1:
            raise ConfigurationError(
                "risk.max_stop_pct is 1: a stop at a price of zero protects nothing, set it below 1."
            )
        if self.min_target_pct > self.max_target_pct:
            raise ConfigurationError(
                f"risk.min_target_pct ({self.min_target_pct}) is above max_target_pct ({self.max_target_pct}): "
                "swap them."
            )
        if self.take_profit_pct is not None and not self.min_target_pct <= self.take_profit_pct <= self.max_target_pct:
            raise ConfigurationError(
                f"risk.take_profit_pct is {self.take_profit_pct}: it must lie between min_target_pct "
                f"({self.min_target_pct}) and max_target_pct ({self.max_target_pct})."
            )


@dataclass(frozen=True, slots=True)
class Market:
    """What a fill will cost: the close in currency, and commission and slippage as fractions of the traded value."""

    price: float
    commission: float = 0.0
    slippage: float = 0.0


@dataclass(frozen=True, slots=True)
class Account:
    """The book at the close: equity and cash in currency, signed position in shares of this symbol."""

    equity: float
    cash: float
    position: float = 0.0
    other_exposure: float = 0.0
    """Gross value in currency of positions in other symbols."""
    drawdown: float = 0.0
    """Loss from the highest equity since the kill switch was last armed (fraction, never negative)."""
    killed: bool = False
    """The kill switch has fired and has not been re-armed."""
    bars_since_stop: int | None = None
    """Bars since a stop was hit; ``None`` if none was."""


class Intent(StrEnum):
    """What the order desk is to do at the next open."""

    ENTER_LONG = "enter_long"
    ENTER_SHORT = "enter_short"
    EXIT = "exit"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's answer. ``size`` is in shares and positive; stop and target are fractions of the fill price.

    ``reason`` is one sentence where the gate acted on its own or refused, and empty where it let the advice through.
    """

    intent: Intent
    size: float = 0.0
    stop_pct: float | None = None
    target_pct: float | None = None
    reason: str = ""
    clamps: tuple[ClampEvent, ...] = ()


def judge(advice: Advice | None, market: Market, account: Account, limits: Limits) -> Verdict:
    """The verdict on one advice at one close; ``None`` stands for an abstention.

    For any advice at all, a new position is at most ``max_position_size`` of equity and is affordable at a price
    ``gap_buffer`` worse than the close, costs included; its loss at the stop is at most ``max_risk_per_trade`` of
    equity under the same gap; its stop lies within the bounds.
    """
    if account.killed or account.drawdown >= limits.max_drawdown:
        return _killed(advice, account, limits)
    if advice is None:
        return Verdict(Intent.NONE, reason="No advice: an open position keeps its stop, nothing new is opened.")
    action = advice.action.type
    if action is ActionType.HOLD:
        return Verdict(Intent.NONE)
    if action is ActionType.EXIT:
        return Verdict(Intent.EXIT if account.position else Intent.NONE)
    return _entry(advice, 1 if action is ActionType.ENTER_LONG else -1, market, account, limits)


def _killed(advice: Advice | None, account: Account, limits: Limits) -> Verdict:
    cut = ClampEvent("max_drawdown", account.drawdown, 0.0)
    if account.position:
        return Verdict(Intent.EXIT, reason="The drawdown limit was reached: the position is closed.", clamps=(cut,))
    if advice is not None and advice.action.type in (ActionType.ENTER_LONG, ActionType.ENTER_SHORT):
        return Verdict(Intent.NONE, reason="The drawdown limit was reached: nothing is opened.", clamps=(cut,))
    return Verdict(Intent.NONE)


def _entry(advice: Advice, side: int, market: Market, account: Account, limits: Limits) -> Verdict:
    if account.position * side > 0:
        return Verdict(Intent.NONE)
    if account.position:
        return Verdict(Intent.EXIT, reason="A position on the other side is closed first.")
    refusal = _refusal(advice, side, market, account, limits)
    if refusal:
        return refusal
    cuts: list[ClampEvent] = []
    requested = advice.action.constraints
    stop, tightening = _stop(requested.stop_loss_pct, limits, cuts)
    target = _target(requested.take_profit_pct, limits, cuts)

    share = limits.max_position_size
    if requested.max_position_size is not None:
        share = _at_most(requested.max_position_size, share, "max_position_size", cuts)
    share *= tightening
    room = limits.max_gross_exposure - account.other_exposure / account.equity
    share = _at_most(share, room, "max_gross_exposure", cuts)
    share = _at_most(share, _largest_for_risk(stop, side, market, limits), "max_risk_per_trade", cuts)

    worst = market.price * (1 + limits.gap_buffer) * (1 + market.slippage)
    affordable = account.cash / (worst * (1 + market.commission))
    wanted = share * account.equity / worst
    size = _lots(_at_most(wanted, affordable, "cash", cuts), limits.lot_step)
    if size <= 0:
        cuts.append(ClampEvent("lot_step", max(0.0, wanted), 0.0))
        return Verdict(Intent.NONE, reason="The allowed size is less than one lot.", clamps=tuple(cuts))
    intent = Intent.ENTER_LONG if side > 0 else Intent.ENTER_SHORT
    return Verdict(intent, size, stop, target, clamps=tuple(cuts))


def _refusal(advice: Advice, side: int, market: Market, account: Account, limits: Limits) -> Verdict | None:
    def refuse(limit: str, before: float, reason: str) -> Verdict:
        return Verdict(Intent.NONE, reason=reason, clamps=(ClampEvent(limit, before, 0.0),))

    confidence = advice.action.confidence
    requests = advice.action.constraints
    numbers = (requests.max_position_size, requests.stop_loss_pct, requests.take_profit_pct)
    if any(number is not None and not (math.isfinite(number) and number > 0) for number in numbers):
        return refuse("constraints", 1.0, "The advice asks for a size, stop or target that is no positive number.")
    if not (math.isfinite(market.price) and market.price > 0 and account.equity > 0):
        return refuse("equity", account.equity, "There is no price or no equity to size a position with.")
    if side < 0 and not limits.allow_short:
        return refuse("allow_short", 1.0, "Short positions are not allowed.")
    if not confidence >= limits.min_confidence:
        return refuse("min_confidence", confidence, f"The confidence is below {limits.min_confidence:g}.")
    if account.bars_since_stop is not None and account.bars_since_stop < limits.cooldown_bars:
        return refuse("cooldown_bars", account.bars_since_stop, "A stop was hit too few bars ago.")
    return None


def _stop(requested: float | None, limits: Limits, cuts: list[ClampEvent]) -> tuple[float, float]:
    """Stop distance, and the factor on size that keeps the loss no larger than the advice asked for when its stop was
    too close to be allowed."""
    if requested is None:
        return limits.stop_loss_pct, 1.0
    stop = _at_most(requested, limits.max_stop_pct, "max_stop_pct", cuts)
    if stop < limits.min_stop_pct:
        cuts.append(ClampEvent("min_stop_pct", stop, limits.min_stop_pct))
        return limits.min_stop_pct, stop / limits.min_stop_pct
    return stop, 1.0


def _target(requested: float | None, limits: Limits, cuts: list[ClampEvent]) -> float | None:
    if requested is None:
        return limits.take_profit_pct
    target = _at_most(requested, limits.max_target_pct, "max_target_pct", cuts)
    if target < limits.min_target_pct:
        cuts.append(ClampEvent("min_target_pct", target, limits.min_target_pct))
        return limits.min_target_pct
    return target


def _largest_for_risk(stop: float, side: int, market: Market, limits: Limits) -> float:
    """Share of equity whose loss at the stop, with the gap and the cost of both fills, is the risk allowed a trade."""
    exit_value = 1 - stop if side > 0 else 1 + stop
    costs = market.commission * (1 + exit_value) + market.slippage * exit_value
    return limits.max_risk_per_trade / (stop + limits.gap_buffer + costs)


def _at_most(value: float, limit: float, name: str, cuts: list[ClampEvent]) -> float:
    limit = max(0.0, limit)
    if value <= limit:
        return value
    cuts.append(ClampEvent(name, value, limit))
    return limit


def _lots(size: float, step: float) -> float:
    """The largest multiple of ``step`` not above ``size``, free of binary dust such as 5.6e-17."""
    lots = math.floor(size / step * (1 + 1e-12))
    return round(lots * step, 12)
