"""What an advisor may see at a close, read from a backtrader indicator at [0], so that it works with any feed."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import backtrader as bt

from llm_strategy.errors import ConfigurationError
from llm_strategy.market.features import MarketFeatures, threshold_scale
from llm_strategy.market.lookbacks import DEFAULT_LOOKBACKS, Lookbacks
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

    Creating it makes backtrader wait until ``lookbacks.longest`` before the first ``next``.
    """

    def __init__(
        self, data: bt.AbstractDataBase, symbol: str | None = None, lookbacks: Lookbacks = DEFAULT_LOOKBACKS
    ) -> None:
        self._data = data
        self.symbol = symbol_name(symbol or data._name or "")
        self._timeframe = timeframe_of(data)
        features = MarketFeatures(data, lookbacks=lookbacks)  # type: ignore[call-arg]  # backtrader's metaclass
        *self._lines, self._usual = [getattr(features.lines, name) for name in MarketFeatures.lines.getlinealiases()]
        # A walk strays from its mean, and falls from its peak, with the root of the bars that are looked at.
        self._trend_scale = (lookbacks.trend / DEFAULT_LOOKBACKS.trend) ** 0.5
        self._drawdown_scale = (lookbacks.drawdown / DEFAULT_LOOKBACKS.drawdown) ** 0.5
        self._momentum_bars = lookbacks.momentum

    def read(self) -> Snapshot:
        """The snapshot of the bar that has just closed."""
        lines = self._data.lines
        scale = threshold_scale(self._usual[0])
        features: list[Any] = [line[0] for line in self._lines]
        features += [scale * self._trend_scale, scale * self._drawdown_scale, self._momentum_bars]
        return Snapshot(
            self.symbol,
            self._timeframe,
            iso_time(lines.datetime[0]),
            lines.close[0],
            *features,
        )


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
