"""The points of a line that stay are the first, the lowest, the highest and the last of each column."""

from itertools import pairwise

import numpy as np
import pytest

from simulator.reporting.charts.paths import _COLUMNS, WIDTH, polyline


def plain_points(x, y):
    """Column by column."""
    column = [min(int(min(max(place, 0), 1) * _COLUMNS), _COLUMNS - 1) for place in x]
    starts = [at for at in range(len(x)) if not at or column[at] != column[at - 1]]
    kept = set()
    for start, end in zip(starts, [*starts[1:], len(x)], strict=True):
        values = y[start:end].tolist()
        kept |= {start, start + values.index(min(values)), start + values.index(max(values)), end - 1}
    return sorted(kept)


@pytest.mark.parametrize("seed", range(4))
def test_a_long_line_keeps_what_can_be_seen(seed):
    dice = np.random.default_rng(seed)
    size = 2 * _COLUMNS + 1 + int(dice.integers(5_000))
    x = np.sort(dice.uniform(-0.1, 1.1, size))
    y = dice.integers(0, 9, size) / 8  # many are equal
    kept = plain_points(x, y)
    assert len(kept) < size
    few = np.array(kept)
    height = 560
    across, down = np.rint(x[few] * WIDTH).astype(int), np.rint((1 - y[few]) * height).astype(int)
    level = [0 < at < len(down) - 1 and down[at - 1] == down[at] == down[at + 1] for at in range(len(down))]
    points = [(a, b) for a, b, flat in zip(across.tolist(), down.tolist(), level, strict=True) if not flat]
    steps = " ".join(f"{c - a} {d - b}" for (a, b), (c, d) in pairwise(points))
    assert polyline(x, y, height) == f"M{points[0][0]} {points[0][1]}l{steps}".replace(" -", "-")
