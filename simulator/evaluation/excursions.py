"""How far the price went against each trade and with it while it was held (maximum adverse and maximum favourable
excursion, Sweeney 1996), from the highs and lows of its bars.

The bar of the entry counts whole: an order fills at its open, or at the close before it. Of the bar of the exit only
the price of the exit counts: what that bar did before a stop or a target was met it does not tell. So both are what is
certain, and can be too small by a part of that one bar.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from simulator.evaluation.metrics import Floats


@dataclass(frozen=True, slots=True)
class Excursions:
    """One value a trade, in the order of the table: fractions of the entry price."""

    adverse: Floats
    """Positive, 0 where the price never went against it."""
    favourable: Floats
    result: Floats
    """What came of it after commission, over its value at the entry."""
    is_open: NDArray[np.bool_]
    """Those that were still held at the end."""
    by_closes: bool
    """Whether the prices have one value a bar alone, so that what happened within a bar is not known."""


def measure_excursions(trades: pd.DataFrame, prices: Mapping[str, pd.DataFrame]) -> Excursions | None:
    """Measure round trips (``TRADE_COLUMNS``) against the prices by symbol; None where there are no trades, or the bars
    of one are not among the prices."""
    if trades.empty:
        return None
    adverse, favourable = np.zeros(len(trades)), np.zeros(len(trades))
    by_closes = True
    symbols = trades["symbol"].to_numpy(dtype=str)
    for symbol in dict.fromkeys(symbols.tolist()):
        table, chosen = prices.get(symbol), np.flatnonzero(symbols == symbol)
        if table is None:
            return None
        rows = trades.iloc[chosen]
        firsts, lasts = (table.index.get_indexer(pd.DatetimeIndex(rows[name])) for name in ("entered", "exited"))
        if min(firsts.min(), lasts.min()) < 0:
            return None
        highs, lows = (table[name].to_numpy(dtype=np.float64) for name in ("high", "low"))
        by_closes = by_closes and bool((highs == lows).all())
        ends = lasts + (rows["exit_reason"] == "open").to_numpy()
        entries, exits = (rows[name].to_numpy(dtype=np.float64) for name in ("entry_price", "exit_price"))
        signs = np.where(rows["side"].to_numpy(dtype=str) == "short", -1.0, 1.0)
        for place, begin, end, entry, left, sign in zip(chosen, firsts, ends, entries, exits, signs, strict=True):
            high = max(highs[begin:end].max(initial=entry), left)
            low = min(lows[begin:end].min(initial=entry), left)
            against, with_it = (entry - low, high - entry) if sign > 0 else (high - entry, entry - low)
            adverse[place], favourable[place] = max(against, 0.0) / entry, max(with_it, 0.0) / entry
    value = np.abs(trades["size"].to_numpy(dtype=np.float64)) * trades["entry_price"].to_numpy(dtype=np.float64)
    return Excursions(
        adverse,
        favourable,
        trades["net"].to_numpy(dtype=np.float64) / value,
        (trades["exit_reason"] == "open").to_numpy(),
        by_closes,
    )
