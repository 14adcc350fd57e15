"""How a bar's time is written."""

from __future__ import annotations

from functools import lru_cache

import backtrader as bt


@lru_cache(maxsize=65536)
def iso_time(time: float) -> str:
    """A time of backtrader's (days) as ISO 8601; kept, because many symbols share their times."""
    return str(bt.num2date(time).isoformat())
