"""A chart: panels below each other under a title and a legend, written as SVG that any window width and theme can show.

A panel has no width of its own. What may be stretched (lines, bands, bars, shades) stands in an inner SVG whose view is
``WIDTH`` units wide whatever the window is; what may not (texts, marks, ticks) has its place in percent. So one drawing
serves a telephone, a wide window and paper, its texts keep their size, and a script that zooms changes one view.
The same arguments give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from simulator.reporting.charts.layers import FAINT, Band, Bars, Layer, Level, Line, Marks, Shades, Upright, Words
from simulator.reporting.charts.paths import WIDTH, area, box, polyline
from simulator.reporting.charts.scale import Numbers, Scale, Times
from simulator.reporting.markup import Markup

_TOP, _BOTTOM, _LABELLED = 12, 36, 52
"""Pixels above a panel, below it with the labels of its ticks, and with a name of the axis below them."""
_GAP = 15.0
"""Pixels between the names of two lines at their ends."""
_LONGEST_NAME = 20
_EDGE = 0.05
"""A fraction of the width: a label in the middle of a place nearer to the left edge would be cut on a phone where a
panel has no labels at its side, and one nearer than half of it to the right edge on paper."""
_SHAPES = {
    "up": "M0-{0}L{0} {1}H-{0}Z",
    "down": "M0 {0}L{0}-{1}H-{0}Z",
    "cross": "M-{1}-{1}L{1} {1}M{1}-{1}L-{1} {1}",
    "dot": "M-{1} 0a{1} {1} 0 1 0 {0} 0a{1} {1} 0 1 0-{0} 0",
}
"""Outlines of marks, {0} and {1} being half and somewhat less than half of their width."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Axes with what is drawn on them, from back to front; ``height`` in pixels without what stands around it."""

    layers: Sequence[Layer]
    x: Scale
    y: Scale
    height: int = 260
    title: str = ""
    x_name: str = ""
    y_name: str = ""
    names_at_end: bool = False
    """Whether each line's name stands beside its end where the window is wide enough."""
    dated: bool = True
    """Whether the ticks of the horizontal axis are labelled: a strip below another panel shares those above it."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One figure: its id on the page, a title that says what it shows, a description for those who do not see it, and
    its panels."""

    name: str
    title: str
    description: str
    panels: Sequence[Panel]

    def __html__(self) -> str:
        """The legend and the panels; title and frame are the page's."""
        # One margin for all, so that a time stands below the same time.
        sides = [panel.y.ticks() for panel in self.panels]
        margin = max((len(label) for side in sides for _, label in side), default=0)
        drawn = Markup("\n").join(
            _panel(panel, f"{self.name}-{number}", side, margin)
            for number, (panel, side) in enumerate(zip(self.panels, sides, strict=True))
        )
        label = f"{self.title}. {self.description}".strip()
        return Markup('{}<div class="chart" role="img" aria-label="{}"{}>\n{}\n</div>').format(
            _legend(self.panels), label, _period(self.panels), drawn
        )


def _period(panels: Sequence[Panel]) -> Markup:
    """From when to when a time axis goes, in milliseconds since 1970."""
    times = [panel.x for panel in panels if isinstance(panel.x, Times)]
    return Markup(' data-from="{:.0f}" data-to="{:.0f}"').format(times[0].low, times[0].high) if times else Markup()


def _panel(panel: Panel, name: str, side: Sequence[tuple[float, str]], margin: int) -> Markup:
    """One panel, with the ticks of its upright axis at the ``side`` and room for as many letters as ``margin`` says."""
    height = panel.height
    ticks = panel.x.ticks() if panel.dated else []
    ends = Markup().join(_names_at_end(panel)) if panel.names_at_end else Markup()
    total = _TOP + height + (_LABELLED if panel.x_name else _BOTTOM if ticks else 4)
    scale = panel.y if isinstance(panel.y, Numbers) else None
    axis = (
        Markup(' data-low="{:.9g}" data-high="{:.9g}" data-scale="{}"').format(
            scale.low, scale.high, "log" if scale.log else "linear"
        )
        if scale
        else Markup()
    )
    inner = Markup().join(part for layer in panel.layers for part in _stretched(layer, panel))
    fixed = Markup().join(
        part for number, layer in enumerate(panel.layers) for part in _fixed(layer, panel, name, number)
    )
    return Markup(
        '<svg class="panel{}" data-left="{}" height="{}"{} aria-hidden="true">{}'
        '<svg class="lines" x="0" y="{}" width="100%" height="{}" viewBox="0 0 {} {}" preserveAspectRatio="none">'
        "{}</svg>"
        "{}{}{}</svg>"
    ).format(
        " ends" if ends else "", min(margin, 12), total, axis, _grid(panel, side, ticks),
        _TOP, height, WIDTH, height * 2, inner, fixed, ends, _around(panel, total),
    )  # fmt: skip


