"""Columns of cells as prices: when each row is, what its numbers are, and in whose units.

Cells are plain numbers, or those of exports with currency signs, thousands and suffixes; none is read by guess.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, time

import numpy as np
import numpy.typing as npt
import pandas as pd

from llm_strategy.errors import ConfigurationError, MarketDataError
from simulator.prices.reading.clocks import at_clock, clocks_beside, date_parts, read_times
from simulator.prices.reading.columns import COMMON, find_columns, find_columns_of
from simulator.prices.reading.options import FileOptions, ReadOptions
from simulator.prices.reading.several_symbols import pick_columns, rows_of_symbol
from simulator.prices.reading.times import Place, drop_zones
from simulator.prices.sessions import zone_of
from simulator.prices.source import or_option, without_folder
from simulator.prices.table import COLUMNS, PRICE_COLUMNS, RawTable, make_table, scale_to_adjusted_close
from simulator.prices.volumes import find_volume

_MISSING = frozenset({"", "null", "none", "na", "n/a", "nan", "-", "--", "."})
_CURRENCY = re.compile(r"[$€£¥₹]\s*")
_THOUSANDS = {".": re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d*)?"), ",": re.compile(r"[-+]?\d{1,3}(\.\d{3})+(,\d*)?")}
_SUFFIXES = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}


def read_frame(frame: pd.DataFrame, symbol: str, source: str, reading: ReadOptions) -> RawTable:
    """Prices from a frame with one level of column names, whose times stand in its index or in a column."""
    if isinstance(frame.index, pd.DatetimeIndex):
        frame = frame.reset_index(names="datetime", allow_duplicates=True)
    elif not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index(names=[name or "" for name in frame.index.names], allow_duplicates=True)
    if frame.empty:
        raise MarketDataError(f"{source} holds no rows: write prices into it.")
    columns: list[Sequence[object]] = [frame.iloc[:, at].tolist() for at in range(frame.shape[1])]
    return read_columns(symbol, [str(name) for name in frame.columns], columns, source, reading)


def read_columns(
    symbol: str,
    header: Sequence[str],
    columns: Sequence[Sequence[object]],
    source: str,
    reading: ReadOptions,
    *,
    lines: Sequence[int] | None = None,
    notes: tuple[str, ...] = (),
) -> RawTable:
    """The prices among columns of cells; ``lines`` are those of a text file, by row, and named in errors."""
    options = reading.options
    asked = options.symbol
    if picked := _pick_columns(header, source, options):
        header, asked = picked, None
    if not find_columns_of("time", header, COMMON["time"]) and (dates := date_parts(header, columns)):
        header, columns = [*header, "date"], [*columns, dates]
    positions = find_columns(header, source, options)
    times_at = [at for at, name in positions.items() if name == "time"]
    keys = list(zip(*(columns[at] for at in times_at), strict=True))
    kept = rows_of_symbol(header, columns, keys, source, asked)
    rows = list(range(len(keys))) if kept is None else kept
    if options.newest_first:
        rows.reverse()
    if kept is not None or options.newest_first:
        columns = [[column[row] for row in rows] for column in columns]

    def place(row: int) -> str:
        return f"{source}, row {rows[row] + 1}" if lines is None else f"{source}, line {lines[rows[row]]}"

    beside = clocks_beside(header, times_at) if len(times_at) == 1 and "time" not in options.names else []
    moments = read_times(
        {header[at]: _texts(columns[at]) for at in times_at},
        {header[at]: _texts(columns[at]) for at in beside},
        source,
        place,
        day_first=options.day_first,
    )
    at_lines = None if lines is None else np.asarray(lines)[rows]
    named = symbol if options.symbol is None else options.symbol
    return _build(named, moments, header, columns, positions, at_lines, place, source, reading, notes)


def _pick_columns(header: Sequence[str], source: str, options: FileOptions) -> list[str] | None:
    """The header with the prices of one symbol under plain names, where none has them already."""
    if all(name in options.names or find_columns_of(name, header, COMMON[name]) for name in PRICE_COLUMNS):
        return None
    return pick_columns(header, source, options.symbol)


def _build(
    symbol: str,
    moments: Sequence[datetime],
    header: Sequence[str],
    columns: Sequence[Sequence[object]],
    positions: Mapping[int, str],
    lines: npt.NDArray[np.int64] | None,
    place: Place,
    source: str,
    reading: ReadOptions,
    notes: tuple[str, ...],
) -> RawTable:
    options = reading.options
    found = find_volume(header, columns.__getitem__, reading.volume, without_folder(source), positions)
    cells = {name: columns[at] for at, name in positions.items() if name not in ("time", "volume")}
    if found.position is not None:
        cells["volume"] = columns[found.position]
    naive = reading.timeframe.intraday and all(moment.tzinfo is None for moment in moments)
    settle = or_option(source, "zone=America/New_York", "name its zone")
    zoned = _in_zone(at_clock(moments, reading.clock, place), source, reading, place)
    times = drop_zones(zoned, reading.timeframe, place, settle=settle)
    if options.newest_first and times[0] > times[-1]:
        raise ConfigurationError(f"{source}: the last row is the newest: leave order=newest_first out.")
    read = {name: read_cells(name, cells[name], place, source, options.decimal) for name in cells if name in COLUMNS}
    table = make_table(times, {"volume": np.zeros(len(times)), **read})
    beside = {name: _loose_numbers(cells[name]) for name in ("adjusted close", "splits") if name in cells}
    if options.adjusted:
        beside["adjusted close"] = read_cells("adjusted close", cells["adjusted close"], place, source, options.decimal)
        table = scale_to_adjusted_close(table, beside["adjusted close"])
    return RawTable(
        symbol,
        table,
        lines,
        adjusted_close=beside.get("adjusted close"),
        splits=beside.get("splits"),
        scaled=options.adjusted,
        volume=found.kind,
        naive=naive and reading.clock is None,
        notes=(*notes, *found.notes),
    )


def _in_zone(times: Sequence[datetime], source: str, reading: ReadOptions, place: Place) -> list[datetime]:
    """Moments as dates of the exchange, where its zone is named; unchanged where it is not."""
    if reading.options.zone is None:
        return list(times)
    if reading.timeframe.intraday:
        raise ConfigurationError(
            f"{source}: zone is for daily and longer bars, and those of {reading.timeframe} stand at UTC: leave it out."
        )
    naive = next((row for row, moment in enumerate(times) if moment.tzinfo is None), None)
    if naive is not None:
        raise ConfigurationError(f"{place(naive)}: the time has no zone of its own: leave zone out, dates stay dates.")
    zone = zone_of(reading.options.zone, "zone")
    return [datetime.combine(moment.astimezone(zone).date(), time.min) for moment in times]


def _texts(cells: Sequence[object]) -> list[str]:
    return ["" if pd.isna(cell) else str(cell) for cell in cells]  # type: ignore[call-overload]


def _loose_numbers(cells: Sequence[object]) -> npt.NDArray[np.float64]:
    """Cells that only serve to check prices, such as "4:1" of a split; NaN where one is no number."""
    texts = pd.Series([str(cell) for cell in cells], dtype=object)
    ratio = texts.str.extract(r"^\s*([\d.]+)\s*(?:[:/]|for)\s*([\d.]+)\s*$").apply(pd.to_numeric, errors="coerce")
    numbers = pd.to_numeric(texts, errors="coerce").fillna(ratio[0] / ratio[1])
    return np.asarray(numbers, dtype=np.float64)


def read_cells(
    name: str, cells: Sequence[object], place: Place, source: str, decimal: str | None
) -> npt.NDArray[np.float64]:
    """Cells as floats; one that says that nothing is known is NaN, which validation refuses by name.

    ``decimal`` is the sign that a person says stands before decimals. Without it a comma between digits is read only
    where a point in the same column shows that it stands for thousands.
    """
    if decimal != ",":
        try:
            return np.array([float(cell) for cell in cells])  # type: ignore[arg-type]
        except (TypeError, ValueError):
            pass  # some cell is no plain number: one by one
    numbers = np.empty(len(cells))
    comma_is_thousands = decimal == "." or (decimal is None and _has_thousands(cells))
    for row, cell in enumerate(cells):
        try:
            numbers[row] = np.nan if cell is None or cell is pd.NA else float(cell)  # type: ignore[arg-type]
            if decimal != "," or not isinstance(cell, str) or "." not in cell:
                continue
        except (TypeError, ValueError):
            pass
        value = _read(cell, decimal, comma_is_thousands) if isinstance(cell, str) else None
        if value is None:
            option, form = "", "1234,5" if decimal == "," else "1234.5"
            if decimal is None and isinstance(cell, str) and re.search(r"\d,\d", cell):
                likely = "point" if name == "volume" and _THOUSANDS["."].fullmatch(cell.strip()) else "comma"
                option = or_option(source, f"decimal={likely}", "say what the comma is (decimal=comma, decimal=point)")
            if name == "volume":
                option += ", or leave volumes out with data.volume: none"
            raise MarketDataError(
                f"{place(row)}: {name} is {str(cell)[:40]!r}, which is not a number: write it as {form}{option}."
            )
        numbers[row] = value
    return numbers


def _read(cell: str, decimal: str | None, comma_is_thousands: bool) -> float | None:
    text = _CURRENCY.sub("", cell.strip(), count=1)
    if text.lower() in _MISSING:
        return float("nan")
    factor = _SUFFIXES.get(text[-1:].upper(), 1.0)
    if factor != 1.0:
        text = text[:-1].rstrip()
    if decimal == ",":
        if _THOUSANDS[","].fullmatch(text):
            text = text.replace(".", "")
        elif "." in text:
            return None
        text = text.replace(",", ".")
    elif comma_is_thousands and _THOUSANDS["."].fullmatch(text):
        text = text.replace(",", "")
    return float(text) * factor if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", text) else None


def _has_thousands(cells: Sequence[object]) -> bool:
    """Whether some cell has commas that can only stand for thousands: ``1,234.5`` or ``1,234,567``."""
    texts = [_CURRENCY.sub("", cell.strip(), count=1) for cell in cells if isinstance(cell, str) and "," in cell]
    return any(_THOUSANDS["."].fullmatch(text) and ("." in text or text.count(",") > 1) for text in texts)
