"""CSV and parquet files: columns found by their common names, every cell that is no number named."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from llm_strategy.errors import ConfigurationError, MarketDataError, did_you_mean
from simulator.market_sources.clock import at_clock
from simulator.market_sources.table import COLUMNS, HEADER, PRICE_COLUMNS, RawTable, make_table, scale_to_adjusted_close
from simulator.market_sources.timeframe import Timeframe
from simulator.market_sources.times import Place, drop_zones, parse_times
from simulator.market_sources.volumes import Cells, VolumeKind, find_volume

SPELLINGS = {
    "time": ("time", "date", "datetime", "timestamp", "index", "opentime", ""),
    "open": ("open", "o"),
    "high": ("high", "h"),
    "low": ("low", "l"),
    "close": ("close", "c", "last", "closelast"),
    "volume": ("volume", "vol", "v"),
    "adjusted close": ("adjclose", "adjustedclose"),
    "splits": ("stocksplits", "stocksplit", "split", "splits", "splitratio", "splitcoefficient", "splitfactor"),
}
"""Column names that are understood, in lower case with everything but letters and a leading number left out."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a file is read: its bars' length, whether prices are ``adjusted`` to the adjusted close, the zone of times
    that have none (``clock``), and what its volume counts (``None``: what its name says)."""

    timeframe: Timeframe
    adjusted: bool = False
    clock: str | None = None
    volume: VolumeKind | None = None


def read_csv_prices(path: Path, source: str, reading: Reading) -> RawTable:
    """Prices from a UTF-8 CSV with a header line, commas between cells and decimal points."""
    header, rows, lines = _csv_rows(path, source)

    def cells(position: int) -> list[str]:
        return [row[position] for row in rows]

    return _build(path, source, header, cells, np.asarray(lines), lambda row: f"{source}, line {lines[row]}", reading)


def read_parquet_prices(path: Path, source: str, reading: Reading) -> RawTable:
    """Prices from a parquet file whose times stand in its index or in a column."""
    _existing(path, source)
    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as problem:
        reason = str(problem).splitlines()[0].rstrip(". ")
        raise MarketDataError(f"{source} is not a parquet file that can be read ({reason}): write it again.") from None
    if frame.columns.nlevels > 1:
        raise MarketDataError(
            f"{source} has column names of {frame.columns.nlevels} levels: keep one symbol and one level, such as "
            "table.xs('SPY', axis=1, level='Ticker'), and save it again."
        )
    if isinstance(frame.index, pd.DatetimeIndex):
        frame = frame.reset_index(names="datetime", allow_duplicates=True)
    elif not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index(names=[name or "" for name in frame.index.names], allow_duplicates=True)
    if frame.empty:
        raise MarketDataError(f"{source} holds no rows: write prices into it.")
    header = [str(name) for name in frame.columns]

    def cells(position: int) -> list[object]:
        return list(frame.iloc[:, position])

    return _build(path, source, header, cells, None, lambda row: f"{source}, row {row + 1}", reading)


def _csv_rows(path: Path, source: str) -> tuple[list[str], list[list[str]], list[int]]:
    content = _existing(path, source)
    try:
        reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        rows, lines = [], []
        for row in reader:
            if row:
                rows.append(row)
                lines.append(reader.line_num)
    except UnicodeDecodeError as problem:
        raise MarketDataError(
            f"{source} is not UTF-8 text (byte {problem.start + 1} is {content[problem.start]:#04x}): save it as UTF-8."
        ) from None
    except csv.Error as problem:
        raise MarketDataError(f"{source}, line {reader.line_num}: {problem}: save the file as plain CSV.") from None
    if not rows:
        raise MarketDataError(f"{source} is empty: it needs a header line and one line a bar.")
    header = rows[0]
    if len(header) == 1 and (separator := re.search(r"[;\t|]", header[0])):
        name = {";": "semicolons", "\t": "tabs", "|": "bars"}[separator[0]]
        raise MarketDataError(f"{source} has {name} between its cells: save it with commas and with decimal points.")
    if any(re.fullmatch(r"[-+]?\d+(\.\d+)?", cell.strip()) for cell in header):
        raise MarketDataError(f"{source} has no header line: write {HEADER} above its first row.")
    if len(rows) == 1:
        raise MarketDataError(f"{source} has a header line and no rows: write one line a bar below it.")
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(header):
            hint = ", with decimal points if these are decimal commas" if len(row) > len(header) else ""
            raise MarketDataError(
                f"{source}, line {line} has {len(row)} cells where the header has {len(header)}: "
                f"write one cell a column{hint}."
            )
    return header, rows[1:], lines[1:]


def _existing(path: Path, source: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise MarketDataError(f"{source}: there is no folder {path.parent}, correct the path.") from None
        beside = sorted(other.name for other in path.parent.iterdir() if other.suffix == path.suffix)
        meant = did_you_mean(path.name, beside) if beside else ", correct the path."
        raise MarketDataError(f"{source}: there is no such file{meant}") from None
    except IsADirectoryError:
        raise MarketDataError(f"{source} is a folder: name a file in it.") from None
    except (OSError, ValueError) as problem:
        raise MarketDataError(f"{source} cannot be read ({problem}): check the path and its permissions.") from None


def _positions(header: Sequence[str], source: str, adjusted: bool) -> dict[int, str]:
    """Which column of the file is which of ours, by position."""
    plain = [re.sub(r"^\d+|[^a-z]", "", name.lower()) for name in header]
    found: dict[int, str] = {}
    for name, spellings in SPELLINGS.items():
        at = [position for position, spelling in enumerate(plain) if spelling in spellings]
        named = [position for position in at if plain[position]] or at
        if len(named) > 1:
            twins = " and ".join(repr(header[position]) for position in named)
            raise MarketDataError(f"{source} has {twins} for {name}: keep one such column.")
        found.update(dict.fromkeys(named, name))
    needed = ("time", *PRICE_COLUMNS, *(("adjusted close",) if adjusted else ()))
    missing = [name for name in needed if name not in found.values()]
    if "time" in missing and plain[0] == "price":
        raise MarketDataError(
            f"{source} has the header of several lines that yfinance writes: download with multi_level_index=False and "
            "save it again."
        )
    if missing:
        raise MarketDataError(
            f"{source} has no column {' and no column '.join(missing)} in its header ({', '.join(header)[:120]}): "
            f"name the columns {', '.join(('time', *COLUMNS))}."
        )
    return found


def _build(
    path: Path,
    source: str,
    header: Sequence[str],
    cells: Cells,
    lines: npt.NDArray[np.int64] | None,
    place: Place,
    reading: Reading,
) -> RawTable:
    positions = _positions(header, source, reading.adjusted)
    file = f"{source.partition(':')[0]}:{path.name}"
    found = find_volume(header, cells, reading.volume, file, positions)
    columns = {name: cells(position) for position, name in positions.items() if name != "volume"}
    if found.position is not None:
        columns["volume"] = cells(found.position)
    moments = parse_times(["" if pd.isna(cell) else str(cell) for cell in columns["time"]], place)  # type: ignore[call-overload]
    naive = reading.timeframe.intraday and all(moment.tzinfo is None for moment in moments)
    times = drop_zones(at_clock(moments, reading.clock, place), reading.timeframe, place)
    prices = {name: _numbers(name, columns[name], place) for name in columns if name in COLUMNS}
    table = make_table(times, {"volume": np.zeros(len(times)), **prices})
    beside = {name: _loose_numbers(columns[name]) for name in ("adjusted close", "splits") if name in columns}
    if reading.adjusted:
        table = scale_to_adjusted_close(table, _numbers("adjusted close", columns["adjusted close"], place))
    return RawTable(
        path.stem,
        table,
        lines,
        adjusted_close=beside.get("adjusted close"),
        splits=beside.get("splits"),
        volume=found.kind,
        naive=naive and reading.clock is None,
        notes=found.notes,
    )


def _loose_numbers(cells: Sequence[object]) -> npt.NDArray[np.float64]:
    """Cells that only serve to check prices, such as "4:1" of a split; NaN where one is no number."""
    texts = pd.Series([str(cell) for cell in cells], dtype=object)
    ratio = texts.str.extract(r"^\s*([\d.]+)\s*(?:[:/]|for)\s*([\d.]+)\s*$").apply(pd.to_numeric, errors="coerce")
    numbers = pd.to_numeric(texts, errors="coerce").fillna(ratio[0] / ratio[1])
    return np.asarray(numbers, dtype=np.float64)


def _numbers(name: str, cells: Sequence[object], place: Place) -> npt.NDArray[np.float64]:
    """Cells as floats; an empty cell is NaN, which validation refuses by name."""
    numbers = np.empty(len(cells))
    for row, cell in enumerate(cells):
        try:
            numbers[row] = np.nan if cell is None or cell is pd.NA or cell == "" else float(cell)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            cure = "write it as 1234.5" + (", or leave volumes out with data.volume: none" if name == "volume" else "")
            raise MarketDataError(
                f"{place(row)}: {name} is {str(cell)[:40]!r}, which is not a number: {cure}."
            ) from None
    return numbers


def wants_adjusted(options: Mapping[str, str], source: str) -> bool:
    """Read the options of a file source: ``adjusted=yes`` or ``adjusted=no`` (the default)."""
    for key, value in options.items():
        if key != "adjusted":
            raise ConfigurationError(f"{source} has the unknown option {key!r}{did_you_mean(key, ['adjusted'])}")
        if value not in ("yes", "no"):
            raise ConfigurationError(f"{source}: adjusted is {value!r}, it must be yes or no.")
    return options.get("adjusted") == "yes"
