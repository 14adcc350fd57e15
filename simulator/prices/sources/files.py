"""CSV and parquet files: columns found by their common names, every cell that is no number named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from llm_strategy.errors import ConfigurationError, MarketDataError, did_you_mean
from llm_strategy.support.read_regular import read_bytes
from simulator.prices.sessions import zone_of
from simulator.prices.source_text import or_option, without_folder
from simulator.prices.sources.clock import at_clock
from simulator.prices.sources.clock_columns import clocks_beside, date_parts, read_times
from simulator.prices.sources.column_names import COMMON, columns_named
from simulator.prices.sources.csv_rows import read_rows
from simulator.prices.sources.file_options import FileOptions
from simulator.prices.sources.numbers import read_cells
from simulator.prices.sources.several_symbols import pick_columns, rows_of_symbol
from simulator.prices.sources.times import Place, drop_zones
from simulator.prices.table import (
    COLUMNS,
    MOST_PRICES,
    PRICE_COLUMNS,
    RawTable,
    make_table,
    scale_to_adjusted_close,
)
from simulator.prices.timeframe import Timeframe
from simulator.prices.volumes import VolumeKind, find_volume

MOST_ALIKE, CELLS_A_BYTE = 5_000_000, 10
"""Cells of a parquet file, whatever its length, and for each of its bytes. Prices take a byte a cell and more."""
SPELLINGS = {
    **COMMON,
    "volume": ("volume", "vol", "v"),
    "adjusted close": ("adjclose", "adjustedclose"),
    "splits": ("stocksplits", "stocksplit", "split", "splits", "splitratio", "splitcoefficient", "splitfactor"),
}
"""Column names that are understood, in lower case with everything but letters and a leading number left out."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How a file is read: its bars' length, what a person says of the file (``options``), the zone of times that have
    none (``clock``), and what its volume counts (``None``: what its name says)."""

    timeframe: Timeframe
    options: FileOptions = field(default_factory=FileOptions)
    clock: str | None = None
    volume: VolumeKind | None = None


def read_csv_prices(path: Path, source: str, reading: ReadOptions) -> RawTable:
    """Prices from a text file: by default UTF-8 with a header line, commas between cells and decimal points."""
    read = read_rows(_existing(path, source), source, reading.options)
    columns = [[row[at] for row in read.rows] for at in range(len(read.header))]
    return read_columns(path.stem, read.header, columns, source, reading, lines=read.lines, notes=read.notes)


def read_parquet_prices(path: Path, source: str, reading: ReadOptions) -> RawTable:
    """Prices from a parquet file whose times stand in its index or in a column."""
    from pyarrow.parquet import ParquetFile

    content = BytesIO(_existing(path, source))
    try:
        _check_size(ParquetFile(content).metadata, len(content.getbuffer()))
        frame = pd.read_parquet(content)
    except (OSError, ValueError, TypeError, LookupError, ArithmeticError, MemoryError, NotImplementedError) as problem:
        reason = (str(problem).splitlines() or [type(problem).__name__])[0].rstrip(". ")
        raise MarketDataError(f"{source} is not a parquet file that can be read ({reason}): write it again.") from None
    if frame.columns.nlevels > 1:
        raise MarketDataError(
            f"{source} has column names of {frame.columns.nlevels} levels: keep one symbol and one level, such as "
            "table.xs('SPY', axis=1, level='Ticker'), and save it again."
        )
    return read_frame(frame, path.stem, source, reading)


def _check_size(head: Any, packed: int) -> None:
    """Raise ``ValueError`` where a parquet file of ``packed`` bytes would unpack to more than is read of any file, or
    than prices do: a column of one value takes no room, whatever its length."""
    size = sum(head.row_group(number).total_byte_size for number in range(head.num_row_groups))
    cells = head.num_rows * head.num_columns
    if max(size, cells) > MOST_PRICES:
        raise ValueError(f"it unpacks to {max(size, cells):,} bytes, and at most {MOST_PRICES:,} are read")
    if cells > MOST_ALIKE + CELLS_A_BYTE * packed:
        raise ValueError(f"it holds {cells:,} cells in {packed:,} bytes, which prices never do")


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
    if not columns_named("time", header, COMMON["time"]) and (dates := date_parts(header, columns)):
        header, columns = [*header, "date"], [*columns, dates]
    positions = _positions(header, source, options)
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


def _existing(path: Path, source: str) -> bytes:
    try:
        return read_bytes(path, MOST_PRICES)
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise MarketDataError(f"{source}: there is no folder {path.parent}, correct the path.") from None
        beside = sorted(other.name for other in path.parent.iterdir() if other.suffix == path.suffix)
        meant = did_you_mean(path.name, beside) if beside else ", correct the path."
        raise MarketDataError(f"{source}: there is no such file{meant}") from None
    except OSError as problem:
        raise MarketDataError(f"{source} cannot be read: {problem}.") from None


def _pick_columns(header: Sequence[str], source: str, options: FileOptions) -> list[str] | None:
    """The header with the prices of one symbol under plain names, where none has them already."""
    if all(name in options.names or columns_named(name, header, COMMON[name]) for name in PRICE_COLUMNS):
        return None
    return pick_columns(header, source, options.symbol)


def _positions(header: Sequence[str], source: str, options: FileOptions) -> dict[int, str]:
    """Which column of the file is which of ours, by position; several may be for time."""
    found: dict[int, str] = {}
    for name, given in options.names.items():
        at = _position(given, name, header, source)
        if at in found:
            raise ConfigurationError(
                f"{source}: {found[at]} and {name} are both {given!r}: a bar needs a column of each, take a file that "
                "holds open, high, low and close."
            )
        found[at] = name
    for name, spellings in SPELLINGS.items():
        if name in options.names:
            continue
        named = [at for at in columns_named(name, header, spellings) if at not in found]
        if len(named) > 1 and name != "time":
            twins = " and ".join(repr(header[position]) for position in named[:5])
            option = or_option(source, f"{name}={header[named[0]]}", "say which") if name in COLUMNS else ""
            raise MarketDataError(f"{source} has {twins} for {name}: keep one such column{option}.")
        found.update(dict.fromkeys(named, name))
    needed = ("time", *PRICE_COLUMNS, *(("adjusted close",) if options.adjusted else ()))
    missing = [name for name in needed if name not in found.values()]
    if missing and options.columns:
        raise ConfigurationError(
            f"{source}: columns names no {' and no '.join(missing)}: name the columns {', '.join(('time', *COLUMNS))} "
            "in the order of the file, with any other word for those that are not needed."
        )
    if missing:
        others = [name for position, name in enumerate(header) if position not in found and name.strip()]
        sayable = [name for name in missing if name in ("time", *COLUMNS)]
        enough = sayable and len(others) >= len(sayable)
        option = or_option(source, f"{sayable[0]}={others[0]}", "say which they are") if enough else ""
        if set(missing) == set(PRICE_COLUMNS) and len(others) > 1:
            option += "; if these are prices of symbols, a bar needs open, high, low and close of one"
        elif sayable and not enough:
            option += "; a bar needs open, high, low and close, each in a column of its own"
        raise MarketDataError(
            f"{source} has no column {' and no column '.join(missing)} in its header ({', '.join(header)[:120]}): "
            f"name the columns {', '.join(('time', *COLUMNS))}{option}."
        )
    return found


def _position(given: str, name: str, header: Sequence[str], source: str) -> int:
    """The position of the column that a person names; a name in other case or with blanks around it is another one."""
    at = [position for position, heading in enumerate(header) if heading.strip() == given]
    if not at:
        raise ConfigurationError(
            f"{source}: {name} is {given!r}, a column that is not there{did_you_mean(given, header)}"
        )
    if len(at) > 1:
        raise MarketDataError(f"{source} has {len(at)} columns {given!r}: rename all but the one for {name}.")
    return at[0]


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
