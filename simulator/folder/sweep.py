"""The folder of a finished sweep: which files it holds, who may read them, and the seal that says they are whole.

::

    sweep.json        what was varied, over which windows, and what the cells came to in numbers
    cells.parquet     a row for each arm of each cell: its settings and its figures
    returns.parquet   a row for each arm of each cell and each close: the return of its account
    manifest.json     when, with which versions and calls of models, and the hash of every other file
    audit.jsonl       the questions that were asked
    report.html, report.md, facts.json   the page

The same sweep writes the same bytes of all but manifest and audit, in however many processes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow import parquet

from llm_strategy.errors import RunFolderError
from llm_strategy.llm.requests import digest
from simulator.folder.evidence import sha256_of, write_json
from simulator.folder.manifest import SWEEP_KIND

SWEEP, CELLS, RETURNS, MANIFEST = ("sweep.json", "cells.parquet", "returns.parquet", "manifest.json")
FORMAT = "1.0.0"
FIGURES = (
    "sharpe", "total_return", "annual_return", "volatility", "max_drawdown", "exposure", "trades", "turnover", "costs",
    "decisions", "abstained", "final_equity", "market_sharpe", "bars_per_year",
)  # fmt: skip
"""Columns of ``cells.parquet`` that measure an arm in a cell: annual Sharpe ratio, total and compound annual return,
annual volatility, largest drawdown and mean exposure (fractions), round trips, traded value a year over mean equity,
costs (currency), decisions and those of them without an advice, the account at the end (currency), the annual Sharpe
ratio of the market itself without a gate over the same bars, and how many such bars make a year."""
DAMAGE = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, pyarrow.ArrowException)


def seal_sweep(folder: Path) -> None:
    """Write the hash of every file into the manifest of a finished sweep, and one over the manifest itself."""
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    manifest.pop("seal", None)
    manifest["files"] = {name: sha256_of(folder / name) for name in _names(folder)}
    write_json(manifest | {"seal": digest(manifest)}, folder / MANIFEST)


def read_sweep(folder: Path) -> dict[str, Any]:
    """``sweep.json`` of a finished sweep; raises ``RunFolderError`` for what is none, or of another version."""
    path = folder / SWEEP
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        known = document["format"] == FORMAT
    except FileNotFoundError:
        raise RunFolderError(
            f"{folder} is no finished sweep: it has no {SWEEP}; name a folder of btllm sweep."
        ) from None
    except DAMAGE as problem:
        raise RunFolderError(f"{path} cannot be read ({problem}): run the sweep again.") from None
    if not known:
        raise RunFolderError(f"{path} is of another format than {FORMAT}: run the sweep again.")
    return dict(document)


def is_whole(folder: Path) -> bool:
    """Whether a sweep is finished and every file of it is as it was written."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        seal = manifest.pop("seal")
        names = manifest["files"]
        return (
            manifest["kind"] == SWEEP_KIND
            and seal == digest(manifest)
            and names.keys() == set(_names(folder))
            and all(sha256_of(folder / name) == known for name, known in names.items())
        )
    except DAMAGE:
        return False


def read_table(folder: Path, name: str) -> pyarrow.Table:
    """One of the tables; raises ``RunFolderError``."""
    try:
        return parquet.read_table(folder / name)
    except DAMAGE as problem:
        raise RunFolderError(f"{folder / name} cannot be read ({problem}): run the sweep again.") from None


def _names(folder: Path) -> list[str]:
    found = [path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST]
    return sorted(str(path.relative_to(folder)) for path in found if not path.name.startswith("."))
