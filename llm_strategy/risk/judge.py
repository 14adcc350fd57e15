"""The gate's judgement: from an advice to an intent with a size, a stop and a target.

The advice's own constraints can only make a position smaller and a loss smaller; every cut is a ``ClampEvent``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from llm_strategy.risk.checklist.effects import apply
from llm_strategy.risk.checklist.item import Firing
from llm_strategy.risk.inputs import Account, Market
from llm_strategy.risk.limits import Limits
from llm_strategy.risk.refusals import first_refusal, too_little_reward
from llm_strategy.risk.sizing import largest_size, target_share
from llm_strategy.risk.stops import stop_distance, target_distance, tightened, usual_stop
from llm_strategy.risk.verdict import Intent, Verdict, at_most
from llm_strategy.types import ActionType, Advice, ClampEvent, Constraints

UNCHANGED = Verdict(Intent.NONE)
"""Everything stays as it is."""
WITHOUT_ADVICE = Verdict(Intent.NONE, reason="No advice: an open position keeps its stop, nothing new is opened.")
_SIDES = {ActionType.ENTER_LONG: 1, ActionType.ENTER_SHORT: -1}


def judge(
    advice: Advice | None, market: Market, account: Account, limits: Limits, firings: Sequence[Firing] = ()
) -> Verdict:
    """The verdict on one advice at one close; ``None`` stands for an abstention, or a bar without a decision.

    ``firings`` are the items of the checklist that fired at this close: they can refuse an entry or make it smaller,
    and touch nothing else.

    For any advice at all, a new position is at most ``max_position_size`` of equity and is affordable at a price
    ``gap_buffer`` worse than the close, costs included; its loss at the stop is at most ``max_risk_per_trade`` of
    equity under the same gap; its stop lies within the bounds; and the book stays within its limits with it.
    """
    if account.killed or account.drawdown >= limits.max_drawdown:
        return _killed(advice, account)
    if account.position and _held_too_long(account, limits):
        cut = ClampEvent("max_holding_bars", float(account.bars_held or 0), float(limits.max_holding_bars or 0))
        return Verdict(Intent.EXIT, reason="The longest holding time is over.", clamps=(cut,))
    wanted = advice.action.type if advice is not None else ActionType.HOLD
    side = _SIDES.get(wanted, 0)
    engaged = account.position or account.entering
    if engaged and (wanted is ActionType.EXIT or side * engaged < 0):
        return _exit(side, account, limits)
    if account.position:
        wishes = advice.action.constraints if advice is not None and side else Constraints()
        if verdict := tightened(wishes, market, account, limits):
            return verdict
    if advice is None:
        return WITHOUT_ADVICE
    if not side or engaged:
        return UNCHANGED
    return _entry(advice, side, market, account, limits, firings)


def keeps(advice: Advice | None, position: float, limits: Limits) -> bool:
    """Whether the verdict on an advice, while this position (signed shares) is held, no order waits and no limit of
    losses was reached, is to leave everything as it is, whatever market and account are like."""
    if limits.trailing_stop or limits.max_holding_bars is not None:
        return False
    if advice is None or advice.action.type is ActionType.HOLD:
        return True
    return _SIDES.get(advice.action.type, 0) * position > 0 and advice.action.constraints.stop_loss_pct is None


def stays_out(advice: Advice | None, drawdown: float) -> Verdict:
    """The verdict on an advice while the kill switch forbids every position and none is held or waits to be, whatever
    market and account are like."""
    return _refused(drawdown) if advice is not None and advice.action.type in _SIDES else UNCHANGED


@lru_cache(maxsize=256, typed=True)
def _refused(drawdown: float) -> Verdict:
    """Kept, because an account without positions has the same drawdown at thousands of closes."""
    cut = ClampEvent("max_drawdown", drawdown, 0.0)
    return Verdict(Intent.NONE, reason="The drawdown limit was reached: nothing is opened.", clamps=(cut,))


def _killed(advice: Advice | None, account: Account) -> Verdict:
    if account.position or account.entering:
        cut = ClampEvent("max_drawdown", account.drawdown, 0.0)
        return Verdict(Intent.EXIT, reason="The drawdown limit was reached: the position is closed.", clamps=(cut,))
    return stays_out(advice, account.drawdown)


def _held_too_long(account: Account, limits: Limits) -> bool:
    longest, held = limits.max_holding_bars, account.bars_held
    return longest is not None and held is not None and held >= longest


def _exit(side: int, account: Account, limits: Limits) -> Verdict:
    held = account.bars_held
    if held is not None and held < limits.min_holding_bars:
        cut = ClampEvent("min_holding_bars", float(held), float(limits.min_holding_bars))
        return Verdict(Intent.NONE, reason="The shortest holding time is not over.", clamps=(cut,))
    return Verdict(Intent.EXIT, reason="A position on the other side is closed first." if side else "")


def _entry(
    advice: Advice, side: int, market: Market, account: Account, limits: Limits, firings: Sequence[Firing]
) -> Verdict:
    if refusal := first_refusal(advice, side, market, account, limits):
        return Verdict(Intent.NONE, reason=refusal[1], clamps=(refusal[0],))
    cuts: list[ClampEvent] = []
    requested = advice.action.constraints
    stop, smaller = stop_distance(requested.stop_loss_pct, market, limits, cuts)
    target = target_distance(requested.take_profit_pct, limits, cuts)
    if refusal := too_little_reward(stop, target, limits):
        return Verdict(Intent.NONE, reason=refusal[1], clamps=(*cuts, refusal[0]))
    share = target_share(market, limits)
    if requested.max_position_size is not None:
        share = min(share, at_most(requested.max_position_size, limits.max_position_size, "max_position_size", cuts))
    usual = usual_stop(market, limits)  # a closer stop that was asked for does not buy a larger position
    size = largest_size(share, usual, side, market, account, limits, cuts, smaller)
    if size <= 0:
        return Verdict(Intent.NONE, reason="The allowed size is less than one lot.", clamps=tuple(cuts))
    if size * market.price >= limits.min_notional:  # what a limit refuses is refused by no item
        size, refused = apply(firings, size, limits.lot_step, cuts)
        if size <= 0:
            return Verdict(Intent.NONE, reason=refused, clamps=tuple(cuts))
    if size * market.price < limits.min_notional:
        cuts.append(ClampEvent("min_notional", size * market.price, 0.0))
        return Verdict(Intent.NONE, reason="The allowed size is worth too little.", clamps=tuple(cuts))
    return Verdict(Intent.ENTER_LONG if side > 0 else Intent.ENTER_SHORT, size, stop, target, clamps=tuple(cuts))
