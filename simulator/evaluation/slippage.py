"""What fills cost beside the price they were due at."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd


def slippage_paid(
    filled: pd.DataFrame, prices: Mapping[str, pd.DataFrame], *, same_close: bool = False
) -> float | None:
    """Cost in currency of fills worse than the price they were due at; ``None`` where a bar is not among the prices.

    ``filled`` are rows of ``ORDER_COLUMNS`` with a fill. With ``same_close`` market orders are due at the close at
    which they were sent, else at the open of the bar of the fill.
    """
    paid = 0.0
    for symbol, orders in filled.groupby("symbol"):
        table = prices.get(str(symbol))
        if table is None:
            return None
        opens = table["open"].reindex(pd.DatetimeIndex(orders["done"])).to_numpy(dtype=np.float64)
        if same_close:
            at_market = table["close"].reindex(pd.DatetimeIndex(orders["created"])).to_numpy(dtype=np.float64)
        else:
            at_market = opens
        if np.isnan(opens).any() or np.isnan(at_market).any():
            return None
        fills = orders["fill_price"].to_numpy(dtype=np.float64)
        triggers = orders["price"].to_numpy(dtype=np.float64)
        side = np.where(orders["side"] == "buy", 1.0, -1.0)
        worse_of_open_and_trigger = side * np.maximum(side * opens, side * triggers)
        better_of_open_and_limit = side * np.minimum(side * opens, side * triggers)
        types = orders["type"].to_numpy(dtype=str)
        due = np.select(
            [types == "market", types == "stop", types == "limit"],
            [at_market, worse_of_open_and_trigger, better_of_open_and_limit],
        )
        paid += float((side * (fills - due) * np.abs(orders["filled"].to_numpy(dtype=np.float64))).sum())
    return paid
