"""What slippage was charged: fills held against the prices that they were due at.

A fill stays within its bar, because no trade was possible beyond it: where the open is already the worst price of the
bar there is nothing left to slip, so that less is charged than was set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

SLIPS = ("market", "stop")
"""Types of orders that slippage is set for."""
NOTHING_BPS = 1e-6
"""Below this a fill is at the price that it was due at."""


class Slippage(NamedTuple):
    """``paid`` in currency by all fills; of market and stop fills the basis points of the value at the prices they were
    due at, and the share that paid none (``None`` where there were none)."""

    paid: float
    bps: float | None
    without: float | None


def slippage_of(
    filled: pd.DataFrame, prices: Mapping[str, pd.DataFrame], *, same_close: bool = False
) -> Slippage | None:
    """Measure rows of ``ORDER_COLUMNS`` with a fill; ``None`` where a bar is not among the prices.

    With ``same_close`` market orders are due at the close at which they were sent, else at the open of the bar of the
    fill.
    """
    paid = slipped = due_value = 0.0
    fills = free = 0
    for symbol, orders in filled.groupby("symbol"):
        table = prices.get(str(symbol))
        due = None if table is None else _due(orders, table, same_close=same_close)
        if due is None:
            return None
        side = np.where(orders["side"] == "buy", 1.0, -1.0)
        sizes = np.abs(orders["filled"].to_numpy(dtype=np.float64))
        worse = side * (orders["fill_price"].to_numpy(dtype=np.float64) - due)
        paid += float((worse * sizes).sum())
        slips = np.isin(orders["type"].to_numpy(dtype=str), SLIPS)
        slipped += float((worse * sizes)[slips].sum())
        due_value += float((due * sizes)[slips].sum())
        fills += int(slips.sum())
        free += int((worse[slips] <= NOTHING_BPS / 10_000 * due[slips]).sum())
    return Slippage(paid, 10_000 * slipped / due_value if due_value else None, free / fills if fills else None)


def _due(orders: pd.DataFrame, table: pd.DataFrame, *, same_close: bool) -> np.ndarray | None:
    """The price at which each fill was due; ``None`` where its bar is not in the table."""
    opens = table["open"].reindex(pd.DatetimeIndex(orders["done"])).to_numpy(dtype=np.float64)
    at_market = opens
    if same_close:
        at_market = table["close"].reindex(pd.DatetimeIndex(orders["created"])).to_numpy(dtype=np.float64)
    if np.isnan(opens).any() or np.isnan(at_market).any():
        return None
    triggers = orders["price"].to_numpy(dtype=np.float64)
    side = np.where(orders["side"] == "buy", 1.0, -1.0)
    worse_of_open_and_trigger = side * np.maximum(side * opens, side * triggers)
    better_of_open_and_limit = side * np.minimum(side * opens, side * triggers)
    types = orders["type"].to_numpy(dtype=str)
    closes = at_market
    if (types == "close").any():
        closes = table["close"].reindex(pd.DatetimeIndex(orders["done"])).to_numpy(dtype=np.float64)
    due: np.ndarray = np.select(
        [types == "market", types == "close", types == "stop", types == "limit"],
        [at_market, closes, worse_of_open_and_trigger, better_of_open_and_limit],
    )
    return due
