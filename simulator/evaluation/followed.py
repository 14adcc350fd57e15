"""What the prices did after a decision."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

FOLLOWED_BARS = (1, 5, 20)
"""After so many bars of the prices the change of the close is told."""


def changes_after(
    closes: pd.Series, times: Sequence[pd.Timestamp], decided_at: Sequence[float]
) -> dict[int, list[float | None]]:
    """The change from the close at which was decided to the close so many bars of the prices later (fractions), for
    each of ``FOLLOWED_BARS``; None where the prices end before. ``closes`` stand over the times of their bars."""
    values = closes.to_numpy(dtype=float)
    behind = closes.index.searchsorted(pd.DatetimeIndex(list(times)), side="right")
    start = np.asarray(decided_at, dtype=float)
    found: dict[int, list[float | None]] = {}
    for bars in FOLLOWED_BARS:
        at = behind + bars - 1
        there = at < len(values)
        changes = values[np.where(there, at, 0)] / start - 1 if len(values) else start
        found[bars] = [float(change) if known else None for change, known in zip(changes, there, strict=True)]
    return found
