"""The step-down p-values of all pairs together, against an independent form in plain loops."""

import math

import numpy as np
import pytest

from simulator.evaluation.sharpe import compare_sharpe
from simulator.evaluation.step_down import adjust, step_down


def arms(bars, seed, edges, apart=0.004):
    rng = np.random.default_rng(seed)
    market = 0.01 * rng.standard_normal(bars)
    return np.column_stack([market + edge + apart * rng.standard_normal(bars) for edge in edges])


def plain_sharpe(values):
    mean = sum(values) / len(values)
    return mean / math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))


def plain_error(first, second, blocks, length):
    """Of the difference of two Sharpe ratios, from the sums of the influence of each bar over blocks."""
    influence = []
    for one in (first, second):
        mean = sum(one) / len(one)
        square = sum(value**2 for value in one) / len(one)
        spread = square - mean**2
        by_mean, by_square = square / spread**1.5, -mean / (2 * spread**1.5)
        influence.append([by_mean * (value - mean) + by_square * (value**2 - square) for value in one])
    each = [a - b for a, b in zip(*influence, strict=True)]
    variance = sum(sum(each[at] for at in block) ** 2 for block in blocks) / len(blocks) / length
    return math.sqrt(variance / len(first))


def plain_step_down(returns, pairs, length, samples, seed):
    """Romano and Wolf's algorithm 4.1: the largest statistic is tested first, and leaves the others behind."""
    bars = len(returns)
    columns = returns.T.tolist()
    every = [[(start + step) % bars for step in range(length)] for start in range(bars)]

    def measure(columns, blocks):
        return [
            (
                plain_sharpe(columns[one]) - plain_sharpe(columns[other]),
                plain_error(columns[one], columns[other], blocks, length),
            )
            for one, other in pairs
        ]

    whole = measure(columns, every)
    seen = [abs(difference) / error for difference, error in whole]
    starts = np.random.default_rng(seed).integers(0, bars, (samples, bars // length))
    drawn = []
    for row in starts:
        chosen = [at for start in row for at in every[start]]
        places = [list(range(number * length, (number + 1) * length)) for number in range(len(row))]
        again = measure([[column[at] for at in chosen] for column in columns], places)
        drawn.append(
            [abs(difference - first) / error for (difference, error), (first, _) in zip(again, whole, strict=True)]
        )
    found, left, before = [0.0] * len(pairs), list(range(len(pairs))), 0.0
    while left:
        largest = max(left, key=lambda pair: seen[pair])
        count = sum(max(sample[pair] for pair in left) >= seen[largest] for sample in drawn)
        before = found[largest] = max(before, (count + 1) / (samples + 1))
        left.remove(largest)
    return found


def test_against_an_independent_form():
    returns = arms(150, 4, [0.0009, 0.0, 0.0004, -0.0008])
    pairs = [(0, 1), (0, 2), (0, 3), (2, 3)]
    measured = step_down(returns, pairs, samples=60, seed=11, block=3)
    assert measured == pytest.approx(plain_step_down(returns, pairs, 3, 60, 11), abs=1e-12)


def test_the_largest_difference_pays_for_the_number_of_comparisons():
    returns = arms(1000, 5, [0.0002, *[0.0] * 8])
    pairs = [(0, other) for other in range(1, 9)]
    together = step_down(returns, pairs, samples=400, seed=7)
    how = {"confidence_level": 0.95, "samples": 400, "seed": 7}
    alone = [compare_sharpe(returns[:, one], returns[:, other], 252, **how).p_value for one, other in pairs]
    assert min(together) > min(alone)
    assert np.argsort(together, kind="stable")[0] == np.argsort(alone, kind="stable")[0]


def test_without_a_difference_one_of_all_stands_out_in_one_run_of_twenty():
    pairs = [(0, other) for other in range(1, 6)]
    found = sum(min(step_down(arms(250, seed, [0.0] * 6), pairs, samples=99, seed=seed)) <= 0.05 for seed in range(60))
    assert found <= 8


def test_a_planted_difference_is_found_among_many():
    returns = arms(1500, 6, [0.002, 0.0, 0.0, 0.0, 0.0])
    together = step_down(returns, [(0, 1), (0, 2), (1, 2), (3, 4)], samples=300, seed=7)
    assert max(together[:2]) < 0.05 < min(together[2:])


def test_what_cannot_be_tested_has_none_and_equal_accounts_have_one():
    returns = arms(300, 8, [0.001, 0.0, 0.0])
    returns = np.column_stack([returns, np.zeros(300), returns[:, 0]])
    found = step_down(returns, [(0, 1), (0, 3), (0, 4), (3, 4)], samples=100, seed=7)
    assert found[1] is found[3] is None
    assert found[2] == 1
    assert 0 < found[0] <= 1
    assert step_down(returns[:40], [(0, 1)], samples=100, seed=7) == [None]
    assert step_down(np.empty((0, 2)), [(0, 1)], samples=100, seed=7) == [None]


def test_p_never_falls_behind_one_that_stood_out_more():
    p = adjust(
        np.array([3.0, 1.0, 2.0]), np.array([[2.5, 0.1, 0.1], [0.1, 0.1, 2.2], [0.1, 0.4, 0.1], [3.1, 0.1, 0.1]])
    )
    assert p == [2 / 5, 2 / 5, 2 / 5]
