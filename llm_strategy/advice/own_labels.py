"""Labels of past states by a person, from a file of times: what the examples of a prompt are labelled with."""

from __future__ import annotations

import csv
import datetime
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from llm_strategy.errors import ConfigurationError, did_you_mean, shown
from llm_strategy.support.read_regular import read_text, require_file
from llm_strategy.support.schemas import require

LABELS_FILE = ".csv"
"""Ending of a file of labels."""
MOST_ROWS = 20_000
"""Rows of a file: each of them stands in the manifest of the run."""
_COLUMNS = ("time", "label", "symbol")

Row: TypeAlias = tuple[str, str, str]
"""Time (ISO 8601, UTC), label, and symbol (empty for every symbol)."""


@dataclass(frozen=True, slots=True)
class OwnLabels:
    """Which label a person gave to the state at a bar's close: a row for each time, and symbol where one is named.
    ``shuffled`` ones are exchanged among the states that were seen so far (the null of the others).

    Raises ``ConfigurationError`` for rows without a time or label, for two of one time and symbol, and for too many.
    """

    rows: tuple[Row, ...]
    shuffled: bool = False

    def __post_init__(self) -> None:
        if not 1 <= len(self.rows) <= MOST_ROWS:
            raise ConfigurationError(f"labels has {len(self.rows):,} rows: give from 1 to {MOST_ROWS:,}.")
        rows: dict[tuple[str, str], Row] = {}
        for number, (time, label, symbol) in enumerate(self.rows, 1):
            row = (_utc(time, number), label.strip(), symbol.strip())
            if not row[1]:
                raise ConfigurationError(f"labels, row {number}: there is no label: write one, or leave the row out.")
            if (row[0], row[2]) in rows:
                of = f" of {row[2]}" if row[2] else ""
                raise ConfigurationError(f"labels, row {number}: the time {time.strip()}{of} is there twice: keep one.")
            rows[row[0], row[2]] = row
        object.__setattr__(self, "rows", tuple(rows.values()))  # the one way to give a frozen instance its normal form

    @classmethod
    def from_document(cls, document: Any, where: str) -> OwnLabels:
        """Labels from plain data; ``ConfigurationError`` begins with ``where`` and names what is wrong."""
        require("labels", document, where)
        return _told(where, (tuple(row) for row in document["rows"]), shuffled=document.get("shuffled", False))

    @classmethod
    def from_file(cls, path: Path) -> OwnLabels:
        """Labels from a CSV file with the columns time, label and perhaps symbol; raises ``ConfigurationError``."""
        with require_file(path, (LABELS_FILE,), " of the labels"):
            text = read_text(path)
        try:
            head, *lines = [[cell.strip() for cell in line] for line in csv.reader(io.StringIO(text)) if any(line)]
        except (csv.Error, ValueError):
            raise ConfigurationError(f"{path} is no table: write a line time,label and a row for each label.") from None
        for name in head:
            if name not in _COLUMNS:
                raise ConfigurationError(f"{path} has a column {shown(name)!r}{did_you_mean(name, _COLUMNS)}")
        if len(set(head)) < len(head) or not {"time", "label"} <= set(head):
            raise ConfigurationError(f"{path} has the columns {', '.join(head)}: it needs time and label, each once.")
        for number, line in enumerate(lines, 1):
            if len(line) != len(head):
                raise ConfigurationError(f"{path}: row {number} has {len(line)} cells, and the head {len(head)}.")
        rows = (dict(zip(head, line, strict=True)) for line in lines)
        return _told(str(path), ((row["time"], row["label"], row.get("symbol", "")) for row in rows))

    def check(self, known: Iterable[str]) -> None:
        """Raise ``ConfigurationError`` for a label that is none of the ``known`` ones."""
        names = tuple(known)
        for number, (_, label, _) in enumerate(self.rows, 1):
            if label not in names:
                told = f"advisor.labels, row {number}: there is no label {shown(label)!r}"
                raise ConfigurationError(f"{told}{did_you_mean(label, names)}")

    def of(self, symbol: str) -> Mapping[str, str]:
        """The label at each time for a symbol: its own, and else that for every symbol."""
        every = {time: label for time, label, named in self.rows if not named}
        return every | {time: label for time, label, named in self.rows if named == symbol}


def same_time(time: str) -> str:
    """A time of a snapshot as rows spell theirs."""
    return _normal(datetime.datetime.fromisoformat(time))


def _normal(time: datetime.datetime) -> str:
    if time.tzinfo is not None:
        time = time.astimezone(datetime.UTC).replace(tzinfo=None)
    return time.isoformat()


def _utc(time: str, number: int) -> str:
    try:
        return _normal(datetime.datetime.fromisoformat(time.strip()))
    except (ValueError, OverflowError):
        given = f"{shown(time)!r} is no time" if time.strip() else "there is no time"
        cure = "write it as 2008-10-10 or 2008-10-10T15:30:00, in UTC"
        raise ConfigurationError(f"labels, row {number}: {given}: {cure}.") from None


def _told(where: str, rows: Iterable[Row], *, shuffled: bool = False) -> OwnLabels:
    try:
        return OwnLabels(tuple(rows), shuffled)
    except ConfigurationError as problem:
        raise ConfigurationError(f"{where}: {str(problem).removeprefix('labels, ')}") from None
