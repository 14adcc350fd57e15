"""How sure one Sharpe ratio is by itself: the probability that the true one is higher than another, and the length of
record that this needs.

Two forms stand in the literature and differ where they evaluate the variance. That of 2012 (Bailey and Lopez de Prado,
"The Sharpe ratio efficient frontier", and "The deflated Sharpe ratio", 2014) takes it at the estimate and knows no
dependence from bar to bar; that of 2026 (Lopez de Prado, Lipton and Zoonekynd) takes it at the ratio that is held
against, and counts autocorrelation of the first order. All ratios are per bar, and kurtosis is raw (3 for a normal).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from simulator.evaluation.metrics import Floats, sharpe_ratio
from simulator.evaluation.sharpe import FEWEST_BARS

LEVEL = 0.95
_NORMAL = NormalDist()
_EULER = 0.5772156649015329


@dataclass(frozen=True, slots=True)
class ReturnShape:
    """Of returns what their Sharpe ratio's error depends on: number, skewness, raw kurtosis and the correlation of each
    return with the one before (which the form of 2012 leaves out)."""

    bars: int
    skewness: float = 0.0
    kurtosis: float = 3.0
    correlation: float = 0.0

    def variance_2012(self, ratio: float) -> float:
        """Of a Sharpe ratio estimated from so many returns, times their number less one."""
        return 1 - self.skewness * ratio + (self.kurtosis - 1) / 4 * ratio**2

    def variance_2026(self, ratio: float) -> float:
        """Of a Sharpe ratio estimated from so many returns, times their number."""
        rho = self.correlation
        apart = 1 - rho**2
        return (
            (1 + rho) / (1 - rho)
            - (1 + rho + rho**2) / apart * self.skewness * ratio
            + (1 + rho**2) / apart * (self.kurtosis - 1) / 4 * ratio**2
        )


def psr_2012(ratio: float, shape: ReturnShape, against: float = 0.0) -> float:
    """Probability that the true Sharpe ratio is above another one, in the form of 2012."""
    error = math.sqrt(shape.variance_2012(ratio) / (shape.bars - 1))
    return _NORMAL.cdf((ratio - against) / error)


def psr_2026(ratio: float, shape: ReturnShape, against: float = 0.0) -> float:
    """The same in the form of 2026."""
    return _NORMAL.cdf((ratio - against) / math.sqrt(shape.variance_2026(against) / shape.bars))


def minimum_bars_2012(ratio: float, shape: ReturnShape, against: float = 0.0, level: float = LEVEL) -> float:
    """Returns that a Sharpe ratio must be estimated from to be told from a lower one, in the form of 2012."""
    return 1 + shape.variance_2012(ratio) * (_NORMAL.inv_cdf(level) / (ratio - against)) ** 2


def minimum_bars_2026(ratio: float, shape: ReturnShape, against: float = 0.0, level: float = LEVEL) -> float:
    """The same in the form of 2026."""
    return shape.variance_2026(against) * (_NORMAL.inv_cdf(level) / (ratio - against)) ** 2


def miss_2026(true_ratio: float, shape: ReturnShape, against: float = 0.0, level: float = LEVEL) -> float:
    """Probability that a test at this level does not tell a true Sharpe ratio from a lower one, in the form of 2026."""
    bound = against + _NORMAL.inv_cdf(level) * math.sqrt(shape.variance_2026(against) / shape.bars)
    return _NORMAL.cdf((bound - true_ratio) / math.sqrt(shape.variance_2026(true_ratio) / shape.bars))


def deflated_2012(ratio: float, shape: ReturnShape, trials: float, variance_of_trials: float) -> tuple[float, float]:
    """The Sharpe ratio that the best of so many trials without skill is expected to reach, by the usual approximation,
    and the probability (form of 2012) that the true one is above it."""
    best = (1 - _EULER) * _NORMAL.inv_cdf(1 - 1 / trials) + _EULER * _NORMAL.inv_cdf(1 - 1 / (trials * math.e))
    against = math.sqrt(variance_of_trials) * best
    return against, psr_2012(ratio, shape, against)


@dataclass(frozen=True, slots=True)
class SharpeCertainty:
    """How sure the Sharpe ratio of one account is, held against 0; ``None`` where it cannot be measured."""

    psr: float | None
    """Form of 2026."""
    psr_2012: float | None
    track_years: float | None
    """Years of returns like these that tell the ratio from 0 (form of 2026); ``None`` where it is not above 0."""
    autocorrelation: float | None


UNKNOWN = SharpeCertainty(None, None, None, None)


def sharpe_certainty(excess: Floats, bars_per_year: float) -> SharpeCertainty:
    """Measure the returns of an account over what cash earned; unknown for too few of them, or flat ones."""
    ratio, shape = sharpe_ratio(excess), shape_of(excess)
    if ratio is None or shape is None or not bars_per_year or shape.variance_2012(ratio) <= 0:
        return UNKNOWN
    years = minimum_bars_2026(ratio, shape) / bars_per_year if ratio > 0 else None
    return SharpeCertainty(psr_2026(ratio, shape), psr_2012(ratio, shape), years, shape.correlation)


def shape_of(excess: Floats) -> ReturnShape | None:
    """The shape of the returns of an account; None for too few of them, or flat ones."""
    if len(excess) < FEWEST_BARS or sharpe_ratio(excess) is None:
        return None
    if not np.ptp(excess[1:]) or not np.ptp(excess[:-1]):
        return None  # an account that moved on its first or last bar alone has no autocorrelation
    correlation = float(np.corrcoef(excess[1:], excess[:-1])[0, 1])
    if not math.isfinite(correlation) or abs(correlation) >= 1:
        return None
    return ReturnShape(len(excess), *_skewness_and_kurtosis(excess), correlation)


def _skewness_and_kurtosis(values: Floats) -> tuple[float, float]:
    """The third and the fourth standardised central moment, of the values as they are (no correction for few)."""
    centred = values - values.mean()
    square = float((centred**2).mean())
    return float((centred**3).mean()) / square**1.5, float((centred**4).mean()) / square**2
