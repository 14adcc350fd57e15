"""What a feed says in text: a tick, a bar or a time, as a JSON object or as a row of a CSV file.

A tick is ``{"symbol": "AAA", "time": "2026-01-05T14:30:00.25Z", "price": 100.5, "size": 200, "id": "t-17"}`` (size and
id may be left out), a bar ``{"symbol": "AAA", "start": "2026-01-05T14:30:00Z", "open": 100, "high": 101, "low": 99,
"close": 100.5, "volume": 1200}`` (with ``end`` where it is not one bar's length later), and ``{"time": "..."}`` alone
says that everything up to then has been told. Times are ISO 8601, UTC where they name no zone, or seconds or
milliseconds since 1970. What else stands in an object is passed over.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from typing import Any

from llm_strategy.support.strict_json import parse_json
from simulator.prices.sessions import Timeframe
from simulator.watch.feed import FeedBar, FeedTime, Tick

LONGEST_MESSAGE = 10_000
"""Characters of a message; a longer one is malformed."""
_MILLISECONDS_FROM = 1e11
"""Numbers from here on are milliseconds: as seconds they lie beyond the year 5138."""


def read_message(text: str, timeframe: Timeframe, symbol: str = "") -> Tick | FeedBar | FeedTime:
    """The message of a JSON text; ``symbol`` is that of a feed which has one alone and need not name it. Raises
    ``ValueError``, one phrase, for anything else."""
    if len(text) > LONGEST_MESSAGE:
        raise ValueError(f"it is longer than {LONGEST_MESSAGE:,} characters")
    try:
        document = parse_json(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(document, dict):
        raise ValueError("it is no object")
    return message_of(document, timeframe, symbol)


def message_of(document: Mapping[str, Any], timeframe: Timeframe, symbol: str = "") -> Tick | FeedBar | FeedTime:
    """The message of a JSON object or of a row whose cells are texts; as ``read_message``."""
    if "price" not in document and "close" not in document:
        if "time" in document and not document.get("symbol"):
            return FeedTime(_time(document["time"]))
        raise ValueError("it has neither price nor close")
    name = document.get("symbol") or symbol
    if not isinstance(name, str) or not name:
        raise ValueError("it names no symbol")
    if "price" in document:
        given = document.get("id")
        known = "" if given is None else str(given)[:100]
        size = _number(document.get("size") or 0, "size")
        return Tick(name, _time(document.get("time")), _number(document["price"], "price"), size, known)
    start = _time(document.get("start", document.get("time")))
    end = _time(document["end"]) if document.get("end") else start + timeframe.duration
    if end <= start:
        raise ValueError("its end is not after its start")
    opens, high, low, close = (_number(document.get(column), column) for column in ("open", "high", "low", "close"))
    return FeedBar(name, start, end, opens, high, low, close, _number(document.get("volume") or 0, "volume"))


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{name} is no number")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise ValueError(f"{name} is no number") from None
    if not math.isfinite(number):
        raise ValueError(f"{name} is no number")
    return number


def _time(value: Any) -> datetime.datetime:
    if isinstance(value, str):
        try:
            time = datetime.datetime.fromisoformat(value)
        except ValueError:
            time = None
        if time is not None:
            return time.replace(tzinfo=datetime.UTC) if time.tzinfo is None else time.astimezone(datetime.UTC)
    try:
        number = _number(value, "time")
        return datetime.datetime.fromtimestamp(number / 1000 if number >= _MILLISECONDS_FROM else number, datetime.UTC)
    except (ValueError, OverflowError, OSError):
        raise ValueError("its time is no time") from None
