"""From matplotlib to SVG that lives inside a page: themed by CSS variables, small, the same bytes every time."""

from __future__ import annotations

import html
import io
import re
import threading
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import matplotlib as mpl
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.dates import AutoDateLocator, num2date
from matplotlib.figure import Figure
from matplotlib.ticker import Formatter

from llm_strategy.market.regimes import MOST_LABELS, Regimes

WIDE, NARROW = (960, 400), (380, 360)
"""Width and height in CSS pixels. Two renderings keep the text readable on any screen; the style sheet shows one."""
PANEL = 230
"""Height of each of several panels."""
HUES = 8
"""Colours for arms that the style sheet knows."""

INK, FAINT, GROUND = "#010101", "#020202", "#050505"
ARM = [f"#0300{number:02x}" for number in range(HUES)]
SHADES = [f"#0400{number:02x}" for number in range(MOST_LABELS)]
"""Stand-ins for the colours of labels, in their order (``label_colours``)."""
LABEL_COLOURS = (
    "#d2609a", "#2f9aa0", "#b39a2f", "#5f74c9", "#c0504d", "#4fa36b", "#a9764f", "#7f8c3f", "#4b9be0", "#e58a45",
    "#9a63c4", "#8d949c",
)  # fmt: skip
"""For a person's own labels without a colour: told apart on a light page and on a dark one, those last that are like
the colours of the causal rule's labels, which stand in the same table."""
Plot = Callable[[Axes, bool], None]
_THEME = {INK: "var(--ink)", FAINT: "var(--rule)", GROUND: "var(--ground)"} | {
    colour: f"var(--arm-{number})" for number, colour in enumerate(ARM)
}
"""Stand-ins that matplotlib draws with, and what the style sheet calls them."""
_STYLE: Any = {
    "svg.fonttype": "none", "svg.hashsalt": "backtrader-llm", "path.simplify": True, "path.simplify_threshold": 0.5,
    "font.size": 11.0, "font.family": "DejaVu Sans", "axes.edgecolor": FAINT, "axes.labelcolor": INK, "text.color": INK,
    "xtick.color": FAINT, "ytick.color": FAINT, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
    "legend.frameon": False, "axes.spines.top": False, "axes.spines.right": False, "axes.spines.left": False,
    "axes.grid": True, "axes.grid.axis": "y", "axes.axisbelow": True, "grid.color": FAINT, "grid.linewidth": 0.6,
    "xtick.major.size": 3,
    "ytick.major.size": 0, "axes.linewidth": 0.8, "timezone": "UTC", "date.epoch": "1970-01-01T00:00:00",
}  # fmt: skip


