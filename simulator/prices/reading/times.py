"""Times as people write them, read without guessing.

Known are numbers (``20081010``, and seconds to nanoseconds since 1970), ISO 8601 (``2008-10-10``,
``2008-10-10T15:30``, with or without an offset), the year first with other separators, the day or month first where
some row or the person settles which (``13/01/2020``), and month names (``02-Jan-2020``, ``Jan 2, 2020``). Clocks may
have AM or PM, and UTC or GMT behind them.

A column of numbers is judged as a whole, because ``99964800`` is a second of 1973 among other seconds and no date among
dates. Sizes tell seconds (up to 10 digits), milliseconds (13), microseconds (16) and nanoseconds (19) apart, cell by
cell: files of Binance change from milliseconds to microseconds at the turn of 2025.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, time, timedelta
from decimal import Decimal

from llm_strategy.errors import MarketDataError
from simulator.prices.sessions import Timeframe

_YEAR_FIRST = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T ]+(.+))?")
_YEAR_LAST = re.compile(r"(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})(?:,?[T ]+(.+))?")
_MONTH_NAMES = ("%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%Y-%b-%d")
_CLOCK = re.compile(
    r"(?P<hour>\d{1,2})(?P<rest>(?::\d{2}(?::\d{2}(?:[.,]\d+)?)?)?)[ -]?(?P<half>[AaPp]\.?[Mm]\.?)?"
    r" ?(?P<zone>Z|(?:UTC|GMT)?[-+]\d{2}(?::?\d{2})?|UTC|GMT)?"
)

Place = Callable[[int], str]
"""Says where a row stands, such as ``csv:a.csv, line 12``."""


def parse_times(
    cells: Sequence[str], place: Place, *, day_first: bool | None = None, settle: str = ""
) -> list[datetime]:
    """One datetime a cell, with a zone where the cell has one; ``MarketDataError`` names the first unreadable one.

    ``day_first`` is what a person says of ``1/2/2020``; ``settle`` tells in an error how it can be said.
    """
    cells = [cell.strip() for cell in cells]
    if day_first is None:
        day_first = _day_stands_first(cells, place, settle)
    numbers = {row: cell for row, cell in enumerate(cells) if is_number(cell)}
    read = read_numbers(numbers, place) if numbers else {}
    times = []
    for row, cell in enumerate(cells):
        try:
            moment = read[row] if row in numbers else _parse(cell, day_first)
            if not MINYEAR < moment.year < MAXYEAR:  # what programs write for no time, and no zone can shift
                raise ValueError(cell)
            times.append(moment)
        except (ValueError, KeyError):
            raise MarketDataError(f"{place(row)}: {_unreadable(cell)}.") from None
    return times


def parse_clock(text: str) -> time:
    """``15:30``, ``9:30:00.5``, ``03:30 PM``, ``12-AM``, ``15:30 UTC``, ``15:30+01:00``; ``ValueError`` for others."""
    match = _CLOCK.fullmatch(text.strip())
    if match is None or not (match["rest"] or match["half"]):
        raise ValueError(text)
    hour = int(match["hour"])
    if match["half"]:
        if not 1 <= hour <= 12:
            raise ValueError(text)
        hour = hour % 12 + (12 if match["half"][0] in "pP" else 0)
    zone = re.sub("UTC|GMT", "", match["zone"] or "") or ("Z" if match["zone"] else "")
    return time.fromisoformat(f"{hour:02d}{match['rest'].replace(',', '.') or ':00'}{zone}")


def drop_zones(times: Sequence[datetime], timeframe: Timeframe, place: Place, *, settle: str = "") -> list[datetime]:
    """Times without a zone, for a simulator that has none.

    Daily and longer bars stand at the local date of their zone. Intraday bars keep their clock only in UTC: other zones
    have an hour that comes twice each autumn. ``MarketDataError`` says which conversion is missing, and with ``settle``
    how the zone can be said.
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
            f"exchange: convert the times to the zone of the exchange, or write dates alone{settle}."
        )
    return [datetime.combine(moment.date(), time.min) for moment in times]


