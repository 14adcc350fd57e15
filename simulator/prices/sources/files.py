"""``csv:PATH`` and ``parquet:PATH``: the files themselves, whose cells ``reading`` makes into prices."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd

from llm_strategy.errors import MarketDataError, did_you_mean
from llm_strategy.support.read_regular import place_of, read_bytes
from simulator.prices.reading.csv_rows import read_rows
from simulator.prices.reading.options import ReadOptions, read_options
from simulator.prices.reading.table_reader import read_columns, read_frame
from simulator.prices.source import Source, SourceRequest
from simulator.prices.table import MOST_PRICES, RawTable

MOST_ALIKE, CELLS_A_BYTE = 5_000_000, 10
"""Cells of a parquet file, whatever its length, and for each of its bytes. Prices take a byte a cell and more."""


def _load_csv(request: SourceRequest) -> RawTable:
    return read_csv_prices(place_of(request.name, request.folder), request.source, _reading(request, text=True))


def _load_parquet(request: SourceRequest) -> RawTable:
    return read_parquet_prices(place_of(request.name, request.folder), request.source, _reading(request, text=False))


def _reading(request: SourceRequest, *, text: bool) -> ReadOptions:
    options = read_options(request.options, request.source, text=text)
    return ReadOptions(request.timeframe, options, request.clock, request.volume)


CSV = Source("csv", _load_csv, takes_clock=True)
PARQUET = Source("parquet", _load_parquet, takes_clock=True)


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
