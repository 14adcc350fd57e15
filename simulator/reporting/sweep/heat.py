"""Two settings of a sweep together: the median Sharpe ratio of each pair of values, as a table with shades and, window
by window or for the values of a third setting, as small pictures.

A shade says how far a figure lies above (blue) or below (orange) the median of all configurations, that of the window
where there are windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from simulator.evaluation.metrics import Floats
from simulator.reporting.blocks import Cell, Column, Figure, Grid, Quoted, Table, Text
from simulator.reporting.charts.chart import Chart, Panel
from simulator.reporting.charts.layers import Bars, Layer
from simulator.reporting.charts.scale import Names
from simulator.reporting.facts.fact import FactTable
from simulator.reporting.facts.terms import Unit
from simulator.reporting.sweep.cells import Axis, SweepRecord
from simulator.reporting.sweep.facts import shown_values

MOST_ROWS, MOST_COLUMNS, MOST_MULTIPLES = 40, 16, 12
"""Values of either setting that a table shows, and small pictures; of more, these are taken evenly."""
TINTS = 4
"""Shades on each side of the median."""
_STRONG = 0.9
"""Share of the configurations whose distance from the median is below that of the strongest shade."""
_Chosen = list[tuple[str, NDArray[np.bool_]]]
_Value = TypeVar("_Value")


@dataclass(frozen=True, eq=False)
class HeatMap:
    """The pairs of values of two settings; ``rows`` and ``columns`` name the values, each with the configurations that
    have it."""

    record: SweepRecord
    row_axis: Axis
    column_axis: Axis

    @cached_property
    def rows(self) -> _Chosen:
        """Values of the setting that goes down."""
        return _evenly(shown_values(self.record, self.row_axis), MOST_ROWS)

    @cached_property
    def columns(self) -> _Chosen:
        """Values of the setting that goes across."""
        return _evenly(shown_values(self.record, self.column_axis), MOST_COLUMNS)

    @property
    def is_cut(self) -> bool:
        """Whether there are more values than are shown."""
        values = [self.record.configurations[axis.key].nunique() for axis in (self.row_axis, self.column_axis)]
        return values[0] > len(self.rows) or values[1] > len(self.columns)

    def medians(self, ratios: Floats, among: NDArray[np.bool_] | None = None) -> Floats:
        """The median of the ``ratios`` by configuration of each pair, shape (rows, columns); NaN where none is."""
        known = np.isfinite(ratios) if among is None else np.isfinite(ratios) & among
        made = np.full((len(self.rows), len(self.columns)), np.nan)
        for row, (_, of_row) in enumerate(self.rows):
            in_row = known & of_row
            for column, (_, of_column) in enumerate(self.columns):
                chosen = ratios[in_row & of_column]
                if len(chosen):
                    made[row, column] = np.median(chosen)
        return made


def _evenly(values: list[_Value], most: int) -> list[_Value]:
    if len(values) <= most:
        return values
    return [values[at] for at in np.linspace(0, len(values) - 1, most).round().astype(int)]


def strongest(record: SweepRecord) -> list[Axis]:
    """The settings with more than one value, that one first whose medians lie furthest apart."""
    ratios = record.configurations["sharpe"].to_numpy(float)
    found = []
    for axis in record.shown_axes:
        medians = [
            float(np.median(known))
            for _, rows in shown_values(record, axis)
            if len(known := ratios[rows & np.isfinite(ratios)])
        ]
        if len(medians) > 1:
            found.append((max(medians) - min(medians), axis))
    return [axis for _, axis in sorted(found, key=lambda each: -each[0])]


def heat_of(record: SweepRecord, first: Axis, second: Axis) -> HeatMap:
    """The heat map of two settings: the one with more values goes down, where there is more room."""
    counts = [record.configurations[axis.key].nunique() for axis in (first, second)]
    return HeatMap(record, *((first, second) if counts[0] >= counts[1] else (second, first)))


def add_heat(table: FactTable, heat: HeatMap) -> None:
    """Add the fact of each pair, ``heat.R.C.median`` by row and column from 1."""
    made = heat.medians(heat.record.configurations["sharpe"].to_numpy(float))
    for (row, column), value in np.ndenumerate(made):
        names = f"{heat.row_axis.key} {heat.rows[row][0]} and {heat.column_axis.key} {heat.columns[column][0]}"
        words = f"median annual Sharpe ratio of configurations with {names}"
        known = float(value) if np.isfinite(value) else None
        table.add(f"heat.{row + 1}.{column + 1}", "median", known, Unit.RATIO, words)


class Shading:
    """Which shade a figure has: its distance from the median of its row of ``ratios``, shape (rows, configurations),
    against that of all figures from theirs."""

    def __init__(self, ratios: Floats) -> None:
        known = [row[np.isfinite(row)] for row in ratios]
        self._middles = [float(np.median(row)) if len(row) else 0.0 for row in known]
        apart = np.concatenate([np.abs(row - middle) for row, middle in zip(known, self._middles, strict=True)])
        self._strong = float(np.quantile(apart, _STRONG)) if len(apart) else 0.0

    def tints(self, values: Floats, row: int = 0) -> NDArray[np.int64]:
        """The shades of values of a row, from -4 (far below) to 4 (far above the median); 0 for none."""
        if not self._strong:
            return np.zeros(values.shape, np.int64)
        shares = np.nan_to_num((values - self._middles[row]) / self._strong)
        return np.clip(np.rint(TINTS * shares), -TINTS, TINTS).astype(np.int64)


def heat_table(heat: HeatMap) -> Table:
    """The figures of each pair of values, with their shades."""
    ratios = heat.record.configurations["sharpe"].to_numpy(float)
    made = heat.medians(ratios)
    tints = Shading(ratios[None]).tints(made)
    heads = [
        Column((Quoted(heat.row_axis.key, "code"), " down, ", Quoted(heat.column_axis.key, "code"), " across")),
        *(Column(Quoted(name)) for name, _ in heat.columns),
    ]
    rows: list[Sequence[Text | Cell]] = [
        [
            Quoted(name),
            *(
                Cell(f"{{heat.{row}.{column}.median}}", tint=int(tints[row - 1, column - 1]))
                for column in range(1, len(heat.columns) + 1)
            ),
        ]
        for row, (name, _) in enumerate(heat.rows, start=1)
    ]
    return Table(heads, rows, label="Median annual Sharpe ratio by two settings", tall=len(rows) > 16)


def multiples(heat: HeatMap, third: Axis) -> Grid:
    """A small picture of the pairs for each value of a third setting."""
    ratios = heat.record.configurations["sharpe"].to_numpy(float)
    shading = Shading(ratios[None])
    charts = []
    for number, (name, rows) in enumerate(_evenly(shown_values(heat.record, third), MOST_MULTIPLES)):
        values = heat.medians(ratios, rows)
        charts.append(_chart(f"third-{number}", f"{third.key} {name}", heat, values, shading.tints(values)))
    return Grid([Figure(chart) for chart in charts])


def by_window(heat: HeatMap) -> Grid:
    """A small picture of the pairs in each window, by the Sharpe ratios of the window and their median."""
    record = heat.record
    table = record.cells.pivot(index="window_number", columns="configuration", values="sharpe")
    ratios = table.reindex(range(len(record.windows)), columns=record.configurations.index).to_numpy(float)
    shading = Shading(ratios)
    charts = []
    for number in _evenly(list(range(len(record.windows))), MOST_MULTIPLES):
        values = heat.medians(ratios[number])
        title = f"window {record.windows[number].name}"
        charts.append(_chart(f"window-{number}", title, heat, values, shading.tints(values, number)))
    return Grid([Figure(chart) for chart in charts])


def _chart(name: str, title: str, heat: HeatMap, values: Floats, tints: NDArray[np.int64]) -> Chart:
    across = Names(tuple(name for name, _ in heat.columns))
    down = Names(tuple(name for name, _ in heat.rows), down=True)
    row, column = np.nonzero(np.isfinite(values))
    colours = [f"var(--heat-{tint + TINTS})" for tint in tints[row, column].tolist()]
    layers: list[Layer] = [Bars("", column, column + 1, row + 1, row, colours)] if len(row) else []
    told = values[row, column]
    span = f"From {told.min():.2f} to {told.max():.2f}." if len(told) else "No figures."
    height = min(max(16 * len(heat.rows), 64), 240)
    return Chart(
        name,
        title,
        f"{heat.column_axis.key} across, {heat.row_axis.key} down. {span}",
        [Panel(layers, across, down, height=height)],
    )
