"""The last bars as a picture that a model looks at: a PNG of candles, volume and averages, with masked axes."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from llm_strategy.errors import ConfigurationError
from llm_strategy.market.chart_drawing import AVERAGE_NAMES, Labels, draw_chart, least_width
from llm_strategy.market.context.history import History
from llm_strategy.market.context.source import ContextSource
from llm_strategy.shown import Image, Shown
from llm_strategy.support.outside_text import symbol_name
from llm_strategy.types import Snapshot, Window

FEWEST_BARS, MOST_BARS = 10, 250
MOST_AVERAGES = len(AVERAGE_NAMES)
LONGEST_TITLE = 24
"""Letters of a symbol that is shown in spite of the mask."""
_Columns: TypeAlias = NDArray[np.float64]
"""A row for each of open, high, low, close and volume, a column a bar."""


class Chart(ContextSource):
    """The last ``bars`` bars as a PNG of ``width`` by ``height`` pixels: candles, their ``volume`` below, and
    ``averages`` of the last closes, each over a number of bars that the chart shows.

    The vertical axis says percent from the last close and the horizontal one bars from the last, unless the advisor's
    ``unmasked`` lists ``price``, ``date`` or ``symbol``. With ``null="other"`` the bars are those of another stretch of
    the same symbol, drawn from all that ended at least ``bars`` bars before; with ``mirrored`` each price p is close
    times close over p, so that what rose falls; with ``text`` the same bars stand there in numbers, without a picture.
    Raises ``ConfigurationError`` for averages that are longer than the chart, or stand there twice, and for more bars
    than the width has room for.
    """

    name = "chart"
    nulls = ("other", "mirrored", "text")

    def __init__(
        self,
        bars: Annotated[int, Field(ge=FEWEST_BARS, le=MOST_BARS)] = 60,
        averages: Annotated[
            tuple[Annotated[int, Field(ge=2, le=MOST_BARS)], ...],
            Field(max_length=MOST_AVERAGES, json_schema_extra={"maxItems": MOST_AVERAGES, "uniqueItems": True}),
        ] = (20, 50),
        volume: bool = True,
        width: Annotated[int, Field(ge=320, le=1024)] = 640,
        height: Annotated[int, Field(ge=240, le=768)] = 400,
        null: Literal["other", "mirrored", "text"] | None = None,
    ) -> None:
        self.bars, self.averages, self.volume = bars, averages, volume
        self.width, self.height, self.null = width, height, null
        self.shows_images = null != "text"  # type: ignore[misc]  # numbers are read by any model
        self._check()
        self._pasts: dict[str, _Past] = {}

    def _check(self) -> None:
        if twice := next((each for each in self.averages if self.averages.count(each) > 1), None):
            raise ConfigurationError(f"The context source 'chart' has the average {twice} twice: name it once.")
        if long := next((each for each in self.averages if each > self.bars), None):
            raise ConfigurationError(
                f"The context source 'chart' shows {self.bars} bars and an average over {long}, which is longer: set "
                f"bars to {long} or more, or leave that average out."
            )
        if self.width < least_width(self.bars):
            raise ConfigurationError(
                f"The context source 'chart' shows {self.bars} bars in a width of {self.width} pixels, in which they "
                f"cannot be told apart: set width to {least_width(self.bars)} or more, or show fewer bars."
            )

    @property
    def lookback(self) -> int:
        """Bars behind the first value of the longest average; for another stretch so many more that there is one."""
        whole = self._whole
        return whole + self.bars if self.null == "other" else whole

    @property
    def _whole(self) -> int:
        """Bars of a chart, with those behind its averages."""
        return self.bars + max((*self.averages, 1)) - 1

    def take(self, snapshot: Snapshot) -> None:
        """Take a close into the past, where another stretch may be drawn from it."""
        if self.null == "other":
            past = self._pasts.setdefault(snapshot.symbol, _Past())
            past.add(_columns(_window(snapshot), 1 if past else self.lookback))

    def forget(self, symbol: str) -> None:
        """Begin the past of a symbol anew."""
        self._pasts.pop(symbol, None)

    def show(self, snapshot: Snapshot) -> Shown:
        """The picture with a sentence about it, or its bars in numbers."""
        if self.null == "text":
            return self._in_numbers(snapshot)
        window = _window(snapshot)
        columns = self._elsewhere(snapshot) if self.null == "other" else _columns(window, self._whole)
        if self.null == "mirrored":
            columns = _mirrored(columns)
        shown = columns[:, -self.bars :]
        labels = Labels(
            prices="price" in self.unmasked,
            dates="date" in self.unmasked,
            title=symbol_name(snapshot.symbol)[:LONGEST_TITLE] if "symbol" in self.unmasked else "",
        )
        opens, highs, lows, closes, volumes = shown.tolist()
        png = draw_chart(
            Window(opens, highs, lows, closes, volumes, window.time[-self.bars :]),
            self._averages(columns[3].tolist()),
            width=self.width,
            height=self.height,
            volume=self.volume,
            labels=labels,
        )
        return Shown(self.name, self.text, image=Image.of(png))

    @property
    def text(self) -> str:
        """What is drawn, in a sentence."""
        parts = ["candles (green where the close is at or above the open, else red)"]
        parts += ["volume below"] if self.volume else []
        parts += [f"mean of {bars} closes in {name}" for bars, name in zip(self.averages, AVERAGE_NAMES, strict=False)]
        vertical = "price" if "price" in self.unmasked else "percent from the last close"
        across = "date" if "date" in self.unmasked else "bars from the last one"
        return (
            f"chart of the last {self.bars} bars as a picture: {', '.join(parts)}; vertical axis: {vertical}; "
            f"horizontal axis: {across}"
        )

    def _in_numbers(self, snapshot: Snapshot) -> Shown:
        history = History(self.bars, columns=("open", "high", "low", "close", *(("volume",) if self.volume else ())))
        history.unmasked = self.unmasked
        return Shown(self.name, history.show(snapshot).text)

    def _averages(self, closes: Sequence[float]) -> Mapping[int, Sequence[float]]:
        ends = range(len(closes) - self.bars + 1, len(closes) + 1)
        return {bars: [math.fsum(closes[end - bars : end]) / bars for end in ends] for bars in self.averages}

    def _elsewhere(self, snapshot: Snapshot) -> _Columns:
        """Another stretch of the same symbol, drawn by symbol and time, which ended at least ``bars`` bars before."""
        past, window = self._pasts.get(snapshot.symbol), _window(snapshot)
        known = _columns(window, self.lookback) if past is None else np.hstack([past.bars, _columns(window, 1)])
        ends = range(self._whole, known.shape[1] - self.bars + 1)
        seed = hashlib.sha256(f"chart {snapshot.symbol} {snapshot.time}".encode()).digest()[:8]
        end = ends[int(np.random.default_rng(int.from_bytes(seed)).integers(len(ends)))]
        return known[:, end - self._whole : end]


class _Past:
    """The bars of one symbol in their order, with room for more."""

    def __init__(self) -> None:
        self._count = 0
        self._columns: _Columns = np.empty((5, 1024))

    def __bool__(self) -> bool:
        return self._count > 0

    def add(self, columns: _Columns) -> None:
        """Bars behind those that are there."""
        end = self._count + columns.shape[1]
        while end > self._columns.shape[1]:
            self._columns = np.hstack([self._columns, np.empty_like(self._columns)])
        self._columns[:, self._count : end] = columns
        self._count = end

    @property
    def bars(self) -> _Columns:
        """All of them."""
        return self._columns[:, : self._count]


def _window(snapshot: Snapshot) -> Window:
    assert snapshot.window is not None  # noqa: S101 - read for its lookback
    return snapshot.window


def _columns(window: Window, bars: int) -> _Columns:
    """The last bars of a window."""
    columns = (window.open, window.high, window.low, window.close, window.volume)
    return np.array([column[-bars:] for column in columns], dtype=float)


def _mirrored(columns: _Columns) -> _Columns:
    """The same bars upside down: each price p becomes close times close over p, and highs and lows change places."""
    opens, highs, lows, closes, volumes = columns
    square = closes[-1] * closes[-1]
    return np.array([square / opens, square / lows, square / highs, square / closes, volumes])
