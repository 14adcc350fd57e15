"""CSV and parquet files: columns found by their common names, every cell that is no number named."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from llm_strategy.errors import ConfigurationError, MarketDataError, did_you_mean
from simulator.market_sources.table import COLUMNS, HEADER, PRICE_COLUMNS, RawTable, make_table, scale_to_adjusted_close
from simulator.market_sources.timeframe import Timeframe
from simulator.market_sources.times import Place, drop_zones, parse_times

SPELLINGS = {
    "time": ("time", "date", "datetime", "timestamp", "index", "opentime", ""),
    "open": ("open", "o"),
    "high": ("high", "h"),
    "low": ("low", "l"),
    "close": ("close", "c", "last", "closelast"),
    "volume": ("volume", "vol", "v"),
    "adjusted close": ("adjclose", "adjustedclose"),
}
"""Column names that are understood, in lower case with everything but letters and a leading number left out."""


def read_csv_prices(path: Path, source: str, timeframe: Timeframe, *, adjusted: bool) -> RawTable:
    """Prices from a UTF-8 CSV with a header line, commas between cells and decimal points."""
    header, rows, lines = _csv_rows(path, source)
    columns = {name: [row[position] for row in rows] for position, name in _positions(header, source, adjusted).items()}
    return _build(path.stem, columns, np.asarray(lines), lambda row: f"{source}, line {lines[row]}", timeframe)


def read_parquet_prices(path: Path, source: str, timeframe: Timeframe, *, adjusted: bool) -> RawTable:
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
    positions = _positions([str(name) for name in frame.columns], source, adjusted)
    columns: dict[str, Sequence[object]] = {name: frame.iloc[:, at].tolist() for at, name in positions.items()}
    return _build(path.stem, columns, None, lambda row: f"{source}, row {row + 1}", timeframe)


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
    if not adjusted:
        found = {position: name for position, name in found.items() if name != "adjusted close"}
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
    symbol: str,
    columns: Mapping[str, Sequence[object]],
    lines: npt.NDArray[np.int64] | None,
    place: Place,
    timeframe: Timeframe,
) -> RawTable:
    cells = ["" if pd.isna(cell) else str(cell) for cell in columns["time"]]  # type: ignore[call-overload]
    times = drop_zones(parse_times(cells, place), timeframe, place)
    numbers = {name: _numbers(name, column, place) for name, column in columns.items() if name != "time"}
    table = make_table(times, {"volume": np.zeros(len(times)), **numbers})
    if "adjusted close" in numbers:
        table = scale_to_adjusted_close(table, numbers["adjusted close"])
    return RawTable(symbol, table, lines)


def _numbers(name: str, cells: Sequence[object], place: Place) -> npt.NDArray[np.float64]:
    """Cells as floats; an empty cell is NaN, which validation refuses by name."""
    numbers = np.empty(len(cells))
    for row, cell in enumerate(cells):
        try:
            numbers[row] = np.nan if cell is None or cell is pd.NA or cell == "" else float(cell)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            raise MarketDataError(
                f"{place(row)}: {name} is {str(cell)[:40]!r}, which is not a number: write it as 1234.5."
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
