"""Two arms of which one or both were drawn several times: the mean over draws, with the error of that mean in its
interval.

All draws traded the same path, so the path's luck is theirs together and more draws do not lessen it; what differs
between them is the sampler's doing, and its share of the error falls with their number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, variance

import numpy as np

from simulator.evaluation.metrics import NOTHING, Floats, sharpe_ratio
from simulator.evaluation.sharpe import (
    FEWEST_BARS,
    UNMEASURED,
    SharpeDifference,
    compare_sharpe,
    difference_at,
    resample,
    sharpe_error,
)


def compare_draws(
    first: Sequence[Floats],
    second: Sequence[Floats],
    bars_per_year: float,
    *,
    confidence_level: float,
    samples: int,
    seed: int,
) -> SharpeDifference:
    """Compare two arms by the returns of each of their draws, all on the same bars.

    Of one draw each it is ``compare_sharpe``. Of several the difference is that of the means; its variance is the mean
    one of the pairs of draws plus, of each arm, the variance between draws over their number.
    """
    if len(first) == len(second) == 1:
        return compare_sharpe(
            first[0], second[0], bars_per_year, confidence_level=confidence_level, samples=samples, seed=seed
        )
    ratios = [[sharpe_ratio(draw) for draw in draws] for draws in (first, second)]
    known = [[ratio for ratio in side if ratio is not None] for side in ratios]
    whole = all(len(side) == len(draws) for side, draws in zip(known, (first, second), strict=True))
    if not whole or len(first[0]) < FEWEST_BARS:
        return UNMEASURED
    pairs = [(one, second[0]) for one in first] + [(first[0], other) for other in second[1:]]
    apart = [pair for pair in pairs if float(np.abs(pair[0] - pair[1]).max()) >= NOTHING]
    if not apart:
        return compare_sharpe(
            first[0], second[0], bars_per_year, confidence_level=confidence_level, samples=samples, seed=seed
        )
    how = resample(*apart[0], samples, seed)
    path = fmean(sharpe_error(one, other, how.block) ** 2 for one, other in pairs)
    between = sum(variance(side) / len(side) for side in known if len(side) > 1)
    difference = fmean(known[0]) - fmean(known[1])
    return difference_at(difference, math.sqrt(path + between), how, bars_per_year, confidence_level)
