"""An account by calendar: what it returned in each month and in each year.

A return belongs to the month of the bar that it ends at. So the first month begins at the first value of the account,
each later one at the last value of the month before, and all of them compounded are the total return. (empyrical's
``aggregate_returns`` and quantstats' ``monthly_returns`` count the same.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from simulator.evaluation.metrics import Floats


@dataclass(frozen=True, slots=True)
class Period:
    """A calendar month or year of an account. ``number`` is the year, or twelve times the year plus the month from 0
    on."""

    number: int
    bars: int
    """Returns that end in it."""
    total_return: float
    """Fraction, from the last value before it."""


def monthly_returns(account: pd.Series) -> list[Period]:
    """The months of an account (equity over time) in order; none of fewer than two values, or of a ruined account."""
    times = pd.DatetimeIndex(account.index)
    return _periods(account, np.asarray(12 * times.year + times.month - 1, np.int64))


def yearly_returns(account: pd.Series) -> list[Period]:
    """The years of an account, in the same way."""
    return _periods(account, np.asarray(pd.DatetimeIndex(account.index).year, np.int64))


def _periods(account: pd.Series, numbers: NDArray[np.int64]) -> list[Period]:
    values: Floats = account.to_numpy(dtype=np.float64)
    if len(values) < 2 or values.min() <= 0:
        return []
    lasts = np.append(np.flatnonzero(np.diff(numbers)), len(values) - 1)
    lasts = lasts[lasts > 0]  # the first value alone in its month has returned nothing there
    firsts = np.append(0, lasts[:-1])
    grown = values[lasts] / values[firsts] - 1
    return [
        Period(int(numbers[last]), int(last - first), float(value))
        for first, last, value in zip(firsts, lasts, grown, strict=True)
    ]
