"""The times of rows: a date and its clock in columns of their own are joined, two whole times must agree, and times
without a zone are read by the clock that a person names (``data.clock``)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta

from llm_strategy.errors import MarketDataError
from simulator.prices.reading.columns import plain
from simulator.prices.reading.times import Place, is_number, parse_clock, parse_times
from simulator.prices.sessions import zone_of
from simulator.prices.source import or_option

CLOCK_NAMES = frozenset(
    {"time", "hour", "hours", "hh", "clock", "timeofday", "tradetime", "bartime", "时间", "zeit", "время", "heure"}
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


_SOON = timedelta(hours=3)


def at_clock(times: Sequence[datetime], clock: str | None, place: Place) -> list[datetime]:
    """The times in UTC, with their zone; unchanged where no clock is named.

    A local clock shows an hour twice each autumn and leaves one out each spring. Where a file holds both, the second
    one is known by its place, after the first; where it holds one of them alone, nothing says which, and
    ``MarketDataError`` names the row, as it does for a time that the clock never showed, and for one with a zone.
    """
    if clock is None:
        return list(times)
    zone, last = zone_of(clock, "clock"), datetime.min.replace(tzinfo=UTC)
    found: list[datetime] = []
    doubtful: list[int] = []
    for row, moment in enumerate(times):
        if moment.tzinfo is not None:
            raise MarketDataError(
                f"{place(row)}: {moment.isoformat()} has a zone of its own while data.clock is {clock}: leave "
                "data.clock out."
            )
        offset, later = (moment.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta(0) for fold in (0, 1))
        if offset < later:
            raise MarketDataError(
                f"{place(row)}: no clock in {clock} ever showed {moment.isoformat(sep=' ')}, it was put forward over "
                "that hour: write the times in UTC, or name another data.clock."
            )
        utc = moment.replace(tzinfo=UTC) - offset
        if offset > later:
            if utc > last:
                doubtful.append(row)
            else:
                utc = moment.replace(tzinfo=UTC) - later
        found.append(utc)
        last = utc
    for row in doubtful:
        if not _goes_back(times, row):
            raise MarketDataError(
                f"{place(row)}: {times[row].isoformat(sep=' ')} comes twice in {clock}, and the file holds it once, so "
                "that nothing says which one is meant: write the times in UTC."
            )
    return found


def _goes_back(times: Sequence[datetime], row: int) -> bool:
    """Whether a row soon after shows no later clock, so that the clock went back between the two."""
    for later in itertools.islice(times, row + 1, None):
        if later <= times[row]:
            return True
        if later - times[row] > _SOON:
            return False
    return False
