"""Months, drawdowns, moving windows and the spread of returns: against other packages, and where there is nothing.

The figures are those of empyrical-reloaded 0.7.1 and pyfolio-reloaded 0.10.1, as ``benchmarks/oracles.py`` prints them.
"""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from simulator.evaluation.calendar_returns import monthly_returns, yearly_returns
from simulator.evaluation.distribution import distribution_of
from simulator.evaluation.drawdowns import underwater, worst_drawdowns
from simulator.evaluation.metrics import performance, returns
from simulator.evaluation.rolling import rolling_beta, rolling_sharpe, window_of

MONTHS = {
    "2020-01": 0.09242030508623156, "2020-02": 6.006503301581034e-05, "2020-06": 0.035056052964187234,
    "2020-12": 0.08389731474890882, "2021-03": -0.09653086655366372, "2022-05": -0.09209648223019384,
    "2022-11": 0.056465649272465335,
}  # fmt: skip
YEARS = {2020: 0.19421111588223083, 2021: 0.021449753869320798, 2022: 0.11119332748508803}
DRAWDOWNS = [
    (0.17314866083149563, "2020-03-04", "2020-05-25", "2020-10-21"),
    (0.1530381915688696, "2021-01-18", "2021-06-23", "2022-01-11"),
    (0.14610965685833854, "2022-01-17", "2022-06-02", "2022-08-01"),
    (0.08118808818554786, "2020-10-30", "2020-11-16", "2020-12-25"),
    (0.07934494453340438, "2020-02-04", "2020-02-14", "2020-03-03"),
]
SHARPE = {"first": 0.3135052127107392, "last": 1.7127137643316317, "lowest": -1.5328420281795758}
BETA = {"first": 0.7801623521494462, "last": 0.4965283798386984, "highest": 0.8112675616321096}
WINDOW = 126


