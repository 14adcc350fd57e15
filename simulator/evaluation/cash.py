"""What cash earned: the rate that each return of an account is held against, and the interest that an account was
paid."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from llm_strategy.costs.cash_rates import DAYS_A_YEAR, CashRates, interest

CashRate: TypeAlias = float | CashRates
"""A fraction a year, or one by day; 0 where cash earns nothing."""


def cash_rate_of(costs: Mapping[str, Any]) -> CashRate:
    """The rate in the section ``costs`` of a manifest; folders of earlier versions have none."""
    rate = costs.get("cash_rate", 0.0)
    return CashRates(**rate) if isinstance(rate, Mapping) else float(rate)


def cash_returns(times: pd.Index, rate: CashRate) -> NDArray[np.float64]:
    """What cash returned from each of these times to the next (fraction): at the rate that stood at the earlier one,
    for each calendar day between them."""
    days, nights = _nights(times)
    return _rates(days[:-1], rate) * nights / DAYS_A_YEAR


def cash_rates_over(times: pd.Index, rate: CashRate) -> NDArray[np.float64]:
    """The rate that stood at each of these times, a fraction a year."""
    return _rates(_days(times), rate)


def interest_earned(equity: pd.DataFrame, rate: CashRate) -> float:
    """The interest that an account was paid over an equity table, currency: on its cash at the last close of each day,
    less what short sales brought in."""
    if not rate or len(equity) < 2:
        return 0.0
    days, nights = _nights(equity.index)
    free = (equity["cash"] - (equity["gross"] - equity["net"]) / 2).to_numpy(dtype=np.float64)
    ends = np.flatnonzero(nights)
    paid = zip(free[ends], _rates(days[ends], rate), nights[ends], strict=True)
    return float(sum(interest(cash, one, count) for cash, one, count in paid))


def _nights(times: pd.Index) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The day of each time, as Python counts days, and how many days lie between two of them."""
    days = _days(times)
    return days, np.maximum(np.diff(days), 0)


def _days(times: pd.Index) -> NDArray[np.int64]:
    whole: NDArray[np.int64] = pd.DatetimeIndex(times).to_numpy().astype("datetime64[D]").astype(np.int64)
    return whole + date(1970, 1, 1).toordinal()


def _rates(days: NDArray[np.int64], rate: CashRate) -> NDArray[np.float64]:
    if not isinstance(rate, CashRates):
        return np.full(len(days), rate, dtype=np.float64)
    return np.array([rate.on(date.fromordinal(int(day))) for day in days], dtype=np.float64)
