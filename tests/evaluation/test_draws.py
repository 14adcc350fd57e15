"""Arms that were drawn several times: the mean over draws, and its error in the interval."""

import math
from statistics import fmean, stdev

import numpy as np
import pytest

from simulator.evaluation.draws import compare_draws
from simulator.evaluation.sharpe import compare_sharpe

HOW = {"confidence_level": 0.95, "samples": 400, "seed": 7}


def drawn(count, seed=1, bars=1000, apart=0.001):
    """So many draws of one arm on one path, and another arm on it."""
    rng = np.random.default_rng(seed)
    market = 0.01 * rng.standard_normal(bars)
    draws = [market + 0.0003 + apart * rng.standard_normal(bars) for _ in range(count)]
    return draws, market + 0.004 * rng.standard_normal(bars)


def sharpe(values):
    return values.mean() / values.std(ddof=1) * math.sqrt(252)


def test_one_draw_is_the_test_of_two_arms():
    draws, other = drawn(1)
    assert compare_draws(draws, [other], 252, **HOW) == compare_sharpe(draws[0], other, 252, **HOW)


def test_the_difference_is_that_of_the_mean_and_its_error_falls_with_the_draws():
    draws, other = drawn(16, apart=0.02)
    four, sixteen = (compare_draws(draws[:count], [other], 252, **HOW) for count in (4, 16))
    ratios = [sharpe(draw) for draw in draws]
    assert sixteen.sharpe_difference == pytest.approx(fmean(ratios) - sharpe(other))
    for found, count in ((four, 4), (sixteen, 16)):
        between = stdev(ratios[:count]) ** 2 / count
        paths = [compare_sharpe(draw, other, 252, **HOW).error ** 2 for draw in draws[:count]]
        assert found.error**2 == pytest.approx(fmean(paths) + between, rel=0.15)
    assert sixteen.high - sixteen.low < four.high - four.low, "more draws do not punish the careful"


def test_draws_that_never_differ_change_nothing():
    draws, other = drawn(1)
    alike = compare_draws([draws[0]] * 5, [other], 252, **HOW)
    alone = compare_sharpe(draws[0], other, 252, **HOW)
    assert (alike.low, alike.high, alike.p_value) == pytest.approx((alone.low, alone.high, alone.p_value))
    same = compare_draws([other] * 3, [other], 252, **HOW)
    assert (same.sharpe_difference, same.low, same.high) == (0, 0, 0)


def test_the_errors_of_two_arms_that_were_drawn_both_count():
    first, _ = drawn(6, seed=2, apart=0.02)
    second, _ = drawn(6, seed=3, apart=0.02)
    both = compare_draws(first, second, 252, **HOW)
    one = compare_draws(first, second[:1], 252, **HOW)
    mean = fmean(map(sharpe, first)) - fmean(map(sharpe, second))
    assert both.sharpe_difference == pytest.approx(mean)
    assert both.sharpe_difference != one.sharpe_difference


def test_a_draw_that_never_moved_settles_nothing():
    draws, other = drawn(2)
    found = compare_draws([*draws, np.zeros(1000)], [other], 252, **HOW)
    assert found.sharpe_difference is found.p_value is None
    assert compare_draws([draw[:30] for draw in draws], [other[:30]], 252, **HOW).low is None
