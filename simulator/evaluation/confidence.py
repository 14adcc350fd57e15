"""Whether a model is right as often as it says, and whether its scores tell when it is right.

An action is right where the market moved its way over the next ``BARS`` bars of prices: up after ``enter_long``, down
after ``exit`` and ``enter_short``. What holds points nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from llm_strategy.types import ActionType
from simulator.evaluation.labelled import followed
from simulator.evaluation.metrics import Floats
from simulator.evaluation.regimes import FEWEST_MOVES, BySymbol, by_symbol
from simulator.evaluation.resampling import Estimate, Resampling, ratio

BARS = 5
"""Over which an action turns out right or wrong."""
BINS = 10
"""Equal parts of the confidences from 0 to 1."""
_WAYS = {ActionType.ENTER_LONG.value: 1, ActionType.EXIT.value: -1, ActionType.ENTER_SHORT.value: -1}


@dataclass(frozen=True, slots=True)
class Entropies:
    """How undecided the scores were between the labels (0 to 1), over so many ``decisions``."""

    decisions: int
    mean: float
    lowest: float
    highest: float
    gap: Estimate
    """Share right in the half with the lower entropies minus that in the other half."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Actions with about the same confidence: how many, how sure on average, and the share that was right."""

    actions: int
    confidence: float
    right: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """Confidences of ``actions`` that point up or down against what came."""

    actions: int
    values: int
    """Different confidences among them."""
    confidence: float
    """Their mean."""
    right: float
    """Share of the actions that was right: the base rate."""
    brier: float | None = None
    """Mean square of confidence minus outcome; None, as all below, where there is one confidence alone."""
    base_brier: float | None = None
    """The same of the base rate, said of every action."""
    skill: Estimate | None = None
    """1 minus the Brier score over that of the base rate."""
    ece: float | None = None
    """Expected calibration error: mean distance of confidence and share right over ``bins``."""
    bins: tuple[Bin, ...] = ()


@dataclass(frozen=True, slots=True)
class _Actions:
    """Actions that point up or down and whose outcome is known, an element each."""

    row: NDArray[np.int64]
    rows: int
    confidence: Floats
    entropy: Floats
    right: Floats


def measure_confidence(
    decisions: BySymbol, prices: Mapping[str, pd.DataFrame], how: Resampling
) -> tuple[Entropies | None, Reliability | None]:
    """What the scores and the confidences of one arm are worth; None where there are none, or a handful."""
    acted = _actions(by_symbol(decisions), prices)
    return _entropies(decisions, acted, how), _reliability(acted, how)


def _actions(decisions: BySymbol, prices: Mapping[str, pd.DataFrame]) -> _Actions:
    times = [time for one in decisions.values() for time in one.times]
    row = np.unique(np.array(times, dtype=str), return_inverse=True)[1].astype(np.int64) if times else np.empty(0, int)
    ways, confidence, entropy, ahead = ([np.empty(0)] for _ in range(4))
    for symbol, one in decisions.items():
        table = prices[symbol]
        place = table.index.get_indexer(pd.DatetimeIndex(one.times))
        moves = followed(table["close"].to_numpy(dtype=np.float64), BARS)[0]
        ahead.append(np.where(place >= 0, moves[place], np.nan))
        ways.append(np.array([_WAYS.get(action or "", 0) for action in one.actions], dtype=np.float64))
        confidence.append(np.array(one.confidences, dtype=np.float64))
        entropy.append(np.array(one.entropies, dtype=np.float64))
    way, came = np.concatenate(ways), np.concatenate(ahead)
    known = (way != 0) & np.isfinite(came)
    return _Actions(
        row[known],
        int(row.max()) + 1 if len(row) else 0,
        np.concatenate(confidence)[known],
        np.concatenate(entropy)[known],
        (way[known] * came[known] > 0).astype(np.float64),
    )


def _entropies(decisions: BySymbol, acted: _Actions, how: Resampling) -> Entropies | None:
    every = np.concatenate([np.empty(0), *(np.array(one.entropies, dtype=np.float64) for one in decisions.values())])
    every = every[np.isfinite(every)]
    if len(every) < FEWEST_MOVES:
        return None
    return Entropies(len(every), float(every.mean()), float(every.min()), float(every.max()), _gap(acted, how))


def _gap(acted: _Actions, how: Resampling) -> Estimate:
    scored = np.isfinite(acted.entropy)
    if scored.sum() < 2 * FEWEST_MOVES:
        return Estimate(None)
    sure = acted.entropy <= np.median(acted.entropy[scored])
    sides = [scored & sure, scored & ~sure]
    if min(side.sum() for side in sides) < FEWEST_MOVES:
        return Estimate(None)  # one entropy is most of them
    sums = np.zeros((acted.rows, 4))
    weights: list[float] = []
    for number, side in enumerate(sides):
        np.add.at(sums[:, 2 * number], acted.row[side], acted.right[side])
        np.add.at(sums[:, 2 * number + 1], acted.row[side], 1.0)
        share, sign = float(acted.right[side].mean()), 1 - 2 * number
        weights += [sign / side.sum(), -sign * share / side.sum()]
    return how.estimate(sums, lambda drawn: ratio(drawn) - ratio(drawn[..., 2:]), np.array(weights), least_block=BARS)


def _reliability(acted: _Actions, how: Resampling) -> Reliability | None:
    if len(acted.right) < FEWEST_MOVES:
        return None
    base, values = float(acted.right.mean()), len(np.unique(acted.confidence))
    mean = float(acted.confidence.mean())
    if values < 2:
        return Reliability(len(acted.right), values, mean, base)
    squares = (acted.confidence - acted.right) ** 2
    sums = np.zeros((acted.rows, 3))
    for column, value in enumerate((squares, acted.right, np.ones(len(squares)))):
        np.add.at(sums[:, column], acted.row, value)
    bins = confidence_bins(acted.confidence, acted.right)
    uncertain = base * (1 - base)
    skill = Estimate(None)
    if uncertain > 0:
        brier = float(squares.mean())
        weights = np.array([-1 / uncertain, brier * (1 - 2 * base) / uncertain**2, 0.0])
        weights[2] = -(weights[0] * brier + weights[1] * base)
        skill = how.estimate(sums, brier_skill, weights, least_block=BARS)
    return Reliability(
        len(acted.right),
        values,
        mean,
        base,
        float(squares.mean()),
        uncertain,
        skill,
        calibration_error(bins),
        bins,
    )


def brier_skill(sums: Floats) -> Floats:
    """1 minus the Brier score over that of the base rate, of sums (..., 3): squares of confidence minus outcome,
    outcomes, actions."""
    with np.errstate(divide="ignore", invalid="ignore"):
        base = sums[..., 1] / sums[..., 2]
        skill: Floats = 1 - sums[..., 0] / (sums[..., 2] * base * (1 - base))
    return np.where(np.isfinite(skill), skill, np.nan)


def confidence_bins(confidence: Floats, right: Floats) -> tuple[Bin, ...]:
    """What was said with about the same confidence (0 to 1), and how much of it was ``right`` (0 or 1)."""
    place = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    found = []
    for number in np.unique(place):
        here = place == number
        found.append(Bin(int(here.sum()), float(confidence[here].mean()), float(right[here].mean())))
    return tuple(found)


def calibration_error(bins: Sequence[Bin]) -> float:
    """Expected calibration error: mean distance of confidence and share right (Naeini et al. 2015)."""
    return sum(one.actions * abs(one.right - one.confidence) for one in bins) / sum(one.actions for one in bins)
