"""Arithmetic that several analytics share: returns, ranks, quotients and fits that are None where they mean nothing."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from llm_strategy.market.analytics.past import Floats

_STILL = 1e-12
"""Values that differ by less differ by the rounding of sums alone."""


class Fit(NamedTuple):
    """A straight line through values at equal distances: what it rises by from one to the next, the t statistic of
    that, and the share of the variance that it explains."""

    slope: float
    t: float | None
    explained: float


def log_returns(prices: Any) -> Floats:
    """The one-bar log returns of prices, one fewer than these."""
    changes: Floats = np.diff(np.log(np.asarray(prices, dtype=float)))
    return changes


def is_still(values: Floats) -> bool:
    """Whether the values are all the same."""
    return len(values) == 0 or float(values.max() - values.min()) <= _STILL


def quotient(value: float, by: float) -> float | None:
    """One number over another; None where that is zero, or as good as."""
    return float(value / by) if abs(by) > _STILL else None


def rank(values: Floats, now: float) -> float:
    """The share of the values that are lower (0 to 1), equal ones counted half."""
    return float(((values < now).sum() + (values == now).sum() / 2) / len(values))


def deviation(values: Floats) -> float:
    """The standard deviation of a sample."""
    return float(values.std(ddof=1))


def mean_t(values: Floats) -> float | None:
    """The t statistic of a mean: that over its standard error; None for fewer than two values, and for equal ones."""
    if len(values) < 2 or is_still(values):
        return None
    return float(values.mean() / deviation(values) * len(values) ** 0.5)


def correlation(values: Floats, others: Floats) -> float | None:
    """Pearson's correlation; None where one of both stands still."""
    if len(values) < 2 or is_still(values) or is_still(others):
        return None
    one, other = values - values.mean(), others - others.mean()
    return float((one * other).sum() / ((one * one).sum() * (other * other).sum()) ** 0.5)


def fit_line(values: Floats) -> Fit | None:
    """The straight line by least squares; None for values that are all the same.

    The same as ``scipy.stats.linregress``, in a tenth of its time. Its t counts every value as independent: it ranks
    trends, and proves none.
    """
    if is_still(values):
        return None
    places = np.arange(float(len(values))) - (len(values) - 1) / 2
    middle = values - values.mean()
    wide, high = float((places * places).sum()), float((middle * middle).sum())
    slope = float((places * middle).sum()) / wide
    explained = min(1.0, slope * slope * wide / high)
    error = ((1 - explained) * high / wide / (len(values) - 2)) ** 0.5
    return Fit(slope, quotient(slope, error), explained)


def rolling(values: Floats, bars: int) -> Floats:
    """A row for each stretch of so many values, the oldest first."""
    rows: Floats = np.lib.stride_tricks.sliding_window_view(values, bars)
    return rows
