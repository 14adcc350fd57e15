"""Resampling of a series in circular blocks, which keep what dependence there is from bar to bar: how long blocks must
be, their sums, and where those of a resample begin.

Both are what ``arch.bootstrap`` has under ``optimal_block_length`` and ``CircularBlockBootstrap``, and tests hold them
to it; to load that package takes longer than all the rest of a small comparison's arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from simulator.evaluation.metrics import Floats

FEWEST_BLOCKS = 20
"""Blocks are cut short so that there are at least this many to draw."""
_AT_ONCE = 10_000
"""Beginnings that are drawn at once."""


def best_block_length(series: Floats) -> float:
    """The length of circular blocks that estimates the variance of the mean of a series, shape (bars,), best; NaN for a
    flat one.

    Politis and White (2004) with the correction of Patton, Politis and White (2009): autocovariances with a flat-top
    window, up to twice the lag from which on several autocorrelations in a row are none.
    """
    bars = len(series)
    centred = series - series.mean()
    in_a_row = max(5, int(math.log10(bars)))
    longest = math.ceil(math.sqrt(bars)) + in_a_row
    products: list[float] = []  # by lag, and of no more lags than are looked at: of long series they take long
    small_in_a_row, quiet = 0, None
    for lag in range(longest + 1):
        products.append(float(centred[lag:] @ centred[: bars - lag]))
        later, earlier = centred[lag + 1 :], centred[: -(lag + 1)]
        squares = float(later @ later) * float(earlier @ earlier)
        is_small = squares > 0 and abs(products[lag]) / math.sqrt(squares) < 2 * math.sqrt(math.log10(bars) / bars)
        small_in_a_row = small_in_a_row + 1 if is_small else 0
        if small_in_a_row == in_a_row:
            quiet = lag - in_a_row + 1
            break
    reach = longest if quiet is None else min(2 * max(quiet, 1), longest)
    products += [float(centred[lag:] @ centred[: bars - lag]) for lag in range(len(products), reach + 1)]
    covariances = np.array(products) / bars
    lags = np.arange(1, reach + 1)
    weighted = np.minimum(1.0, 2 * (1 - lags / reach)) * covariances[1 : reach + 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = covariances[0] + 2 * weighted.sum()
        bias = 2 * (lags * weighted).sum()
        best = float(np.cbrt(1.5 * (bias / variance) ** 2 * bars))
    return min(best, float(math.ceil(min(3 * math.sqrt(bars), bars / 3))))


def block_length(influence: Floats) -> int:
    """Blocks for the mean of the influence of each bar on a figure, cut short so that at least ``FEWEST_BLOCKS`` can be
    drawn."""
    best = best_block_length(influence)
    return max(1, min(math.ceil(best), len(influence) // FEWEST_BLOCKS)) if math.isfinite(best) else 1


def block_sums(rows: Floats, block: int) -> Floats:
    """The sums of the rows of each circular block, one that begins at each row; shape as ``rows``."""
    wrapped = np.cumsum(np.vstack([np.zeros((1, rows.shape[1])), rows, rows[: block - 1]]), axis=0)
    sums: Floats = wrapped[block:] - wrapped[:-block]
    return sums


def block_starts(bars: int, block: int, samples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """The rows at which the whole blocks of each resample begin; a last, shorter block is drawn and left."""
    draw, blocks = np.random.default_rng(seed), math.ceil(bars / block)
    step = max(1, _AT_ONCE // blocks)
    for first in range(0, samples, step):  # the numbers follow one another, however many are drawn at once
        yield from draw.integers(bars, size=(min(step, samples - first), blocks), dtype=np.int64)[:, : bars // block]


def sums_of_draws(rows: Floats, draws: NDArray[np.int64]) -> Floats:
    """The sums of the rows of each draw, whose row numbers ``draws`` holds, shape (draws, rows); shape (draws,
    columns)."""
    if rows.shape[1] == 1:  # numbers that stand side by side are added in pairs, which has other last digits
        found: Floats = rows[draws].sum(axis=1)
    else:
        found = rows.take(draws.T, axis=0).sum(axis=0)  # row after row, for all draws at once
    return found
