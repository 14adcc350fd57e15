"""Lengths and beginnings of resampled blocks, held to those of ``arch.bootstrap``."""

import numpy as np
import pytest
from arch.bootstrap import CircularBlockBootstrap, optimal_block_length

from simulator.evaluation.blocks import best_block_length, block_starts


def hanging_together(bars, share, seed):
    """Values of which each keeps a share of the one before."""
    values = np.random.default_rng(seed).standard_normal(bars)
    for bar in range(1, bars):
        values[bar] += share * values[bar - 1]
    return values


@pytest.mark.parametrize("bars", [60, 61, 147, 1000, 5021])
@pytest.mark.parametrize("share", [-0.6, 0.0, 0.3, 0.9, 1.0])
def test_the_best_length_is_that_of_arch(bars, share):
    for seed in range(5):
        series = hanging_together(bars, share, seed)
        assert best_block_length(series) == pytest.approx(optimal_block_length(series)["circular"].iloc[0], rel=1e-9)


def test_a_flat_series_has_no_best_length():
    assert np.isnan(best_block_length(np.full(100, 0.25)))


@pytest.mark.parametrize(("bars", "block"), [(60, 1), (147, 3), (500, 25), (1001, 8), (5021, 1)])
def test_a_seed_draws_the_blocks_that_arch_draws(bars, block):
    theirs = CircularBlockBootstrap(block, np.zeros(bars), seed=7)
    for starts in block_starts(bars, block, 50, seed=7):
        assert (starts == theirs.update_indices()[::block][: bars // block]).all()
