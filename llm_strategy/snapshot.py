"""What an advisor may see at a close, read from backtrader indicators at [0], so that it works with any feed."""

from __future__ import annotations

import math
from array import array
from typing import Any

import backtrader as bt
import numpy as np

from llm_strategy.types import Snapshot

TREND_BARS = 200
MOMENTUM_BARS = 20
RANK_BARS = 250

LONGEST_LOOKBACK = RANK_BARS + MOMENTUM_BARS
"""Bars after which every feature has a value; the slowest is the rank of the volatility."""

_UNITS = {
    bt.TimeFrame.Seconds: "s",
    bt.TimeFrame.Minutes: "m",
    bt.TimeFrame.Days: "d",
    bt.TimeFrame.Weeks: "w",
    bt.TimeFrame.Months: "mo",
}


class Rank(bt.Indicator):
    """Share of the last ``RANK_BARS`` values (the present one included) that are below the present one, 0 to 1.

    The same figures as ``bt.ind.PercentRank``, which takes most of a bar's time at 250 values.
    """

    lines: Any = ("rank",)  # backtrader puts the lines themselves in its place

    def __init__(self) -> None:
        self.addminperiod(RANK_BARS)

    def next(self) -> None:
        """One bar at a time."""
        values = self.data.get(size=RANK_BARS)
        self.lines.rank[0] = sum(value < values[-1] for value in values) / RANK_BARS

    def once(self, start: int, end: int) -> None:
        """All bars at a time."""
        values = np.asarray(self.data.array)[:end]
        windows = np.lib.stride_tricks.sliding_window_view(values, RANK_BARS)
        below = (windows < windows[:, -1:]).sum(axis=1) / RANK_BARS
        self.lines.rank.array[RANK_BARS - 1 : end] = array("d", below)


class SnapshotReader:
    """Indicators over one feed, created in a strategy's ``__init__`` and read at each close.

    Creating it makes backtrader wait ``LONGEST_LOOKBACK`` bars before the first ``next``.
    """

    def __init__(self, data: bt.AbstractDataBase, symbol: str | None = None) -> None:
        self._data = data
        self._symbol = symbol or data._name or "unnamed"
        self._timeframe = timeframe_of(data)
        self._mean = bt.ind.SMA(data.close, period=TREND_BARS)
        self._change = bt.ind.PercentChange(data.close, period=1)
        self._momentum = bt.ind.PercentChange(data.close, period=MOMENTUM_BARS)
        self._volatility = bt.ind.StdDev(self._change, period=MOMENTUM_BARS)
        self._rank = Rank(self._volatility)
        self._peak = bt.ind.Highest(data.close, period=RANK_BARS)
        self._high = bt.ind.Highest(data.high, period=MOMENTUM_BARS)
        self._low = bt.ind.Lowest(data.low, period=MOMENTUM_BARS)
        self._volume = bt.ind.SMA(data.volume, period=MOMENTUM_BARS)

    def read(self) -> Snapshot:
        """The snapshot of the bar that has just closed."""
        data, close = self._data, self._data.close[0]
        width = self._high[0] - self._low[0]
        usual_volume = self._volume[0]
        return Snapshot(
            symbol=self._symbol,
            timeframe=self._timeframe,
            time=data.datetime.datetime(0).isoformat(),
            close=close,
            trend=close / self._mean[0] - 1,
            momentum=self._momentum[0],
            volatility=self._volatility[0],
            volatility_rank=self._rank[0],
            drawdown=close / self._peak[0] - 1,
            range_position=(close - self._low[0]) / width if width > 0 else 0.5,
            volume_ratio=data.volume[0] / usual_volume if usual_volume > 0 and math.isfinite(usual_volume) else 1.0,
        )


def timeframe_of(data: bt.AbstractDataBase) -> str:
    """The contract's spelling of a feed's bar length: ``1d``, ``5m``, ``1h``."""
    unit, count = _UNITS.get(data._timeframe, "d"), data._compression
    if unit == "m" and count % 60 == 0:
        unit, count = "h", count // 60
    return f"{count}{unit}"
