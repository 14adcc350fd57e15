"""Bars drawn as a PNG: candles, volume below them and averages, the same bytes for the same bars on any machine.

Everything is drawn without smoothing into a palette of sixteen colours, and text in the font that matplotlib ships,
laid out by Pillow alone: fonts, locale and settings of a person change nothing.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_strategy.types import Window

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

WHITE, GRID, AXIS, TEXT, UP, DOWN, UP_VOLUME, DOWN_VOLUME, *AVERAGES = range(12)
"""Places in the palette."""
COLOURS: tuple[tuple[int, int, int], ...] = (
    (255, 255, 255),
    (225, 225, 225),
    (150, 150, 150),
    (40, 40, 40),
    (0, 150, 70),
    (215, 40, 40),
    (160, 215, 180),
    (240, 170, 170),
    (20, 90, 220),
    (240, 140, 0),
    (140, 60, 190),
    (0, 160, 190),
)
"""Red, green and blue by place."""
AVERAGE_NAMES = ("blue", "orange", "purple", "cyan")
"""What the colours of averages are called, in their order."""

_LEFT, _RIGHT, _TOP, _BOTTOM, _GAP = 6, 58, 18, 18, 6
"""Pixels around the panels and between them."""
_VOLUME_SHARE = 0.2
"""Of the height of both panels."""
_FONT_SIZE = 11
_LEAST_SPAN = 1e-9
"""Smaller than this beside the last close a range of prices counts as none."""
_CONSTANT_SPAN = 0.02
"""What is drawn then: a percent on either side."""
_TICKS = 6
"""Lines of a scale, at most."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What the axes say: prices in place of percent from the last close, dates in place of bars ago, and a title."""

    prices: bool = False
    dates: bool = False
    title: str = ""


def least_width(bars: int) -> int:
    """The width (pixels) in which so many bars can be told apart."""
    return 2 * bars + _LEFT + _RIGHT


def draw_chart(
    bars: Window,
    averages: Mapping[int, Sequence[float]],
    *,
    width: int,
    height: int,
    volume: bool,
    labels: Labels = Labels(),
) -> bytes:
    """The PNG of these bars, the last one at the right edge, with the ``averages`` by their number of bars.

    Prices are positive, averages have a value for each bar, and there is at least one bar. A candle is green where it
    closes at its open or above, else red.
    """
    from PIL import Image as Pictures
    from PIL import ImageDraw

    picture = Pictures.new("P", (width, height), WHITE)
    picture.putpalette([part for colour in COLOURS for part in colour])
    _Chart(ImageDraw.Draw(picture), bars, averages, (width, height), volume, labels).draw()
    whole = io.BytesIO()
    picture.save(whole, "PNG", bits=4, compress_level=6)
    return whole.getvalue()


