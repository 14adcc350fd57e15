"""The risk gate: pure, deterministic, and the only stage that knows the account.

It turns an advice into an intent with a size, a stop and a target. The advice's own constraints can only make a
position smaller and a loss smaller; every cut is a ``ClampEvent``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from llm_strategy.limits import Limits
from llm_strategy.types import ActionType, Advice, ClampEvent


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
