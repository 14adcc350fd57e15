"""Seasonality: what followed closes of this weekday, month, time of day or turn of the month so far.

All of it is measured on the closes from the first decision on, none of which lies behind this one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from llm_strategy.market.analytics.analytic import Analytic
from llm_strategy.market.analytics.past import Floats, Past, Times
from llm_strategy.market.analytics.series import log_returns, mean_t
from llm_strategy.support.condition import Quantity, Value

Whole = NDArray[np.int64]
_FEWEST = 8
"""Returns that a season must have had before something is told of it."""
_DAY = 24 * 60


def _count(times: Times, unit: str) -> Whole:
    """So many whole days, months or minutes since 1970."""
    counts: Whole = times.astype(f"datetime64[{unit}]").astype(np.int64)
    return counts


def _weekday(times: Times) -> Whole:
    return (_count(times, "D") + 3) % 7


def _month(times: Times) -> Whole:
    return _count(times, "M") % 12


def _month_day(times: Times) -> Whole:
    months = times.astype("datetime64[M]").astype("datetime64[D]")
    return _count(times, "D") - months.astype(np.int64) + 1


def _minute(times: Times) -> Whole:
    return _count(times, "m") % _DAY


def _is_turn(times: Times) -> Whole:
    """1 where a close is one of the days 26 to 3: what follows it lies around the turn of a month."""
    day = _month_day(times)
    return ((day >= 26) | (day <= 3)).astype(np.int64)


def _season(of: Callable[[Times], Whole]) -> Callable[[Past], dict[str, Value]]:
    """What followed earlier closes of the season in which this close lies, against what followed all."""

    def measure(past: Past) -> dict[str, Value]:
        times, prices = past.closes
        seasons = of(times)
        if len(times) < 2 * _FEWEST or (seasons == seasons[-1]).all():
            return dict.fromkeys(_SEASON)
        after = log_returns(prices)
        mine = after[seasons[:-1] == seasons[-1]]
        if len(mine) < _FEWEST:
            return dict.fromkeys(_SEASON)
        return _told(mine, after)

    return measure


def _told(mine: Floats, after: Floats) -> dict[str, Value]:
    return {
        "next": float(np.expm1(mine.mean())),
        "t": mean_t(mine - after.mean()),
        "up_share": float((mine > 0).mean()),
        "seen": float(len(mine)),
    }


def _calendar(past: Past) -> dict[str, Value]:
    times = past.closes.times[-2:]
    day = int(_month_day(times)[-1])
    days = np.diff(_count(times, "D"))
    return {
        "part_of_month": "early" if day <= 10 else "middle" if day <= 20 else "late",
        "part_of_quarter": ("first", "second", "third")[int(_month(times)[-1]) % 3],
        "turn_of_month": "yes" if _is_turn(times)[-1] else "no",
        "days_since_bar": float(days[0]) if len(days) else None,
    }


_SEASON = {
    "next": Quantity("fraction", "mean return of the bar that followed such a close so far"),
    "t": Quantity("ratio", "t of its distance to the mean of all bars"),
    "up_share": Quantity("fraction", "share of these bars that rose"),
    "seen": Quantity("count", "how many there were"),
}

ANALYTICS = (
    Analytic("weekday", "what followed closes on this day of the week so far", 0, _season(_weekday), _SEASON),
    Analytic("month", "what followed closes in this month of the year so far", 0, _season(_month), _SEASON),
    Analytic(
        "turn_of_month",
        "what followed closes in this part of the month so far: its turn, or the rest",
        0,
        _season(_is_turn),
        _SEASON,
    ),
    Analytic("time_of_day", "what followed closes at this time of the day so far", 0, _season(_minute), _SEASON),
    Analytic(
        "calendar",
        "where in month and quarter the close lies, and how many days passed since the one before",
        0,
        _calendar,
        {
            "part_of_month": Quantity("word", "day 1 to 10, 11 to 20, or later", ("early", "middle", "late")),
            "part_of_quarter": Quantity("word", "month of the quarter", ("first", "second", "third")),
            "turn_of_month": Quantity("word", "day 26 to 3", ("yes", "no")),
            "days_since_bar": Quantity("days", "days since the close before"),
        },
    ),
)
