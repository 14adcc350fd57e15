"""Figures of one seeded account against those of empyrical-reloaded 0.7.1, quantstats 0.0.86 and jsharpe 0.6.3.

The packages are no dependency: ``benchmarks/oracles.py`` makes the account and printed what stands here.
"""

import ast
import importlib
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kurtosis, skew

from simulator.evaluation.metrics import performance, returns, sharpe_ratio
from simulator.evaluation.probabilistic_sharpe import ReturnShape, psr_2026

EMPYRICAL = {
    "total_return": 0.35546323459730944,
    "cagr": 0.10759626209496687,
    "volatility": 0.15181302178653744,
    "sharpe": 0.7493040045141043,
    "sortino": 1.0367343286055306,
    "max_drawdown": 0.17314866083149566,
    "calmar": 0.621409727215142,
}
OVER_CASH = {"sharpe": 0.5833103387307208, "sortino": 0.8017446320248872}
QUANTSTATS = {
    "total_return": 0.35546323459730944,
    "volatility": 0.15181302178653744,
    "sharpe": 0.7493040045141042,
    "sortino": 1.0367343286055302,
    "max_drawdown": 0.1731486608314956,
}
PSR_2026, PSR_2026_INDEPENDENT = 0.8572655327265072, 0.9019377747028017


@pytest.fixture
def oracles(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    from benchmarks import oracles

    return oracles


@pytest.fixture
def account(oracles):
    """The equity table of the account, a close before its first return, a day apart so that each night is one."""
    moves = oracles.seeded_returns().to_numpy()
    times = pd.date_range("2020-01-01", periods=len(moves) + 1, freq="D", name="time")
    equity = 1000 * np.concatenate([[1.0], np.cumprod(1 + moves)])
    flat = np.zeros(len(equity))
    return pd.DataFrame({"equity": equity, "cash": equity, "net": flat, "gross": flat, "carry": flat}, index=times)


@pytest.mark.parametrize("oracle", [EMPYRICAL, QUANTSTATS], ids=["empyrical", "quantstats"])
def test_performance_is_that_of_other_packages(account, oracle):
    measured = performance(account, 252)
    assert {name: getattr(measured, name) for name in oracle} == pytest.approx(oracle, rel=1e-9)


def test_ratios_over_what_cash_earned_are_those_of_empyrical(account, oracles):
    measured = performance(account, 252, 365 * oracles.CASH_A_BAR)
    assert {name: getattr(measured, name) for name in OVER_CASH} == pytest.approx(OVER_CASH, rel=1e-9)
    assert measured.volatility == pytest.approx(EMPYRICAL["volatility"], rel=1e-9)


def test_the_probability_of_a_ratio_is_that_of_jsharpe(account):
    moves = returns(account["equity"])
    shape = (len(moves), float(skew(moves)), float(kurtosis(moves, fisher=False)))
    correlation = float(np.corrcoef(moves[1:], moves[:-1])[0, 1])
    assert psr_2026(sharpe_ratio(moves), ReturnShape(*shape)) == pytest.approx(PSR_2026_INDEPENDENT, abs=1e-9)
    assert psr_2026(sharpe_ratio(moves), ReturnShape(*shape, correlation)) == pytest.approx(PSR_2026, abs=1e-9)


def test_the_likelihood_of_hamiltons_regimes_is_the_published_one():
    """The tool for filtered probabilities, on the growth of US output of Hamilton (1989), at his estimates."""
    regimes = importlib.import_module("statsmodels.tsa.regime_switching.markov_autoregression")
    source = Path(regimes.__file__).parent / "tests" / "test_markov_autoregression.py"
    made = next(node for node in ast.parse(source.read_text()).body if ast.unparse(node).startswith("rgnp ="))
    growth = [float(number) for number in re.findall(r"-?\d+\.\d+", ast.unparse(made))]
    assert len(growth) == 135
    model = regimes.MarkovAutoregression(np.asarray(growth), k_regimes=2, order=4, switching_ar=False)
    stay_and_change, means, variance = [0.754673, 0.095915], [-0.3588127, 1.163517], 0.591382
    lags = [0.0134871, -0.0575212, -0.2469833, -0.2129214]
    assert model.loglike([*stay_and_change, *means, variance, *lags]) == pytest.approx(-181.26339, abs=5e-6)
