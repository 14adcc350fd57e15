"""Times as people write them, read without guessing.

Known are ISO 8601 (``2008-10-10``, ``2008-10-10T15:30``, ``20081010``, with or without an offset), the year first with
other separators, the day or month first where some row settles which (``13/01/2020``), month names (``02-Jan-2020``,
``Jan 2, 2020``) and whole seconds, milliseconds, microseconds or nanoseconds since 1970 (10, 13, 16 or 19 digits).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time, timedelta

from llm_strategy.errors import MarketDataError
from simulator.market_sources.timeframe import Timeframe

_YEAR_FIRST = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T ]+(.+))?")
_YEAR_LAST = re.compile(r"(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})(?:[T ]+(.+))?")
_MONTH_NAMES = ("%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y")
_EPOCH_DIVISORS = {10: 1, 13: 10**3, 16: 10**6, 19: 10**9}

Place = Callable[[int], str]
"""Says where a row stands, such as ``csv:a.csv, line 12``."""


def parse_times(cells: Sequence[str], place: Place) -> list[datetime]:
    """One datetime a cell, with a zone where the cell has one; ``MarketDataError`` names the first unreadable one."""
    day_first = _day_stands_first(cells, place)
    times = []
    for row, cell in enumerate(cells):
        try:
            times.append(_parse(cell.strip(), day_first))
        except ValueError:
            wrong = f"{cell!r} is no date or time that can be read" if cell.strip() else "the time is missing"
            raise MarketDataError(f"{place(row)}: {wrong}, write it as 2008-10-10 or 2008-10-10T15:30:00.") from None
    return times


def drop_zones(times: Sequence[datetime], timeframe: Timeframe, place: Place) -> list[datetime]:
    """Times without a zone, for a simulator that has none.

    Daily and longer bars stand at the local date of their zone. Intraday bars keep their clock only in UTC: other zones
    have an hour that comes twice each autumn. ``MarketDataError`` says which conversion is missing.
    """
    aware = [moment.utcoffset() is not None for moment in times]
    if not any(aware):
        return list(times)
    if not all(aware):
        raise MarketDataError(
            f"{place(aware.index(False))}: the time has no zone while others have one: write all alike."
        )
    shifted = next((row for row, moment in enumerate(times) if moment.utcoffset() != timedelta(0)), None)
    if timeframe.intraday:
        if shifted is not None:
            raise MarketDataError(
                f"{place(shifted)}: {times[shifted].isoformat()} is in a local zone, bars of {timeframe} need UTC: "
                "convert them to UTC first, or leave the zone out of the file and name it in data.clock."
            )
        return [moment.replace(tzinfo=None) for moment in times]
    late = next((row for row, moment in enumerate(times) if moment.time() != time.min), None)
    if shifted is None and late is not None:
        raise MarketDataError(
            f"{place(late)}: a bar of {timeframe} at {times[late].isoformat()} may belong to another day at its "
            "exchange: convert the times to the zone of the exchange, or write dates alone."
        )
    return [datetime.combine(moment.date(), time.min) for moment in times]


def _day_stands_first(cells: Sequence[str], place: Place) -> bool:
    matches = [(row, match) for row, cell in enumerate(cells) if (match := _YEAR_LAST.fullmatch(cell.strip()))]
    if not matches:
        return False
    day_first = any(int(match[1]) > 12 for _, match in matches)
    month_first = any(int(match[2]) > 12 for _, match in matches)
    if day_first == month_first:
        row, match = matches[0]
        why = (
            "the rows contradict each other"
            if day_first
            else "no row settles whether the day or the month stands first"
        )
        raise MarketDataError(f"{place(row)}: {match[0]!r} is ambiguous, {why}: write dates as 2008-10-31.")
    return day_first


def _parse(cell: str, day_first: bool) -> datetime:
    try:
        return datetime.fromisoformat(cell)
    except ValueError:
        pass
    if match := _YEAR_FIRST.fullmatch(cell):
        return _assemble(match[1], match[2], match[3], match[4])
    if match := _YEAR_LAST.fullmatch(cell):
        day, month = (match[1], match[2]) if day_first else (match[2], match[1])
        return _assemble(match[3], month, day, match[4])
    if cell.isdecimal() and len(cell) in _EPOCH_DIVISORS:
        microseconds = int(cell) * 10**6 // _EPOCH_DIVISORS[len(cell)]
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    for form in _MONTH_NAMES:
        try:
            return datetime.strptime(cell, form)  # noqa: DTZ007 (such a cell holds a date alone)
        except ValueError:
            continue
    raise ValueError(cell)


def _assemble(year: str, month: str, day: str, clock: str | None) -> datetime:
    date = datetime(int(year), int(month), int(day))  # noqa: DTZ001 (the zone, if any, stands in the clock)
    if clock is None:
        return date
    return datetime.combine(date, time.fromisoformat(clock if clock[1:2] != ":" else "0" + clock))
