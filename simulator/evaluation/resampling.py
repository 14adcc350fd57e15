"""Intervals for figures that are functions of sums over time: a circular block bootstrap of whole times.

All that was decided at one close is drawn together, whatever the number of symbols, in blocks that keep what
dependence there is from one close to the next (Politis and Romano 1992); the ends of an interval are percentiles.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from simulator.evaluation.blocks import FEWEST_BLOCKS, block_length, block_sums, sums_of_draws
from simulator.evaluation.metrics import NOTHING, Floats
from simulator.evaluation.sharpe import FEWEST_BARS

MOST_BLOCKS = 400
"""Blocks of a resample: of a very long run they are made longer, which costs nothing but time."""
_UNDEFINED = 0.05
"""Share of resamples without a value from which there is no interval."""
_AT_ONCE = 100_000
"""Numbers that are gathered at once."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its interval; ``None`` for what cannot be measured."""

    value: float | None
    low: float | None = None
    high: float | None = None
    block: int | None = None
    """Length of the resampled blocks, in closes."""


@dataclass(frozen=True, slots=True)
class Resampling:
    """How intervals are drawn: ``samples`` resamples, a ``seed``, and the level of the interval (fraction)."""

    samples: int
    seed: int
    confidence_level: float

    def estimate(
        self, sums: Floats, statistic: Callable[[Floats], Floats], weights: Floats, *, least_block: int = 1
    ) -> Estimate:
        """The ``statistic`` of the sums of all rows, and its interval.

        ``sums`` has a row a close, shape (closes, columns); ``statistic`` makes of (..., columns) one figure each, NaN
        where there is none. ``weights`` (columns,) times a row is the influence of a close on the figure, up to a
        factor: the length of the blocks is taken from it. Blocks shorter than ``least_block`` are none: figures that
        look so far ahead overlap.
        """
        value = float(statistic(sums.sum(axis=0)))
        if not math.isfinite(value):
            return Estimate(None)
        closes = len(sums)
        if closes < max(FEWEST_BARS, least_block * FEWEST_BLOCKS):
            return Estimate(value)
        influence = sums @ weights
        best = 1 if float(np.ptp(influence)) < NOTHING else block_length(influence)
        block = max(best, least_block, math.ceil(closes / MOST_BLOCKS))
        return self._with_interval(value, statistic(self._draw(sums, block)), block)

    def estimate_all(
        self, sums: Floats, statistics: Callable[[Floats], Floats], influence: Floats, *, least_block: int = 1
    ) -> list[Estimate]:
        """Several figures of the same sums, drawn together, with their intervals.

        ``statistics`` makes of (..., columns) an array (..., figures), NaN where there is none; the length of the
        blocks is taken from ``influence`` (closes,).
        """
        values = statistics(sums.sum(axis=0))
        closes = len(sums)
        if closes < max(FEWEST_BARS, least_block * FEWEST_BLOCKS):
            return [Estimate(float(value)) if math.isfinite(value) else Estimate(None) for value in values]
        best = 1 if float(np.ptp(influence)) < NOTHING else block_length(influence)
        block = max(best, least_block, math.ceil(closes / MOST_BLOCKS))
        drawn = statistics(self._draw(sums, block))
        return [self._with_interval(float(value), drawn[:, at], block) for at, value in enumerate(values)]

    def _with_interval(self, value: float, drawn: Floats, block: int) -> Estimate:
        """A figure with the percentiles of its resamples, where it and nearly all of these have a value."""
        if not math.isfinite(value):
            return Estimate(None)
        known = drawn[np.isfinite(drawn)]
        if len(known) < (1 - _UNDEFINED) * self.samples:
            return Estimate(value, block=block)
        outside = (1 - self.confidence_level) / 2
        low, high = np.quantile(known, [outside, 1 - outside])
        return Estimate(value, float(low), float(high), block)

    def _draw(self, sums: Floats, block: int) -> Floats:
        """The sums of every resample, shape (samples, columns)."""
        closes = len(sums)
        of_blocks = block_sums(sums, block)
        blocks = max(1, closes // block)
        starts = np.random.default_rng(self.seed).integers(0, closes, (self.samples, blocks))
        drawn = np.empty((self.samples, sums.shape[1]))
        step = max(1, _AT_ONCE // (blocks * sums.shape[1]))
        for first in range(0, self.samples, step):
            drawn[first : first + step] = sums_of_draws(of_blocks, starts[first : first + step])
        return drawn


def ratio(sums: Floats) -> Floats:
    """The first column over the second."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = sums[..., 0] / sums[..., 1]
    return found
