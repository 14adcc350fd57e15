"""What an advisor may see at a close, read from a backtrader indicator at [0], so that it works with any feed."""

from __future__ import annotations

import backtrader as bt

from llm_strategy.errors import ConfigurationError
from llm_strategy.features import MarketFeatures
from llm_strategy.outside_text import symbol_name
from llm_strategy.times import iso_time
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

    Creating it makes backtrader wait ``LONGEST_LOOKBACK`` bars before the first ``next``.
    """

    def __init__(self, data: bt.AbstractDataBase, symbol: str | None = None) -> None:
        self._data = data
        self.symbol = symbol_name(symbol or data._name or "")
        self._timeframe = timeframe_of(data)
        features = MarketFeatures(data)  # type: ignore[call-arg]  # backtrader's metaclass takes the data
        self._lines = [getattr(features.lines, name) for name in MarketFeatures.lines.getlinealiases()]

    def read(self) -> Snapshot:
        """The snapshot of the bar that has just closed."""
        lines = self._data.lines
        return Snapshot(
            self.symbol,
            self._timeframe,
            iso_time(lines.datetime[0]),
            lines.close[0],
            *[line[0] for line in self._lines],
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
