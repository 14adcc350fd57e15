"""Whether the moments that an advice chose were better than other moments with the same holding times.

The account of an arm stands among accounts that made its decisions at other moments (placebos). The share of these that
did at least as well, or at most as well, is an exact p-value: nothing is assumed about returns but that luck would have
put the decisions anywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulator.evaluation.metrics import Floats, sharpe_ratio


@dataclass(frozen=True, slots=True)
class Timing:
    """An account among its placebos, in annual Sharpe ratios."""

    own: float
    mean: float
    """Of the placebos: what the same holding times earned at moments of chance."""
    sd: float
    low: float
    high: float
    """Between them lie the placebos but for the outermost, half on each side."""
    percentile: float
    """Share of the placebos that did worse than the account, ties counted half (fraction)."""
    p: float
    """Two-sided, of no timing; plus-one rule, so never 0."""
    placebos: int
    runs: int
    """Stretches of holding that were moved."""

    @property
    def effect(self) -> float:
        """What the moments were worth: the account minus the mean of its placebos."""
        return self.own - self.mean


def timing(own: float, placebos: Sequence[float] | Floats, runs: int, confidence_level: float = 0.95) -> Timing:
    """Where an account stands among its placebos; at least one of these is needed."""
    others = np.asarray(placebos, float)
    tail = (1 - confidence_level) / 2
    low, high = np.quantile(others, (tail, 1 - tail))
    below = float((others < own).mean() + (others == own).mean() / 2)
    sd = float(others.std(ddof=1)) if len(others) > 1 else 0.0
    return Timing(
        own, float(others.mean()), sd, float(low), float(high), below, p_value(own, others), len(others), runs
    )


def p_value(own: float, placebos: Floats) -> float:
    """Two-sided: twice the share of the placebos, the account among them, that lie as far out on its side."""
    above, below = int((placebos >= own).sum()), int((placebos <= own).sum())
    return p_of_tail(min(above, below), len(placebos))


def p_of_tail(beyond: int, placebos: int) -> float:
    """Two-sided, where so many of the placebos lie as far out on the account's side: plus-one rule."""
    return min(1.0, 2 * (1 + beyond) / (placebos + 1))


def is_decided(own: float, placebos: Floats, number: int, size: float = 0.05) -> bool:
    """Whether further placebos, up to a number in all, can no longer bring the p-value down to ``size``."""
    above, below = int((placebos >= own).sum()), int((placebos <= own).sum())
    return 2 * (1 + min(above, below)) > size * (number + 1)


def annual_sharpe(equity: Sequence[float] | Floats, bars_per_year: float, cash: Floats | float = 0.0) -> float:
    """Of an account at its closes, over what cash returned from each to the next (fraction). One that never moved
    counts as 0, because it earned nothing and risked nothing. A ruined one loses all that it has at its ruin and earns
    nothing after it: were it left out, ruin would rank above a loss."""
    account = np.asarray(equity, float)
    if len(account) < 2:
        return 0.0
    account = np.where(np.minimum.accumulate(account) > 0, account, 0.0)
    growth = np.divide(account[1:], account[:-1], out=np.ones(len(account) - 1), where=account[:-1] > 0)
    ratio = sharpe_ratio(growth - 1 - cash)
    return 0.0 if ratio is None else ratio * math.sqrt(bars_per_year)
