"""What the gate lets through of many entries at once, each in an account that holds nothing.

The same figures as ``llm_strategy.risk.judge`` of each of them, to the last bit: the operations are its own, in its
order, over arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from llm_strategy.costs.costs import Costs
from llm_strategy.risk import Limits, Market
from llm_strategy.risk.sizing import target_share
from llm_strategy.risk.stops import stop_distance, target_distance, usual_stop
from llm_strategy.types import Action, ActionType, Constraints
from simulator.evaluation.metrics import Floats
from simulator.runs.placebos.positions import Flags

_HALVINGS, _SLACK = 48, 1e-12
"""As ``llm_strategy.risk.sizing`` looks for the largest affordable size."""
_NOWHERE = Market(1.0)
"""The limits covered here make the same of every price."""


class Entries(NamedTuple):
    """What the gate makes of each action that is advised, whatever the market and the account are like."""

    exits: Flags
    longs: Flags
    shorts: Flags
    opens: Flags
    """An entry that no limit refuses for what it says itself."""
    share: Floats
    """The most of equity that it may be worth (fraction)."""
    stop: Floats
    """Distance of the stop from the fill (fraction)."""
    smaller: Floats
    """The part of the size that a wish for another stop leaves."""
    target: Floats
    """Distance of the target from the fill (fraction); NaN for none."""
    wished_stop: Floats
    """Distance that a held position's stop is wished at (fraction); NaN for none."""

    @classmethod
    def of(cls, actions: Sequence[Action | None], limits: Limits, *, grouped: bool) -> Entries:
        """Those of these actions, on a symbol that may be ``grouped`` with others."""
        objects = {id(action): action for action in actions}  # few, and to find equal ones among all takes longer
        found = {number: _entry(action, limits, grouped) for number, action in objects.items()}
        rows = [found[id(action)] for action in actions]
        codes = np.array([one[0] for one in rows], dtype=np.int8)
        columns = np.array([one[1:] for one in rows], dtype=np.float64).reshape(len(rows), 6).T
        longs, shorts = codes == 1, codes == -1
        return cls(codes == 2, longs, shorts, columns[0] > 0, *columns[1:])


_CODES = {ActionType.ENTER_LONG: 1, ActionType.ENTER_SHORT: -1, ActionType.EXIT: 2}
_Row = tuple[int, float, float, float, float, float, float]


def _entry(action: Action | None, limits: Limits, grouped: bool) -> _Row:
    code = 0 if action is None else _CODES.get(action.type, 0)
    nothing = (code, 0.0, 0.0, 0.0, 1.0, math.nan, math.nan)
    if action is None or abs(code) != 1:
        return nothing
    wishes = action.constraints
    asked = wishes.stop_loss_pct
    wished = asked if asked is not None and math.isfinite(asked) and asked > 0 else math.nan
    refused = (*nothing[:-1], wished)
    if not all(wish is None or (math.isfinite(wish) and wish > 0) for wish in _wishes(wishes)):
        return refused
    if (code < 0 and not limits.allow_short) or not action.confidence >= limits.min_confidence:
        return refused
    stop, smaller = stop_distance(asked, _NOWHERE, limits, [])
    target = target_distance(wishes.take_profit_pct, limits, [])
    if target is not None and not target >= limits.min_reward_to_risk * stop:
        return refused
    share = target_share(_NOWHERE, limits)
    if wishes.max_position_size is not None:
        share = min(share, wishes.max_position_size, limits.max_position_size)
    room = (
        limits.max_gross_exposure, limits.max_net_exposure, limits.max_symbol_exposure,
        limits.max_group_exposure if grouped else None, limits.max_correlated_exposure,
    )  # fmt: skip
    share = min(share, *(each for each in room if each is not None))
    return code, float(share > 0), share, stop, smaller, math.nan if target is None else target, wished


def _wishes(wishes: Constraints) -> tuple[float | None, ...]:
    return wishes.max_position_size, wishes.stop_loss_pct, wishes.take_profit_pct


class Sizes:
    """How many shares an entry may be of, as ``llm_strategy.risk.sizing.largest_size`` says it."""

    def __init__(self, limits: Limits, costs: Costs) -> None:
        self._limits = limits
        self._costs = costs
        self.slip = costs.slippage(1.0, 1.0)
        """Adverse move of a fill (fraction), the same for every size and price."""
        self._stop = usual_stop(_NOWHERE, limits)

    def commission(self, size: Floats, price: Floats) -> Floats:
        """Currency of one trade each, as ``Costs.commission`` says it."""
        costs = self._costs
        rate: Floats | float = costs.commission_bps
        if costs.commission_tiers:
            value = size * price
            for tier in costs.commission_tiers:
                rate = np.where(value > tier.above, tier.bps, rate)
        total = size * (rate / 10_000) * price + size * costs.commission_per_share + costs.commission_per_trade
        if costs.commission_minimum:
            total = np.maximum(total, costs.commission_minimum)
        if costs.commission_maximum_bps is not None:
            total = np.minimum(total, size * price * costs.commission_maximum_bps / 10_000)
        return np.where(size == 0, 0.0, total) if costs.commission_per_trade or costs.commission_minimum else total

    def of(self, side: Floats, share: Floats, smaller: Floats, price: Floats, most: Floats, equity: Floats) -> Floats:
        """Shares of entries on a ``side`` (1 or -1), at most this ``share`` of an ``equity`` that is all cash
        (currency), at a close (``price``), and at most so many shares; 0 where there is not one lot."""
        limits, slip, stop = self._limits, self.slip, self._stop
        gapped = price * (1 + limits.gap_buffer)
        worst = gapped * (1 + slip)
        filled = price * (1 + slip)
        left = filled * (1 - side * stop)

        def value(size: Floats, of: Flags | slice) -> Floats:
            return size * worst[of]

        def outlay(size: Floats, of: Flags | slice) -> Floats:
            return size * worst[of] + self.commission(size, gapped[of])

        def loss(size: Floats, of: Flags | slice) -> Floats:
            fees = self.commission(size, filled[of]) + self.commission(size, left[of])
            slipped = size * left[of] * slip
            return size * filled[of] * (stop + limits.gap_buffer) + fees + slipped

        size = share * equity / gapped
        size = size / (1 + slip)
        size = _largest(size, value, share * equity)
        size = _largest(size, outlay, equity)
        size = _largest(size, loss, limits.max_risk_per_trade * equity)
        size = np.minimum(size, most) * smaller
        lots = self._in_lots(size)
        costly = outlay(lots, slice(None)) > equity
        if costly.any():
            lots = np.where(costly, self._in_lots(lots - limits.lot_step / 2), lots)
        return np.where((lots > 0) & (lots * price >= limits.min_notional), lots, 0.0)

    def _in_lots(self, size: Floats) -> Floats:
        step = self._limits.lot_step
        lots = np.floor(size / step * (1 + _SLACK)) * step
        return lots if step == 1 else np.array([round(one, 12) for one in lots.tolist()], dtype=np.float64)


def _largest(size: Floats, cost: Callable[[Floats, Flags | slice], Floats], budget: Floats) -> Floats:
    """The largest sizes up to these whose costs stay within the budgets."""
    over = cost(size, slice(None)) > budget * (1 + _SLACK)
    if not over.any():
        return size
    high, limit = size[over], budget[over]
    low = np.zeros_like(high)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        fits = cost(middle, over) <= limit
        low, high = np.where(fits, middle, low), np.where(fits, high, middle)
    found = size.copy()
    found[over] = low
    return found
