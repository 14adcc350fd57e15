"""Times that are numbers: dates without separators, and seconds to nanoseconds since 1970.

A column is judged as a whole, because ``99964800`` is a second of 1973 among other seconds and no date among dates.
Sizes tell seconds (up to 10 digits), milliseconds (13), microseconds (16) and nanoseconds (19) apart, cell by cell:
files of Binance change from milliseconds to microseconds at the turn of 2025.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from llm_strategy.errors import MarketDataError

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
