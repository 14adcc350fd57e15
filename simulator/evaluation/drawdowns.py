"""The losses of an account from an earlier peak, one by one: how deep, from when to when, and when it was made good.

A drawdown begins at the last bar of a peak, has its bottom at the first of its lowest values, and ends at the first bar
that is at the peak again. So no two overlap, and the deepest is the largest drawdown of ``metrics.performance``.
(pyfolio's ``gen_drawdown_table`` looks for the deepest, cuts it out and looks again, which finds the same.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulator.evaluation.metrics import NOTHING, Floats

MOST = 5
"""Drawdowns that are told."""


@dataclass(frozen=True, slots=True)
class Drawdown:
    """One of them; ``peak``, ``bottom`` and ``end`` are places in the account, ``end`` None where it is not made
    good."""

    depth: float
    """Fraction of the peak, positive."""
    peak: int
    bottom: int
    end: int | None
    bars: int
    """From the peak to the end, or to the last bar."""


def underwater(values: Floats) -> Floats:
    """The loss from the highest value so far at each bar, fraction, 0 or below."""
    loss: Floats = values / np.maximum.accumulate(values) - 1
    return loss


def max_drawdown(values: Floats) -> float:
    """The deepest loss from the highest value so far, a positive fraction of it; at least one value, none zero."""
    return float((1 - values / np.maximum.accumulate(values)).max())


def worst_drawdowns(values: Floats, most: int = MOST) -> list[Drawdown]:
    """The deepest drawdowns of an account, the deepest first, of equal ones the earlier; none of a ruined account or of
    one that never lost."""
    if len(values) < 2 or values[0] <= 0:
        return []
    loss = underwater(values)
    below = np.concatenate([[False], loss < -NOTHING, [False]])
    begins = np.flatnonzero(below[1:] & ~below[:-1])
    ends = np.flatnonzero(below[:-1] & ~below[1:])
    found = []
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        bottom = begin + int(loss[begin:end].argmin())
        made_good = end < len(values)
        last = end if made_good else len(values) - 1
        found.append(Drawdown(-float(loss[bottom]), begin - 1, bottom, end if made_good else None, last - (begin - 1)))
    return sorted(found, key=lambda one: (-one.depth, one.peak))[:most]
