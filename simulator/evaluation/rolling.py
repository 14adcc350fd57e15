"""An account over a moving window: its Sharpe ratio and its beta to the market, at each bar over the bars before it."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from simulator.evaluation.metrics import NOTHING, Floats

WINDOW_YEARS = 0.5
FEWEST_BARS = 36
"""Bars of a window below which a ratio says nothing."""
WINDOWS = 2
"""Windows that a run must hold: in one alone nothing moves."""


def window_of(returns: int, bars_per_year: float) -> int | None:
    """Bars of the window for so many returns: half a year, and at least ``FEWEST_BARS``; None where the run is too
    short for it."""
    window = max(FEWEST_BARS, round(WINDOW_YEARS * bars_per_year))
    return window if returns >= WINDOWS * window else None


def rolling_sharpe(excess: Floats, window: int, bars_per_year: float) -> Floats:
    """The annual Sharpe ratio over each ``window`` of returns over cash: mean over standard deviation (one degree of
    freedom taken) times the root of the bars of a year, as empyrical's ``roll_sharpe_ratio``. Of shape (returns -
    window + 1,); NaN where the account did not move."""
    rolled = pd.Series(excess).rolling(window)
    ratios: Floats = _quotient(rolled.mean(), rolled.std(), excess, window) * math.sqrt(bars_per_year)
    return ratios


def rolling_beta(excess: Floats, market: Floats, window: int) -> Floats:
    """The beta to the market over each window: covariance over variance, as empyrical's ``roll_beta``; NaN where the
    market did not move."""
    other = pd.Series(market)
    return _quotient(pd.Series(excess).rolling(window).cov(other), other.rolling(window).var(), market, window)


def _quotient(above: pd.Series, below: pd.Series, of: Floats, window: int) -> Floats:
    """From the first whole window on; NaN where no return ``of`` a window is more than dust, so that its spread is that
    of the windows before it, which has been taken off again."""
    moved = np.concatenate([[0], np.cumsum(np.abs(of) > NOTHING)])
    over: Floats = below.to_numpy(dtype=np.float64)[window - 1 :]
    found: Floats = np.full(len(over), np.nan)
    has_moved = (moved[window:] > moved[:-window]) & (over > 0)
    np.divide(above.to_numpy(dtype=np.float64)[window - 1 :], over, out=found, where=has_moved)
    return found
