"""Trading bars as they are used: those inside the session, and decision bars out of them, by the clock and never by the
prices.

A decision bar stands at the time of the last trading bar it is made of: it becomes known in the same step of the
engine as that bar's close, and what is decided on it fills at the next trading bar's open. Where a period lacks its
last bars (a holiday, half a day, a halt), the stamp is that of the last bar there is. A trader knows this of a holiday
beforehand and of a halt only afterwards; the prices of the bar are past in both cases.

The newest period makes a bar only when it is over: a bar of a later period exists, or no bar can follow within it. So
a Friday does not end a week while a Saturday could trade, and the decision bars of a shorter history are always the
first ones of a longer history. A first period that the data begin in the middle of is kept.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from llm_strategy.errors import MarketDataError
from simulator.prices.load import Prices
from simulator.prices.sessions import TradingCalendar
from simulator.prices.source import origin
from simulator.prices.table import make_table


def in_session(prices: Prices, calendar: TradingCalendar) -> Prices:
    """The trading bars inside the session."""
    if calendar.session is None:
        return prices
    kept = calendar.is_open(pd.DatetimeIndex(prices.table.index))
    regimes = None if prices.true_regimes is None else prices.true_regimes[kept]
    return replace(prices, table=prices.table[kept], true_regimes=regimes)


def decision_bars(prices: Prices, calendar: TradingCalendar) -> Prices:
    """First open, highest high, lowest low, last close and summed volume of each period that is over.

    ``prices`` holds bars inside the session; without ``decide_on`` they are the decision bars themselves.
    """
    if calendar.decide_on is None:
        return prices
    table = prices.table
    times = pd.DatetimeIndex(table.index)
    periods = calendar.periods(times).to_numpy()
    changes = np.flatnonzero(periods[1:] != periods[:-1]) + 1
    firsts = np.concatenate(([0], changes)) if len(times) else changes
    lasts = np.concatenate((changes, [len(times)])) - 1 if len(times) else changes
    bars = {
        "open": table["open"].to_numpy()[firsts],
        "high": np.maximum.reduceat(table["high"].to_numpy(), firsts),
        "low": np.minimum.reduceat(table["low"].to_numpy(), firsts),
        "close": table["close"].to_numpy()[lasts],
        "volume": np.add.reduceat(table["volume"].to_numpy(), firsts),
    }
    over = len(lasts) if len(times) and calendar.ends_period(times[-1]) else len(lasts) - 1
    regimes = None if prices.true_regimes is None else prices.true_regimes.iloc[lasts[:over]]
    whole = make_table(pd.DatetimeIndex(times[lasts]), bars).iloc[:over]
    return replace(prices, timeframe=calendar.decide_on, table=whole, true_regimes=regimes)


MUCH = 0.2
"""Share of the bars from which it is told that a session leaves them out."""
PLAIN = 0.98
"""Share of the bars that lie inside the session by the file's own clock, from which that clock is the exchange's."""


def session_notes(prices: Prices, kept: Prices, calendar: TradingCalendar) -> tuple[str, ...]:
    """A sentence where the session leaves out many bars of ``prices``; ``kept`` holds the others.

    Raises ``MarketDataError`` where times without a zone, read as UTC, lose bars that all lie inside the session as the
    file writes them: that clock is the exchange's, and has to be named.
    """
    bars, out = len(prices.table), len(prices.table) - len(kept.table)
    if out <= (1 - PLAIN) * bars:
        return ()
    zone, times = calendar.timezone or "UTC", pd.DatetimeIndex(prices.table.index)
    told = (
        f"session {calendar.session} ({zone}) leaves out {out:,} of {bars:,} bars of {prices.symbol} ({out / bars:.0%})"
    )
    inside = replace(calendar, timezone=None).is_open(times).mean()
    if prices.naive and calendar.timezone is not None and inside >= PLAIN:
        raise MarketDataError(
            f"{origin(prices.source)}: {told}, because its times have no zone and count as UTC, while {inside:.0%} of "
            f"them lie inside the session as they are written: set data.clock: {zone} if they show the clock there, or "
            "data.clock: UTC if they are UTC."
        )
    if out <= MUCH * bars:
        return ()
    if not prices.naive:
        return (f"{told}.",)
    return (
        f"{told}: its times have no zone and count as UTC; if they show another clock, name it in data.clock, such as "
        f"data.clock: {calendar.timezone or 'America/New_York'}.",
    )
