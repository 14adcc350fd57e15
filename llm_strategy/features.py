"""The market's features as one backtrader indicator with a line for each.

One indicator and not a dozen, because each costs time at every bar. Bar by bar and all bars at once use the same
correctly rounded sums, so that the four modes of the engine agree to the last bit.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import backtrader as bt
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

TREND_BARS = 200
MOMENTUM_BARS = 20
RANK_BARS = 250

RANGE_BARS = 14

LONGEST_LOOKBACK = RANK_BARS + MOMENTUM_BARS
"""Bars after which every feature has a value; the slowest is the rank of the volatility."""


class MarketFeatures(bt.Indicator):
    """Trend, momentum, volatility, rank of volatility, drawdown, position in the range and volume ratio of a feed.

    What each line holds is told with the fields of ``llm_strategy.types.Snapshot``.
    """

    lines: Any = ("trend", "momentum", "volatility", "volatility_rank", "drawdown", "range_position", "volume_ratio")

    def __init__(self) -> None:
        self.addminperiod(LONGEST_LOOKBACK)
        self._bad_bar = -LONGEST_LOOKBACK
        self._prices = self.data.lines.low, self.data.lines.high, self.data.lines.close

    def prenext(self) -> None:
        """The rank looks back on earlier volatilities."""
        if self._bars_since_bad() > MOMENTUM_BARS and len(self) > MOMENTUM_BARS:
            self.lines.volatility[0] = _volatility(self.data.close.get(size=MOMENTUM_BARS + 1))

    def next(self) -> None:
        """One bar."""
        if self._bars_since_bad() < LONGEST_LOOKBACK:
            for line in self.lines:
                line[0] = math.nan
            self.prenext()
            return
        data, lines = self.data, self.lines
        close = data.close[0]
        lines.volatility[0] = volatility = _volatility(data.close.get(size=MOMENTUM_BARS + 1))
        earlier = lines.volatility.get(size=RANK_BARS)
        lines.trend[0] = close / _mean(data.close.get(size=TREND_BARS)) - 1
        lines.momentum[0] = close / data.close[-MOMENTUM_BARS] - 1
        lines.volatility_rank[0] = sum(value < volatility for value in earlier) / RANK_BARS
        lines.drawdown[0] = close / max(data.close.get(size=RANK_BARS)) - 1
        lines.range_position[0] = _position(
            close, min(data.low.get(size=MOMENTUM_BARS)), max(data.high.get(size=MOMENTUM_BARS))
        )
        lines.volume_ratio[0] = _ratio(data.volume[0], _mean(data.volume.get(size=MOMENTUM_BARS)))

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
        if end < LONGEST_LOOKBACK:
            return
        data = self.data
        columns = (data.close.array, data.high.array, data.low.array, data.volume.array)
        for line, values in zip(self.lines, _all_bars(*(column[:end].tobytes() for column in columns)), strict=True):
            line.array[:end] = values


@lru_cache(maxsize=64)
def _all_bars(close: bytes, high: bytes, low: bytes, volume: bytes) -> tuple[array[float], ...]:
    """Every line over all bars of float64 columns; kept, because the arms of a run share their prices."""
    closes, volumes = array("d", close), array("d", volume)
    end = len(closes)
    bad = _no_prices(close, high, low)
    for bar in bad:
        closes[bar] = math.nan
    first, bars = LONGEST_LOOKBACK - 1, range(LONGEST_LOOKBACK - 1, end)
    changes = _changes(closes)
    volatilities = array("d", [math.nan] * MOMENTUM_BARS)
    volatilities.extend(_deviation(changes[bar - MOMENTUM_BARS : bar]) for bar in range(MOMENTUM_BARS, end))
    past = sliding_window_view(np.asarray(volatilities), RANK_BARS)[first - RANK_BARS + 1 :]
    peaks = _rolling(closes, RANK_BARS).max(axis=1)
    lows = _rolling(array("d", low), MOMENTUM_BARS).min(axis=1)
    highs = _rolling(array("d", high), MOMENTUM_BARS).max(axis=1)
    ready = (
        (closes[bar] / _mean(closes[bar - TREND_BARS + 1 : bar + 1]) - 1 for bar in bars),
        (closes[bar] / closes[bar - MOMENTUM_BARS] - 1 for bar in bars),
        (past < past[:, -1:]).sum(axis=1) / RANK_BARS,
        (closes[bar] / peak - 1 for bar, peak in zip(bars, peaks, strict=True)),
        (_position(closes[bar], low, high) for bar, low, high in zip(bars, lows, highs, strict=True)),
        (_ratio(volumes[bar], _mean(volumes[bar - MOMENTUM_BARS + 1 : bar + 1])) for bar in bars),
    )
    trend, momentum, rank, drawdown, position, ratio = (_after_warm_up(values) for values in ready)
    for bar in bad:  # no window that holds it gives a feature
        known_from = min(bar + LONGEST_LOOKBACK, end)
        for values in (trend, momentum, rank, drawdown, position, ratio):
            values[bar:known_from] = array("d", [math.nan] * (known_from - bar))
    return trend, momentum, volatilities, rank, drawdown, position, ratio


def _no_prices(*columns: bytes) -> list[int]:
    """The bars at which a column holds something that is no price."""
    prices = np.array([np.frombuffer(column) for column in columns])
    return [int(bar) for bar in np.flatnonzero(~((prices > 0) & (prices < math.inf)).all(axis=0))]


class AverageRange(bt.Indicator):
    """Mean of the last 14 true ranges in currency: high to low, with the close before them (Wilder 1978, but a plain
    mean, so that every bar is a function of the same few bars before it)."""

    lines: Any = ("average_range",)

    def __init__(self) -> None:
        self.addminperiod(RANGE_BARS + 1)
        self.lines.average_range = bt.ind.SMA(bt.ind.TrueRange(self.data), period=RANGE_BARS)


def _rolling(values: array[float], bars: int) -> Any:
    """The last ``bars`` values at each bar that has all features."""
    return sliding_window_view(np.asarray(values), bars)[LONGEST_LOOKBACK - bars :]


def _after_warm_up(values: Iterable[float]) -> array[float]:
    return array("d", [math.nan] * (LONGEST_LOOKBACK - 1)) + array("d", values)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _volatility(closes: Sequence[float]) -> float:
    return _deviation(_changes(closes))


def _changes(closes: Sequence[float]) -> list[float]:
    return [after / before - 1 for before, after in pairwise(closes)]


def _deviation(changes: list[float]) -> float:
    mean = _mean(changes)
    return math.sqrt(_mean([(change - mean) ** 2 for change in changes]))


def _position(close: float, low: float, high: float) -> float:
    return (close - low) / (high - low) if high > low else 0.5


def _ratio(volume: float, usual: float) -> float:
    return volume / usual if usual > 0 else 1.0
