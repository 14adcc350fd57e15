"""Would the advice have been worth having? Its Sharpe ratio against the market, the rule and a copy of its prompt."""

from __future__ import annotations

import math
from collections.abc import Sequence

from simulator.evaluation.draws import compare_draws
from simulator.evaluation.metrics import Floats, sharpe_ratio
from simulator.evaluation.verdict import Advantage, Benchmark

LEVEL = 0.90
"""Level of the intervals: an end of one is a one-sided test at 5%."""


def measure_advantage(
    benchmark: Benchmark,
    drawn: Sequence[Floats],
    other: Floats,
    bars_per_year: float,
    *,
    samples: int,
    seed: int,
) -> Advantage | None:
    """An advised arm against a benchmark by returns on the same bars; ``drawn`` has a series for each draw of the arm.
    None where that cannot be measured: too few bars, or an account that never moved."""
    ratio = sharpe_ratio(other)
    tested = compare_draws(drawn, [other], bars_per_year, confidence_level=LEVEL, samples=samples, seed=seed)
    if ratio is None or tested.sharpe_difference is None or tested.low is None or tested.high is None:
        return None
    return Advantage(
        benchmark,
        ratio * math.sqrt(bars_per_year),
        tested.sharpe_difference,
        tested.low,
        tested.high,
        tested.error or 0.0,
    )