@pytest.fixture
def moves(monkeypatch):
    """Returns of the seeded account and of its market."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    from benchmarks import oracles

    return oracles.seeded_returns(), oracles.seeded_market()


@pytest.fixture
def account(moves):
    """The account over time, with its first value on the day before its first return."""
    own, _ = moves
    times = own.index.insert(0, own.index[0] - pd.offsets.BDay())
    return pd.Series(1000 * np.concatenate([[1.0], np.cumprod(1 + own.to_numpy())]), times)


def series(*values):
    return pd.Series(values, pd.bdate_range("2020-01-30", periods=len(values)), dtype=float)


def test_months_and_years_are_those_of_empyrical(account):
    months = monthly_returns(account)
    found = {f"{month.number // 12}-{month.number % 12 + 1:02d}": month.total_return for month in months}
    assert len(found) == 35
    assert {name: found[name] for name in MONTHS} == pytest.approx(MONTHS, rel=1e-9)
    years = yearly_returns(account)
    assert {year.number: year.total_return for year in years} == pytest.approx(YEARS, rel=1e-9)
    assert sum(year.bars for year in years) == sum(month.bars for month in months) == 750


def test_the_months_compounded_are_the_total_return(account):
    grown = math.prod(1 + month.total_return for month in monthly_returns(account))
    assert grown == pytest.approx(account.iloc[-1] / account.iloc[0])


def test_a_first_value_alone_in_its_month_has_no_return_there():
    (february,) = monthly_returns(pd.Series([100.0, 110.0], pd.to_datetime(["2020-01-31", "2020-02-03"])))
    assert (february.number, february.bars, february.total_return) == (2020 * 12 + 1, 1, pytest.approx(0.1))


@pytest.mark.parametrize("values", [(), (100.0,), (100.0, 0.0, 50.0)], ids=["nothing", "one bar", "ruined"])
def test_an_account_without_returns_has_no_months(values):
    assert monthly_returns(series(*values)) == []


def test_the_worst_drawdowns_are_those_of_pyfolio(account, moves):
    # pyfolio begins with the first return, so that a loss from the first value on is not among its drawdowns
    values, times = account.iloc[1:].to_numpy(), moves[0].index
    found = worst_drawdowns(values)
    assert [one.depth for one in found] == pytest.approx([depth for depth, *_ in DRAWDOWNS])
    for one, (_, *dates) in zip(found, DRAWDOWNS, strict=True):
        assert [str(times[at].date()) for at in (one.peak, one.bottom, one.end)] == dates
        assert one.bars == one.end - one.peak


def test_the_deepest_drawdown_is_that_of_the_performance(account):
    equity = pd.DataFrame({"equity": account, "gross": 0.0})
    measured = performance(equity, 252)
    (deepest, *_) = worst_drawdowns(account.to_numpy())
    assert (deepest.depth, deepest.bars) == (measured.max_drawdown, measured.drawdown_bars)
    assert underwater(account.to_numpy()).min() == -deepest.depth


def test_a_drawdown_that_is_not_made_good_reaches_to_the_last_bar():
    (one,) = worst_drawdowns(np.array([100.0, 120.0, 90.0, 96.0]))
    assert (one.peak, one.bottom, one.end, one.bars) == (1, 2, None, 2)
    assert one.depth == pytest.approx(0.25)


@pytest.mark.parametrize("values", [[], [100.0], [100.0, 100.0, 101.0]], ids=["nothing", "one bar", "never lost"])
def test_without_a_loss_there_is_no_drawdown(values):
    assert worst_drawdowns(np.array(values)) == []


def test_ratio_and_beta_over_a_window_are_those_of_empyrical(moves):
    own, market = (one.to_numpy() for one in moves)
    sharpe, beta = rolling_sharpe(own, WINDOW, 252), rolling_beta(own, market, WINDOW)
    assert len(sharpe) == len(beta) == 625
    assert {"first": sharpe[0], "last": sharpe[-1], "lowest": sharpe.min()} == pytest.approx(SHARPE, rel=1e-6)
    assert {"first": beta[0], "last": beta[-1], "highest": beta.max()} == pytest.approx(BETA, rel=1e-6)


def test_a_window_in_which_nothing_moved_has_no_ratio(moves):
    own, market = (one.to_numpy().copy() for one in moves)
    own[300:500], market[300:500] = 1e-17, -1e-17  # an account in cash, less what cash returned
    sharpe, beta = rolling_sharpe(own, WINDOW, 252), rolling_beta(own, market, WINDOW)
    still = np.zeros(len(sharpe), bool)
    still[300 : 500 - WINDOW + 1] = True
    assert np.isnan(sharpe).tolist() == np.isnan(beta).tolist() == still.tolist()
    assert np.abs(sharpe[~still]).max() < 20


@pytest.mark.parametrize(
    ("bars", "year", "window"),
    [(252, 252, 126), (251, 252, None), (500, 12, 36), (71, 12, None)],
    ids=["a year", "less than a year", "months", "few months"],
)
def test_a_run_must_hold_two_windows_of_half_a_year(bars, year, window):
    assert window_of(bars, year) == window


def test_the_spread_names_its_ends_and_counts_every_return_once(account):
    moves = returns(account)
    found = distribution_of(moves)
    assert (moves[found.best], moves[found.worst]) == (moves.max(), moves.min())
    assert found.counts.sum() + found.still == len(moves)
    assert 0.0 in found.edges, "no bin holds gains and losses"
    centred = moves - moves.mean()
    assert found.skewness == pytest.approx((centred**3).mean() / (centred**2).mean() ** 1.5)
    assert found.kurtosis == pytest.approx((centred**4).mean() / (centred**2).mean() ** 2)


def test_a_still_account_has_no_shape_and_few_returns_no_spread():
    found = distribution_of(np.zeros(30))
    assert (found.skewness, found.kurtosis, found.still) == (None, None, 30)
    assert distribution_of(np.zeros(19)) is None
