"""Where stop and target go: the limits' own distances, the advice's where it asks for less risk, within the bounds."""

from __future__ import annotations

import math

from llm_strategy.risk.inputs import Account, Market
from llm_strategy.risk.limits import Limits
from llm_strategy.risk.verdict import Intent, Verdict, at_least, at_most
from llm_strategy.types import ClampEvent, Constraints


def stop_distance(
    requested: float | None, market: Market, limits: Limits, cuts: list[ClampEvent]
) -> tuple[float, float]:
    """Distance of the stop (fraction of the fill), and the factor on size that keeps the loss at it no larger than with
    the limits' own stop, and than the advice asked for when its stop was too close to be allowed."""
    nearest, farthest = _bounds(market, limits)
    usual = usual_stop(market, limits)
    wanted = _default_stop(market, limits) if requested is None else requested
    stop = at_most(wanted, farthest, "max_stop_pct", cuts)
    allowed = at_least(stop, nearest, "min_stop_pct", cuts)
    return allowed, 1.0 if requested is None else min(1.0, stop / allowed, usual / allowed)


def target_distance(requested: float | None, limits: Limits, cuts: list[ClampEvent]) -> float | None:
    """Distance of the target (fraction of the fill), or ``None`` for no target."""
    if requested is None:
        return limits.take_profit_pct
    target = at_most(requested, limits.max_target_pct, "max_target_pct", cuts)
    return at_least(target, limits.min_target_pct, "min_target_pct", cuts)


def tightened(requested: Constraints, market: Market, account: Account, limits: Limits) -> Verdict | None:
    """The verdict that moves a live stop closer: as the advice asks, or with the price where the stop trails.

    A stop never moves away, and never closer to the close than the least distance.
    """
    if account.stop_price is None:
        return None
    side = 1 if account.position > 0 else -1
    nearest, farthest = _bounds(market, limits)
    asked = requested.stop_loss_pct
    distances: list[float] = []
    if asked is not None and math.isfinite(asked) and asked > 0:
        distances.append(asked)
    if limits.trailing_stop and account.stop_pct is not None:
        distances.append(account.stop_pct)
    if not distances:
        return None
    stop = market.price * (1 - side * min(max(min(distances), nearest), farthest))
    if side * stop <= side * account.stop_price:
        return None
    return Verdict(Intent.TIGHTEN, stop_price=stop)


def usual_stop(market: Market, limits: Limits) -> float:
    """Distance of the stop (fraction of the fill) where the advice asks for none."""
    nearest, farthest = _bounds(market, limits)
    return max(nearest, min(_default_stop(market, limits), farthest))


def _default_stop(market: Market, limits: Limits) -> float:
    if limits.stop_loss_atr is None or market.average_range is None:
        return limits.stop_loss_pct
    return limits.stop_loss_atr * market.average_range / market.price


def _bounds(market: Market, limits: Limits) -> tuple[float, float]:
    """Nearest and farthest stop; where percent and average range disagree the tighter holds, the farthest above all."""
    nearest, farthest = limits.min_stop_pct, limits.max_stop_pct
    if market.average_range is not None:
        unit = market.average_range / market.price
        if limits.max_stop_atr is not None:
            farthest = max(min(farthest, limits.max_stop_atr * unit), 1e-6)
        if limits.min_stop_atr is not None:
            nearest = max(nearest, limits.min_stop_atr * unit)
    return min(nearest, farthest), farthest
