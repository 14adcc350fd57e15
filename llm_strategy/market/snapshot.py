"""What an advisor may see at a close, read from backtrader indicators at [0], so that it works with any feed."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import repeat
from typing import Any, NamedTuple

import backtrader as bt
import numpy as np

from llm_strategy.errors import ConfigurationError
from llm_strategy.market.feature import COLUMNS, Bars, Feature, all_bars, finite_number
from llm_strategy.market.features import DEFAULT_LOOKBACKS, RANGE_BARS, Lookbacks, market_features, threshold_scale
from llm_strategy.market.window import WindowReader
from llm_strategy.support.outside_text import symbol_name
from llm_strategy.types import Snapshot

_UNITS = {
    bt.TimeFrame.Seconds: "s",
    bt.TimeFrame.Minutes: "m",
    bt.TimeFrame.Days: "d",
    bt.TimeFrame.Weeks: "w",
    bt.TimeFrame.Months: "mo",
}


class SnapshotReader:
    """The features of one feed, created in a strategy's ``__init__`` and read at each close.

    Creating it makes backtrader wait until ``lookbacks.longest``, for what the features ``measured`` beside those of
    every snapshot look back on, and for the ``window`` (bars) that snapshots hold, before the first ``next``.
    """

    def __init__(
        self,
        data: bt.AbstractDataBase,
        symbol: str | None = None,
        lookbacks: Lookbacks = DEFAULT_LOOKBACKS,
        measured: tuple[Feature, ...] = (),
        window: int = 0,
    ) -> None:
        self._data = data
        self.symbol = symbol_name(symbol or data._name or "")
        self._timeframe = timeframe_of(data)
        market: Any = MarketFeatures
        features = market(data, lookbacks=lookbacks)
        *self._lines, self._usual = [getattr(features.lines, name) for name in MarketFeatures.lines.getlinealiases()]
        further: Any = MeasuredFeature
        self._extra = [(feature.name, further(data, feature=feature).lines.value) for feature in measured]
        self._trend_scale, self._drawdown_scale = _scale_of_lookbacks(lookbacks)
        self._momentum_bars = lookbacks.momentum
        self._window = WindowReader(data, window, iso_time) if window else None

    def read(self) -> Snapshot:
        """The snapshot of the bar that has just closed."""
        lines = self._data.lines
        scale = threshold_scale(self._usual[0])
        features: list[Any] = [line[0] for line in self._lines]
        features += [scale * self._trend_scale, scale * self._drawdown_scale, self._momentum_bars]
        if self._extra or self._window:
            features.append(tuple((name, line[0]) for name, line in self._extra))
        if self._window:
            features.append(self._window.read())
        return Snapshot(self.symbol, self._timeframe, iso_time(lines.datetime[0]), lines.close[0], *features)


class Measured(NamedTuple):
    """The snapshots of one market, the first at bar ``bars_needed`` (from 1), where all features have values."""

    bars_needed: int
    snapshots: Sequence[Snapshot]


class MeasuredReader:
    """Reads at each close of a feed what was measured of it beforehand; ``read`` gives what a ``SnapshotReader`` does.

    Every snapshot is a function of bars that have closed by then, so that it does not matter when it is made.
    """

    def __init__(self, data: bt.AbstractDataBase, measured: Measured) -> None:
        self._clock, self._snapshots, self._before = data.lines.datetime, measured.snapshots, measured.bars_needed

    def read(self) -> Snapshot:
        """The snapshot of the bar that has just closed."""
        bars: int = self._clock.lencount
        return self._snapshots[bars - self._before]


def measure_market(
    columns: Mapping[str, array[float]], times: Sequence[float], symbol: str, timeframe: str, lookbacks: Lookbacks
) -> Measured:
    """All snapshots of a market from whole columns (``open``, ``high``, ``low``, ``close``, ``volume``) of possible
    bars that closed at ``times`` (backtrader's, days): those that a ``SnapshotReader`` without further features or a
    window reads, several times as fast."""
    first = lookbacks.longest.bars
    if len(times) < first:
        return Measured(first, ())
    *features, usual = _all_lines(lookbacks, *(columns[name].tobytes() for name in COLUMNS))
    scales = [threshold_scale(value) for value in usual[first - 1 :]]
    trend, drawdown = _scale_of_lookbacks(lookbacks)
    snapshots = map(
        Snapshot,
        repeat(symbol_name(symbol)),
        repeat(timeframe),
        map(iso_time, times[first - 1 :]),
        columns["close"][first - 1 :],
        *(line[first - 1 :] for line in features),
        [scale * trend for scale in scales],
        [scale * drawdown for scale in scales],
        repeat(lookbacks.momentum),
    )
    return Measured(first, tuple(snapshots))


def _scale_of_lookbacks(lookbacks: Lookbacks) -> tuple[float, float]:
    """How much wider the thresholds of trend and drawdown are for these lookbacks: a walk strays from its mean, and
    falls from its peak, with the root of the bars that are looked at."""
    usual = DEFAULT_LOOKBACKS
    return (lookbacks.trend / usual.trend) ** 0.5, (lookbacks.drawdown / usual.drawdown) ** 0.5


class MarketFeatures(bt.Indicator):
    """The features of every market with a line for each (``market_features``): one indicator and not a dozen, because
    each costs time at every bar. ``lookbacks``: a ``Lookbacks``."""

    lines: Any = tuple(feature.name for feature in market_features())
    params = (("lookbacks", DEFAULT_LOOKBACKS),)

    def __init__(self) -> None:
        longest: int = self.p.lookbacks.longest.bars
        self.addminperiod(longest)
        self._bad_bar = -longest
        self._prices = self.data.lines.low, self.data.lines.high, self.data.lines.close

    def prenext(self) -> None:
        """What other features look back on is measured as soon as it can be."""
        bars = min(self._bars_since_bad(), len(self))
        earlier = _looked_back_on(self.p.lookbacks)
        for feature in market_features(self.p.lookbacks):
            if feature.name in earlier and bars >= feature.lookback:
                getattr(self.lines, feature.name)[0] = feature.one_bar(self._before(feature))

    def next(self) -> None:
        """One bar."""
        if self._bars_since_bad() < self.p.lookbacks.longest.bars:
            for line in self.lines:
                line[0] = math.nan
            self.prenext()
            return
        for line, feature in zip(self.lines, market_features(self.p.lookbacks), strict=True):
            line[0] = feature.one_bar(self._before(feature))

    def _before(self, feature: Feature) -> Any:
        """What a feature looks back on at this bar."""
        if feature.of:
            return getattr(self.lines, feature.of).get(size=feature.lookback)
        data = self.data.lines
        return Bars(lambda column: getattr(data, column).get(size=feature.lookback))

    def _bars_since_bad(self) -> int:
        """Bars since the last one whose close, high or low is no price: for so long a window may hold it."""
        low, high, close = self._prices
        bars = len(self)
        if not (0 < low[0] < math.inf and 0 < high[0] < math.inf and 0 < close[0] < math.inf):
            self._bad_bar = bars
        return bars - self._bad_bar

    def preonce(self, start: int, end: int) -> None:
        """Left to ``once``."""

    def oncestart(self, start: int, end: int) -> None:
        """Left to ``once``."""

    def once(self, start: int, end: int) -> None:
        """All bars."""
        if end < self.p.lookbacks.longest.bars:
            return
        columns = (getattr(self.data.lines, name).array[:end].tobytes() for name in COLUMNS)
        for line, values in zip(self.lines, _all_lines(self.p.lookbacks, *columns), strict=True):
            line.array[:end] = values


@lru_cache(maxsize=64)
def _all_lines(lookbacks: Lookbacks, *columns: bytes) -> tuple[array[float], ...]:
    """Every line over all bars of float64 columns; kept, because the arms of a run share their prices."""
    bars = {name: array("d", column) for name, column in zip(COLUMNS, columns, strict=True)}
    bad = np.flatnonzero(~_are_prices(*(np.array(bars[name]) for name in ("close", "high", "low")))).tolist()
    for bar in bad:
        bars["close"][bar] = math.nan
    values: dict[str, array[float]] = {}
    for feature in market_features(lookbacks):
        values[feature.name] = all_bars(feature, bars, values)
    longest, end = lookbacks.longest.bars, len(bars["close"])
    for name in values.keys() - _looked_back_on(lookbacks):
        for begin, known_from in ((0, longest - 1), *((bar, min(bar + longest, end)) for bar in bad)):
            values[name][begin:known_from] = array("d", [math.nan] * (known_from - begin))
    return tuple(values.values())


def _looked_back_on(lookbacks: Lookbacks) -> frozenset[str]:
    return frozenset(feature.of for feature in market_features(lookbacks))


def _are_prices(*columns: Any) -> Any:
    """At which bars all of these are prices."""
    prices = np.array(columns)
    return ((prices > 0) & (prices < math.inf)).all(axis=0)


class MeasuredFeature(bt.Indicator):
    """A feature that is no part of every snapshot: one line, NaN while a bar that is none is in its window. Raises
    ``ConfigurationError`` where the function of the ``feature`` fails, or gives no number for true bars."""

    lines: Any = ("value",)
    params = (("feature", None),)

    def __init__(self) -> None:
        self.addminperiod(self.p.feature.lookback)

    def next(self) -> None:
        """One bar."""
        bars, data = self.p.feature.lookback, self.data.lines
        window = {name: np.array(getattr(data, name).get(size=bars)) for name in COLUMNS}
        self.lines.value[0] = _measure(self.p.feature, window, data.datetime[0])

    def once(self, start: int, end: int) -> None:
        """All bars."""
        bars, data = self.p.feature.lookback, self.data.lines
        columns = {name: np.array(getattr(data, name).array[:end]) for name in COLUMNS}
        for bar in range(start, end):
            window = {name: column[bar + 1 - bars : bar + 1] for name, column in columns.items()}
            self.lines.value.array[bar] = _measure(self.p.feature, window, data.datetime.array[bar])


def _measure(feature: Feature, window: dict[str, Any], time: float) -> float:
    if not _are_prices(*(window[name] for name in COLUMNS[:-1])).all():
        return math.nan
    for column in window.values():
        column.setflags(write=False)
    return finite_number(
        feature.name, "function", lambda: feature.one_bar(Bars(window.__getitem__)), lambda: iso_time(time)
    )


class AverageRange(bt.Indicator):
    """Mean of the last 14 true ranges in currency: high to low, with the close before them (Wilder 1978, but a plain
    mean, so that every bar is a function of the same few bars before it)."""

    lines: Any = ("average_range",)

    def __init__(self) -> None:
        self.addminperiod(RANGE_BARS + 1)
        self.lines.average_range = bt.ind.SMA(bt.ind.TrueRange(self.data), period=RANGE_BARS)


def timeframe_of(data: bt.AbstractDataBase) -> str:
    """The contract's spelling of a feed's bar length: ``1d``, ``5m``, ``1h``."""
    if data._timeframe not in _UNITS:
        raise ConfigurationError("The feed's bars are neither seconds, minutes, days, weeks nor months: resample it.")
    unit, count = _UNITS[data._timeframe], data._compression
    if unit == "m" and count % 60 == 0:
        unit, count = "h", count // 60
    return f"{count}{unit}"


def bars_in_year(data: bt.AbstractDataBase) -> float:
    """Bars of this length in a year of 252 trading days of six and a half hours."""
    days = {bt.TimeFrame.Days: 252.0, bt.TimeFrame.Weeks: 52.0, bt.TimeFrame.Months: 12.0}
    seconds = {bt.TimeFrame.Minutes: 60.0, bt.TimeFrame.Seconds: 1.0}
    if data._timeframe in seconds:
        return 252 * 6.5 * 3600 / (seconds[data._timeframe] * int(data._compression))
    return days.get(data._timeframe, 252.0) / int(data._compression)


@lru_cache(maxsize=65536)
def iso_time(time: float) -> str:
    """A time of backtrader's (days) as ISO 8601; kept, because many symbols share their times."""
    return str(bt.num2date(time).isoformat())
