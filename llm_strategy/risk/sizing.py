"""How many shares: a sizing rule proposes a share of equity, and every limit cuts it down to what it allows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from llm_strategy.risk.inputs import Account, Market
from llm_strategy.risk.limits import Limits
from llm_strategy.risk.verdict import at_most
from llm_strategy.types import ClampEvent

_HALVINGS = 48
"""Steps of the search for the largest affordable size: more precise than a lot of any market."""


def largest_size(
    share: float,
    stop: float,
    side: int,
    market: Market,
    account: Account,
    limits: Limits,
    cuts: list[ClampEvent],
    smaller: float = 1.0,
) -> float:
    """Shares (a multiple of the lot, 0 where not one lot is left) for a wanted share of equity.

    Worth at most ``share`` of equity, affordable, and losing at most ``max_risk_per_trade`` at the stop, all three at a
    price ``gap_buffer`` worse than the close and with the costs of the fills; of that, the part ``smaller`` (0 to 1).
    """
    for name, room in _room(side, account, limits):
        share = at_most(share, room, name, cuts)
    if share <= 0:
        return 0.0

    gapped = market.price * (1 + limits.gap_buffer)

    def value(size: float) -> float:
        return size * worst_price(size, market, limits)

    def outlay(size: float) -> float:
        return value(size) + market.costs.commission(size, gapped)

    def loss(size: float) -> float:
        filled = market.price * (1 + market.costs.slippage(size, market.price))
        exit_price = filled * (1 - side * stop)
        fees = market.costs.commission(size, filled) + market.costs.commission(size, exit_price)
        slipped = size * exit_price * market.costs.slippage(size, exit_price)
        return size * filled * (stop + limits.gap_buffer) + fees + slipped

    size = share * account.equity / gapped
    size /= 1 + market.costs.slippage(size, market.price)  # exact where slippage does not grow with size
    size = _largest(size, value, share * account.equity)
    size = _cut(size, outlay, account.cash + account.credit, "cash", cuts)
    size = _cut(size, loss, limits.max_risk_per_trade * account.equity, "max_risk_per_trade", cuts)
    if market.volume is not None and limits.max_participation is not None:
        size = at_most(size, limits.max_participation * market.volume, "max_participation", cuts)
    size *= smaller
    lots = in_lots(size, limits.lot_step)
    if outlay(lots) > account.cash + account.credit:  # by binary dust, where the cash is met exactly
        lots = in_lots(lots - limits.lot_step / 2, limits.lot_step)
    if lots <= 0:
        cuts.append(ClampEvent("lot_step", size, 0.0))
    return lots


def worst_price(size: float, market: Market, limits: Limits) -> float:
    """The price of an entry of this size that sizing pays for: the close, the gap and the slippage."""
    return market.price * (1 + limits.gap_buffer) * (1 + market.costs.slippage(size, market.price))


def target_share(market: Market, limits: Limits) -> float:
    """The share of equity that the sizing rule proposes, never above ``max_position_size``.

    ``fixed_fraction`` takes ``max_position_size``; ``equal_weight`` divides ``max_gross_exposure`` by
    ``max_positions``; ``volatility_target`` divides ``target_volatility`` by the symbol's own (Moreira and Muir 2017).
    """
    share = limits.max_position_size
    if limits.sizing == "equal_weight":
        share = min(share, limits.max_gross_exposure / limits.max_positions)
    if limits.sizing == "volatility_target" and market.volatility:
        share = min(share, limits.target_volatility / market.volatility)
    return share


def _room(side: int, account: Account, limits: Limits) -> Iterator[tuple[str, float]]:
    """What each limit of the book leaves for this symbol, as a share of equity."""
    others, equity = account.others, account.equity
    yield "max_gross_exposure", limits.max_gross_exposure - sum(abs(other.value) for other in others) / equity
    if limits.max_net_exposure is not None:
        net = sum(side * other.value for other in others if other.firm or side * other.value > 0)
        yield "max_net_exposure", limits.max_net_exposure - net / equity
    if limits.max_symbol_exposure is not None:
        same = sum(abs(other.value) for other in others if other.symbol == account.symbol)
        yield "max_symbol_exposure", limits.max_symbol_exposure - same / equity
    if limits.max_group_exposure is not None and account.group:
        group = sum(abs(other.value) for other in others if other.group == account.group)
        yield "max_group_exposure", limits.max_group_exposure - group / equity
    if limits.max_correlated_exposure is not None:
        alike = sum(abs(other.value) for other in others if _moves_alike(side, other.value, other.correlation, limits))
        yield "max_correlated_exposure", limits.max_correlated_exposure - alike / equity


def _moves_alike(side: int, value: float, correlation: float, limits: Limits) -> bool:
    return side * math.copysign(1, value) * correlation >= limits.correlation_threshold


def _cut(size: float, cost: Callable[[float], float], budget: float, name: str, cuts: list[ClampEvent]) -> float:
    return at_most(size, _largest(size, cost, budget), name, cuts)


def _largest(size: float, cost: Callable[[float], float], budget: float) -> float:
    """The largest size up to this one whose cost stays within the budget; cost grows with size."""
    if cost(size) <= budget * (1 + 1e-12):
        return size
    low, high = 0.0, size
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if cost(middle) <= budget else (low, middle)
    return low


def in_lots(size: float, step: float) -> float:
    """The largest multiple of ``step`` not above ``size``, free of binary dust such as 5.6e-17."""
    lots = math.floor(size / step * (1 + 1e-12))
    return round(lots * step, 12)