def _grid(panel: Panel, side: Sequence[tuple[float, str]], ticks: Sequence[tuple[float, str]]) -> Markup:
    """Lines at the ticks of the upright axis, or of the other one where that has none, and all labels."""
    written = []
    for place, label in side:
        y = _TOP + _down(place, panel)
        written.append(Markup('<line class="grid" x2="100%" y1="{0}" y2="{0}"/>').format(y))
        written.append(Markup('<text class="tick y" x="0" dx="-8" y="{}">{}</text>').format(y + 4, label))
    foot = _TOP + panel.height
    for number, (place, label) in enumerate(ticks):
        if not side:
            written.append(
                Markup('<line class="grid" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>').format(_across(place), _TOP, foot)
            )
        first, _, second = label.partition("\n")
        look = " odd" if number % 2 and len(ticks) > 4 else ""
        look += " first" if not side and place < _EDGE else " last" if place > 1 - _EDGE / 2 else ""
        written.append(
            Markup('<line class="notch" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>').format(_across(place), foot, foot + 4)
        )
        written.append(
            Markup('<text class="tick x{}" x="{}" y="{}">{}</text>').format(look, _across(place), foot + 17, first)
        )
        if second:
            written.append(
                Markup('<text class="tick x" x="{}" y="{}">{}</text>').format(_across(place), foot + 31, second)
            )
    return Markup().join(written)


def _around(panel: Panel, total: int) -> Markup:
    """The title and the names of the axes."""
    written = [Markup('<line class="foot" x2="100%" y1="{0}" y2="{0}"/>').format(_TOP + panel.height)]
    if panel.title:
        written.append(
            Markup('<text class="name" x="100%" y="{}" text-anchor="end">{}</text>').format(_TOP - 4, panel.title)
        )
    if panel.x_name:
        written.append(Markup('<text class="tick x" x="50%" y="{}">{}</text>').format(total - 6, panel.x_name))
    if panel.y_name:
        written.append(Markup('<text class="tick" x="4" y="{}">{}</text>').format(_TOP - 4, panel.y_name))
    return Markup().join(written)


def _down(place: float, panel: Panel) -> float:
    """Pixels from the top of a panel."""
    return round((1 - place) * panel.height, 1)


def _across(place: float) -> str:
    return f"{place * 100:.2f}%"


def _one(scale: Scale, value: float) -> float:
    return float(scale.places(np.array([value]))[0])


def _stretched(layer: Layer, panel: Panel) -> Iterator[Markup]:
    """What stands in the inner view."""
    height = panel.height * 2
    match layer:
        case Line():
            path = polyline(panel.x.places(layer.x), panel.y.places(layer.y), height)
            yield Markup('<path class="line" data-line="{}" d="{}" stroke="{}" stroke-width="{:g}"{}/>').format(
                layer.name, path, layer.colour, layer.width, _dashed(layer.dash)
            )
        case Band():
            yield Markup('<path class="band" data-line="{}" d="{}" fill="{}"/>').format(
                layer.name,
                area(panel.x.places(layer.x), panel.y.places(layer.low), panel.y.places(layer.high), height),
                layer.colour,
            )
        case Bars():
            sides = [panel.x.places(layer.left), panel.x.places(layer.right)]
            ends = [panel.y.places(layer.low), panel.y.places(layer.high)]
            colours = [layer.colours[number % len(layer.colours)] for number in range(len(layer.left))]
            corners = list(zip(*(part.tolist() for part in (*sides, *ends)), strict=True))
            for colour in dict.fromkeys(colours):
                chosen = [one for one, its in zip(corners, colours, strict=True) if its == colour]
                path = "".join(box(left, right, low, high, height) for left, right, low, high in chosen)
                yield Markup('<path class="bars" data-line="{}" d="{}" fill="{}"/>').format(layer.name, path, colour)
        case Shades():
            spans = np.array(layer.spans, float).reshape(-1, 2)
            edges = zip(*(panel.x.places(side).tolist() for side in spans.T), strict=True)
            path = "".join(box(left, right, 0, 1, height) for left, right in edges)
            yield Markup('<path class="shade" data-line="{}" d="{}" fill="{}"/>').format(layer.name, path, layer.colour)
        case _:
            return


def _fixed(layer: Layer, panel: Panel, name: str, number: int) -> Iterator[Markup]:
    """What keeps its size: marks, levels and texts."""
    foot = _TOP + panel.height
    match layer:
        case Line(dots=True):
            yield from _marks(Marks(layer.name, layer.x, layer.y, "dot", layer.colour, 6.0), panel, f"{name}-{number}")
        case Marks():
            yield from _marks(layer, panel, f"{name}-{number}")
        case Level():
            yield Markup('<line class="level" x2="100%" y1="{0}" y2="{0}" stroke="{1}"{2}/>').format(
                _TOP + _down(_one(panel.y, layer.value), panel), layer.colour, _dashed(layer.dash)
            )
        case Upright():
            place = min(max(_one(panel.x, layer.value), 0.0), 1.0)
            yield Markup(
                '<line class="upright" x1="{0}" x2="{0}" y1="{1}" y2="{2}" stroke="{3}" stroke-width="{4:g}"{5}/>'
            ).format(_across(place), _TOP, foot, layer.colour, layer.width, _dashed(layer.dash))
            if layer.word:
                late = place > 0.5
                yield Markup('<text class="name" x="{}" dx="{}" y="{}" text-anchor="{}">{}</text>').format(
                    _across(place), -5 if late else 5, foot - 6, "end" if late else "start", layer.word
                )
        case Words():
            y = _TOP + _down(_one(panel.y, layer.y), panel) + layer.offset[1] + 4
            yield Markup('<text class="word" x="{}" dx="{:g}" y="{:.1f}" fill="{}" text-anchor="{}">{}</text>').format(
                _across(_one(panel.x, layer.x)), layer.offset[0], y, layer.colour, layer.anchor, layer.text
            )
        case _:
            return


