"""From matplotlib to SVG that lives inside a page: themed by CSS variables, small, the same bytes every time."""

from __future__ import annotations

import html
import io
import re
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from simulator.evaluation.regimes import LABELS

WIDE, NARROW = (960, 400), (380, 360)
"""Width and height in CSS pixels. Two renderings keep the text readable on any screen; the style sheet shows one."""
PANEL = 230
"""Height of each of several panels."""
HUES = 8
"""Colours for arms that the style sheet knows."""

INK, FAINT, GROUND = "#010101", "#020202", "#050505"
ARM = [f"#0300{number:02x}" for number in range(HUES)]
REGIME = {label: f"#0400{number:02x}" for number, label in enumerate(LABELS)}
Plot = Callable[[Axes, bool], None]
_THEME = (
    {INK: "var(--ink)", FAINT: "var(--rule)", GROUND: "var(--ground)"}
    | {colour: f"var(--arm-{number})" for number, colour in enumerate(ARM)}
    | {colour: f"var(--{label})" for label, colour in REGIME.items()}
)
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


def drawing(name: str, title: str, description: str, *plots: Plot) -> Drawing:
    """Draw a figure in both sizes, one panel below the other; a plot gets the axes, and whether they are wide."""

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
        return _inline(written.getvalue(), f"{name}-{'wide' if wide else 'narrow'}", title, description)

    return Drawing(name, title, rendered(WIDE), rendered(NARROW))


def _inline(document: str, name: str, title: str, description: str) -> str:
    """The drawing alone: no prolog, metadata, style or size of its own; ids that are unique on the page."""
    view = re.search(r'viewBox="[^"]*"', document)
    body = document[document.index("</metadata>") + len("</metadata>") : document.rindex("</svg>")]
    body = re.sub(r"<defs>\s*<style.*?</defs>", "", body, count=1, flags=re.DOTALL)
    body = "".join(_tag(part, name) if part.startswith("<") else part for part in re.split(r"(<[^>]*>)", body))
    body = re.sub(r"\s*\n\s*", " ", body)
    head = (
        f'<svg class="chart" {view[0] if view else ""} role="img" aria-labelledby="{name}-title {name}-text">'
        f'<title id="{name}-title">{html.escape(title)}</title><desc id="{name}-text">{html.escape(description)}</desc>'
    )
    return f"{head}{body.strip()}</svg>"


def _tag(tag: str, name: str) -> str:
    """A tag with its attributes as a page needs them; text between tags is never touched: it holds the labels."""
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
            value = re.sub(r"#0[1-5]0[0-9a-f]{3}\b", lambda colour: _THEME.get(colour[0], colour[0]), value)
        return f' {key}="{value}"'

    return re.sub(r'\s+([\w:-]+)="([^"]*)"', attribute, tag)
