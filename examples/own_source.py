"""Prices of your own: in an experiment ``data: {source: "examples/own_source.py:random_walk:MINE?bars=600"}``."""

import numpy as np
import pandas as pd


def random_walk(name: str, bars: str = "500") -> pd.DataFrame:
    """Daily bars, the same for each name; the names of columns are those that a CSV file may have."""
    steps = np.random.default_rng(len(name)).normal(0, 0.01, int(bars))
    close = 100 * np.exp(np.cumsum(steps))
    times = pd.bdate_range("2015-01-01", periods=int(bars))
    return pd.DataFrame({"open": close, "high": close * 1.01, "low": close * 0.99, "close": close}, index=times)
