"""A feature of one's own; in the experiment ``advisor: {features: [trend, "examples/own_feature.py:GAP"]}``."""

import math

from llm_strategy import Bars, Feature


def gap(bars: Bars) -> float:
    """The last open over the close before it, minus 1 (fraction)."""
    return bars.open[-1] / bars.close[-2] - 1


BUCKETS = ((-0.005, "down"), (0.005, "none"), (math.inf, "up"))
GAP = Feature("gap", 2, gap, BUCKETS, unit="%", decimals=1, description="the last open against the close before it")
