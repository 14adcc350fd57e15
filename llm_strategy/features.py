"""The market's features as one backtrader indicator with a line for each.

One indicator and not a dozen, because each costs time at every bar. Bar by bar and all bars at once use the same
correctly rounded sums, so that the four modes of the engine agree to the last bit.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import backtrader as bt
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

TREND_BARS = 200
MOMENTUM_BARS = 20
RANK_BARS = 250

LONGEST_LOOKBACK = RANK_BARS + MOMENTUM_BARS
"""Bars after which every feature has a value; the slowest is the rank of the volatility."""


class MarketFeatures(bt.Indicator):
    """Trend, momentum, volatility, rank of volatility, drawdown, position in the range and volume ratio of a feed.

    What each line holds is told with the fields of ``llm_strategy.types.Snapshot``.
    """

    lines: Any = ("trend", "momentum", "volatility", "volatility_rank", "drawdown", "range_position", "volume_ratio")

    def __init__(self) -> None:
        self.addminperiod(LONGEST_LOOKBACK)

    def prenext(self) -> None:
        """The rank looks back on earlier volatilities."""
        if len(self) > MOMENTUM_BARS:
            self.lines.volatility[0] = _volatility(self.data.close.get(size=MOMENTUM_BARS + 1))

    def next(self) -> None:
        """One bar."""
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

    def preonce(self, start: int, end: int) -> None:
        """Left to ``once``."""

    def oncestart(self, start: int, end: int) -> None:
        """Left to ``once``."""

    def once(self, start: int, end: int) -> None:
        """All bars."""
        if end < LONGEST_LOOKBACK:
            return
        data, lines = self.data, self.lines
        closes, volumes = data.close.array[:end], data.volume.array[:end]
        first, bars = LONGEST_LOOKBACK - 1, range(LONGEST_LOOKBACK - 1, end)
        begun = range(MOMENTUM_BARS, end)
        volatilities = array("d", [math.nan] * MOMENTUM_BARS)
        changes = _changes(closes)
        volatilities.extend(_deviation(changes[bar - MOMENTUM_BARS : bar]) for bar in begun)
        past = sliding_window_view(np.asarray(volatilities), RANK_BARS)[first - RANK_BARS + 1 :]
        peaks = _rolling(closes, RANK_BARS).max(axis=1)
        lows = _rolling(data.low.array[:end], MOMENTUM_BARS).min(axis=1)
        highs = _rolling(data.high.array[:end], MOMENTUM_BARS).max(axis=1)
        lines.volatility.array[:end] = volatilities
        _write(lines.trend, (closes[bar] / _mean(closes[bar - TREND_BARS + 1 : bar + 1]) - 1 for bar in bars))
        _write(lines.momentum, (closes[bar] / closes[bar - MOMENTUM_BARS] - 1 for bar in bars))
        _write(lines.volatility_rank, (past < past[:, -1:]).sum(axis=1) / RANK_BARS)
        _write(lines.drawdown, (closes[bar] / peak - 1 for bar, peak in zip(bars, peaks, strict=True)))
        _write(
            lines.range_position,
            (_position(closes[bar], low, high) for bar, low, high in zip(bars, lows, highs, strict=True)),
        )
        _write(
            lines.volume_ratio,
            (_ratio(volumes[bar], _mean(volumes[bar - MOMENTUM_BARS + 1 : bar + 1])) for bar in bars),
        )


def _rolling(values: array[float], bars: int) -> Any:
    """The last ``bars`` values at each bar that has all features."""
    return sliding_window_view(np.asarray(values), bars)[LONGEST_LOOKBACK - bars :]


def _write(line: Any, values: Any) -> None:
    line.array[LONGEST_LOOKBACK - 1 :] = array("d", values)


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
