"""Is the difference of two Sharpe ratios more than luck? Ledoit and Wolf (2008), with the power of the test beside it.

Two arms traded the same bars, so their returns are resampled together, in circular blocks that keep what dependence
there is from bar to bar. The difference is studentised before it is compared: ``|d* - d| / s(d*)`` with ``|d| / s(d)``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from statistics import NormalDist

import numpy as np

from simulator.evaluation.blocks import block_length, block_starts, block_sums, sums_of_draws
from simulator.evaluation.metrics import NOTHING, Floats, sharpe_ratio

POWER = 0.8
"""Probability with which a difference of the detectable size would be found."""
FEWEST_BARS = 60
"""Below this a bootstrap of blocks has nothing to draw from."""
LARGE_DIFFERENCE = 1.0
"""A run that could not have seen this difference of annual Sharpe ratios settles nothing by seeing none."""
_AT_ONCE = 100_000
"""Numbers that are gathered at once."""


class Effect(StrEnum):
    """What may be said about a difference."""

    ADDS = "adds"
    SUBTRACTS = "subtracts"
    NOT_DETECTABLE = "no detectable effect"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class SharpeDifference:
    """First arm minus second, in annual Sharpe ratios; ``None`` where it cannot be measured."""

    sharpe_difference: float | None
    low: float | None
    high: float | None
    p_value: float | None
    """Two-sided, of no difference; plus-one rule, so never 0."""
    correlation: float | None
    detectable: float | None
    """Smallest true difference that the test would find with probability ``POWER``."""
    block: int | None
    """Length of the resampled blocks in bars."""
    error: float | None
    """Standard error of the difference."""
    effect: Effect


UNMEASURED = SharpeDifference(None, None, None, None, None, None, None, None, Effect.INCONCLUSIVE)
"""What is said where nothing can be compared."""


def compare_sharpe(
    first: Floats, second: Floats, bars_per_year: float, *, confidence_level: float, samples: int, seed: int
) -> SharpeDifference:
    """Compare two series of returns on the same bars, both of shape (bars,).

    Two equal series differ by exactly 0 with an interval of no width; too few bars or a flat series are inconclusive.
    """
    ratios = sharpe_ratio(first), sharpe_ratio(second)
    if len(first) < FEWEST_BARS or ratios[0] is None or ratios[1] is None:
        return UNMEASURED
    if float(np.abs(first - second).max()) < NOTHING:
        return SharpeDifference(0.0, 0.0, 0.0, 1.0, 1.0, 0.0, None, 0.0, Effect.NOT_DETECTABLE)
    how = resample(first, second, samples, seed)
    return difference_at(ratios[0] - ratios[1], how.error, how, bars_per_year, confidence_level)


@dataclass(frozen=True, slots=True)
class Resamples:
    """Two series of returns resampled together: what the difference of their Sharpe ratios is held against."""

    bars: int
    correlation: float
    block: int
    """Length of the resampled blocks in bars."""
    error: float
    """Standard error of the difference, per bar."""
    distances: Floats
    """Of each resample the distance of its difference from the one that was resampled, in its own standard errors."""


def difference_at(
    difference: float, error: float, how: Resamples, bars_per_year: float, confidence_level: float
) -> SharpeDifference:
    """What may be said of a ``difference`` with this standard ``error``, both per bar."""
    year = math.sqrt(bars_per_year)
    detectable = detectable_difference(how.bars / bars_per_year, how.correlation, confidence_level)
    half_width = float(np.quantile(how.distances, confidence_level, method="higher")) * error
    if not math.isfinite(half_width):
        return UNMEASURED
    p_value = (int((how.distances >= abs(difference) / error).sum()) + 1) / (len(how.distances) + 1)
    low, high = difference - half_width, difference + half_width
    if low > 0 or high < 0:
        effect = Effect.ADDS if low > 0 else Effect.SUBTRACTS
    else:
        blind = max(detectable, half_width * year) >= LARGE_DIFFERENCE
        effect = Effect.INCONCLUSIVE if blind else Effect.NOT_DETECTABLE
    return SharpeDifference(
        difference * year, low * year, high * year, p_value, how.correlation, detectable, how.block, error * year,
        effect,
    )  # fmt: skip


def detectable_difference(years: float, correlation: float, confidence_level: float, power: float = POWER) -> float:
    """Smallest difference of annual Sharpe ratios that a two-sided test finds with probability ``power``.

    For ratios that are small per bar the difference over ``years`` has the standard error
    ``sqrt(2 (1 - correlation) / years)`` (Jobson and Korkie 1981, Memmel 2003, leading term), and the test needs
    ``z(1 - size/2) + z(power)`` of them.
    """
    normal = NormalDist()
    needed = normal.inv_cdf((1 + confidence_level) / 2) + normal.inv_cdf(power)
    return needed * math.sqrt(max(0.0, 2 * (1 - correlation)) / years)


def gradient(moments: Floats) -> Floats:
    """Derivative of the difference of two Sharpe ratios by (mean 1, mean 2, mean square 1, mean square 2)."""
    mean_1, mean_2, square_1, square_2 = np.moveaxis(moments, -1, 0)
    cube_1, cube_2 = (square_1 - mean_1**2) ** 1.5, (square_2 - mean_2**2) ** 1.5
    return np.stack([square_1 / cube_1, -square_2 / cube_2, -mean_1 / (2 * cube_1), mean_2 / (2 * cube_2)], axis=-1)


def difference_error(moments: Floats, cross_products: Floats, block: int, bars: int) -> Floats:
    """Standard error of the difference of two Sharpe ratios (per bar).

    ``cross_products`` (..., 4, 4) is the mean over blocks of the outer product of a block's sums of the four series
    whose means are ``moments`` (..., 4); centred and over the block length it is their long-run covariance.
    """
    centred = cross_products - block**2 * moments[..., :, None] * moments[..., None, :]
    slope = gradient(moments)
    variance = np.einsum("...i,...ij,...j->...", slope, centred, slope) / block
    error: Floats = np.sqrt(np.maximum(variance, 0) / bars)
    return error


def sharpe_error(first: Floats, second: Floats, block: int) -> float:
    """Standard error of the difference of the Sharpe ratios (per bar) of two series of returns on the same bars."""
    series = np.column_stack([first, second, first**2, second**2])
    sums = block_sums(series, block)
    return float(difference_error(series.mean(axis=0), sums.T @ sums / len(first), block, len(first)))


def resample(first: Floats, second: Floats, samples: int, seed: int) -> Resamples:
    """Draw the studentised distances of the resampled differences.

    A resample in which an arm never moves has no Sharpe ratio; it counts as infinitely far, which widens the interval.
    """
    bars = len(first)
    series = np.column_stack([first, second, first**2, second**2])
    moments = series.mean(axis=0)
    block = block_length((series - moments) @ gradient(moments))
    sums = block_sums(series, block)
    error = float(difference_error(moments, sums.T @ sums / bars, block, bars))

    blocks = bars // block
    drawn_moments, drawn_products = np.empty((samples, 4)), np.empty((samples, 4, 4))
    draws, step = block_starts(bars, block, samples, seed), max(1, _AT_ONCE // (4 * blocks))
    for begin in range(0, samples, step):
        here, starts = slice(begin, begin + step), np.array(list(islice(draws, step)))
        drawn = sums.take(starts, axis=0)
        drawn_moments[here] = sums_of_draws(sums, starts) / (blocks * block)
        drawn_products[here] = drawn.transpose(0, 2, 1) @ drawn / blocks
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = difference_error(drawn_moments, drawn_products, block, blocks * block)
        distances = np.abs(sharpe_difference(drawn_moments) - sharpe_difference(moments)) / errors
    correlation = float(np.corrcoef(first, second)[0, 1])
    return Resamples(bars, correlation, block, error, np.where(np.isfinite(distances), distances, np.inf))


def sharpe_difference(moments: Floats) -> Floats:
    """Difference of two Sharpe ratios (per bar) of moments as ``gradient`` takes them."""
    mean_1, mean_2, square_1, square_2 = np.moveaxis(moments, -1, 0)
    difference: Floats = mean_1 / np.sqrt(square_1 - mean_1**2) - mean_2 / np.sqrt(square_2 - mean_2**2)
    return difference
