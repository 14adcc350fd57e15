"""Times that stand in several columns: a date and its clock are joined, two whole times must agree."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta

from llm_strategy.errors import MarketDataError
from simulator.prices.source_text import or_option
from simulator.prices.sources.column_names import plain
from simulator.prices.sources.epochs import is_number
from simulator.prices.sources.times import Place, parse_clock, parse_times

CLOCK_NAMES = (
    "time",
    "hour",
    "hours",
    "hh",
    "clock",
    "timeofday",
    "tradetime",
    "bartime",
    "时间",
    "zeit",
    "время",
    "heure",
)
"""Columns that may hold the clock of a date beside them, as ``plain`` writes their names."""
_MINUTE_NAMES = ("minute", "minutes", "mm")

TimeColumns = Mapping[str, Sequence[str]]
"""Cells of each column that is for time, by the name in the file."""


def date_parts(header: Sequence[str], columns: Sequence[Sequence[object]]) -> list[str] | None:
    """Dates of three columns year, month and day, for a file without any other time; ``None`` where there are none."""
    spelt = [plain(name) for name in header]
    if not all(spelt.count(part) == 1 for part in ("year", "month", "day")):
        return None
    parts = (columns[spelt.index(part)] for part in ("year", "month", "day"))
    return ["-".join(str(cell).strip().removesuffix(".0") for cell in cells) for cells in zip(*parts, strict=True)]


def clocks_beside(header: Sequence[str], times: Sequence[int]) -> list[int]:
    """Columns that may be the clock of the one column of dates: hours, and minutes beside them."""
    spelt = [plain(name) for name in header]
    hours = [at for at, name in enumerate(spelt) if name in CLOCK_NAMES and at not in times]
    minutes = [at for at, name in enumerate(spelt) if name in _MINUTE_NAMES and at not in times]
    return [*hours[:1], *minutes[:1]] if hours else []


def read_times(
    columns: TimeColumns, beside: TimeColumns, source: str, place: Place, *, day_first: bool | None
) -> list[datetime]:
    """One time a row. ``columns`` are whole times or a date and its clock, ``beside`` hours that may join a date.

    ``MarketDataError`` for a cell that cannot be read, and where columns contradict each other.
    """
    settle = or_option(source, "dates=day_first", "say which (day_first, month_first)")

    def parse(cells: Sequence[str]) -> list[datetime]:
        return parse_times(cells, place, day_first=day_first, settle=settle)

    if len(columns) == 1:
        times = parse(next(iter(columns.values())))
        beside = {name: cells for name, cells in beside.items() if _are_clocks(cells)}
        if not beside or any(moment.time() != time.min for moment in times):
            return times
        return _join(times, beside, place)
    clock = next((name for name, cells in columns.items() if plain(name) in CLOCK_NAMES and _are_clocks(cells)), None)
    try:
        whole = [parse(cells) for name, cells in columns.items() if name != clock]
    except MarketDataError:
        if clock is not None:
            raise
        whole = []
    if clock is not None and len(whole) == 1:
        clocks = {clock: columns[clock]}
        if all(moment.time() == time.min for moment in whole[0]):
            return _join(whole[0], clocks, place)
        if _join([_midnight(moment) for moment in whole[0]], clocks, place) == whole[0]:
            return whole[0]
    elif clock is None and whole and (agreed := _agreed(whole)) is not None:
        return agreed
    twins = " and ".join(repr(name) for name in columns)
    option = or_option(source, f"time={next(iter(columns))}", "say which")
    raise MarketDataError(f"{source} has {twins} for time: keep one such column{option}.")


def _join(dates: Sequence[datetime], clocks: TimeColumns, place: Place) -> list[datetime]:
    offsets = [timedelta(0)] * len(dates)
    zones = [moment.tzinfo for moment in dates]
    for name, cells in clocks.items():
        digits = _digits_form(cells)
        for row, cell in enumerate(cells):
            try:
                clock = _clock(cell.strip(), digits, minutes=plain(name) in _MINUTE_NAMES)
            except ValueError:
                raise MarketDataError(
                    f"{place(row)}: {name} is {cell!r:.60}, which is no clock time beside the date: write it as 15:30."
                ) from None
            offsets[row] += timedelta(
                hours=clock.hour, minutes=clock.minute, seconds=clock.second, microseconds=clock.microsecond
            )
            zones[row] = clock.tzinfo or zones[row]
    return [date.replace(tzinfo=zone) + offset for date, offset, zone in zip(dates, offsets, zones, strict=True)]


def _are_clocks(cells: Sequence[str]) -> bool:
    """Whether most cells are clock times, so that one that is not can be named."""

    def is_clock(cell: str) -> bool:
        try:
            parse_clock(cell)
        except ValueError:
            return bool(re.fullmatch(r"\d{1,6}", cell.strip()))
        return True

    return 2 * sum(map(is_clock, cells)) >= len(cells)


def _digits_form(cells: Sequence[str]) -> int:
    """Digits of a clock written as a number: 6 (HHMMSS), 4 (HHMM) or 2 (HH), leading zeros lost or not."""
    longest = max((len(cell.strip()) for cell in cells if is_number(cell.strip())), default=0)
    return next(form for form in (2, 4, 6) if longest <= form or form == 6)


def _clock(cell: str, digits: int, *, minutes: bool) -> time:
    if not cell.isdecimal():
        return parse_clock(cell)
    if minutes:
        return time(0, int(cell))
    text = cell.zfill(digits)
    return time(int(text[:2]), int(text[2:4] or 0), int(text[4:] or 0))


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _agreed(columns: Sequence[Sequence[datetime]]) -> list[datetime] | None:
    """The column with most clocks, where all columns say the same moments or their dates."""
    finest = max(columns, key=lambda times: sum(moment.time() != time.min for moment in times))
    for times in columns:
        for one, other in zip(finest, times, strict=True):
            same = one.replace(tzinfo=None) == other.replace(tzinfo=None)
            if not same and not (other.time() == time.min and one.date() == other.date()):
                return None
    return list(finest)