def _marks(layer: Marks, panel: Panel, name: str) -> Iterator[Markup]:
    """Each mark repeats one outline; those without a place are left out."""
    titles = layer.titles or [""] * len(layer.x)
    outline = _outline(layer.shape, layer.size)
    places = zip(panel.x.places(layer.x), panel.y.places(layer.y), titles, strict=True)
    each = Markup().join(
        Markup('<use href="#{}" x="{}" y="{:.1f}"{}').format(
            name,
            _across(x),
            _TOP + _down(y, panel),
            Markup("><title>{}</title></use>").format(title) if title else Markup("/>"),
        )
        for x, y, title in places
        if np.isfinite(x) and np.isfinite(y)
    )
    yield Markup(
        '<g class="marks {}" data-line="{}" fill="{}" stroke="{}"><defs><path id="{}" d="{}"/></defs>{}</g>'
    ).format(layer.shape, layer.name, layer.colour, layer.colour, name, outline, each)


def _outline(shape: str, size: float) -> str:
    half = size / 2
    if shape == "dot":
        return _SHAPES["dot"].format(f"{size:g}", f"{half:g}")
    return _SHAPES[shape].format(f"{half:g}", f"{half * 0.8:g}")


def _dashed(dash: str) -> Markup:
    return Markup(' stroke-dasharray="{}"').format(dash) if dash else Markup()


def _names_at_end(panel: Panel) -> Iterator[Markup]:
    """The name of each line beside its end, moved just far enough apart to be read."""
    lines = [layer for layer in panel.layers if isinstance(layer, Line) and layer.named_at_end and len(layer.y)]
    if not lines or len(lines) * _GAP > panel.height:
        return
    wanted = [_down(_one(panel.y, float(line.y[-1])), panel) for line in lines]
    order = sorted(range(len(lines)), key=lambda number: wanted[number])
    placed, before = {}, -_GAP
    for number in order:
        placed[number] = before = max(wanted[number], before + _GAP)
    below = float(panel.height)
    for number in reversed(order):
        placed[number] = min(placed[number], below)
        below = placed[number] - _GAP
    for number, line in enumerate(lines):
        short = line.name if len(line.name) <= _LONGEST_NAME else f"{line.name[: _LONGEST_NAME - 1]}\u2026"
        yield Markup('<text class="end{}" data-line="{}" x="100%" dx="7" y="{:.1f}" fill="{}">{}</text>').format(
            " strong" if line.width > 2 else "", line.name, _TOP + placed[number] + 4, line.colour, short
        )


def _legend(panels: Sequence[Panel]) -> Markup:
    """What the colours and signs are, each name once; none where nothing has a name."""
    named = {_name_of(layer): layer for panel in panels for layer in reversed(panel.layers) if _name_of(layer)}
    if not named:
        return Markup()
    items = Markup("\n").join(
        Markup(
            '<li data-line="{0}"><svg class="key" width="22" height="12" aria-hidden="true">{1}</svg>{0}</li>'
        ).format(name, _key(layer))
        for name, layer in named.items()
    )
    return Markup('<ul class="legend">\n{}\n</ul>\n').format(items)


def _name_of(layer: Layer) -> str:
    return layer.name if not isinstance(layer, Words) else ""


def _key(layer: Layer) -> Markup:
    match layer:
        case Line() | Level() | Upright():
            return Markup('<line x2="22" y1="6" y2="6" stroke="{}" stroke-width="{:g}"{}/>').format(
                layer.colour, layer.width if isinstance(layer, Line | Upright) else 1.2, _dashed(layer.dash)
            )
        case Marks():
            return Markup('<path class="{}" transform="translate(11 6)" d="{}" fill="{}" stroke="{}"/>').format(
                layer.shape, _outline(layer.shape, 9.0), layer.colour, layer.colour
            )
        case Band() | Shades():
            look = "band" if isinstance(layer, Band) else "shade"
            return Markup('<rect class="{}" width="22" height="12" fill="{}"/>').format(look, layer.colour)
        case Bars():
            return Markup('<rect width="22" height="12" fill="{}"/>').format(
                layer.colours[0] if layer.colours else FAINT
            )
        case _:
            return Markup()
