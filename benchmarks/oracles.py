"""Figures of one seeded account by other packages (quantstats takes 3 off its kurtosis twice, so that its probabilistic
Sharpe ratio is left out), which ``tests/evaluation/test_oracles.py`` holds ours against.

Run in an environment of its own, because the packages are no dependency of this one::

    python -m venv oracles && oracles/bin/pip install empyrical-reloaded==0.7.1 quantstats==0.0.86 jsharpe==0.6.3 \
        pyfolio-reloaded==0.10.1
    oracles/bin/python benchmarks/oracles.py
"""

from __future__ import annotations

import importlib
import json
import warnings
from typing import Any

import numpy as np
import pandas as pd

BARS = 750
CASH_A_BAR = 0.0001
"""What cash returns on each bar of the account, a fraction."""


def seeded_returns() -> pd.Series:
    """Returns of an account with a drift, fat tails, skewness and some dependence from bar to bar."""
    random = np.random.default_rng(20)
    shocks = 0.007 * random.standard_t(5, BARS) - 0.004 * (random.random(BARS) < 0.05)
    moves = 0.0016 + shocks
    moves[1:] += 0.1 * shocks[:-1]
    return pd.Series(moves, index=pd.bdate_range("2020-01-01", periods=BARS))


def seeded_market() -> pd.Series:
    """Returns of a market in which the account of ``seeded_returns`` takes some part."""
    random = np.random.default_rng(21)
    return 0.5 * seeded_returns() + 0.008 * random.standard_normal(BARS)


def tear_sheet(window: int = 126) -> dict[str, Any]:
    """Of the same account its months and years, its Sharpe ratio and beta over a moving window, and its drawdowns."""
    warnings.simplefilter("ignore")
    empyrical, timeseries = importlib.import_module("empyrical"), importlib.import_module("pyfolio.timeseries")
    moves, market = seeded_returns(), seeded_market()
    months, years = (empyrical.aggregate_returns(moves, period) for period in ("monthly", "yearly"))
    sharpe = empyrical.roll_sharpe_ratio(moves, window, annualization=252)
    beta = empyrical.roll_beta(moves, market, window)
    drawdowns = timeseries.gen_drawdown_table(moves, top=5)
    dates = ["Peak date", "Valley date", "Recovery date"]
    return {
        "months": {f"{year}-{month:02d}": float(value) for (year, month), value in months.items()},
        "years": {str(year): float(value) for year, value in years.items()},
        "sharpe": {"windows": len(sharpe), "first": sharpe.iloc[0], "last": sharpe.iloc[-1], "lowest": sharpe.min()},
        "beta": {"first": beta.iloc[0], "last": beta.iloc[-1], "highest": beta.max()},
        "drawdowns": [
            [float(row["Net drawdown in %"]) / 100, *(str(row[name])[:10] for name in dates)]
            for _, row in drawdowns.iterrows()
        ],
    }


def figures() -> dict[str, dict[str, float]]:
    """By package and figure."""
    warnings.simplefilter("ignore")
    empyrical, stats = importlib.import_module("empyrical"), importlib.import_module("quantstats.stats")
    jsharpe: Any = importlib.import_module("jsharpe")
    moves = seeded_returns()
    found = {
        "empyrical": {
            "total_return": empyrical.cum_returns_final(moves),
            "cagr": empyrical.annual_return(moves, annualization=252),
            "volatility": empyrical.annual_volatility(moves, annualization=252),
            "sharpe": empyrical.sharpe_ratio(moves, annualization=252),
            "sharpe_over_cash": empyrical.sharpe_ratio(moves, CASH_A_BAR, annualization=252),
            "sortino": empyrical.sortino_ratio(moves, annualization=252),
            "sortino_over_cash": empyrical.sortino_ratio(moves, CASH_A_BAR, annualization=252),
            "max_drawdown": -empyrical.max_drawdown(moves),
            "calmar": empyrical.calmar_ratio(moves, annualization=252),
        },
        "quantstats": {
            "total_return": stats.comp(moves),
            "volatility": stats.volatility(moves, periods=252),
            "sharpe": stats.sharpe(moves, periods=252),
            "sortino": stats.sortino(moves, periods=252),
            "max_drawdown": -stats.to_drawdown_series(moves).min(),
        },
    }
    ratio, apart = float(moves.mean() / moves.std()), moves - moves.mean()
    third, fourth = (float((apart**power).mean() / (apart**2).mean() ** (power / 2)) for power in (3, 4))
    how = {"SR0": 0.0, "T": BARS, "gamma3": third, "gamma4": fourth}
    found["jsharpe"] = {
        "psr_2026": jsharpe.probabilistic_sharpe_ratio(ratio, rho=float(moves.autocorr()), **how),
        "psr_2026_independent": jsharpe.probabilistic_sharpe_ratio(ratio, **how),
    }
    return {package: {name: float(value) for name, value in part.items()} for package, part in found.items()}


if __name__ == "__main__":
    print(json.dumps(figures(), indent=1))
    print(json.dumps(tear_sheet(), indent=1, default=float))
