"""Drawings over time: equity and drawdown of all arms, and prices with one arm's regimes and trades."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import date2num
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import LogLocator, NullLocator, PercentFormatter

from simulator.evaluation.measures import measure, most_traded
from simulator.evaluation.regimes import SymbolDecisions
from simulator.folder.record import ArmRecord, Record
from simulator.reporting.blocks import Block, Figure, Heading, on_page
from simulator.reporting.drawing import (
    ARM,
    GROUND,
    INK,
    SHADES,
    Drawing,
    PlainNumbers,
    Plot,
    drawing,
    label_colours,
    name_dates,
)
from simulator.reporting.facts.fact import Facts
from simulator.reporting.facts.run import strategy_arms, subject_arm, ungated_arms

LOG_SPAN = 3.0
"""Ratio of highest to lowest value from which an axis is logarithmic."""
PANELS = 4
"""Symbols of which each gets a panel; of more only one is drawn."""
DASHES = ("-", (0, (5, 1.2)), (0, (1, 1.2)), (0, (8, 1.5, 1.5, 1.5)))
"""Solid and dashed in turn; where colours begin again, dotted and dashed with dots, so that no two lines look alike."""


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """The drawings, on the page alone."""
    if drawings := draw(record):
        yield on_page(Heading("Over time", "charts"), *map(Figure, drawings))


def draw(record: Record) -> tuple[Drawing, ...]:
    """The figures that the record has data for: none without two bars of an account."""
    subject = subject_arm(record)
    arms = [arm for arm in (subject, *(arm for arm in record.arms if arm is not subject)) if len(arm.equity) > 1]
    if not arms:
        return ()
    lines = f"Lines: {', '.join(arm.name for arm in arms)}. The figures are in the table of arms."
    drawings = [
        drawing(
            "equity",
            "Account value, as a multiple of its value at the first decision",
            lines,
            lambda axes, wide: _lines(axes, wide, [(arm, _growth(arm)) for arm in arms]),
        ),
        drawing(
            "drawdown",
            "Loss from the highest account value so far",
            lines,
            lambda axes, wide: _lines(axes, wide, [(arm, _drawdown(arm)) for arm in arms], percent=True),
        ),
    ]
    if subject in arms:
        drawings.append(_prices(record, subject))
    return tuple(drawings)


def _prices(record: Record, subject: ArmRecord) -> Drawing:
    """Every symbol where there are a few of them, else the one that the arm traded most."""
    several, many = len(record.prices) > 1, len(record.prices) > PANELS
    labelled = subject.name not in (*strategy_arms(record), *ungated_arms(record))
    shown = most_traded(subject, record.prices, 1 if many else PANELS)
    which = "Price of the most traded symbol" if many else "Prices" if several else "Price"
    return drawing(
        "price",
        f"{which}, the regimes seen by {subject.name}, and its trades"
        if labelled
        else f"{which}, and the trades of {subject.name}",
        (f"Shades: {', '.join(subject.regimes)}. " if labelled else "")
        + "Triangles are entries, crosses are exits; the trades are listed below.",
        *(
            _panel(record.prices[symbol], subject, symbol, first=symbol == shown[0], several=several, labelled=labelled)
            for symbol in shown
        ),
        shades=label_colours(subject.regimes).values(),
    )


def _panel(
    prices: pd.DataFrame, subject: ArmRecord, symbol: str, *, first: bool, several: bool, labelled: bool
) -> Plot:
    """One of several symbols carries its name, over the same time as all; the first one has the legend of all."""

    def plot(axes: Axes, wide: bool) -> None:
        _price(axes, wide, prices, subject, symbol, labelled=labelled)
        if several:
            axes.set_xlim(*(date2num(subject.equity.index[end]) for end in (0, -1)))  # type: ignore[no-untyped-call]
            axes.set_title(symbol, loc="right", fontsize=11, parse_math=False)
        if not first and (legend := axes.get_legend()) is not None:
            legend.remove()

    return plot


def _growth(arm: ArmRecord) -> pd.Series:
    growth: pd.Series = arm.equity["equity"] / arm.equity["equity"].iloc[0]
    return growth


def _drawdown(arm: ArmRecord) -> pd.Series:
    drawdown: pd.Series = arm.equity["equity"] / arm.equity["equity"].cummax() - 1
    return drawdown


def _lines(axes: Axes, wide: bool, series: Sequence[tuple[ArmRecord, pd.Series]], *, percent: bool = False) -> None:
    for number, (arm, values) in reversed(list(enumerate(series))):
        axes.plot(
            values.index.to_numpy(),
            values.to_numpy(),
            color=ARM[number % len(ARM)],
            linestyle=DASHES[_dash(number)],
            linewidth=1.2 if number else 2.2,
            label=arm.name,
        )
    everything = np.concatenate([values.to_numpy() for _, values in series])
    if percent:
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    else:
        _scale(axes, everything, "x")
    name_dates(axes.xaxis)
    if wide:
        _name_lines(axes, [(arm.name, float(values.iloc[-1]), number) for number, (arm, values) in enumerate(series)])
    else:
        handles, names = axes.get_legend_handles_labels()
        axes.legend(handles[::-1], names[::-1], loc="lower left", bbox_to_anchor=(0, 1), ncols=2, fontsize=10)


def _dash(number: int) -> int:
    """The dash of a line: those of the first lines of each colour are the plain ones."""
    return number % 2 + 2 * (number // len(ARM) % 2)


def _name_lines(axes: Axes, ends: Sequence[tuple[str, float, int]]) -> None:
    """Write each name beside the end of its line, moved just far enough apart to be read."""
    axes.margins(x=0)
    axes.autoscale_view()
    low, high = (axes.transData.transform((0, value))[1] for value in axes.get_ylim())
    heights = [(axes.transData.transform((0, value))[1] - low) / (high - low) for _, value, _ in ends]
    gap, previous = 0.052, -1.0
    order = sorted(range(len(ends)), key=lambda number: heights[number])
    placed = {}
    for number in order:
        previous = max(heights[number], previous + gap)
        placed[number] = previous
    ceiling = 1.0
    for number in reversed(order):
        placed[number] = min(placed[number], ceiling)
        ceiling = placed[number] - gap
    sampled = len(ends) > len(ARM)  # colours begin again: the dash beside the name tells which line it is
    for number in order:
        name, _, hue = ends[number]
        if sampled:
            height, style = placed[number], DASHES[_dash(hue)]
            sample = Line2D([1.008, 1.04], [height, height], color=ARM[hue % len(ARM)])
            sample.set(transform=axes.transAxes, clip_on=False, linestyle=style, linewidth=1.2 if number else 2.2)
            axes.add_artist(sample)  # axes.plot would stretch the axes to where it stands
        axes.text(
            1.05 if sampled else 1.01,
            placed[number],
            name,
            transform=axes.transAxes,
            color=ARM[hue % len(ARM)],
            va="center",
            fontweight="normal" if number else "bold",
        )


def _price(axes: Axes, wide: bool, prices: pd.DataFrame, arm: ArmRecord, symbol: str, *, labelled: bool = True) -> None:
    shown = prices.loc[arm.equity.index[0] : arm.equity.index[-1], "close"]
    made = measure(arm).decisions.get(symbol, SymbolDecisions())
    shades = dict(zip(arm.regimes, SHADES, strict=False))
    for label, spans in _regime_spans(made.times, made.labels, list(shades)).items() if labelled else ():
        patch = PathPatch(_rectangles(spans), transform=axes.get_xaxis_transform(), label=label)
        patch.set(facecolor=shades[label], edgecolor="none", alpha=0.28)
        axes.add_patch(patch)
    axes.plot(shown.index.to_numpy(), shown.to_numpy(), color=INK, linewidth=1.1)
    trades = arm.trades[arm.trades["symbol"] == symbol]
    size = 7.0 if len(trades) <= 60 else 5.0 if len(trades) <= 250 else 3.5
    closed = trades[trades["exit_reason"] != "open"]
    for label, marker, hue, rows, time, price in (
        ("long entry", "^", 2, trades[trades["side"] == "long"], "entered", "entry_price"),
        ("short entry", "v", 1, trades[trades["side"] == "short"], "entered", "entry_price"),
        ("exit", "X", 3, closed, "exited", "exit_price"),
    ):
        if len(rows):
            axes.plot(
                rows[time].to_numpy(), rows[price].to_numpy(), marker, color=ARM[hue], markersize=size,
                markeredgecolor=GROUND, markeredgewidth=0.5, label=label,
            )  # fmt: skip
    if len(shown):
        _scale(axes, shown.to_numpy())
    name_dates(axes.xaxis)
    axes.margins(x=0)
    if axes.get_legend_handles_labels()[0]:  # an arm without labels and trades has nothing to explain
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=7 if wide else 3, fontsize=10, handlelength=1.2)


def _regime_spans(
    closes: list[str], labels: Sequence[str | None], names: Sequence[str]
) -> dict[str, list[tuple[float, float]]]:
    """From the close of the first decision of a run of equal labels to the close of the decision after its last."""
    times = pd.DatetimeIndex(closes)
    days = date2num(times.to_numpy())  # type: ignore[no-untyped-call]
    spans: dict[str, list[tuple[float, float]]] = {label: [] for label in names}
    for label, run in groupby(enumerate(labels), key=itemgetter(1)):
        numbers = [number for number, _ in run]
        if label is not None:
            spans[label].append((days[numbers[0]], days[min(numbers[-1] + 1, len(days) - 1)]))
    return {label: found for label, found in spans.items() if found}


def _rectangles(spans: Sequence[tuple[float, float]]) -> Path:
    """One path for all spans over the whole height: an element for each would make the page several times as large."""
    corners = [((left, 0), (left, 1), (right, 1), (right, 0), (left, 0)) for left, right in spans]
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY] * len(spans)
    return Path(np.array(corners).reshape(-1, 2), codes)


def _scale(axes: Axes, values: np.ndarray, unit: str = "") -> None:
    if values.min() > 0 and values.max() / values.min() > LOG_SPAN:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(PlainNumbers(unit, alone=True))
    else:
        axes.yaxis.set_major_formatter(PlainNumbers(unit))
