"""A backtrader feed over columns: the same bars as ``bt.feeds.PandasData``, several times as fast."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator

import backtrader as bt
import numpy as np
import pandas as pd

from simulator.prices.load import Prices
from simulator.prices.sessions import Timeframe, parse_timeframe
from simulator.prices.table import COLUMNS
from simulator.prices.universe import Universe, decisions_name

_MICROSECONDS_A_DAY = 86_400_000_000
_ORDINAL_OF_1970 = 719_163.0
_TIMEFRAMES = {
    "s": (bt.TimeFrame.Seconds, 1),
    "m": (bt.TimeFrame.Minutes, 1),
    "h": (bt.TimeFrame.Minutes, 60),
    "d": (bt.TimeFrame.Days, 1),
    "w": (bt.TimeFrame.Weeks, 1),
    "mo": (bt.TimeFrame.Months, 1),
}


class ColumnFeed(bt.feed.DataBase):
    """Bars from a table with columns open, high, low, close, volume over a time index without zone (``dataname``)."""

    def start(self) -> None:
        """Begin at the first bar, in every run anew."""
        super().start()
        self._bars = self._rows()

    def preload(self) -> None:
        """Put whole columns into the lines, where no bar is cut off, filtered or moved into another zone."""
        cut = self.fromdate > -math.inf or self.todate < math.inf or self._tzinput
        if cut or self._filters or any(line.bindings for line in self.lines):
            super().preload()
            return
        for name, column in self._columns().items():
            getattr(self.lines, name).array = array("d", column.tobytes())
        self.lines.openinterest.array = array("d", [math.nan]) * len(self.p.dataname)
        self._bars = iter(())
        self.home()

    def _rows(self) -> Iterator[tuple[float, ...]]:
        yield from zip(*(column.tolist() for column in self._columns().values()), strict=True)

    def _columns(self) -> dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]]:
        table = self.p.dataname
        columns = {name: table[name].to_numpy(dtype=np.float64) for name in COLUMNS}
        return {"datetime": backtrader_days(table.index)} | columns

    def _load(self) -> bool:
        bar = next(self._bars, None)
        if bar is None:
            return False
        lines = self.lines
        lines.datetime[0], lines.open[0], lines.high[0], lines.low[0], lines.close[0], lines.volume[0] = bar
        return True


def backtrader_frame(length: Timeframe) -> tuple[int, int]:
    """How backtrader calls bars of this length: time frame and compression."""
    timeframe, factor = _TIMEFRAMES[length.unit]
    return timeframe, factor * length.count


def make_feed(prices: Prices, name: str | None = None) -> ColumnFeed:
    """A feed named after the symbol or ``name``, with the timeframe and compression that ``prices.timeframe`` says."""
    timeframe, compression = backtrader_frame(parse_timeframe(prices.timeframe))
    return ColumnFeed(dataname=prices.table, name=name or prices.symbol, timeframe=timeframe, compression=compression)


def add_feeds(cerebro: bt.Cerebro, universe: Universe) -> None:
    """Add the feeds of all symbols, sorted: the trading bars, named after the symbol, and after them its decisions.

    Decision feeds exist with ``universe.decide_on`` alone and bear ``decisions_name(symbol)``. backtrader calls
    ``next`` only when every feed has begun: a strategy on symbols with different starts needs ``prenext = next``.
    There ``len(data)`` says how many bars a feed has delivered; while it is 0, ``data.close[0]`` is yet to come.
    """
    for prices in universe.markets:
        cerebro.adddata(make_feed(prices))
        if universe.decide_on is not None:
            cerebro.adddata(make_feed(universe.decisions(prices.symbol), decisions_name(prices.symbol)))


def backtrader_days(times: pd.Index) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Times as backtrader counts them: float days since the day before 0001-01-01 (``bt.date2num``)."""
    days, rest = np.divmod(times.to_numpy().astype("datetime64[us]").astype(np.int64), _MICROSECONDS_A_DAY)
    return days + _ORDINAL_OF_1970 + rest / _MICROSECONDS_A_DAY