def _unreadable(cell: str) -> str:
    if not cell:
        return "the time is missing, write it as 2008-10-10 or 2008-10-10T15:30:00"
    try:
        parse_clock(cell)
    except ValueError:
        return f"{cell!r:.60} is no date or time that can be read, write it as 2008-10-10 or 2008-10-10T15:30:00"
    return (
        f"{cell!r:.60} is no date or time that can be read but a clock time without its date, write it as "
        "2008-10-10T15:30:00, or keep a column named Date beside it"
    )


def _day_stands_first(cells: Sequence[str], place: Place, settle: str) -> bool:
    matches = [(row, match) for row, cell in enumerate(cells) if (match := _YEAR_LAST.fullmatch(cell))]
    if not matches:
        return False
    day_first = any(int(match[1]) > 12 for _, match in matches)
    month_first = any(int(match[2]) > 12 for _, match in matches)
    if day_first == month_first:
        row, match = matches[0]
        if day_first:
            why, cure = "the rows contradict each other", ""
        else:
            why, cure = "no row settles whether the day or the month stands first", settle
        raise MarketDataError(f"{place(row)}: {match[0]!r:.60} is ambiguous, {why}: write dates as 2008-10-31{cure}.")
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
    if match := re.fullmatch(r"(\d{8})[T ]+(.+)", cell):
        return _assemble(cell[:4], cell[4:6], cell[6:8], match[2])
    named = re.fullmatch(r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? )?(.+?)(?:,?[T ]+(\d{1,2}:.+))?", cell)
    if named is None:
        raise ValueError(cell)
    for form in _MONTH_NAMES:
        try:
            day_alone = datetime.strptime(named[1], form)  # noqa: DTZ007 (the zone, if any, stands in the clock)
        except ValueError:
            continue
        return datetime.combine(day_alone, parse_clock(named[2])) if named[2] else day_alone
    raise ValueError(cell)


def _assemble(year: str, month: str, day: str, clock: str | None) -> datetime:
    date = datetime(int(year), int(month), int(day))  # noqa: DTZ001 (the zone, if any, stands in the clock)
    if clock is None:
        return date
    compact = re.fullmatch(r"\d\d(\d\d){0,2}", clock)  # 15, 1530 or 153000
    return datetime.combine(date, time.fromisoformat(clock) if compact else parse_clock(clock))


_NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d{1,2})?")
_LONGEST = 40
"""Characters of a number: more digits, or larger powers of ten, are no time, and would take minutes to write out."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORMS = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_LARGEST = {10: 1, 13: 10**3, 16: 10**6, 19: 10**9}
"""Most digits of a number, and its units a second."""
_SURE_LENGTHS = frozenset({9, 10, 12, 13, 15, 16, 18, 19})
"""Digits of a time that is not near 1970, where a smaller unit has no more digits than a larger one has elsewhere."""
_FIRST_YEAR, _LAST_YEAR = 1800, 2200
_SPREADSHEET_DAYS = range(15_000, 80_000)
_SPREADSHEET_START = date(1899, 12, 30)


def is_number(cell: str) -> bool:
    """Whether a cell is written as a number."""
    if len(cell) > _LONGEST:
        return False
    return cell.isdecimal() or (":" not in cell and "-" not in cell[1:5] and _NUMBER.fullmatch(cell) is not None)


def read_numbers(cells: Mapping[int, str], place: Callable[[int], str]) -> dict[int, datetime]:
    """The times of cells that are numbers, by row; a cell that is no time is left out.

    Dates come without a zone, times since 1970 in UTC. ``MarketDataError`` where a column can be read in two ways, or
    where a spreadsheet has left too few digits.
    """
    _refuse_lost_digits(cells, place)
    values = {row: _value(cell) for row, cell in cells.items()}
    digits = {row: str(int(value)) if value == int(value) else "" for row, value in values.items()}
    dates = {row: moment for row, text in digits.items() if (moment := _calendar(text)) is not None}
    if 2 * len(dates) >= len(cells):
        return dates
    _refuse_hours(digits, place)
    lengths = {row: len(str(abs(int(value)))) for row, value in values.items()}
    longest = max(lengths.values())
    if longest <= 8:
        if not _may_be_seconds(values):
            _refuse_spreadsheet_days(values, place, cells)
            return {}
    elif len({_units(length) for length in lengths.values()}) > 1:
        short = next((row for row, length in lengths.items() if length not in _SURE_LENGTHS), None)
        if short is not None:
            raise MarketDataError(
                f"{place(short)}: {cells[short]!r:.60} may be seconds, milliseconds or smaller units since 1970 among "
                "longer numbers: write all times alike, such as 2008-10-10T15:30:00."
            )
    moments = {row: _moment(value, lengths[row]) for row, value in values.items()}
    return {row: moment for row, moment in moments.items() if moment is not None}


def _value(cell: str) -> Decimal | int:
    return int(cell) if cell.isdecimal() else Decimal(cell)


def _calendar(text: str) -> datetime | None:
    """``YYYYMMDD``, ``YYYYMMDDHHMM`` or ``YYYYMMDDHHMMSS`` of a plausible year."""
    form = _FORMS.get(len(text))
    if form is None or not text.isdecimal() or not _FIRST_YEAR <= int(text[:4]) <= _LAST_YEAR:
        return None
    try:
        return datetime.strptime(text, form)  # noqa: DTZ007 (such a cell has no zone)
    except ValueError:
        return None


def _moment(value: Decimal | int, length: int) -> datetime | None:
    units = _units(length)
    if units is None:
        return None
    moment = _EPOCH + timedelta(microseconds=int(value * 10**6 // units))
    return moment if _FIRST_YEAR <= moment.year <= 2300 else None


def _units(length: int) -> int | None:
    """Units a second of a number of so many digits; ``None`` for one that is too long."""
    return next((units for digits, units in _LARGEST.items() if length <= digits), None)


def _may_be_seconds(values: Mapping[int, Decimal | int]) -> bool:
    """Whether small numbers are seconds of the early seventies: whole minutes, and not numbers of rows or years."""
    return len(values) > 1 and all(value % 60 == 0 for value in values.values())


def _refuse_hours(digits: Mapping[int, str], place: Callable[[int], str]) -> None:
    hours = {
        row: len(text) == 10 and text[8:] < "24" and _calendar(text[:8]) is not None for row, text in digits.items()
    }
    if all(hours.values()):
        row = next(iter(digits))
        text = digits[row]
        raise MarketDataError(
            f"{place(row)}: {text!r:.60} may be an hour written as YYYYMMDDHH or seconds since 1970: write it as "
            f"{text[:4]}-{text[4:6]}-{text[6:8]}T{text[8:]}:00."
        )


def _refuse_spreadsheet_days(
    values: Mapping[int, Decimal | int], place: Callable[[int], str], cells: Mapping[int, str]
) -> None:
    if all(int(value) in _SPREADSHEET_DAYS for value in values.values()):
        row = next(iter(values))
        day = _SPREADSHEET_START + timedelta(days=int(values[row]))
        raise MarketDataError(
            f"{place(row)}: {cells[row]!r} is the number of a day in a spreadsheet ({day}, where days are counted from "
            "1900): give the column a date format such as yyyy-mm-dd there and save the file again."
        )


def _refuse_lost_digits(cells: Mapping[int, str], place: Callable[[int], str]) -> None:
    """``1.60946E+12`` is what a spreadsheet shows of 1609459200000: hours and days are gone."""
    powers: Sequence[tuple[int, str]] = [(row, cell) for row, cell in cells.items() if "e" in cell.lower()]
    if len(powers) > 1 and max(len(cell.lower().partition("e")[0].partition(".")[2]) for _, cell in powers) <= 5:
        row, cell = powers[0]
        raise MarketDataError(
            f"{place(row)}: {cell!r:.60} has lost its last digits, as spreadsheets show long numbers: give the column "
            "a number format without decimals, or take the file as it was downloaded."
        )
