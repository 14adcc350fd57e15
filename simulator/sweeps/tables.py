"""What came of cells: parts of them as they are finished, and the two tables of all of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow
from pyarrow import parquet

from llm_strategy.support.write_whole import whole_file
from simulator.folder.sweep import FIGURES
from simulator.sweeps.cells import Cell
from simulator.sweeps.shelf import arrow_bytes, read_arrow
from simulator.sweeps.trade import ArmOutcome

_CELLS_OF_A_GROUP = 256
"""Cells whose returns are one row group of the Parquet file."""
_COUNTS = ("bars", "trades", "decisions", "abstained")
RETURNS_SCHEMA = pyarrow.schema(
    {
        "cell": pyarrow.int64(),
        "arm": pyarrow.string(),
        "close": pyarrow.timestamp("us"),
        "return": pyarrow.float64(),
    }
)


class Axis(NamedTuple):
    """A key that is varied, and its values in their order."""

    key: str
    values: list[Any]

    @property
    def numeric(self) -> bool:
        """Whether every value is a number, so that its column is."""
        return all(isinstance(value, int | float) and not isinstance(value, bool) for value in self.values)

    def cell_value(self, settings: Mapping[str, Any]) -> float | str | None:
        """What stands in its column for a cell; None where the cell does not set it."""
        if self.key not in settings:
            return None
        value = settings[self.key]
        if self.numeric:
            return float(value)
        return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def axes_of(keys: Sequence[str], cells: Sequence[Cell]) -> list[Axis]:
    """The axes of these cells."""
    found = []
    for key in keys:
        values: dict[str, Any] = {}
        for cell in cells:
            if key in cell.settings:
                values.setdefault(json.dumps(cell.settings[key], sort_keys=True), cell.settings[key])
        found.append(Axis(key, list(values.values())))
    return found


def part_bytes(outcomes: Sequence[ArmOutcome]) -> bytes:
    """Finished cells as an Arrow file: their returns, and beside them their rows of the table of cells."""
    lengths = [len(each.closes) for each in outcomes]
    columns = {
        "cell": np.repeat([each.cell for each in outcomes], lengths),
        "arm": np.repeat(np.array([each.arm for each in outcomes], object), lengths),
        "close": np.concatenate([each.closes for each in outcomes]).astype("datetime64[us]"),
        "return": np.concatenate([each.returns for each in outcomes]),
    }
    arrays = [pyarrow.array(columns[name], RETURNS_SCHEMA.field(name).type) for name in RETURNS_SCHEMA.names]
    rows = [{"cell": each.cell, "arm": each.arm, "length": length, **each.row}
            for each, length in zip(outcomes, lengths, strict=True)]  # fmt: skip
    return arrow_bytes(pyarrow.Table.from_arrays(arrays, schema=RETURNS_SCHEMA), rows)


class FinishedCells:
    """All finished parts of a sweep, whose returns stay where they are until they are asked for."""

    def __init__(self, parts: Sequence[str]) -> None:
        self.rows: list[dict[str, Any]] = []
        self._slices: dict[tuple[int, str], pyarrow.Table] = {}
        for part in parts:
            table, rows = read_arrow(part)
            begin = 0
            for row in rows:
                length = row.pop("length")
                self._slices[row["cell"], row["arm"]] = table.slice(begin, length)
                self.rows.append(row)
                begin += length
        self.rows.sort(key=lambda row: (row["cell"], row["arm"]))

    def returns(self) -> Iterator[pyarrow.Table]:
        """The returns of all cells in their order, some cells at a time."""
        order = sorted(self._slices)
        for begin in range(0, len(order), _CELLS_OF_A_GROUP):
            group = [self._slices[name] for name in order[begin : begin + _CELLS_OF_A_GROUP]]
            yield pyarrow.concat_tables(group).replace_schema_metadata(None).combine_chunks()


def write_cells(path: Path, finished: FinishedCells, cells: Sequence[Cell], axes: Sequence[Axis]) -> None:
    """Write the table of cells; raises ``OSError``."""
    by_number = {cell.number: cell for cell in cells}
    of_rows = [by_number[row["cell"]] for row in finished.rows]
    columns: dict[str, Any] = {"cell": pyarrow.array([row["cell"] for row in finished.rows], pyarrow.int64())}
    for axis in axes:
        kind = pyarrow.float64() if axis.numeric else pyarrow.string()
        columns[axis.key] = pyarrow.array([axis.cell_value(cell.settings) for cell in of_rows], kind)
    windows = ["" if cell.window is None else cell.window.name for cell in of_rows]
    columns["window"] = pyarrow.array(windows, pyarrow.string())
    for name in ("arm", "start", "end"):
        columns[name] = pyarrow.array([row[name] for row in finished.rows], pyarrow.string())
    for name in ("bars", *FIGURES):
        kind = pyarrow.int64() if name in _COUNTS else pyarrow.float64()
        columns[name] = pyarrow.array([row[name] for row in finished.rows], kind)
    with whole_file(path, "wb") as file:
        parquet.write_table(pyarrow.table(columns), file)


def write_returns(path: Path, finished: FinishedCells) -> None:
    """Write the returns of all cells; raises ``OSError``."""
    with whole_file(path, "wb") as file, parquet.ParquetWriter(file, RETURNS_SCHEMA) as writer:
        for group in finished.returns():
            writer.write_table(group)