_DRAWING = threading.RLock()
"""Matplotlib keeps its style and its fonts in globals: one thread draws at a time."""
_GEOMETRY = frozenset(
    {"d", "points", "transform", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "width", "height"}
)
"""Attributes that hold coordinates in pixels, of which two decimals are more than any screen shows."""
_REFERENCES = frozenset({"clip-path", "fill", "stroke", "style"})
"""Attributes that may name a colour or, as in ``url(#name)``, another element."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """One figure: its id on the page, one line that says what it shows, and its two renderings."""

    name: str
    title: str
    wide: str
    narrow: str


def label_colours(regimes: Regimes) -> dict[str, str]:
    """The colour of each label as a style sheet writes it."""
    if regimes.are_usual:
        return {name: kind.colour or f"var(--{name})" for name, kind in regimes.kinds.items()}
    chosen = {kind.colour.lower() for kind in regimes.kinds.values()}
    free = (colour for colour in LABEL_COLOURS if colour not in chosen)
    return {name: kind.colour or next(free) for name, kind in regimes.kinds.items()}


def drawing(name: str, title: str, description: str, *plots: Plot, shades: Iterable[str] = ()) -> Drawing:
    """Draw a figure in both sizes, one panel below the other; a plot gets the axes, and whether they are wide. The
    colours of ``shades`` come into the places of ``SHADES``."""
    theme = _THEME | dict(zip(SHADES, shades, strict=False))

    def rendered(size: tuple[int, int]) -> str:
        wide = size == WIDE
        # What a person's matplotlibrc or program has set is not the page's style.
        with _DRAWING, style.context("default"), mpl.rc_context(_STYLE), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing")  # the browser has a font for it
            height = size[1] if len(plots) == 1 else PANEL * len(plots)
            canvas = Figure(figsize=(size[0] / 72, height / 72), layout="constrained")
            for axes, plot in zip(canvas.subplots(len(plots), squeeze=False)[:, 0], plots, strict=True):
                plot(axes, wide)
            written = io.StringIO()
            canvas.savefig(written, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        return _inline(written.getvalue(), f"{name}-{'wide' if wide else 'narrow'}", title, description, theme)

    return Drawing(name, title, rendered(WIDE), rendered(NARROW))


def _inline(document: str, name: str, title: str, description: str, theme: Mapping[str, str]) -> str:
    """The drawing alone: no prolog, metadata, style or size of its own; ids that are unique on the page."""
    view = re.search(r'viewBox="[^"]*"', document)
    body = document[document.index("</metadata>") + len("</metadata>") : document.rindex("</svg>")]
    body = re.sub(r"<defs>\s*<style.*?</defs>", "", body, count=1, flags=re.DOTALL)
    body = "".join(_tag(part, name, theme) if part.startswith("<") else part for part in re.split(r"(<[^>]*>)", body))
    body = re.sub(r"\s*\n\s*", " ", body)
    head = (
        f'<svg class="chart" {view[0] if view else ""} role="img" aria-labelledby="{name}-title {name}-text">'
        f'<title id="{name}-title">{html.escape(title)}</title><desc id="{name}-text">{html.escape(description)}</desc>'
    )
    return f"{head}{body.strip()}</svg>"


def _tag(tag: str, name: str, theme: Mapping[str, str]) -> str:
    """A tag with its attributes as a page needs them, colours by the ``theme``; text between tags is never touched: it
    holds the labels."""
    opening = re.match(r"<([\w:]*)", tag)
    is_group = opening is not None and opening[1] == "g"

    def attribute(found: re.Match[str]) -> str:
        key, value = found[1], found[2]
        if key == "id":
            return "" if is_group else f' id="{name}-{value}"'
        if key == "xlink:href":
            return f' href="#{name}-{value.removeprefix("#")}"'
        if key in _GEOMETRY:
            value = re.sub(r"(\d\.\d\d)\d+", r"\1", value)
        if key in _REFERENCES:
            value = re.sub(r"font-family: [^;]*; ?", "", value).replace("url(#", f"url(#{name}-")
            value = re.sub(r"#0[1-5]0[0-9a-f]{3}\b", lambda colour: theme.get(colour[0], colour[0]), value)
        return f' {key}="{value}"'

    return re.sub(r'\s+([\w:-]+)="([^"]*)"', attribute, tag)


MOST_DECIMALS = 12
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class PlainNumbers(Formatter):
    """Numbers without powers of ten, with as many decimals as all ticks of the axis need to be exact; ``alone`` gives
    each tick its own number of decimals, as on a logarithmic axis. ``unit`` stands behind each."""

    def __init__(self, unit: str = "", *, alone: bool = False) -> None:
        self._unit = unit
        self._alone = alone

    def __call__(self, value: float, pos: int | None = None) -> str:
        return self._spelled(value, _decimals([value]))

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        """The labels of all ticks together."""
        together = _decimals(values) if len(values) else 0
        return [self._spelled(value, _decimals([value]) if self._alone else together) for value in values]

    def _spelled(self, value: float, decimals: int) -> str:
        return f"{round(value, decimals) + 0.0:,.{decimals}f}{self._unit}"  # + 0.0: no minus before a zero


def _decimals(ticks: Sequence[float]) -> int:
    """The fewest decimals that change no tick by more than a thousandth of the distance between two of them."""
    ordered = sorted(set(ticks))
    step = min((b - a for a, b in pairwise(ordered) if b - a > abs(b) * 1e-12), default=0.0)
    allowed = (step or abs(ordered[0])) / 1000
    return next((n for n in range(MOST_DECIMALS) if all(abs(round(t, n) - t) <= allowed for t in ticks)), MOST_DECIMALS)


class DatesInContext(Formatter):
    """Each tick at its own grain (year, month, day, clock time); below the first tick, and below each one where it
    changes, stands what the label leaves out: the year, the month and year, or the day."""

    def __call__(self, value: float, pos: int | None = None) -> str:
        return self.format_ticks([value])[0]

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        """The labels of all ticks together."""
        times = [_to_the_second(value) for value in values]
        if any(time.time() != datetime.min.time() for time in times):
            clock = "%H:%M:%S" if any(time.second for time in times) else "%H:%M"
            labels = [time.strftime(clock) for time in times]
            contexts = [(f"{time.day} {MONTHS[time.month - 1]}", time.year) for time in times]
        elif any(time.day != 1 for time in times):
            labels = [str(time.day) for time in times]
            contexts = [(MONTHS[time.month - 1], time.year) for time in times]
        elif any(time.month != 1 for time in times):
            labels = [MONTHS[time.month - 1] for time in times]
            contexts = [("", time.year) for time in times]
        else:
            return [str(time.year) for time in times]
        before: list[tuple[str, int] | None] = [None, *contexts[:-1]]
        return [label + _below(context, last) for label, context, last in zip(labels, contexts, before, strict=True)]


def _to_the_second(day_number: float) -> datetime:
    time: datetime = num2date(day_number) + timedelta(milliseconds=500)  # type: ignore[no-untyped-call]
    return time.replace(microsecond=0)


def _below(context: tuple[str, int], last: tuple[str, int] | None) -> str:
    """The second line of a label, empty where the tick before it says the same."""
    if context == last:
        return ""
    words, year = context
    label = words if last is not None and last[1] == year else f"{words} {year}".strip()
    return f"\n{label}"


def name_dates(axis: Axis) -> None:
    """Ticks at round times, four to nine of them."""
    locator: Any = AutoDateLocator(minticks=4, maxticks=9)  # type: ignore[no-untyped-call]
    axis.set_major_locator(locator)
    axis.set_major_formatter(DatesInContext())
