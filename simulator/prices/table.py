"""The one shape of a price table, and its canonical bytes: what is hashed, cached and kept in a run folder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from llm_strategy.errors import MarketDataError
from llm_strategy.support.read_regular import read_bytes
from llm_strategy.support.write_whole import write_whole
from simulator.prices.volumes import VolumeKind

PRICE_COLUMNS = ("open", "high", "low", "close")
COLUMNS = (*PRICE_COLUMNS, "volume")
HEADER = ",".join(("time", *COLUMNS))
MOST_PRICES = 1_000_000_000
"""Bytes of a file of prices: some twenty years of one-minute bars of three symbols. To read it takes several times as
much memory."""


@dataclass(frozen=True, eq=False)
class RawTable:
    """What a source read, before validation: its own name for the symbol and a table as ``make_table`` builds it.

    ``lines`` holds the line of a text file behind each row, where there is one; ``true_regimes`` the label at each bar
    of a synthetic path; ``adjusted_close`` and ``splits`` what a file says beside its prices (shape as the rows, NaN
    where it says nothing), and ``scaled`` that the prices were scaled to that close. ``volume`` is what the volume
    counts; ``naive`` says that times had no zone and none was named for them. ``notes`` are sentences that a person
    must read, without folders.
    """

    symbol: str
    table: pd.DataFrame
    lines: npt.NDArray[np.int64] | None = None
    true_regimes: pd.Series[str] | None = None
    adjusted_close: npt.NDArray[np.float64] | None = None
    splits: npt.NDArray[np.float64] | None = None
    scaled: bool = False
    volume: VolumeKind = "shares"
    naive: bool = False
    notes: tuple[str, ...] = ()

    def day(self, row: int) -> str:
        """The time of a row, as ``show_time`` writes it."""
        return show_time(self.table.index[row])

    def between(self, first: datetime | None, last: datetime | None) -> RawTable:
        """The rows whose time lies in [first, last], in their order."""
        keep = np.ones(len(self.table), dtype=bool)
        if first is not None:
            keep &= np.asarray(self.table.index >= first)
        if last is not None:
            keep &= np.asarray(self.table.index <= last)
        return replace(
            self,
            table=self.table[keep],
            lines=None if self.lines is None else self.lines[keep],
            true_regimes=None if self.true_regimes is None else self.true_regimes[keep],
            adjusted_close=None if self.adjusted_close is None else self.adjusted_close[keep],
            splits=None if self.splits is None else self.splits[keep],
        )


def show_time(time: pd.Timestamp) -> str:
    """ISO date, with the clock where it is not midnight."""
    return time.isoformat().removesuffix("T00:00:00")


def make_table(times: Sequence[datetime] | pd.DatetimeIndex, columns: Mapping[str, object]) -> pd.DataFrame:
    """A table of the five float64 columns over a ``time`` index without zone, in microseconds."""
    index = pd.DatetimeIndex(np.asarray(times, dtype="datetime64[us]"), name="time")
    values = {name: np.asarray(columns[name], dtype=np.float64) for name in COLUMNS}
    return pd.DataFrame(values, index=index)


def scale_to_adjusted_close(table: pd.DataFrame, adjusted_close: npt.ArrayLike) -> pd.DataFrame:
    """All four prices times adjusted close over close, so that dividends and splits leave no gap.

    One factor for the whole bar keeps low <= open, close <= high exactly, rounding included.
    """
    factor = np.asarray(adjusted_close, dtype=np.float64) / table["close"].to_numpy()
    scaled = table.copy()
    for name in PRICE_COLUMNS:
        scaled[name] = table[name].to_numpy() * factor
    return scaled


def content_hash(table: pd.DataFrame) -> str:
    """SHA-256 over the times (int64 microseconds since 1970) and then each column (float64), all little-endian."""
    digest = hashlib.sha256(table.index.to_numpy().astype("datetime64[us]").astype("<i8").tobytes())
    for name in COLUMNS:
        digest.update(table[name].to_numpy().astype("<f8").tobytes())
    return digest.hexdigest()


def to_csv(table: pd.DataFrame) -> bytes:
    """Canonical CSV: ISO times, the shortest decimal that reads back to the same float64, ``\\n`` line ends."""
    return ("\n".join((HEADER, *csv_rows(table))) + "\n").encode("ascii")


def iso_times(index: pd.Index) -> list[str]:
    """The times of an index as ``isoformat`` writes each, in an eighth of its time where all are whole seconds."""
    values = index.to_numpy().astype("datetime64[us]")
    seconds = values.astype("datetime64[s]")
    if (seconds == values).all():
        written: list[str] = np.datetime_as_string(seconds).tolist()
        return written
    return [time.isoformat() for time in pd.DatetimeIndex(index)]


def csv_rows(table: pd.DataFrame) -> Iterator[str]:
    """The lines of ``to_csv`` below its header, without line ends."""
    times = iso_times(table.index)
    columns = (map(repr, table[name].tolist()) for name in COLUMNS)
    return map(",".join, zip(times, *columns, strict=True))


def from_csv(path: Path) -> pd.DataFrame:
    """Read what ``to_csv`` wrote, to equal bytes and hash; ``MarketDataError`` for anything else."""
    try:
        header, *rows = read_bytes(path, MOST_PRICES).decode("ascii").splitlines()
        if header != HEADER:
            raise ValueError(f"its header is not {HEADER}")
        return table_of_cells([row.split(",") for row in rows])
    except FileNotFoundError:
        raise MarketDataError(f"{path} does not exist: run what writes it again.") from None
    except (OSError, ValueError) as problem:
        raise MarketDataError(f"{path} is not a canonical price file ({problem}): run what writes it again.") from None


def table_of_cells(rows: Sequence[Sequence[str]]) -> pd.DataFrame:
    """The table of the split lines of ``csv_rows``; ``ValueError`` where a cell is no time or number."""
    if not all(len(row) == 1 + len(COLUMNS) for row in rows):
        raise ValueError(f"a row has not {1 + len(COLUMNS)} cells")
    times = [datetime.fromisoformat(row[0]) for row in rows]
    if any(time.tzinfo for time in times):
        raise ValueError("its times have a zone")
    numbers = [[float(cell) for cell in row[1:]] for row in rows]
    values = np.asarray(numbers, dtype=np.float64).reshape(len(rows), len(COLUMNS))
    return make_table(times, dict(zip(COLUMNS, values.T, strict=True)))


def write_table(path: Path, content: bytes) -> None:
    """Write a price file, or what is kept beside it, whole; raises ``MarketDataError``."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as problem:
        raise MarketDataError(
            f"{path} cannot be written ({problem.strerror}): free space or name another folder."
        ) from None
