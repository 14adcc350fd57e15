"""Splits that prices still show, told and never taken out: by an adjusted close, by a column of splits, or by a leap.

A split changes no wealth, and prices that are not adjusted for it show a loss of a half, or a gain of nine tenths, that
nobody had.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from simulator.prices.table import RawTable

LEAST_JUMP = 1.5
"""Change of adjusted close over close from one bar to the next that no dividend makes, but for rounded prices."""
ROUND = ((3, 2), (2, 1), (3, 1), (4, 1), (5, 1), (6, 1), (7, 1), (8, 1), (10, 1), (15, 1), (20, 1), (25, 1), (30, 1),
         (40, 1), (50, 1), (100, 1))  # fmt: skip
"""Splits that companies make: new shares for old ones, or, of a reverse split, old ones for new."""
_RATIOS = [(old / new, f"{new} for {old}") for new, old in ROUND] + [
    (new / old, f"{old} for {new}") for new, old in ROUND
]
_CURE = "Take adjusted prices, or divide those before it."
NEAR = 0.04
"""How far a close or an open may be from a round ratio, as a share of it: what a day moves besides."""
OPENED = 0.10
"""How far the open may be from it. A split shows at the open; a crash within the bar does not."""
FALL, RISE = -0.40, 0.70
"""Changes of the close beyond which a leap is looked at; one of 3 for 2 lies within them, and is taken where close and
open are both near."""
LEAST_LEAP, LEAST_TOLD = 1.4, math.log(1.2)
"""Ratios below which nothing is looked at: of closes, and of a split that a column names."""
MOST = 3
"""Dates that a sentence names."""

Floats = npt.NDArray[np.float64]


def split_note(raw: RawTable, file: str, *, adjusted: bool) -> str | None:
    """One sentence on the splits that the prices of a validated table show; ``None`` where there are none.

    ``adjusted`` says that its prices were scaled to the adjusted close already.
    """
    if raw.adjusted_close is not None and not adjusted:
        factor = raw.adjusted_close / raw.table["close"].to_numpy()
        if rows := list(_jumps(factor)):
            return (
                f"{file}: its adjusted close differs from its close by more than dividends, at {_dates(raw, rows)}: "
                "the prices are not adjusted for splits, and every result holds leaps that nobody had. "
                f"Take {file}?adjusted=yes."
            )
    told = {} if raw.splits is None or adjusted else dict(_unadjusted_splits(raw, raw.splits))
    if told:
        return (
            f"{file}: its column of splits holds {_dates(raw, list(told), told)}, and the prices leap there: they are "
            f"not adjusted for splits, and every result holds moves that nobody had. {_CURE}"
        )
    if leaps := dict(_leaps(raw)):
        return (
            f"{file}: the close leaps as a split would make it, {_dates(raw, list(leaps), leaps)}: if that is one, the "
            f"prices are not adjusted for it, and every result holds a move that nobody had. {_CURE}"
        )
    return None


def _jumps(factor: Floats) -> Iterator[int]:
    """Rows at which the factor changes by ``LEAST_JUMP`` or more; rows without an adjusted close are passed over."""
    known = np.flatnonzero(np.isfinite(factor) & (factor > 0))
    ratio = factor[known][1:] / factor[known][:-1]
    yield from (int(row) for row in known[1:][np.maximum(ratio, 1 / ratio) >= LEAST_JUMP * 0.99])


def _unadjusted_splits(raw: RawTable, splits: Floats) -> Iterator[tuple[int, str]]:
    """Splits of a fifth or more at which the close moved as an unadjusted one does, rather than not at all."""
    close = raw.table["close"].to_numpy()
    for row in np.flatnonzero(np.isfinite(splits) & (splits > 0)):
        size = abs(math.log(splits[row]))
        if row and size >= LEAST_TOLD and abs(math.log(close[row] / close[row - 1] * splits[row])) < size / 2:
            yield int(row), f"{splits[row]:g} for 1"


def _leaps(raw: RawTable) -> Iterator[tuple[int, str]]:
    close, opened = raw.table["close"].to_numpy(), raw.table["open"].to_numpy()
    change, at_open = close[1:] / close[:-1], opened[1:] / close[:-1]
    for row in np.flatnonzero((change < 1 / LEAST_LEAP) | (change > LEAST_LEAP)):
        if words := _as_split(float(change[row]), float(at_open[row])):
            yield int(row) + 1, words


def _as_split(change: float, at_open: float) -> str | None:
    """The split that would make these two ratios to the close before; ``None`` where none would."""
    far = change - 1 < FALL or change - 1 > RISE
    for ratio, words in _RATIOS:
        closed, opened = abs(change / ratio - 1), abs(at_open / ratio - 1)
        if opened <= OPENED and (min if far else max)(closed, opened) <= NEAR:
            return words
    return None


def _dates(raw: RawTable, rows: list[int], words: dict[int, str] | None = None) -> str:
    named = [f"{words[row]} at {raw.day(row)}" if words else raw.day(row) for row in rows[:MOST]]
    rest = f" and {len(rows) - MOST} more" if len(rows) > MOST else ""
    return ", ".join(named) + rest
