"""How the returns of an account are spread: their shape, the best and the worst bar, and a histogram."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from simulator.evaluation.metrics import NOTHING, Floats

FEWEST_BARS = 20
"""Returns below which a distribution says nothing."""
_BINS = (8, 40)


@dataclass(frozen=True, slots=True)
class Distribution:
    """Returns a bar (fractions); ``best`` and ``worst`` are places among them."""

    skewness: float | None
    """Third moment over the cube of the standard deviation, not corrected for the number of returns; None of returns
    that never moved, as the kurtosis."""
    kurtosis: float | None
    """Fourth moment over the fourth power of it: 3 for a normal distribution."""
    best: int
    worst: int
    fifth: float
    """Below it lies one return of twenty."""
    still: int
    """Returns of nothing, as of bars without a position."""
    edges: Floats
    """Of the bins of the histogram, of shape (bins + 1,)."""
    counts: Floats
    """Returns in each bin, those of nothing left out."""


def distribution_of(returns: Floats) -> Distribution | None:
    """The distribution of returns a bar; None of fewer than ``FEWEST_BARS``."""
    if len(returns) < FEWEST_BARS:
        return None
    moves = returns[np.abs(returns) > NOTHING]
    moved = float(returns.std()) > NOTHING
    least, most = _BINS
    bins = min(most, max(least, math.ceil(math.sqrt(len(moves)))))
    counts, edges = np.histogram(moves, _edges(moves, bins)) if len(moves) else (np.zeros(1), np.zeros(2))
    away = returns - returns.mean()
    square = away * away
    spread = float(square.mean())
    return Distribution(
        skewness=float((square * away).mean()) / spread**1.5 if moved else None,
        kurtosis=float((square * square).mean()) / spread**2 if moved else None,
        best=int(returns.argmax()),
        worst=int(returns.argmin()),
        fifth=float(np.quantile(returns, 0.05)),
        still=len(returns) - len(moves),
        edges=np.asarray(edges, np.float64),
        counts=np.asarray(counts, np.float64),
    )


def _edges(moves: Floats, bins: int) -> Floats:
    """Edges of about so many bins from the worst to the best return, zero among them where both gains and losses came:
    a bin that held some of each could be coloured as neither."""
    low, high = float(moves.min()), float(moves.max())
    if not low < 0 < high:
        return np.linspace(low, high, bins + 1)
    width = (high - low) / bins
    edges = np.arange(math.floor(low / width), math.ceil(high / width) + 1, dtype=np.float64) * width
    edges[[0, -1]] = min(edges[0], low), max(edges[-1], high)  # rounding loses neither end
    return edges
