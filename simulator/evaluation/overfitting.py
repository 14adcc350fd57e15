"""What the best of many configurations is worth: how far luck alone takes it, and whether choosing it carries over.

All configurations traded the same bars: ``returns`` has a row a bar and a column a configuration, and ratios are Sharpe
ratios a bar. Three questions have three answers, each with its source at its function: what the best shows where none
has skill (``luck_of_best``), how sure the best is as the best of so many (``deflated_sharpe``), and how often the best
of one half of the bars falls below the middle in the other half (``overfitting``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.evaluation.blocks import block_length, block_starts
from simulator.evaluation.metrics import Floats
from simulator.evaluation.probabilistic_sharpe import psr_2026, shape_of
from simulator.evaluation.sharpe import FEWEST_BARS
from simulator.evaluation.trials import expected_best

BLOCKS = 16
"""Blocks that the bars are cut into where there are enough: 12,870 ways to take half of them."""
BARS_IN_BLOCK = 10
"""Fewest bars of a block: with fewer bars in all there are fewer blocks."""
FEWEST_BLOCKS = 6
_FLAT = 1e-12
"""Share of the mean square return below which a variance is binary dust: the account never moved."""
_EQUAL = 1e-9
"""Ratios no further apart are of equal accounts, whose sums are rounded each in its own way."""
_AT_ONCE = 2_000_000
"""Numbers of a table that is worked on at once."""


def sharpe_ratios(returns: Floats) -> Floats:
    """Mean over standard deviation of each column, shape (configurations,); 0 for an account that never moved."""
    if len(returns) < 2:
        return np.zeros(returns.shape[1])
    return _ratios(np.array(float(len(returns))), returns.sum(axis=0), np.einsum("tc,tc->c", returns, returns))


def _ratios(bars: Floats, sums: Floats, squares: Floats) -> Floats:
    """Sharpe ratios of so many ``bars`` (one degree of freedom taken) from sums of returns and of their squares."""
    variance = (squares - sums**2 / bars) / (bars - 1)
    moves = variance * bars > _FLAT * squares
    ratios: Floats = np.where(moves, sums / bars / np.sqrt(np.where(moves, variance, 1.0)), 0.0)
    return ratios


@dataclass(frozen=True, slots=True)
class Luck:
    """What the best of ``configurations`` shows by luck alone; ratios are per bar."""

    configurations: int
    best: float
    """Sharpe ratio of the best one, as it was."""
    mean: float
    """Of all configurations."""
    expected: float
    """Of the best, were none of them better than cash."""
    expected_of_equals: float
    """Of the best, were all of them as good as their mean."""
    p_value: float
    """Probability of a best as good as this one, were none better than cash; plus-one rule, so never 0."""
    p_value_of_equals: float
    """Probability of a best as far above the mean, were all equally good."""
    effective: float
    """Independent configurations whose expected best is the same: those that trade alike count as few."""
    independent: float
    """Expected best of as many independent configurations with the same error, none better than cash: the upper end."""
    block: int
    """Length of the resampled blocks in bars."""
    samples: int


def luck_of_best(returns: Floats, samples: int, seed: int) -> Luck | None:
    """Measure how far luck alone takes the best of several configurations; None for fewer than two that moved, or too
    few bars.

    Whole bars are resampled in circular blocks, so that what configurations have in common, and what hangs together
    from bar to bar, stays: the maximum over configurations of their centred Sharpe ratios is what White's reality check
    (2000) draws. Effective is the number n of independent ones for which n times the integral of x phi(x) Phi(x)^(n-1)
    (``expected_best``) times the standard error of one ratio is that expectation.
    """
    ratios = sharpe_ratios(returns)
    moved = np.flatnonzero(ratios)
    bars = len(returns)
    if bars < FEWEST_BARS or len(moved) < 2:
        return None
    mean, best = float(ratios[moved].mean()), float(ratios.max())
    leading = returns[:, moved[int(ratios[moved].argmax())]]
    block = block_length(leading)
    drawn = _times_drawn(bars, block, samples, seed)
    number = drawn.sum(axis=1, keepdims=True)
    largest, total, square_errors = np.full(samples, -np.inf), np.zeros(samples), 0.0
    step = max(1, _AT_ONCE // max(bars, samples))
    for start in range(0, len(moved), step):
        columns = returns[:, moved[start : start + step]]
        centred = (columns - columns.mean(axis=0)) / columns.std(axis=0, ddof=1)
        means = drawn @ centred / number
        # A resample in which an account never moves has no ratio, and is no candidate for the best.
        spread = np.sqrt(np.maximum(drawn @ centred**2 / number - means**2, 0))
        by_luck = means / np.where(spread > _FLAT, spread, np.inf)
        largest, total = np.maximum(largest, by_luck.max(axis=1)), total + by_luck.sum(axis=1)
        square_errors += float(by_luck.var(axis=0).sum())
    # What all have in common moves their mean too, which is zero on average: how far the best lies above it has the
    # same expectation with less noise, and it is what the best of equals is judged by.
    above = largest - total / len(moved)
    error, expected = math.sqrt(square_errors / len(moved)), float(above.mean())
    return Luck(
        configurations=len(ratios),
        best=best,
        mean=mean,
        expected=expected,
        expected_of_equals=mean + expected,
        p_value=(int((largest >= best).sum()) + 1) / (samples + 1),
        p_value_of_equals=(int((above >= best - mean - _EQUAL).sum()) + 1) / (samples + 1),
        effective=effective_trials(expected / error, len(ratios)),
        independent=error * expected_best(len(ratios)),
        block=block,
        samples=samples,
    )


def _times_drawn(bars: int, block: int, samples: int, seed: int) -> Floats:
    """How often each resample draws each bar, shape (samples, bars)."""
    drawn = np.empty((samples, bars))
    within = np.arange(block)
    for sample, starts in enumerate(block_starts(bars, block, samples, seed)):
        rows = (starts[:, None] + within).ravel() % bars
        drawn[sample] = np.bincount(rows, minlength=bars)
    return drawn


def effective_trials(best: float, most: int) -> float:
    """The number of independent trials, from 1 to ``most``, whose expected best is ``best`` standard deviations."""
    low, high = 1.0, float(most)
    if best >= expected_best(high):
        return high
    for _ in range(60):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if expected_best(middle) < best else (low, middle)
        if high - low < 1e-3 * low:
            break
    return high


@dataclass(frozen=True, slots=True)
class DeflatedSharpe:
    """How sure the best of many is: the ratio per bar that it is held ``against``, and the ``probability`` that its
    true one is above that; None where it cannot be measured."""

    against: float
    probability: float | None


def deflated_sharpe(returns: Floats) -> DeflatedSharpe | None:
    """The deflated Sharpe ratio of the best configuration (Bailey and Lopez de Prado 2014); None for fewer than two.

    It is held against the standard deviation of all ratios times the expected best of as many independent ones: exactly
    where they use an approximation that is up to 2.6% too high. What configurations have in common is no part of that
    deviation, so that their number is not cut down once more. The probability is of the form of 2026 (variance at the
    ratio that is held against, autocorrelation counted; ``probabilistic_sharpe``).
    """
    ratios = sharpe_ratios(returns)
    if len(ratios) < 2:
        return None
    against = float(ratios.std(ddof=1)) * expected_best(len(ratios))
    leading = int(ratios.argmax())
    shape = shape_of(returns[:, leading])
    if shape is None or shape.variance_2026(against) <= 0:
        return DeflatedSharpe(against, None)
    return DeflatedSharpe(against, psr_2026(float(ratios[leading]), shape, against))


@dataclass(frozen=True, slots=True)
class Overfitting:
    """What became, in the other half of the bars, of the configuration that was best in one half, over all ways to take
    half of the blocks."""

    blocks: int
    in_sample: Floats
    """Sharpe ratio per bar of the chosen configuration in the half that chose it, shape (splits,)."""
    out_of_sample: Floats
    """The same in the other half."""
    ranks: Floats
    """Relative rank of the chosen one in the other half, between 0 (worst) and 1 (best)."""

    @property
    def splits(self) -> int:
        """Ways to take half of the blocks."""
        return len(self.ranks)

    @property
    def probability(self) -> float:
        """Probability of backtest overfitting: share of the splits whose chosen one is not above the middle in the
        other half (logit of its relative rank at or below 0)."""
        return float((self.ranks <= 0.5).mean())

    @property
    def loss(self) -> float:
        """Share of the splits whose chosen one lost in the other half."""
        return float((self.out_of_sample < 0).mean())

    @property
    def logits(self) -> Floats:
        """Logarithm of the odds of each relative rank."""
        logits: Floats = np.log(self.ranks / (1 - self.ranks))
        return logits

    @property
    def slope(self) -> float | None:
        """What one more of Sharpe ratio in the choosing half goes with in the other half, by least squares. Both halves
        share out the same bars, so that without skill it is below 0, not 0."""
        spread = float(self.in_sample.var())
        if spread <= _FLAT * float((self.in_sample**2).mean()):
            return None
        return float(np.cov(self.in_sample, self.out_of_sample, ddof=0)[0, 1]) / spread


def overfitting(returns: Floats, blocks: int = BLOCKS) -> Overfitting | None:
    """Combinatorially symmetric cross-validation (Bailey, Borwein, Lopez de Prado and Zhu 2017); None for fewer than
    two configurations, or too few bars.

    The bars are cut into an even number of ``blocks`` as long as each other (or longer by one bar); the best on each
    choice of half of them is looked up among all on the other half. Equal ratios share their mean rank.
    """
    bars, configurations = returns.shape
    blocks = min(blocks, bars // BARS_IN_BLOCK) // 2 * 2
    if blocks < FEWEST_BLOCKS or configurations < 2:
        return None
    edges = np.linspace(0, bars, blocks + 1).round().astype(int)
    lengths = np.diff(edges).astype(float)
    sums = np.add.reduceat(returns, edges[:-1], axis=0)
    parts = [returns[first:last] for first, last in pairwise(edges)]
    squares = np.stack([np.einsum("tc,tc->c", part, part) for part in parts])
    # Each choice that holds the first block stands for itself and for the other half of it.
    chosen = np.array([[0, *rest] for rest in combinations(range(1, blocks), blocks // 2 - 1)])
    half = np.zeros((len(chosen), blocks))
    np.put_along_axis(half, chosen, 1.0, axis=1)
    step = max(1, _AT_ONCE // configurations)
    found: list[tuple[Floats, Floats, Floats]] = []
    for start in range(0, len(half), step):
        some = half[start : start + step]
        one, other = (_ratios((side @ lengths)[:, None], side @ sums, side @ squares) for side in (some, 1 - some))
        found += [_looked_up(one, other), _looked_up(other, one)]
    first, second, ranks = (np.concatenate(part) for part in zip(*found, strict=True))
    return Overfitting(blocks, first, second, ranks)


def _looked_up(choosing: Floats, other: Floats) -> tuple[Floats, Floats, Floats]:
    """Of the best of each row: its ratio there, its ratio in the same row of the other table, and its relative rank."""
    best = choosing.argmax(axis=1)[:, None]
    there = np.take_along_axis(other, best, axis=1)
    below = (other < there - _EQUAL).sum(axis=1)
    level = (other <= there + _EQUAL).sum(axis=1) - below
    ranks = (below + (level + 1) / 2) / (other.shape[1] + 1)
    return np.take_along_axis(choosing, best, axis=1)[:, 0], there[:, 0], ranks


FEWEST_NEW_BARS = 20
"""Bars that a window must add to say something of what was chosen before it."""


class ForwardStep(NamedTuple):
    """What became of the best configuration of one window on the bars that the next one adds; ratios are per bar."""

    window: int
    """Number of the later window."""
    chosen: int
    """Column of the configuration."""
    bars: int
    in_sample: float
    """Its ratio in the window that chose it, in the unit in which ratios of windows were given."""
    out_of_sample: float
    middle: float
    """Median ratio of all configurations on the same bars."""
    best: float
    rank: float
    """Share of the configurations that it was not worse than there."""


def walk_forward(by_window: Floats, returns: Floats, owners: NDArray[np.int64]) -> list[ForwardStep]:
    """Choose the best of each window, and look it up on the bars that the next window adds.

    ``by_window`` has the ratio of each configuration in each window, shape (windows, configurations), NaN where there
    is none; ``owners`` is the number of the first window that holds a bar, so that no bar both chooses and counts.
    """
    steps = []
    for window in range(1, len(by_window)):
        added = returns[owners == window]
        before = by_window[window - 1]
        if len(added) < FEWEST_NEW_BARS or not np.isfinite(before).any():
            continue
        ratios, chosen = sharpe_ratios(added), int(np.nanargmax(before))
        there = float(ratios[chosen])
        middle, best, rank = float(np.median(ratios)), float(ratios.max()), float((ratios <= there).mean())
        steps.append(ForwardStep(window, chosen, len(added), float(before[chosen]), there, middle, best, rank))
    return steps
