"""Bars a year of a feed, counted from the bars that have closed so far."""

from __future__ import annotations

import backtrader as bt

from llm_strategy.market.snapshot import bars_in_year

DAYS_IN_YEAR = 365.25
DAYS_IN_WEEK = 7
_COUNTED = (bt.TimeFrame.Days, bt.TimeFrame.Minutes, bt.TimeFrame.Seconds)
"""Bars whose number in a year depends on when the market is open; weeks and months come as the calendar has them."""


class BarCount:
    """Counts the bars of whole weeks, so that nights and weekends weigh as they do over a year.

    What it knows at a close comes from that close and those before it: bars that follow change nothing. Before the
    first whole week is over, ``per_year`` is that of ``bars_in_year``.
    """

    def __init__(self, data: bt.AbstractDataBase) -> None:
        self._clock = data.lines.datetime
        self._counts = data._timeframe in _COUNTED
        self._first: tuple[float, int] | None = None
        self._weeks = 0
        self.per_year = bars_in_year(data)

    def bar_closed(self) -> None:
        """Count the bar that has just closed."""
        now = self._clock[0]
        if self._first is None:
            self._first = now, len(self._clock)
        first, before = self._first
        if self._counts and now - first >= (self._weeks + 1) * DAYS_IN_WEEK:
            self._weeks = int((now - first) // DAYS_IN_WEEK)
            self.per_year = (len(self._clock) - before) * DAYS_IN_YEAR / (self._weeks * DAYS_IN_WEEK)