class _Chart:
    """One chart while it is drawn; prices are multiples of the last close, so that any level is drawn alike."""

    def __init__(
        self,
        pen: ImageDraw,
        bars: Window,
        averages: Mapping[int, Sequence[float]],
        size: tuple[int, int],
        volume: bool,
        labels: Labels,
    ) -> None:
        self._pen, self._bars, self._labels = pen, bars, labels
        self._last = float(bars.close[-1])
        self._averages = {number: [float(value) / self._last for value in line] for number, line in averages.items()}
        opens, highs, lows, closes = (
            [float(value) / self._last for value in column] for column in (bars.open, bars.high, bars.low, bars.close)
        )
        self._candles = list(zip(opens, highs, lows, closes, strict=True))
        self._right, floor = size[0] - _RIGHT, size[1] - _BOTTOM
        room = floor - _TOP
        self._floor = floor
        self._volume_top = floor - round(_VOLUME_SHARE * room) if volume else None
        self._bottom = floor if self._volume_top is None else self._volume_top - _GAP
        self._low, self._high = self._range(highs, lows)
        self._step = (self._right - _LEFT) / len(bars)

    def draw(self) -> None:
        """Scales first, candles over them and over the averages."""
        self._scale_of_prices()
        self._scale_of_bars()
        self._pen.rectangle((_LEFT, _TOP, self._right, self._bottom), outline=AXIS)
        for colour, line in zip(AVERAGES, self._averages.values(), strict=False):
            points = [(self._x(bar), self._y(value)) for bar, value in enumerate(line)]
            self._pen.line(points if len(points) > 1 else points * 2, fill=colour, width=2)
        half = max(0, int(self._step * 0.6 - 1) // 2)
        for bar, (opened, high, low, closed) in enumerate(self._candles):
            colour, x = UP if closed >= opened else DOWN, self._x(bar)
            self._pen.line((x, self._y(high), x, self._y(low)), fill=colour)
            top, bottom = sorted((self._y(opened), self._y(closed)))
            self._pen.rectangle((x - half, top, x + half, bottom), fill=colour)
        if self._volume_top is not None:
            self._volumes(self._volume_top, half)
        self._legend()

    def _range(self, highs: Sequence[float], lows: Sequence[float]) -> tuple[float, float]:
        lines = [value for line in self._averages.values() for value in line]
        low, high = min([*lows, *lines]), max([*highs, *lines])
        if high - low < _LEAST_SPAN:
            return low - _CONSTANT_SPAN / 2, high + _CONSTANT_SPAN / 2
        return low, high

    def _x(self, bar: int) -> int:
        return _LEFT + math.floor((bar + 0.5) * self._step)

    def _y(self, price: float) -> int:
        share = (self._high - price) / (self._high - self._low)
        return _TOP + 2 + math.floor(share * (self._bottom - _TOP - 4) + 0.5)

    def _volumes(self, top: int, half: int) -> None:
        most = max(map(float, self._bars.volume))
        self._pen.rectangle((_LEFT, top, self._right, self._floor), outline=AXIS)
        if not (0 < most < math.inf):
            return
        for bar, volume in enumerate(self._bars.volume):
            tall = math.floor(float(volume) / most * (self._floor - top - 2) + 0.5)
            if tall > 0:
                opened, _, _, closed = self._candles[bar]
                colour, x = UP_VOLUME if closed >= opened else DOWN_VOLUME, self._x(bar)
                self._pen.rectangle((x - half, self._floor - tall, x + half, self._floor - 1), fill=colour)

    def _scale_of_prices(self) -> None:
        factor, base = (self._last, 0.0) if self._labels.prices else (100.0, 1.0)
        low, high = (self._low - base) * factor, (self._high - base) * factor
        step = _round_step((high - low) / _TICKS)
        for number in range(math.ceil(low / step), math.floor(high / step) + 1):
            value = number * step
            y = self._y(value / factor + base)
            self._pen.line((_LEFT, y, self._right, y), fill=GRID)
            text = f"{value:.7g}" if self._labels.prices else f"{value:+.6g}%" if number else "0%"
            self._write((self._right + 4, y - _FONT_SIZE // 2 - 1), text)

    def _scale_of_bars(self) -> None:
        count = len(self._bars)
        step = max(1, round(_round_step(count / (3 if self._labels.dates else _TICKS))))
        bottom = self._bottom if self._volume_top is None else self._floor
        for ago in range(0, count, step):
            x = self._x(count - 1 - ago)
            self._pen.line((x, _TOP, x, bottom), fill=GRID)
            text = self._bars.time[count - 1 - ago][:10] if self._labels.dates else f"{-ago}"
            wide = self._width(text)
            self._write((min(max(x - wide // 2, 0), self._right + _RIGHT - wide), self._floor + 3), text)

    def _legend(self) -> None:
        x = _LEFT
        parts = [(self._labels.title, TEXT)] if self._labels.title else []
        parts += [(f"mean of {number}", colour) for number, colour in zip(self._averages, AVERAGES, strict=False)]
        for text, colour in parts:
            self._write((x, 2), text, colour)
            x += self._width(text) + 12

    def _write(self, place: tuple[int, int], text: str, colour: int = TEXT) -> None:
        self._pen.text(place, text, fill=colour, font=_font())

    def _width(self, text: str) -> int:
        return math.ceil(float(_font().getlength(text)))


def _round_step(least: float) -> float:
    """The next of 1, 2 and 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least * (1 - 1e-9))


@lru_cache(maxsize=1)
def _font() -> Any:
    from PIL import ImageFont

    return ImageFont.truetype(str(font_file()), _FONT_SIZE, layout_engine=ImageFont.Layout.BASIC)


def font_file() -> Path:
    """The font DejaVu Sans in matplotlib's own data, which is found without its settings being read."""
    found = find_spec("matplotlib")
    for place in () if found is None else found.submodule_search_locations or ():
        file = Path(place) / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        if file.is_file():
            return file
    import matplotlib as mpl  # some distributions keep its data elsewhere

    return Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
