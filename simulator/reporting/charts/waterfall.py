"""A waterfall: bars from top to bottom, each beginning where the one before it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulator.reporting.charts.chart import Chart, Panel
from simulator.reporting.charts.layers import ARM, FAINT, Bars, Layer, Upright, Words
from simulator.reporting.charts.scale import Numbers, Rows

_ROW = 44
"""Pixels of a step with its name."""


@dataclass(frozen=True, slots=True)
class Step:
    """One bar: its name, how far it goes, what stands at its end, and whether it is a sum that begins at zero."""

    name: str
    value: float
    text: str
    is_sum: bool


def draw_waterfall(name: str, title: str, steps: Sequence[Step], unit: str = "") -> Chart:
    """The chart of at least one step; ``unit`` stands behind each tick."""
    starts, ends, colours, at = [], [], [], 0.0
    for step in steps:
        starts.append(0.0 if step.is_sum else at)
        at = starts[-1] + step.value
        ends.append(at)
        colours.append(ARM[0] if step.is_sum else ARM[2 if step.value >= 0 else 1])
    rows = np.arange(len(steps), dtype=float)
    left, right = np.minimum(starts, ends), np.maximum(starts, ends)
    low, high = min(0.0, float(left.min())), max(0.0, float(right.max()))
    span = (high - low) or 1.0
    scale = Numbers(low - 0.02 * span, high + 0.2 * span, unit)
    layers: list[Layer] = [
        Upright(0.0, colour=FAINT, dash=""),
        Bars("", left, right, rows + 0.42, rows + 0.02, colours),
        *(Words(scale.low, row, step.name, offset=(2, -12)) for row, step in zip(rows, steps, strict=True)),
        *(Words(end, row + 0.22, step.text, offset=(6, 0)) for end, row, step in zip(right, rows, steps, strict=True)),
    ]
    return Chart(
        name,
        title,
        f"Bars: {', '.join(step.name.lower() for step in steps)}. The figures are in the table below.",
        [Panel(layers, scale, Rows(len(steps)), height=_ROW * len(steps))],
    )
