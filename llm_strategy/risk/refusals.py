"""Why an entry may not be opened at all, whatever its size."""

from __future__ import annotations

import math
from collections.abc import Iterator

from llm_strategy.risk.inputs import Account, Market
from llm_strategy.risk.limits import Limits
from llm_strategy.types import Advice, ClampEvent

Refusal = tuple[ClampEvent, str]
"""The limit with the offending value, and one sentence."""


def first_refusal(advice: Advice, side: int, market: Market, account: Account, limits: Limits) -> Refusal | None:
    """The first reason to refuse an entry on this side (1 long, -1 short)."""
    for limit, value, sentence in _refusals(advice, side, market, account, limits):
        return ClampEvent(limit, value, 0.0), sentence
    return None


def too_little_reward(stop: float, target: float | None, limits: Limits) -> Refusal | None:
    """The refusal of a target too close for the risk of the stop."""
    if target is None or target >= limits.min_reward_to_risk * stop:
        return None
    cut = ClampEvent("min_reward_to_risk", target / stop, limits.min_reward_to_risk)
    return cut, f"The target is less than {limits.min_reward_to_risk:g} times as far away as the stop."


def _refusals(
    advice: Advice, side: int, market: Market, account: Account, limits: Limits
) -> Iterator[tuple[str, float, str]]:
    confidence, wishes = advice.action.confidence, advice.action.constraints
    for wish in (wishes.max_position_size, wishes.stop_loss_pct, wishes.take_profit_pct):
        if wish is not None and not (math.isfinite(wish) and wish > 0):
            shown = wish if math.isfinite(wish) else 0.0  # a journal holds no NaN
            yield "constraints", shown, "The advice asks for a size, stop or target that is no positive number."
    if not (math.isfinite(market.price) and market.price > 0 and account.equity > 0):
        yield "equity", account.equity, "There is no price or no equity to size a position with."
    if side < 0 and not limits.allow_short:
        yield "allow_short", 1.0, "Short positions are not allowed."
    if not confidence >= limits.min_confidence:
        shown = confidence if math.isfinite(confidence) else 0.0
        yield "min_confidence", shown, f"The confidence is below {limits.min_confidence:g}."
    if account.bars_since_stop is not None and account.bars_since_stop < limits.cooldown_bars:
        yield "cooldown_bars", account.bars_since_stop, "A stop was hit too few bars ago."
    if limits.max_daily_loss is not None and account.daily_loss >= limits.max_daily_loss:
        yield "max_daily_loss", account.daily_loss, "The loss of this day has reached its limit."
    if limits.max_entries_per_day is not None and account.entries_today >= limits.max_entries_per_day:
        yield "max_entries_per_day", account.entries_today, "No more entries are allowed on this day."
    if account.losing_streak:
        yield "max_losing_streak", 1.0, "Too many trades in a row have lost."
    held = sum(1 for other in account.others if other.value)
    if held >= limits.max_positions:
        yield "max_positions", held, "The book holds as many positions as are allowed."
    if market.volume == 0 and limits.max_participation is not None:
        yield "max_participation", 0.0, "Nothing was traded in this bar."
