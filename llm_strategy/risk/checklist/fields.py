"""What the items of a checklist may speak of beside analytics: the account, the calendar, the advice and the data."""

from __future__ import annotations

import calendar
from datetime import datetime, timedelta

from llm_strategy.risk.inputs import Account
from llm_strategy.support.condition import Quantity, Value, Vocabulary
from llm_strategy.types import Window

WEEKDAYS = tuple(name.lower() for name in calendar.day_name)
MONTHS = tuple(name.lower() for name in calendar.month_name[1:])
CHANGES_OVER = 20
"""Decisions over which changes of the label are counted."""
DATA_BARS = 20
"""Bars that are looked at for volume and for closes that stay the same."""

ACCOUNT: Vocabulary = {
    "account.drawdown": Quantity("fraction", "loss from the highest equity since the kill switch was last armed"),
    "account.daily_loss": Quantity("fraction", "loss since the last close of the day before"),
    "account.exposure": Quantity("fraction", "value of all positions and waiting entries over equity"),
    "account.cash": Quantity("fraction", "cash that no waiting entry may need, over equity"),
    "account.positions": Quantity("count", "positions and waiting entries of the whole book"),
    "account.bars_since_stop": Quantity("bars", "bars since a stop of this symbol was hit"),
    "account.entries_today": Quantity("count", "entry orders of the whole book sent on this day"),
}
CALENDAR: Vocabulary = {
    "calendar.weekday": Quantity("word", "day of the week of the bar", WEEKDAYS),
    "calendar.month": Quantity("word", "month of the bar", MONTHS),
    "calendar.day_of_month": Quantity("count", "day of the month, from 1"),
    "calendar.days_to_month_end": Quantity("days", "days of the calendar until the month is over, 0 on its last"),
    "calendar.hour": Quantity("count", "hour of the close, 0 to 23 (UTC); 0 for bars of a day or longer"),
}
ADVICE: Vocabulary = {
    "advice.confidence": Quantity("fraction", "confidence that the advice gives its action"),
    "advice.label_changes_20": Quantity("count", f"changes of the label over the last {CHANGES_OVER} labels"),
    "advice.label_age": Quantity("count", "decisions since the label last changed"),
    "advice.disagreement": Quantity("fraction", "how far the members of an ensemble were of different minds"),
}
DATA: Vocabulary = {
    "data.gap_days": Quantity("days", "days from the bar before to this one"),
    "data.volume_missing": Quantity(
        "word", f"whether nothing was traded in this bar, and something in the {DATA_BARS - 1} before", ("yes", "no")
    ),
    "data.same_close_bars": Quantity("bars", f"bars in a row up to this one with its close, {DATA_BARS} at the most"),
}
FIELDS: Vocabulary = {**ACCOUNT, **CALENDAR, **ADVICE, **DATA}
"""All of these by name."""


def lookback_of(name: str) -> int:
    """Bars that a field of the data looks back on; 0 for the others."""
    return {"data.gap_days": 2, "data.volume_missing": DATA_BARS, "data.same_close_bars": DATA_BARS}.get(name, 0)


def account_value(name: str, account: Account, price: float) -> Value:
    """A field of the account by its name, at the close of one symbol (``price`` in currency)."""
    held = [abs(other.value) for other in account.others if other.value]
    own = abs(account.position or account.entering) * price
    match name.partition(".")[2]:
        case "drawdown":
            return account.drawdown
        case "daily_loss":
            return account.daily_loss
        case "exposure":
            return (sum(held) + own) / account.equity if account.equity > 0 else None
        case "cash":
            return account.cash / account.equity if account.equity > 0 else None
        case "positions":
            return float(len(held) + bool(own))
        case "bars_since_stop":
            return None if account.bars_since_stop is None else float(account.bars_since_stop)
        case "entries_today":
            return float(account.entries_today)
    raise KeyError(name)


def calendar_value(name: str, time: str) -> Value:
    """A field of the calendar by its name, for a bar of this time (ISO 8601, UTC)."""
    moment = datetime.fromisoformat(time)
    match name.partition(".")[2]:
        case "weekday":
            return WEEKDAYS[moment.weekday()]
        case "month":
            return MONTHS[moment.month - 1]
        case "day_of_month":
            return float(moment.day)
        case "days_to_month_end":
            return float(calendar.monthrange(moment.year, moment.month)[1] - moment.day)
        case "hour":
            return float(moment.hour)
    raise KeyError(name)


def data_value(name: str, window: Window | None) -> Value:
    """A field of the data by its name, from the last closed bars; None where these are too few."""
    if window is None or len(window) < lookback_of(name):
        return None
    closes, volumes = window.close[-DATA_BARS:], window.volume[-DATA_BARS:]
    match name.partition(".")[2]:
        case "gap_days":
            before, now = (datetime.fromisoformat(time) for time in window.time[-2:])
            return (now - before) / timedelta(days=1)
        case "volume_missing":
            if not any(volume > 0 for volume in volumes):
                return None
            return "no" if volumes[-1] > 0 else "yes"
        case "same_close_bars":
            others = next((bars for bars, close in enumerate(closes[::-1]) if close != closes[-1]), DATA_BARS)
            return None if closes[-1] != closes[-1] else float(others)
    raise KeyError(name)
