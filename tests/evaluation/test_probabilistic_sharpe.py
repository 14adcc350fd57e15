"""How sure a Sharpe ratio is: published figures of both forms, another library, and accounts of known skill.

The figures were recomputed from the stated inputs; ``test_oracles.py`` holds the form of 2026 against another package.
"""

import math

import numpy as np
import pytest

from simulator.evaluation.probabilistic_sharpe import (
    UNKNOWN,
    ReturnShape,
    deflated_2012,
    minimum_bars_2012,
    minimum_bars_2026,
    miss_2026,
    psr_2012,
    psr_2026,
    sharpe_certainty,
)

MONTHLY = 0.036 / 0.079
SKEWED = {"skewness": -2.448, "kurtosis": 10.164}


@pytest.mark.parametrize(
    ("trials", "shape", "expected"),
    [
        (100, ReturnShape(1250, -3, 10), 0.9004),
        (46, ReturnShape(1250, -3, 10), 0.9505),
        (88, ReturnShape(1250), 0.9505),
    ],
)
def test_the_deflated_ratio_of_2012(trials, shape, expected):
    against, probability = deflated_2012(2.5 / math.sqrt(250), shape, trials, 0.5 / 250)
    assert probability == pytest.approx(expected, abs=5e-5)
    if trials == 100:
        assert against == pytest.approx(0.1132, abs=5e-5)


def test_the_probability_of_2012_and_the_length_of_record_that_it_needs():
    assert psr_2012(0.458, ReturnShape(24)) == pytest.approx(0.9817, abs=5e-5)
    assert psr_2012(0.458, ReturnShape(24, **SKEWED)) == pytest.approx(0.9134, abs=5e-5)
    year = math.sqrt(250)
    assert minimum_bars_2012(2 / year, ReturnShape(1250), 1 / year) / 250 == pytest.approx(2.73, abs=5e-3)


@pytest.mark.parametrize(
    ("correlation", "deviation", "psr", "psr_of_tenth", "missed"),
    [(0.0, 0.3286, 0.9872, 0.9391, 0.3152), (0.2, 0.3795, 0.9658, 0.9005, 0.4106)],
)
def test_the_form_of_2026(correlation, deviation, psr, psr_of_tenth, missed):
    shape = ReturnShape(24, correlation=correlation, **SKEWED)
    assert math.sqrt(shape.variance_2026(MONTHLY) / 24) == pytest.approx(deviation, abs=5e-5)
    assert psr_2026(MONTHLY, shape) == pytest.approx(psr, abs=5e-5)
    assert psr_2026(MONTHLY, shape, 0.1) == pytest.approx(psr_of_tenth, abs=5e-5)
    assert miss_2026(0.5, shape) == pytest.approx(missed, abs=5e-5)


def test_the_length_of_record_of_2026():
    assert math.sqrt(ReturnShape(24).variance_2026(MONTHLY) / 24) == pytest.approx(0.2145, abs=5e-5)
    assert minimum_bars_2026(MONTHLY, ReturnShape(24, **SKEWED)) == pytest.approx(13.029, abs=5e-4)
    dependent = ReturnShape(24, correlation=0.2, **SKEWED)
    assert minimum_bars_2026(MONTHLY, dependent) == pytest.approx(19.543, abs=5e-4)
    assert minimum_bars_2026(MONTHLY, dependent, 0.1) == pytest.approx(39.369, abs=5e-4)


def test_without_skill_the_probability_is_uniform_with_dependence_too():
    rng = np.random.default_rng(5)
    shocks = rng.standard_normal((200, 300))
    dependent = shocks.copy()
    for bar in range(1, 300):
        dependent[:, bar] += 0.3 * dependent[:, bar - 1]
    for returns in (shocks, dependent):
        found = [sharpe_certainty(0.01 * one, 252).psr for one in returns]
        assert 0.01 <= np.mean(np.array(found) > 0.95) <= 0.09
    blind = [sharpe_certainty(0.01 * one, 252).psr_2012 for one in dependent]
    assert np.mean(np.array(blind) > 0.95) > 0.08  # the form of 2012 knows no dependence


def test_what_cannot_be_measured_is_unknown_and_no_skill_has_no_length_of_record():
    rng = np.random.default_rng(6)
    assert sharpe_certainty(np.zeros(500), 252) == UNKNOWN
    assert sharpe_certainty(0.01 * rng.standard_normal(59), 252) == UNKNOWN
    assert sharpe_certainty(np.empty(0), 252) == UNKNOWN
    for last in (0, 499):
        assert sharpe_certainty(np.where(np.arange(500) == last, 0.5, 0.0), 252) == UNKNOWN, "it moved once, at an end"
    losing = sharpe_certainty(0.01 * rng.standard_normal(500) - 0.002, 252)
    assert losing.track_years is None
    assert losing.psr < 0.05
