"""A finished sweep in Python."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any, Self

import pandas as pd

from simulator.folder.sweep import CELLS, RETURNS, read_sweep, read_table

_SHOWN = 20
"""Rows of a sweep that a notebook shows."""


@dataclass(frozen=True, eq=False)
class SweepResult:
    """A finished sweep: its folder, and ``about``, which is ``sweep.json``."""

    folder: Path
    about: dict[str, Any]

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read a finished folder; raises ``RunFolderError``."""
        return cls(Path(folder), read_sweep(Path(folder)))

    @cached_property
    def cells(self) -> pd.DataFrame:
        """A row for each arm of each cell, sorted: ``cell`` (from 1), a column for each key that is varied, ``window``,
        ``arm``, and the figures (``simulator.folder.sweep.FIGURES``: fractions, ratios, counts, currency)."""
        frame: pd.DataFrame = read_table(self.folder, CELLS).to_pandas()
        return frame

    @cached_property
    def returns(self) -> pd.DataFrame:
        """The returns of the accounts (fraction, costs taken off): a row a close, a column for each (cell, arm); NaN
        where a cell has no such close."""
        frame: pd.DataFrame = read_table(self.folder, RETURNS).to_pandas()
        return frame.pivot(index="close", columns=["cell", "arm"], values="return").sort_index(axis=1)

    @property
    def best(self) -> pd.Series[Any] | None:
        """The row with the largest Sharpe ratio, the first of equal ones; None where none has one. The largest of many
        is large by luck alone: the page says by how much."""
        ratios = self.cells["sharpe"]
        return None if ratios.isna().all() else self.cells.iloc[int(ratios.argmax())]

    @property
    def report(self) -> Path:
        """The page."""
        return self.folder / "report.html"

    def __repr__(self) -> str:
        about = self.about
        return (
            f"SweepResult({about['cells']:,} cells, {about['decisions']:,} decisions, {about['questions']:,} "
            f"questions, {str(self.folder)!r})"
        )

    def _repr_html_(self) -> str:
        best = self.cells.sort_values("sharpe", ascending=False, kind="stable").head(_SHOWN)
        return f"<p>{escape(repr(self))}</p>{best.to_html(index=False, escape=True)}"
