"""The run folder: what is in it, how it is written whole, how it is read back.

A *run* is one arm::

    manifest.json     configuration, versions, hashes, machine, wall-clock times, model usage, and the seal over all
    prices.csv        the validated prices that the run saw, by symbol (a comparison keeps them once, beside its arms)
    decisions.jsonl   one line a decision
    orders.csv  trades.csv  equity.csv
    documents.jsonl   each text that the model was shown, once, where it could be shown any
    questions.json    the messages of each distinct question that began a decision of a model, every text once
    calibration.json  what the model says to anything, where labels were scored (input for a later run)
    draw-2/ ...       the same four files for each further draw of a model's decisions (evaluation.draws)
    facts.json  report.html  report.md
    audit.jsonl       every question to the model, one line each; audit-TIME.jsonl those of earlier commands that asked

A *comparison* is a folder with its own manifest, prices, facts and report, and one run folder for each arm.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import pandas as pd

from llm_strategy.errors import ConfigurationError, RunFolderError
from llm_strategy.market.context.registry import with_files
from llm_strategy.market.regimes import Regimes
from llm_strategy.trading.decision_lines import Entry, entry_of
from simulator.experiment import COPY_ARM
from simulator.folder.evidence import DECISIONS, EQUITY_COLUMNS, ORDER_COLUMNS, PRICE_COLUMNS, TRADE_COLUMNS, draw_name
from simulator.folder.journal_lines import READER, Line
from simulator.folder.manifest import Manifest, read_manifest
from simulator.folder.record_check import (
    as_damage,
    check_decision,
    check_manifest,
    check_regular,
    check_table,
    files_of,
)
from simulator.prices.source import origin as origin

_ORDER_TEXTS = ["symbol", "kind", "side", "type", "status", "reason"]
_TRADE_TEXTS = ["symbol", "side", "exit_reason", "entry_bar_breach"]
_MAY_LACK = ["price", "done", "fill_price"]


class Decisions(Sequence[dict[str, Any]]):
    """The lines of a ``decisions.jsonl`` as dicts, read from the file and checked each time they are gone through, so
    that no more than one is in memory; an index reads all of them."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __iter__(self) -> Iterator[dict[str, Any]]:
        with as_damage(self.path.parent):
            for number, line in self._lines():
                yield self._read(line, number)

    def entries(self) -> Iterator[Entry]:
        """The same lines as entries of a journal, read as they are asked for; what is equal in them may be one
        object."""
        with as_damage(self.path.parent):
            for line in self.lines():
                yield line.entry()

    def at(self, times: Set[str]) -> Iterator[Entry]:
        """The entries of the decisions at these closes (ISO 8601) alone; of the other lines nothing is read."""
        with as_damage(self.path.parent):
            for number, line in self._lines():
                if any(time in line for time in times):
                    entry = entry_of(self._read(line, number))
                    if entry.decision.snapshot.time in times:
                        yield entry

    def _lines(self) -> Iterator[tuple[int, str]]:
        with _reading(self.path.parent), self.path.open(encoding="utf-8") as lines:
            yield from enumerate(lines, 1)

    def _read(self, line: str, number: int) -> dict[str, Any]:
        """A line as JSON, checked."""
        with _reading(self.path.parent):
            decision: dict[str, Any] = json.loads(line)
        check_decision(decision, self.path, number)
        return decision

    def __len__(self) -> int:
        with _reading(self.path.parent), self.path.open("rb") as lines:
            return sum(1 for _ in lines)

    @overload
    def __getitem__(self, at: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, at: slice) -> list[dict[str, Any]]: ...

    def __getitem__(self, at: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        return list(self)[at]

    def lines(self) -> Iterator[Line]:
        """The same lines in parts, of which equal ones are read once."""
        with as_damage(self.path.parent), _reading(self.path.parent), self.path.open(encoding="utf-8") as lines:
            yield from READER.read_all(lines, self.path)


@dataclass(frozen=True, eq=False)
class DrawRecord:
    """A further draw of an arm's decisions, ``number`` from 2 on: decisions (one dict a line) and equity over time."""

    number: int
    decisions: Decisions
    equity: pd.DataFrame

    @property
    def entries(self) -> Iterator[Entry]:
        """The decisions with the gate's verdicts, from the first one on."""
        return self.decisions.entries()


@dataclass(frozen=True, eq=False)
class ArmRecord:
    """One arm as it was written: manifest (``about`` is the same, typed), decisions (one dict a line), and the three
    tables with times as timestamps; ``draws`` are the further ones, the arm itself being the first."""

    name: str
    manifest: dict[str, Any]
    decisions: Decisions
    orders: pd.DataFrame
    trades: pd.DataFrame
    equity: pd.DataFrame
    draws: tuple[DrawRecord, ...] = ()

    @cached_property
    def about(self) -> Manifest:
        """What the manifest says."""
        with as_damage(self.decisions.path.parent):
            return Manifest.from_mapping(self.manifest)

    @property
    def has_failed(self) -> bool:
        """Whether it broke off, so that there is no result to compare."""
        return bool(self.manifest["status"] == "failed")

    @property
    def folder(self) -> Path:
        """Where its evidence stands."""
        return self.decisions.path.parent

    @cached_property
    def regimes(self) -> Regimes:
        """The labels that its advisor chose from: the experiment's where a model decided or its prompt was copied, else
        those of the rules."""
        ruled = self.manifest["model"] is None and self.name != COPY_ARM
        named = None if ruled else self.manifest["experiment"].get("regimes")
        try:
            return Regimes.from_document(named)
        except ConfigurationError as problem:
            raise RunFolderError(
                f"{self.decisions.path.parent} has labels that no run writes ({str(problem).rstrip('.')}): restore it, "
                "or run the experiment again."
            ) from None

    @property
    def entries(self) -> Iterator[Entry]:
        """The decisions with the gate's verdicts, from the first one on."""
        return self.decisions.entries()


@dataclass(frozen=True)
class Record:
    """A run or comparison read from its folder; ``about`` is its manifest, typed. ``prices`` holds a table for each
    symbol: columns open, high, low, close, volume over a time index."""

    folder: Path
    manifest: dict[str, Any]
    prices: dict[str, pd.DataFrame]
    arms: tuple[ArmRecord, ...]

    @cached_property
    def about(self) -> Manifest:
        """What the manifest says."""
        with as_damage(self.folder):
            return Manifest.from_mapping(self.manifest)

    def arm(self, name: str) -> ArmRecord:
        """The arm of this name."""
        for arm in self.arms:
            if arm.name == name:
                return arm
        raise RunFolderError(f"{self.folder} has no arm {name!r}: it holds {', '.join(a.name for a in self.arms)}.")


def origins(data: dict[str, Any]) -> dict[str, Any]:
    """The ``data`` section of a configuration with the ``origin`` of each source in its place."""
    sources = data.get("sources")
    if isinstance(sources, dict):
        sources = {symbol: origin(source) for symbol, source in sources.items()}
    elif sources is not None:
        sources = [origin(source) for source in sources]
    return data | {"source": origin(data["source"]) if data.get("source") else None, "sources": sources}


def file_name(reference: str) -> str:
    """``FILE.py:name`` for one with a path; ``package.module:name`` and plain names as they are."""
    place, _, name = reference.rpartition(":")
    return f"{Path(place).name}:{name}" if place.endswith(".py") else reference


def without_folders(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """An experiment's configuration without the folders of the files that it names: what is the same wherever these
    lie."""
    parts = {**configuration, "data": origins(configuration["data"])}
    if "baselines" in parts:
        parts["baselines"] = {
            name: {key: file_name(value) if key == "rule" else value for key, value in settings.items()}
            for name, settings in parts["baselines"].items()
        }
    checklist = parts["risk"].get("checklist") if "risk" in parts else None
    if checklist and "analytics" in checklist:
        placed = checklist | {"analytics": [*map(file_name, checklist["analytics"])]}
        parts["risk"] = parts["risk"] | {"checklist": placed}
    if "advisor" in parts:
        parts["advisor"] = _without_places(parts["advisor"])
    for section in ("advisors", "arms"):
        if isinstance(parts.get(section), Mapping):
            parts[section] = {name: _without_places(one) for name, one in parts[section].items()}
    return parts


def _without_places(settings: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Settings of an advisor or an arm without the folders of the files that they name."""
    if settings is None:
        return None
    if "strategy" in settings:
        return {**settings, "strategy": file_name(settings["strategy"])}
    placed = dict(settings)
    if "features" in settings:
        placed["features"] = [*map(file_name, settings["features"])]
    if "context" in settings:
        context = settings["context"]
        placed["context"] = [_without_place(entry) for entry in context]
    plan = settings.get("plan")
    if plan and plan.get("analytics"):
        placed["plan"] = plan | {"analytics": [_without_place(entry) for entry in plan["analytics"]]}
    return placed


def _without_place(entry: Any) -> Any:
    """An entry of a list of sources of context, or of analytics, without folders."""
    return with_files(entry, file_name, lambda path: Path(path).name)


def load_record(folder: Path) -> Record:
    """Read a run or comparison folder; ``RunFolderError`` names what is missing, damaged or of another version, in the
    decisions of an arm when they are gone through."""
    manifest = read_manifest(folder)
    check_manifest(manifest, folder / "manifest.json")
    files_of(folder)  # none of them is a link or a pipe
    if manifest["kind"] == "comparison":
        arms = tuple(_load_arm(folder / name, name) for name in manifest["arms"])
        prices = folder / "prices.csv"
    else:
        arms = (_load_arm(folder),)
        own = folder / "prices.csv"
        prices = own if own.exists() else folder.parent / "prices.csv"
    return Record(folder, manifest, _read_prices(prices), arms)


def _load_arm(folder: Path, name: str | None = None) -> ArmRecord:
    manifest = read_manifest(folder, name)
    check_manifest(manifest, folder / "manifest.json")
    with as_damage(folder), _reading(folder):
        drawn = Manifest.from_mapping(manifest).draws
        return ArmRecord(
            manifest["arm"],
            manifest,
            _decisions(folder),
            _read_rows(folder / "orders.csv", ORDER_COLUMNS, times=["created", "done"], texts=_ORDER_TEXTS),
            _read_rows(folder / "trades.csv", TRADE_COLUMNS, times=["entered", "exited"], texts=_TRADE_TEXTS),
            _read_equity(folder),
            tuple(_load_draw(folder / draw_name(number), number) for number in range(2, drawn + 1)),
        )


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as problem:
        told = " ".join(str(problem).split())
        raise RunFolderError(f"{path} cannot be read ({told}); run the experiment again.") from None


def _load_draw(folder: Path, number: int) -> DrawRecord:
    return DrawRecord(number, _decisions(folder), _read_equity(folder))


def _decisions(folder: Path) -> Decisions:
    path = folder / DECISIONS
    path.stat()  # one that is missing is told now
    return Decisions(path)


def _read_equity(folder: Path) -> pd.DataFrame:
    path = folder / "equity.csv"
    table = pd.read_csv(path, parse_dates=["time"], date_format="ISO8601")
    check_table(table, path, EQUITY_COLUMNS, times=["time"], texts=[])
    return table.set_index("time")


def _read_rows(path: Path, columns: list[str], *, times: list[str], texts: list[str]) -> pd.DataFrame:
    """A table of rows with a symbol, which may be called NA."""
    table = pd.read_csv(
        path,
        parse_dates=times,
        date_format="ISO8601",
        dtype={"symbol": str},
        keep_default_na=False,
        na_values={name: [""] for name in _MAY_LACK},
    )
    check_table(table, path, columns, times=times, texts=texts, empty=_MAY_LACK)
    return table


def _read_prices(path: Path) -> dict[str, pd.DataFrame]:
    check_regular(path)
    with as_damage(path), _reading(path):
        rows = pd.read_csv(
            path, parse_dates=["time"], date_format="ISO8601", dtype={"symbol": str}, keep_default_na=False
        )
        check_table(rows, path, PRICE_COLUMNS, times=["time"], texts=["symbol"], empty=["volume"])
        return {str(symbol): table.drop(columns="symbol").set_index("time") for symbol, table in rows.groupby("symbol")}
