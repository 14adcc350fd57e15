"""What a session leaves out: told where it is much, refused where the file's clock is plainly that of the exchange."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from llm_strategy.errors import MarketDataError
from simulator.prices.load import Prices
from simulator.prices.sessions import TradingCalendar

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
        kind, _, name = prices.source.partition(":")
        raise MarketDataError(
            f"{kind}:{Path(name).name}: {told}, because its times have no zone and count as UTC, while {inside:.0%} of "
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
