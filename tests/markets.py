"""Price tables for tests: small, seeded, with the shapes that break things."""

import numpy as np
import pandas as pd

from simulator.market import Prices


def random_prices(bars=400, seed=1, daily=0.01, gap=0.0, drift=0.0003, start=100.0):
    """A random walk; ``gap`` is the standard deviation of the jump from a close to the next open."""
    source = np.random.default_rng(seed)
    moves = source.normal(drift, daily, bars)
    jumps = source.normal(0, gap, bars) if gap else np.zeros(bars)
    opens, closes, price = [], [], start
    for move, jump in zip(moves, jumps, strict=True):
        opens.append(price * np.exp(jump))
        closes.append(opens[-1] * np.exp(move))
        price = closes[-1]
    return from_bars(opens, closes, source.uniform(0, daily / 2, (2, bars)), source.uniform(1e5, 2e5, bars))


def from_bars(opens, closes, wicks=None, volume=None, first="2001-01-01"):
    """Bars from opens and closes (currency), with wicks as fractions above and below the body."""
    opens, closes = np.asarray(opens, float), np.asarray(closes, float)
    up, down = np.zeros((2, len(opens))) if wicks is None else wicks
    table = pd.DataFrame(
        {
            "open": opens,
            "high": np.maximum(opens, closes) * (1 + up),
            "low": np.minimum(opens, closes) * (1 - down),
            "close": closes,
            "volume": np.full(len(opens), 1e5) if volume is None else volume,
        },
        index=pd.DatetimeIndex(pd.date_range(first, periods=len(opens), freq="D").as_unit("us"), name="time"),
    )
    return Prices("test", "ABC", "1d", table)


def with_table(prices, table):
    """The same prices with another table."""
    return Prices(prices.source, prices.symbol, prices.timeframe, table)
