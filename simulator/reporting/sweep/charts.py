"""Pictures of a sweep: how its Sharpe ratios are spread and where luck would put the best, where the chosen one came to
stand in the other half of the bars, and what became of the best of each window in the next one."""

from __future__ import annotations

import math

import numpy as np

from simulator.evaluation.metrics import Floats
from simulator.evaluation.overfitting import Overfitting
from simulator.reporting.charts.chart import Chart, Panel
from simulator.reporting.charts.layers import ALARM, ARM, FAINT, INK, MARKET, Bars, Layer, Level, Line, Upright
from simulator.reporting.charts.scale import Numbers, Steps, Times, milliseconds, numbers_around
from simulator.reporting.sweep.facts import SweepMeasures

_BINS = (8, 40)


def _histogram(values: Floats, edges: Floats, colour: str) -> tuple[Layer, Numbers]:
    counts, edges = np.histogram(values, bins=edges)
    top = 1.08 * max(float(counts.max()), 1.0)
    return Bars("", edges[:-1], edges[1:], np.zeros(len(counts)), counts.astype(float), [colour]), Numbers(0.0, top)


def spread_chart(measures: SweepMeasures) -> Chart:
    """How many configurations came to which Sharpe ratio; needs what luck comes to."""
    record, luck = measures.record, measures.luck
    assert luck is not None  # noqa: S101 - the page asks
    year, ratios = math.sqrt(record.bars_per_year), record.ratios
    fewest, most = _BINS
    bins = min(most, max(fewest, math.ceil(2 * math.sqrt(len(ratios)))))
    low, high = float(ratios.min()), float(ratios.max())
    bars, upright = _histogram(ratios, np.linspace(low, high if high > low else low + 0.1, bins + 1), "var(--heat-6)")
    marks: list[Layer] = [
        Upright(luck.expected * year, "best by luck, none better than cash", "", ALARM, 1.6, "6 3"),
        Upright(luck.expected_of_equals * year, "best by luck, all as good as their mean", "", ARM[1], 1.6, "2 2"),
        Upright(luck.best * year, "best", "", INK, 1.6, ""),
    ]
    if measures.market is not None:
        marks.append(Upright(measures.market, "market", "", MARKET, 1.6, "9 2 2 2"))
    places = [mark.value for mark in marks if isinstance(mark, Upright)]
    return Chart(
        "spread",
        "Annual Sharpe ratio of all configurations",
        "Bars: how many configurations came to which ratio. The figures are in the text above.",
        [Panel([bars, *marks], numbers_around([low, high, *places]), upright, height=200, y_name="configurations")],
    )


def rank_chart(found: Overfitting) -> Chart:
    """Where the best of one half stood in the other half, over all splits."""
    bars, upright = _histogram(found.ranks, np.linspace(0.0, 1.0, 21), "var(--heat-6)")
    return Chart(
        "ranks",
        "Where the best of one half of the bars stood in the other half",
        "Bars: splits by relative rank, from the worst (0) to the best (1). The figures are in the text above.",
        [
            Panel(
                [bars, Upright(0.5, "middle", "", ALARM, 1.6, "6 3")],
                Steps(0.0, 1.0, (0.0, 0.25, 0.5, 0.75, 1.0)), upright, height=150, x_name="relative rank",
                y_name="splits",
            )
        ],
    )  # fmt: skip


def forward_chart(measures: SweepMeasures) -> Chart:
    """What the best of each window had shown, and what it came to on the bars that the next window added."""
    record, steps, year = measures.record, measures.steps, math.sqrt(measures.record.bars_per_year)
    times = milliseconds([record.windows[step.window].last for step in steps])
    shown = {
        "chosen, in the window that chose it": np.array([step.in_sample for step in steps]),
        "chosen, in the next window": np.array([step.out_of_sample for step in steps]) * year,
        "middle configuration, in the next window": np.array([step.middle for step in steps]) * year,
    }
    looks = ((ARM[1], "6 2"), (ARM[0], ""), (MARKET, "1.5 2"))
    layers: list[Layer] = [Level(0.0, colour=FAINT)]
    layers += [
        Line(name, times, values, colour, 1.8, dash, dots=True)
        for (name, values), (colour, dash) in zip(shown.items(), looks, strict=True)
    ]
    room = (float(times[-1] - times[0]) or 86_400_000.0 * 30) * 0.03
    return Chart(
        "steps",
        "Annual Sharpe ratio of the best of each window, before and after it was chosen",
        "Lines over the end of the next window. The figures are in the table below.",
        [
            Panel(
                layers,
                Times(float(times[0]) - room, float(times[-1]) + room),
                numbers_around(np.concatenate([*shown.values(), [0.0]])),
                height=220,
            )
        ],
    )
