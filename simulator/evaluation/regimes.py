"""What the market did after each label, how restless the labels are, and whether two arms see the same regimes.

The bar after a decision is what its label is scored on: from the close of the decision to the next close. The decision
itself saw nothing of that bar.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from llm_strategy.types import RegimeLabel

LABELS = tuple(label.value for label in RegimeLabel)


@dataclass(frozen=True, slots=True)
class RegimeStatistics:
    """One label over all decisions of an arm."""

    label: str
    bars: int
    share: float
    """Of the decisions that carry a label."""
    mean_return: float | None
    """Mean return of the next bar times the bars in a year (fraction)."""
    volatility: float | None
    """Annual standard deviation of the next bar's return (fraction)."""


@dataclass(frozen=True, slots=True)
class RegimeTable:
    """``regimes`` in the order of ``RegimeLabel``, also those that never came; ``unlabelled`` counts abstentions."""

    regimes: tuple[RegimeStatistics, ...]
    unlabelled: int
    flips_per_year: float | None
    """Changes from one labelled decision to the next."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How two arms labelled the same bars."""

    bars: int
    """Bars that both labelled."""
    share: float | None
    """Of those with the same label."""
    kappa: float | None
    """Cohen's kappa (1960): agreement beyond chance; ``None`` where one label is all there is on both sides."""
    confusion: dict[tuple[str, str], int]
    """Bars by (label of the first, label of the second), every pair of labels present."""


def label_of(decision: dict[str, Any]) -> str | None:
    """The regime label of a line of ``decisions.jsonl``, or ``None`` for an abstention."""
    advice = decision["advice"]
    return None if advice is None else str(advice["regime"]["label"])


def regime_table(decisions: Sequence[dict[str, Any]], prices: pd.DataFrame, bars_per_year: float) -> RegimeTable:
    """Score the labels of one arm on the next bars of ``prices``; the last bar of all has no next one."""
    close = prices["close"].to_numpy(dtype=np.float64)
    following = np.append(close[1:] / close[:-1] - 1, np.nan)
    labels = [(int(decision["bar"]), label) for decision in decisions if (label := label_of(decision)) is not None]
    regimes = []
    for name in LABELS:
        bars = [bar for bar, label in labels if label == name]
        moves = following[bars]
        moves = moves[np.isfinite(moves)]
        regimes.append(
            RegimeStatistics(
                name,
                len(bars),
                len(bars) / len(labels) if labels else 0.0,
                float(moves.mean()) * bars_per_year if len(moves) else None,
                float(moves.std(ddof=1)) * math.sqrt(bars_per_year) if len(moves) > 1 else None,
            )
        )
    span = labels[-1][0] - labels[0][0] if labels else 0
    flips = sum(before[1] != after[1] for before, after in pairwise(labels))
    return RegimeTable(tuple(regimes), len(decisions) - len(labels), flips * bars_per_year / span if span else None)


def agreement(first: Sequence[dict[str, Any]], second: Sequence[dict[str, Any]]) -> Agreement:
    """Compare the labels of two arms on the bars that both labelled."""
    others = {decision["bar"]: label_of(decision) for decision in second}
    pairs = [(label_of(decision), others.get(decision["bar"])) for decision in first]
    counts = Counter((a, b) for a, b in pairs if a is not None and b is not None)
    confusion = {(a, b): counts[a, b] for a in LABELS for b in LABELS}
    total = sum(confusion.values())
    if not total:
        return Agreement(0, None, None, confusion)
    same = sum(confusion[label, label] for label in LABELS) / total
    chance = sum(
        sum(confusion[label, other] for other in LABELS) * sum(confusion[other, label] for other in LABELS)
        for label in LABELS
    ) / (total * total)
    return Agreement(total, same, (same - chance) / (1 - chance) if chance < 1 else None, confusion)
