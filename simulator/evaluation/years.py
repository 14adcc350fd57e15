"""Years and bars a year, by the calendar: what every annual figure rests on.

Years are the time from the first bar to the last over 365.25 days, whatever lies between: weekends, holidays, a hole of
two years. The bars after the first, over these years, are the bars of a year. So growth, volatility, Sharpe ratios,
turnover and costs of a year all belong to the same year.
"""

from __future__ import annotations

import pandas as pd

YEAR = pd.Timedelta(days=365.25)


def years_between(times: pd.Index) -> float:
    """Years from the first to the last of these times; 0 where there are less than two."""
    return float((times[-1] - times[0]) / YEAR) if len(times) > 1 else 0.0


def bars_per_year(times: pd.Index) -> float:
    """Bars a year of these times; 0 where there are less than two."""
    return (len(times) - 1) / years if (years := years_between(times)) else 0.0
