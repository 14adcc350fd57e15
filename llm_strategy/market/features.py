"""The market's features as one backtrader indicator with a line for each.

One indicator and not a dozen, because each costs time at every bar. Bar by bar and all bars at once use the same
correctly rounded sums, so that the four modes of the engine agree to the last bit.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import backtrader as bt
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from llm_strategy.market.lookbacks import DEFAULT_LOOKBACKS, Lookbacks

RANGE_BARS = 14

LONGEST_LOOKBACK = DEFAULT_LOOKBACKS.longest.bars
"""Bars after which every feature has a value where nothing else is set; the slowest is the rank of the volatility."""

PLAIN_VOLATILITY = (0.005, 0.02)
"""A market whose bars usually move (standard deviation, fraction) within these is judged by the plain thresholds: from
half to double the one percent of a day of shares."""
_LEAST_SCALE = 0.001


def threshold_scale(usual_volatility: float) -> float:
    """How much wider than the plain ones a market's thresholds are, from how much its bars usually move.

    1 within ``PLAIN_VOLATILITY``; below and above in proportion to the nearer end, so that the scale has no steps:
    an hour of currencies that usually moves by 0.1 percent has a fifth of the plain thresholds. Never 0, also where
    prices stand still.
    """
    low, high = PLAIN_VOLATILITY
    return max(_LEAST_SCALE, min(usual_volatility / low, 1.0), usual_volatility / high)


class MarketFeatures(bt.Indicator):
    """Trend, momentum, volatility, rank of volatility, drawdown, position in the range and volume ratio of a feed.

    What each line holds is told with the fields of ``llm_strategy.types.Snapshot``. ``usual_volatility`` is the median
    of the volatilities that the rank looks at (the upper one of the two in the middle). ``lookbacks``: a ``Lookbacks``.
    """

    lines: Any = (
        *("trend", "momentum", "volatility", "volatility_rank", "drawdown", "range_position", "volume_ratio"),
        "usual_volatility",
    )
    params = (("lookbacks", DEFAULT_LOOKBACKS),)

    def __init__(self) -> None:
        longest: int = self.p.lookbacks.longest.bars
        self.addminperiod(longest)
        self._bad_bar = -longest
        self._prices = self.data.lines.low, self.data.lines.high, self.data.lines.close

    def prenext(self) -> None:
        """The rank looks back on earlier volatilities."""
        bars = self.p.lookbacks.volatility
        if self._bars_since_bad() > bars and len(self) > bars:
            self.lines.volatility[0] = _volatility(self.data.close.get(size=bars + 1))

    def next(self) -> None:
        """One bar."""
        data, lines, bars = self.data, self.lines, self.p.lookbacks
        if self._bars_since_bad() < bars.longest.bars:
            for line in lines:
                line[0] = math.nan
            self.prenext()
            return
        close = data.close[0]
        lines.volatility[0] = volatility = _volatility(data.close.get(size=bars.volatility + 1))
        earlier = lines.volatility.get(size=bars.volatility_rank)
        lines.trend[0] = close / _mean(data.close.get(size=bars.trend)) - 1
        lines.momentum[0] = close / data.close[-bars.momentum] - 1
        lines.volatility_rank[0] = sum(value < volatility for value in earlier) / bars.volatility_rank
        lines.drawdown[0] = close / max(data.close.get(size=bars.drawdown)) - 1
        lines.range_position[0] = _position(
            close, min(data.low.get(size=bars.range_position)), max(data.high.get(size=bars.range_position))
        )
        lines.volume_ratio[0] = _ratio(data.volume[0], _mean(data.volume.get(size=bars.volume_ratio)))
        lines.usual_volatility[0] = sorted(earlier)[bars.volatility_rank // 2]

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
        data = self.data
        columns = (data.close.array, data.high.array, data.low.array, data.volume.array)
        values = _all_bars(*(column[:end].tobytes() for column in columns), self.p.lookbacks)
        for line, column in zip(self.lines, values, strict=True):
            line.array[:end] = column


@lru_cache(maxsize=64)
def _all_bars(close: bytes, high: bytes, low: bytes, volume: bytes, lookbacks: Lookbacks) -> tuple[array[float], ...]:
    """Every line over all bars of float64 columns; kept, because the arms of a run share their prices."""
    closes, volumes = array("d", close), array("d", volume)
    end = len(closes)
    bad = _no_prices(close, high, low)
    for bar in bad:
        closes[bar] = math.nan
    first = lookbacks.longest.bars - 1
    bars, shown = range(first, end), lookbacks.volatility_rank

    def rolling(values: array[float], length: int) -> Any:
        """The last ``length`` values at each bar that has all features."""
        return sliding_window_view(np.asarray(values), length)[first + 1 - length :]

    changes = _changes(closes)
    volatilities = array("d", [math.nan] * lookbacks.volatility)
    volatilities.extend(
        _deviation(changes[bar - lookbacks.volatility : bar]) for bar in range(lookbacks.volatility, end)
    )
    past = rolling(volatilities, shown)
    peaks = rolling(closes, lookbacks.drawdown).max(axis=1)
    lows = rolling(array("d", low), lookbacks.range_position).min(axis=1).tolist()
    highs = rolling(array("d", high), lookbacks.range_position).max(axis=1).tolist()
    ready = (
        (closes[bar] / _mean(closes[bar - lookbacks.trend + 1 : bar + 1]) - 1 for bar in bars),
        (closes[bar] / closes[bar - lookbacks.momentum] - 1 for bar in bars),
        (past < past[:, -1:]).sum(axis=1) / shown,
        (closes[bar] / peak - 1 for bar, peak in zip(bars, peaks, strict=True)),
        (_position(closes[bar], low, high) for bar, low, high in zip(bars, lows, highs, strict=True)),
        (_ratio(volumes[bar], _mean(volumes[bar - lookbacks.volume_ratio + 1 : bar + 1])) for bar in bars),
        np.partition(past, shown // 2, axis=1)[:, shown // 2],
    )
    before = [math.nan] * first
    trend, momentum, rank, drawdown, position, ratio, usual = lines = tuple(
        array("d", before) + array("d", values) for values in ready
    )
    for bar in bad:  # no window that holds it gives a feature
        known_from = min(bar + lookbacks.longest.bars, end)
        for values in lines:
            values[bar:known_from] = array("d", [math.nan] * (known_from - bar))
    return trend, momentum, volatilities, rank, drawdown, position, ratio, usual


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
    return (float(close) - low) / (float(high) - low) if high > low else 0.5


def _ratio(volume: float, usual: float) -> float:
    return float(volume) / usual if usual > 0 else 1.0
