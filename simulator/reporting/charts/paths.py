"""From places on axes (fractions of their length) to paths of an SVG in whole numbers, with no more points than can be
seen."""

from __future__ import annotations

import numpy as np

WIDTH = 10_000
"""Units from the left end of a panel to its right end."""
_COLUMNS = 900
"""Columns in which the points of a line are gathered: about the pixels of a wide window."""


def polyline(x: np.ndarray, y: np.ndarray, height: int) -> str:
    """A path through points, broken where one has no value; ``height`` is that of the panel in units."""
    known = np.isfinite(x) & np.isfinite(y)
    breaks = np.flatnonzero(np.diff(known.astype(int))) + 1
    parts = [part for part in np.split(np.arange(len(x)), breaks) if len(part) and known[part[0]]]
    return "".join(_through(*_points(x[part], y[part], height), "M") for part in parts)


def area(x: np.ndarray, low: np.ndarray, high: np.ndarray, height: int) -> str:
    """The closed path between two lines, where both have values."""
    known = np.isfinite(x) & np.isfinite(low) & np.isfinite(high)
    if not known.any():
        return ""
    there = _points(x[known], high[known], height)
    back = _points(x[known], low[known], height)
    return _through(*there, "M") + _through(back[0][::-1], back[1][::-1], "L") + "Z"


def box(left: float, right: float, low: float, high: float, height: int) -> str:
    """A rectangle; at least one unit wide, so that no short span is lost."""
    x0, x1 = sorted((round(left * WIDTH), round(right * WIDTH)))
    y0, y1 = sorted((round((1 - low) * height), round((1 - high) * height)))
    return f"M{x0} {y0}H{max(x1, x0 + 1)}V{y1}H{x0}Z"


def _points(x: np.ndarray, y: np.ndarray, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Whole units; of the points of one column the first, the lowest, the highest and the last stay."""
    if len(x) > 2 * _COLUMNS:
        column = np.minimum((np.clip(x, 0, 1) * _COLUMNS).astype(int), _COLUMNS - 1)
        starts = np.flatnonzero(np.r_[True, np.diff(column) != 0])
        ends = np.r_[starts[1:], len(x)]
        lowest, highest = (_first_of(function, y, starts, ends) for function in (np.minimum, np.maximum))
        kept = np.unique([starts, lowest, highest, ends - 1])
        x, y = x[kept], y[kept]
    across, down = np.rint(x * WIDTH).astype(int), np.rint((1 - y) * height).astype(int)
    flat = np.r_[False, (np.diff(down)[:-1] == 0) & (np.diff(down)[1:] == 0), False] if len(down) > 2 else None
    if flat is not None:  # the middle of a level stretch changes nothing
        across, down = across[~flat], down[~flat]
    return across, down


def _first_of(function: np.ufunc, y: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Where each stretch of values first has what the function makes of them all, its lowest one or its highest."""
    found = np.flatnonzero(y == np.repeat(function.reduceat(y, starts), ends - starts))
    first: np.ndarray = found[np.searchsorted(found, starts)]
    return first


def _through(x: np.ndarray, y: np.ndarray, first: str) -> str:
    steps = " ".join(f"{dx} {dy}" for dx, dy in zip(np.diff(x).tolist(), np.diff(y).tolist(), strict=True))
    start = f"{first}{x[0]} {y[0]}"
    return f"{start}l{steps}".replace(" -", "-") if steps else f"{start}h0"
