"""An account beside the market: alpha, beta and ratios against statsmodels, and steps that add up."""

import math

import numpy as np
import pytest
from statsmodels.regression.linear_model import OLS

from simulator.evaluation.attribution import (
    STEPS,
    STILL_ACCOUNT,
    STILL_MARKET,
    THE_MARKET_ITSELF,
    TOO_SHORT,
    AnnualReturn,
    fit_market_model,
    newey_west_lags,
    steps_to,
)

YEAR = 252
RNG = np.random.default_rng(3)
MARKET = 0.0004 + 0.01 * RNG.standard_normal(1260)
NOISE = np.convolve(0.004 * RNG.standard_normal(1262), [1, 0.5, 0.25], mode="valid")
OWN = 0.0001 + 0.4 * MARKET + NOISE


def newey_west(values, of, lags):
    """Coefficients and their standard errors by statsmodels."""
    fitted = OLS(values, of).fit(cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": True})
    return fitted.params, fitted.bse


def test_alpha_and_beta_have_newey_west_errors_over_lags_by_the_rule():
    found = fit_market_model(OWN, MARKET, YEAR, 0.9)
    assert found.lags == newey_west_lags(1260) == 7
    (alpha, beta), (error, _) = newey_west(OWN, np.column_stack([np.ones(1260), MARKET]), 7)
    assert found.alpha == pytest.approx(alpha * YEAR)
    assert found.beta == pytest.approx(beta)
    assert found.alpha_t == pytest.approx(alpha / error)
    assert (found.alpha_low, found.alpha_high) == pytest.approx(
        ((alpha - 1.644854 * error) * YEAR, (alpha + 1.644854 * error) * YEAR)
    )
    assert found.r_squared == pytest.approx(np.corrcoef(OWN, MARKET)[0, 1] ** 2)


def test_ratio_and_error_are_those_of_the_returns_beyond_the_market():
    found, active = fit_market_model(OWN, MARKET, YEAR), OWN - MARKET
    assert found.tracking_error == pytest.approx(active.std(ddof=1) * math.sqrt(YEAR))
    assert found.information_ratio == pytest.approx(active.mean() / active.std(ddof=1) * math.sqrt(YEAR))
    (mean,), (error,) = newey_west(active, np.ones((1260, 1)), 7)
    assert found.information_t == pytest.approx(mean / error)


def test_an_alpha_of_nothing_is_seen_as_often_as_its_t_says():
    rng, beyond = np.random.default_rng(11), 0
    for _ in range(200):
        market, noise = 0.01 * rng.standard_normal((2, 500))
        beyond += abs(fit_market_model(0.5 * market + noise, market, YEAR).alpha_t) > 1.96
    assert 2 <= beyond <= 22, "5% of 200, give or take"


@pytest.mark.parametrize(
    ("own", "market", "problem"),
    [
        (OWN[:59], MARKET[:59], TOO_SHORT),
        (OWN, np.zeros(1260), STILL_MARKET),
        (np.zeros(1260), MARKET, STILL_ACCOUNT),
        (np.empty(0), np.empty(0), TOO_SHORT),
    ],
)
def test_what_cannot_be_regressed_says_why_and_is_no_number(own, market, problem):
    found = fit_market_model(own, market, YEAR)
    assert found.problem == problem
    assert found.alpha is found.alpha_t is found.beta is found.information_ratio is None


@pytest.mark.parametrize(
    ("part", "ratio"), [(1.0, None), (0.5, pytest.approx(-MARKET.mean() / MARKET.std(ddof=1) * YEAR**0.5))]
)
def test_a_part_of_the_market_has_a_beta_and_no_t(part, ratio):
    found = fit_market_model(part * MARKET, MARKET, YEAR)
    assert found.problem == THE_MARKET_ITSELF
    assert found.beta == pytest.approx(part)
    assert found.alpha == pytest.approx(0, abs=1e-12)
    assert found.alpha_t is None
    assert found.information_ratio == ratio


@pytest.mark.parametrize("placebos", [None, 0.031])
def test_the_steps_add_up_to_the_account(placebos):
    market, holder, own = AnnualReturn(0.049, 0.0002), AnnualReturn(0.016, 0.0031), AnnualReturn(0.0097, 0.0045)
    steps = steps_to(own, market, holder, placebos)
    told = [value for name in STEPS if (value := getattr(steps, name)) is not None]
    assert steps.market + math.fsum(told) == pytest.approx(steps.own, abs=1e-15)
    assert len(told) == (3 if placebos is None else 4)
    assert steps.costs == pytest.approx(-0.0043), "below zero where the account pays more than the market"
    if placebos is not None:
        assert steps.timing == pytest.approx(own.after_costs - placebos)
