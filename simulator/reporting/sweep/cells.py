"""What the folder of a sweep holds, as its page needs it: configurations over all windows, and their returns side by
side.

A *cell* is one configuration in one window; a *configuration* is a value for each axis, and an arm. Windows are parts
of time, not choices, so that a configuration is one account over all of them: a close that several windows hold counts
in the first of them alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from llm_strategy.errors import RunFolderError
from llm_strategy.support.outside_text import visible_line
from simulator.evaluation.metrics import Floats, years_between
from simulator.evaluation.overfitting import sharpe_ratios
from simulator.folder.record_check import as_damage, check_regular
from simulator.folder.sweep import CELLS, FIGURES, RETURNS, SWEEP
from simulator.reporting.charts.scale import common_beginning
from simulator.reporting.differences.settings import NOT_SET, shown_value

TEXTS = ("window", "arm", "start", "end")
_NUMBERS = ("bars", *FIGURES)
_MOST_NUMBERS = 60_000_000
"""Returns of a table: with more, those of several bars in a row are added up."""
_ROWS_AT_ONCE = 1_000_000
_LONGEST_NOTE, _MOST_NOTES = 1_000, 40
_BEFORE = 24
"""Characters that are shown of what long values have in common."""
_LARGEST, _LARGEST_RETURN = 1e15, 1e3
"""Beyond these no figure and no return of a sweep lies."""


@dataclass(frozen=True)
class Axis:
    """A setting that the sweep varies: its whole key, and its values as the document has them."""

    key: str
    values: tuple[Any, ...]

    def shown(self, value: object) -> str:
        """A value of a table of cells on one line."""
        if value is None or (isinstance(value, float) and np.isnan(value)):
            return NOT_SET
        if isinstance(value, float):
            return f"{value:.10g}"
        whole = _whole(value)
        return self._of_alike.get(whole) or shown_value(whole)

    @cached_property
    def _of_alike(self) -> dict[str, str]:
        """What is shown of values that read alike where a long one is cut: where they begin to differ."""
        alike: dict[str, list[str]] = {}
        for whole in dict.fromkeys(_whole(value) for value in self.values if not isinstance(value, float)):
            alike.setdefault(shown_value(whole), []).append(whole)
        shown = {}
        for group in alike.values():
            begin = max(len(common_beginning(group)) - _BEFORE, 0)
            for number, whole in enumerate(group if len(group) > 1 else (), start=1):
                shown[whole] = f"{number}: {whole[:_BEFORE]}...{shown_value(whole[begin:])}"
        return shown

    def setting(self, value: object) -> Any:
        """The value of the document that a value of a table of cells stands for."""
        other = float(value) if isinstance(value, float) else value  # not numpy's
        return next((one for one in self.values if value in (one, str(one), json.dumps(one, sort_keys=True))), other)


def _whole(value: object) -> str:
    """A value of a table of cells, or of the document as it stands there, on one line."""
    return " ".join((value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)).split())


@dataclass(frozen=True, eq=False)
class Window:
    """A part of time that cells traded, named as in the table of cells."""

    name: str
    first: np.datetime64
    last: np.datetime64


@dataclass(frozen=True, eq=False)
class SweepRecord:
    """A finished sweep. ``cells`` is the table of the folder with the columns ``configuration`` and ``window_number``
    beside it; ``returns`` has a row a close (``closes``) and a column for each of ``measured``, the configurations
    whose accounts have returns on all of these closes."""

    folder: Path
    document: Mapping[str, Any]
    axes: tuple[Axis, ...]
    cells: pd.DataFrame
    windows: tuple[Window, ...]
    closes: pd.DatetimeIndex
    owners: NDArray[np.int64]
    """By close, the number of the window that it counts in."""
    returns: Floats
    measured: NDArray[np.int64]
    bars_per_year: float
    """Of the rows of ``returns``."""
    bars_in_row: int = 1
    dropped_closes: int = 0
    """Closes that some configurations lack, left out for all."""

    @property
    def name(self) -> str:
        """What the sweep is called."""
        return str(self.document.get("name") or self.folder.name)

    @property
    def notes(self) -> list[str]:
        """What was to be known of its cells before it ran, each on a line; none in a folder of an earlier version."""
        given = self.document.get("notes")
        notes = [note for note in given if isinstance(note, str)] if isinstance(given, list) else []
        return [visible_line(note, _LONGEST_NOTE) for note in notes[:_MOST_NOTES]]

    @cached_property
    def ratios(self) -> Floats:
        """Annual Sharpe ratio of each measured configuration over all closes."""
        return np.asarray(sharpe_ratios(self.returns) * math.sqrt(self.bars_per_year), np.float64)

    @property
    def shown_axes(self) -> tuple[Axis, ...]:
        """The axes of a configuration that differ from one to another: the arm is one where there are several."""
        arms = tuple(dict.fromkeys(self.cells["arm"]))
        return (*self.axes, Axis("arm", arms)) if len(arms) > 1 else self.axes

    @cached_property
    def configurations(self) -> pd.DataFrame:
        """A row a configuration, by its number: the axes, the arm, and figures over all windows, of which ``sharpe``,
        ``total_return``, ``volatility`` and ``max_drawdown`` are of its joined account (empty where that is not
        measured); trades, costs, decisions and abstentions are sums, the rest means weighted by bars."""
        groups = self.cells.groupby("configuration", sort=True)
        table = groups[[*(axis.key for axis in self.axes), "arm"]].first()
        for name in ("trades", "costs", "decisions", "abstained", "bars"):
            table[name] = groups[name].sum()
        weights = self.cells["bars"].to_numpy(float)
        for name in ("exposure", "turnover", "market_sharpe"):
            values = self.cells[name].to_numpy(float)
            known = np.isfinite(values)
            number = self.cells["configuration"].to_numpy()
            sums = np.bincount(number, np.where(known, values * weights, 0.0), len(table))
            with np.errstate(divide="ignore", invalid="ignore"):
                table[name] = sums / np.bincount(number, np.where(known, weights, 0.0), len(table))
        return table.join(self._accounts())

    def _accounts(self) -> pd.DataFrame:
        """Figures of each joined account."""
        rows = []
        for returns, ratio in zip(self.returns.T, self.ratios, strict=True):
            growth = np.concatenate([[1.0], np.cumprod(1 + returns)])
            depth = float((1 - growth / np.maximum.accumulate(growth)).max())
            rows.append((ratio, growth[-1] - 1, float(returns.std(ddof=1)) * math.sqrt(self.bars_per_year), depth))
        return pd.DataFrame(rows, self.measured, ["sharpe", "total_return", "volatility", "max_drawdown"], dtype=float)

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """Numbers of the measured configurations, the one with the highest Sharpe ratio first."""
        return self.measured[np.argsort(-self.ratios, kind="stable")]

    def words(self, number: int) -> list[tuple[str, str]]:
        """The settings of a configuration, key and value; the arm where there are several."""
        row = self.configurations.loc[number]
        return [(axis.key, axis.shown(row[axis.key])) for axis in self.shown_axes]

    def settings(self, number: int) -> dict[str, Any]:
        """The settings of a configuration as an experiment has them, sections in one another."""
        row, made = self.configurations.loc[number], dict[str, Any]()
        for axis in self.axes:
            if axis.shown(row[axis.key]) == NOT_SET:
                continue
            *sections, last = axis.key.split(".")
            place = made
            for section in sections:
                place = place.setdefault(section, {})
            place[last] = axis.setting(row[axis.key])
        return made


def load_sweep(folder: Path) -> SweepRecord:
    """Read a finished sweep; raises ``RunFolderError`` for what is none, or is damaged."""
    for name in (SWEEP, CELLS, RETURNS):
        check_regular(folder / name)
        if not (folder / name).is_file():
            raise RunFolderError(f"{folder} has no {name}, so it is no finished sweep: run btllm sweep again.")
    try:
        with as_damage(folder):
            return _load(folder)
    except OSError as problem:
        why = visible_line(str(problem), 200)
        raise RunFolderError(f"{folder} cannot be read ({why}): run btllm sweep again.") from None


def _load(folder: Path) -> SweepRecord:
    document = json.loads((folder / SWEEP).read_text(encoding="utf-8"))
    axes = tuple(Axis(str(axis["key"]), tuple(axis["values"])) for axis in document["axes"])
    cells = _read_cells(folder / CELLS, axes)
    names = cells.groupby("window", sort=False)["end"].max().sort_values(kind="stable").index
    cells["window_number"] = cells["window"].map({name: number for number, name in enumerate(names)}).astype(int)
    table = _Joined(folder / RETURNS, cells)
    windows = tuple(
        Window(str(name), *table.spans[number].astype("datetime64[ns]")) for number, name in enumerate(names)
    )
    return SweepRecord(folder, document, axes, cells, windows, *table.joined())


def _read_cells(path: Path, axes: tuple[Axis, ...]) -> pd.DataFrame:
    cells = pd.read_parquet(path)
    keys = [axis.key for axis in axes]
    for name in ("cell", *keys, *TEXTS, *_NUMBERS):
        if name not in cells:
            raise RunFolderError(f"{path} has no column {name!r}: run btllm sweep again.")
    if cells.columns.duplicated().any() or cells.duplicated(["cell", "arm"]).any() or cells.empty:
        raise ValueError(f"{path.name} has no cells, or one twice")
    for name in _NUMBERS:
        cells[name] = cells[name].astype(float)
        if (cells[name].abs() > _LARGEST).any():
            raise ValueError(f"{path.name} holds a figure that no sweep writes in {name!r}")
    cells = cells.sort_values(["cell", "arm"], kind="stable", ignore_index=True)
    cells["configuration"] = cells.groupby([*keys, "arm"], sort=False, dropna=False).ngroup()
    return cells


@dataclass
class _Joined:
    """The returns of all cells on one axis of time, read in parts: the whole file is many times as large."""

    path: Path
    cells: pd.DataFrame
    spans: NDArray[np.int64] = field(init=False)
    """First and last close of each window, nanoseconds since 1970."""

    def __post_init__(self) -> None:
        self.arms = sorted(self.cells["arm"].unique())
        keys = self.cells["cell"].to_numpy(np.int64) * len(self.arms) + np.searchsorted(self.arms, self.cells["arm"])
        order = np.argsort(keys)
        self._keys, self._configuration = keys[order], self.cells["configuration"].to_numpy()[order]
        self._window = self.cells["window_number"].to_numpy()[order]
        count = int(self._window.max()) + 1
        self.spans = np.tile(np.array([np.iinfo(np.int64).max, np.iinfo(np.int64).min]), (count, 1))
        found = [np.empty(0, np.int64)]
        for rows, closes, _ in self._parts():
            window = self._window[rows]
            np.minimum.at(self.spans[:, 0], window, closes)
            np.maximum.at(self.spans[:, 1], window, closes)
            found.append(np.unique(closes))
        self._closes = np.unique(np.concatenate(found))

    def _parts(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], Floats]]:
        """Of each part of the file: the row of ``_keys`` that each return is of, its close and itself."""
        from pyarrow import parquet  # takes long to load

        columns = ["cell", "arm", "close", "return"]
        for batch in parquet.ParquetFile(self.path).iter_batches(_ROWS_AT_ONCE, columns=columns):
            part = batch.to_pandas(categories=["arm"])
            known = np.searchsorted(self.arms, part["arm"].cat.categories.astype(str)).clip(max=len(self.arms) - 1)
            keys = part["cell"].to_numpy(np.int64) * len(self.arms) + known[part["arm"].cat.codes]
            rows = np.searchsorted(self._keys, keys).clip(max=len(self._keys) - 1)
            if (self._keys[rows] != keys).any():
                raise ValueError(f"{self.path.name} has returns of a cell that is not in {CELLS}")
            closes = pd.DatetimeIndex(part["close"])
            closes = closes if closes.tz is None else closes.tz_convert("UTC").tz_localize(None)
            values = part["return"].to_numpy(float)
            if (np.abs(values) > _LARGEST_RETURN).any():
                raise ValueError(f"{self.path.name} holds a return that no account has")
            yield rows, closes.as_unit("ns").asi8, values

    def joined(self) -> tuple[pd.DatetimeIndex, NDArray[np.int64], Floats, NDArray[np.int64], float, int, int]:
        """Closes, the windows they count in, returns, configurations, rows a year, bars in a row, closes left out."""
        count = int(self._configuration.max()) + 1
        owners = np.full(len(self._closes), -1)
        for number, (first, last) in reversed(list(enumerate(self.spans))):
            owners[(self._closes >= first) & (self._closes <= last)] = number
        bars = max(1, -(-len(self._closes) * count // _MOST_NUMBERS))
        rows = -(-len(self._closes) // bars)
        table, seen = np.zeros((rows, count)), np.zeros((rows, count), np.uint16)
        for of, closes, values in self._parts():
            at = np.searchsorted(self._closes, closes)
            counts = (owners[at] == self._window[of]) & np.isfinite(values)
            place = (at[counts] // bars, self._configuration[of[counts]])
            np.add.at(table, place, values[counts])
            np.add.at(seen, place, 1)
        # What lacks half of the closes (a ruined account has none) leaves, and then each close that somebody lacks.
        filled = seen.sum(axis=0)
        measured = np.flatnonzero(filled * 2 > filled.max(initial=0)) if filled.any() else np.empty(0, np.int64)
        full = (seen[:, measured] == seen.max(axis=1, keepdims=True)).all(axis=1) & seen.any(axis=1)
        first = np.flatnonzero(full) * bars
        kept = pd.DatetimeIndex(self._closes[first].astype("datetime64[ns]"))
        lasting = sum(years_between(kept[owners[first] == number]) for number in range(len(self.spans)))
        steps = len(first) - len(np.unique(owners[first]))
        per_year = steps / lasting if lasting else 0.0
        returns = table if full.all() and len(measured) == count else table[np.ix_(full, measured)]
        return kept, owners[first], returns, measured.astype(np.int64), per_year, bars, int((~full).sum())
