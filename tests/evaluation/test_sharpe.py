"""The test on two Sharpe ratios: its parts against closed forms and other libraries, its words against planted ones."""

import dataclasses
import math

import numpy as np
import pytest
from arch.bootstrap import CircularBlockBootstrap
from statsmodels.regression.linear_model import OLS

from simulator.evaluation.sharpe import (
    Effect,
    compare_sharpe,
    detectable_difference,
    difference_error,
    gradient,
)


def two_arms(bars, seed, *, edge=0.0, apart=0.004):
    """Returns of two accounts that share a market; ``edge`` is the first one's extra mean a bar."""
    rng = np.random.default_rng(seed)
    market = 0.01 * rng.standard_normal(bars)
    return market + edge + apart * rng.standard_normal(bars), market + apart * rng.standard_normal(bars)


def compare(first, second, samples=400, seed=7):
    return compare_sharpe(first, second, 252, confidence_level=0.95, samples=samples, seed=seed)


def moments_of(first, second):
    return np.array([first.mean(), second.mean(), (first**2).mean(), (second**2).mean()])


def difference_of(moments):
    mean_1, mean_2, square_1, square_2 = moments
    return mean_1 / math.sqrt(square_1 - mean_1**2) - mean_2 / math.sqrt(square_2 - mean_2**2)


def block_error(first, second, block):
    series = np.column_stack([first, second, first**2, second**2])
    sums = sum(np.roll(series, -shift, axis=0) for shift in range(block))
    return float(difference_error(series.mean(axis=0), sums.T @ sums / len(series), block, len(series)))


@pytest.mark.parametrize(
    ("correlation", "years", "printed"),
    [
        (0.9, 1, 1.25), (0.9, 3, 0.72), (0.9, 5, 0.56), (0.9, 10, 0.40),
        (0.99, 1, 0.40), (0.99, 3, 0.23), (0.99, 5, 0.18), (0.99, 10, 0.13),
    ],
)  # fmt: skip
def test_detectable_difference_against_the_published_table(correlation, years, printed):
    assert round(detectable_difference(years, correlation, 0.95), 2) == printed


def test_gradient_against_finite_differences():
    first, second = two_arms(500, 1, edge=0.002)
    moments = moments_of(first, second)
    for axis, slope in enumerate(gradient(moments)):
        step = np.zeros(4)
        step[axis] = 1e-7 * abs(moments[axis]) + 1e-12
        numeric = (difference_of(moments + step) - difference_of(moments - step)) / (2 * step[axis])
        assert slope == pytest.approx(numeric, rel=1e-4)


def test_error_of_independent_bars_against_the_closed_form():
    """Jobson and Korkie (1981) as corrected by Memmel (2003), for normal returns."""
    first, second = two_arms(200_000, 2, edge=0.001)
    one, other = first.mean() / first.std(), second.mean() / second.std()
    rho = np.corrcoef(first, second)[0, 1]
    variance = 2 - 2 * rho + (one**2 + other**2 - 2 * one * other * rho**2) / 2
    assert block_error(first, second, 1) == pytest.approx(math.sqrt(variance / len(first)), rel=0.01)


@pytest.mark.parametrize("block", [1, 4, 10])
def test_error_of_dependent_bars_against_newey_west(block):
    rng = np.random.default_rng(3)
    first, second = two_arms(4000, 3)
    first = first + np.convolve(0.01 * rng.standard_normal(4000), np.ones(5) / 5, mode="same")
    series = np.column_stack([first, second, first**2, second**2])
    influence = (series - series.mean(axis=0)) @ gradient(series.mean(axis=0))
    robust = OLS(influence, np.ones(4000)).fit(
        cov_type="HAC", cov_kwds={"maxlags": block - 1, "kernel": "bartlett", "use_correction": False}
    )
    assert block_error(first, second, block) == pytest.approx(float(robust.bse[0]), rel=0.01)


def test_interval_against_the_plain_bootstrap_of_arch():
    first, second = two_arms(1500, 4, edge=0.0004)
    measured = compare(first, second, samples=2000)
    plain = CircularBlockBootstrap(measured.block, first, second, seed=11)
    spread = plain.apply(lambda a, b: a.mean() / a.std() - b.mean() / b.std(), 1000).std() * math.sqrt(252)
    assert (measured.high - measured.low) / 2 == pytest.approx(1.96 * spread, rel=0.1)
    assert (measured.high + measured.low) / 2 == pytest.approx(measured.sharpe_difference)


def test_no_difference_is_found_about_as_often_as_the_level_says():
    found = sum(compare(*two_arms(250, seed), samples=199, seed=seed).p_value <= 0.05 for seed in range(200))
    assert 2 <= found <= 20


def test_the_detectable_difference_is_found_about_four_times_in_five():
    correlation = 1 / (1 + 0.16)
    edge = detectable_difference(3, correlation, 0.95) * math.hypot(0.01, 0.004) / math.sqrt(252)
    found = sum(
        compare(*two_arms(756, seed, edge=edge), samples=199, seed=seed).effect is Effect.ADDS for seed in range(100)
    )
    assert 68 <= found <= 92


def test_words_for_what_was_planted():
    better, worse = two_arms(2520, 5, edge=0.002)
    gain, loss = compare(better, worse), compare(worse, better)
    assert (gain.effect, loss.effect) == (Effect.ADDS, Effect.SUBTRACTS)
    assert gain.low > 0 > loss.high
    assert gain.p_value < 0.05
    assert loss.sharpe_difference == pytest.approx(-gain.sharpe_difference)
    assert (loss.low, loss.high) == (pytest.approx(-gain.high), pytest.approx(-gain.low))


def test_no_effect_is_claimed_only_where_a_large_one_would_have_been_seen():
    assert compare(*two_arms(2520, 6)).effect is Effect.NOT_DETECTABLE
    assert compare(*two_arms(126, 6)).effect is Effect.INCONCLUSIVE


def test_equal_accounts_differ_by_nothing():
    account, _ = two_arms(500, 7)
    measured = compare(account, account.copy())
    assert (measured.sharpe_difference, measured.low, measured.high, measured.detectable) == (0, 0, 0, 0)
    assert (measured.p_value, measured.effect) == (1, Effect.NOT_DETECTABLE)


@pytest.mark.parametrize("first", [np.zeros(500), np.full(500, 0.001), np.empty(0), 0.01 * np.ones(30)])
def test_an_account_without_movement_or_bars_settles_nothing(first):
    measured = compare(first, two_arms(len(first), 8)[0])
    assert measured.effect is Effect.INCONCLUSIVE
    assert measured.sharpe_difference is measured.low is measured.p_value is None


def test_an_account_that_hardly_ever_moves_gives_no_false_certainty():
    rare = np.zeros(500)
    rare[100:103] = [0.02, 0.01, 0.03]
    measured = compare(rare, two_arms(500, 9)[0])
    assert measured.effect is Effect.INCONCLUSIVE
    assert all(value is None or math.isfinite(value) for value in dataclasses.astuple(measured)[:-1])


def test_the_same_question_gets_the_same_answer():
    arms = two_arms(800, 10)
    assert compare(*arms) == compare(*arms)
    assert compare(*arms).low != compare(*arms, seed=8).low
