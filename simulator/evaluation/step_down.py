"""One p-value for each of many comparisons that accounts for all of them: the step-down of Romano and Wolf (2005).

Of several comparisons the largest difference is large by luck alone. Here all are resampled together, the same blocks
of bars for every arm, so that what the arms share is kept; each studentised difference of Sharpe ratios is held against
the largest that luck makes among those not yet told apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from simulator.evaluation.blocks import block_length, block_sums, sums_of_draws
from simulator.evaluation.metrics import NOTHING, Floats, sharpe_ratio
from simulator.evaluation.sharpe import FEWEST_BARS, difference_error, gradient, sharpe_difference

Pair = tuple[int, int]
"""The columns of two arms."""
_AT_ONCE = 10_000
"""Numbers that are gathered at once."""


def step_down(
    returns: Floats, pairs: Sequence[Pair], *, samples: int, seed: int, block: int | None = None
) -> list[float | None]:
    """The p-value of no difference for each of the pairs of columns of ``returns`` (bars, arms), all pairs together;
    ``block`` is the length of the resampled blocks in bars, the longest that a pair needs if none is given.

    None for a pair that cannot be tested: too few bars, or an account that never moved; 1 where both accounts are
    equal.
    """
    bars, arms = returns.shape
    usable = [bars >= FEWEST_BARS and sharpe_ratio(returns[:, arm]) is not None for arm in range(arms)]
    measured = [usable[one] and usable[other] for one, other in pairs]
    equal = [float(np.abs(returns[:, one] - returns[:, other]).max(initial=0)) < NOTHING for one, other in pairs]
    tested = [place for place, pair in enumerate(pairs) if measured[place] and not equal[place]]
    found: list[float | None] = [1.0 if ok else None for ok in measured]
    if tested:
        seen, drawn = _studentised(returns, [pairs[place] for place in tested], samples, seed, block)
        for place, p in zip(tested, adjust(seen, drawn), strict=True):
            found[place] = p
    return found


def adjust(seen: Floats, drawn: Floats) -> list[float]:
    """The step-down p-values of statistics ``seen`` (pairs,); ``drawn`` (samples, pairs) is what luck makes of them."""
    order = np.argsort(-seen, kind="stable")
    largest = np.maximum.accumulate(drawn[:, order[::-1]], axis=1)[:, ::-1]
    p = ((largest >= seen[order]).sum(axis=0) + 1) / (len(drawn) + 1)
    adjusted = np.empty(len(seen))
    adjusted[order] = np.maximum.accumulate(p)
    return [float(value) for value in adjusted]


def _studentised(
    returns: Floats, pairs: Sequence[Pair], samples: int, seed: int, block: int | None
) -> tuple[Floats, Floats]:
    """The studentised differences of the pairs, and those of each resample about them."""
    bars, arms = returns.shape
    columns = np.array([[one, other, arms + one, arms + other] for one, other in pairs])
    series = np.hstack([returns, returns**2])
    moments = series.mean(axis=0)[columns]
    slopes = gradient(moments)
    block = block or max(
        block_length((series[:, of] - mean) @ slope) for of, mean, slope in zip(columns, moments, slopes, strict=True)
    )
    sums = block_sums(series, block)
    whole = difference_error(moments, _cross(sums.T @ sums / bars, columns), block, bars)
    estimate = sharpe_difference(moments)

    blocks = bars // block
    starts = np.random.default_rng(seed).integers(0, bars, (samples, blocks))
    drawn = np.empty((samples, len(pairs)))
    step = max(1, _AT_ONCE // (blocks * series.shape[1]))
    for first in range(0, samples, step):
        here = starts[first : first + step]
        chosen = sums.take(here, axis=0)
        means = (sums_of_draws(sums, here) / (blocks * block))[:, columns]
        products = _cross(chosen.transpose(0, 2, 1) @ chosen / blocks, columns)
        with np.errstate(divide="ignore", invalid="ignore"):
            errors = difference_error(means, products, block, blocks * block)
            drawn[first : first + step] = np.abs(sharpe_difference(means) - estimate) / errors
    return np.abs(estimate) / whole, np.where(np.isfinite(drawn), drawn, np.inf)


def _cross(products: Floats, columns: NDArray[np.int64]) -> Floats:
    """The cross products of the four series of each pair, of those of all series."""
    found: Floats = products[..., columns[:, :, None], columns[:, None, :]]
    return found
