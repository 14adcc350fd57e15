"""From a sweep to its finished folder: collect the questions, answer them once, trade every cell."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

from llm_strategy.advice.written_prompt import prompts_sha256
from llm_strategy.errors import ConfigurationError
from llm_strategy.support.schemas import schemas_sha256
from simulator.folder.description import now
from simulator.folder.evidence import write_json
from simulator.folder.manifest import SWEEP_KIND
from simulator.folder.provenance import model_of, provenance
from simulator.folder.record import without_folders
from simulator.folder.sweep import CELLS, FORMAT, MANIFEST, RETURNS, SWEEP, is_whole, read_table, seal_sweep
from simulator.folder.workspace import Workspace, as_run_folder_error
from simulator.progress.stages import Progress
from simulator.progress.surfaces import progress_for
from simulator.runs.advisors.session import Clients
from simulator.runs.placebos.processes import processes
from simulator.runs.strategies.processes import check_workers
from simulator.runs.trials.tail import told_of
from simulator.sweeps.answer import answer_groups
from simulator.sweeps.cells import Cells, cells_of, without_frames
from simulator.sweeps.collect import Collected, collect, counted
from simulator.sweeps.document import Sweep
from simulator.sweeps.enter import enter_trials
from simulator.sweeps.notes import cell_notes
from simulator.sweeps.result import SweepResult
from simulator.sweeps.shelf import Shelf, decisions_key, prices_key, universe_bytes
from simulator.sweeps.tables import FinishedCells, axes_of, part_bytes, write_cells, write_returns
from simulator.sweeps.trade import CellWork
from simulator.sweeps.workers import (
    CellFailed,
    Part,
    Processes,
    Trade,
    can_travel,
    check_address,
    in_process,
    on_dask,
    trade_parts,
)

AnySweep: TypeAlias = Sweep | str | Path | dict[str, Any]
"""A ``Sweep``, the path of a YAML file, or a mapping of the same shape."""
CLOSES_OF_A_PART = 20_000
"""Closes that one part of the cells goes through: a second or two, which is all that a kill costs."""
MOST_CELLS_OF_A_PART = 64
_WORTH_A_PROCESS = 100_000
"""Closes of all cells from which other processes are begun, where nobody says how many: they take seconds to begin."""
_WORK = "work"
OnPlan: TypeAlias = Callable[[Collected], None]


def sweep(
    document: AnySweep,
    *,
    workers: int | None = None,
    dask: str = "",
    max_cost: float | None = None,
    client: Clients = None,
    progress: Progress | bool | None = None,
    on_plan: OnPlan | None = None,
) -> SweepResult:
    """Run an experiment over a grid or list of its settings and over windows, and write one folder.

    Each distinct question is asked once for all cells, through the record of answers, within the budget of the
    advisor. Cells are traded in as many processes as there are ``workers`` (all processors where it is worth it, if
    absent), or by the Dask cluster whose scheduler has the address ``dask``; the bytes are the same. ``max_cost``
    (currency) refuses a sweep whose questions are estimated to cost more, and bounds what is spent. ``client`` answers
    in place of the configured model. ``on_plan`` is told what the sweep comes to before anything is asked.

    The same call goes on where it was cut off: answers and finished cells are kept. Raises ``ConfigurationError``,
    ``MarketDataError``, ``ModelError``, ``BudgetReached``, ``TooManyFailures`` and ``RunFolderError``.
    """
    with progress_for(progress) as shown:
        return _Run(as_sweep(document), client, shown, max_cost).execute(workers, dask, on_plan)


def plan_sweep(document: AnySweep, *, client: Clients = None, progress: Progress | bool | None = None) -> Collected:
    """What a sweep comes to, without asking anything: cells, decisions, distinct questions and an estimate."""
    with progress_for(progress) as shown:
        return _Run(as_sweep(document), client, shown, None).plan()


def as_sweep(given: AnySweep) -> Sweep:
    """The sweep that a person means; raises ``ConfigurationError``."""
    if isinstance(given, Sweep):
        return given
    if isinstance(given, dict):
        return Sweep.from_mapping(given)
    if not isinstance(given, (str, Path)):
        raise ConfigurationError(
            f"sweep is {given!r:.60}: give a Sweep, the path of a YAML file, or a mapping of the same shape."
        )
    return Sweep.from_file(Path(given))


class _Run:
    """One call of ``sweep``."""

    def __init__(self, wanted: Sweep, client: Clients, progress: Progress, max_cost: float | None) -> None:
        if max_cost is not None and not (isinstance(max_cost, int | float) and max_cost >= 0):
            raise ConfigurationError(f"max_cost is {max_cost!r:.40}: give an amount of money from 0.")
        self._sweep, self._client, self._progress, self._max_cost = wanted, client, progress, max_cost
        self._cells: Cells
        self._plan: Collected

    def plan(self) -> Collected:
        """The cells and their questions."""
        self._find_cells()
        return self._collect()

    def _find_cells(self) -> None:
        self._progress.begin("cells")
        self._cells = cells_of(self._sweep)
        self._progress.end(counted(len(self._cells.all), "cell"))

    def _collect(self) -> Collected:
        self._progress.begin("counting questions")
        plan = collect(self._cells, self._sweep.arms, self._client)
        self._progress.end(f"{plan.questions:,} distinct")
        self._plan = replace(plan, notes=tuple(self._noted()))
        for sentence in self._plan.notes:
            self._progress.note(f"Note: {sentence}")
        return self._plan

    def _noted(self) -> Iterator[str]:
        """What a person must know of prices, limits and cells before anything runs."""
        yield from cell_notes(self._cells)
        if self._cells.base.evaluation.holdout is not None:
            yield from told_of(self._cells.prices.visible(self._cells.base).sealed)
        if self._cells.base.hypotheses is not None:
            yield "hypotheses are proposed and tested by btllm compare: a sweep lets the arms trade alone."
        yield from self._cells.notes

    def execute(self, workers: int | None, dask: str, on_plan: OnPlan | None) -> SweepResult:
        """Everything."""
        if workers is not None:
            check_workers(workers)
        if workers is not None and dask:
            raise ConfigurationError("workers and dask are given: the cluster has its own workers, leave workers out.")
        if dask:
            check_address(dask)
        self._find_cells()
        with contextlib.ExitStack() as at_the_end:
            wanted = 1 if dask else self._wanted_processes(workers)
            beside = at_the_end.enter_context(Processes(wanted)) if wanted > 1 else None
            plan = self._collect()
            if on_plan is not None:
                on_plan(plan)
            for line in plan.as_text().splitlines():
                self._progress.note(line)
            self._check_cost()
            identity = self._identity()
            folder = self._cells.base.output.path / f"{self._sweep.name}-{identity[:8]}"
            if is_whole(folder):
                self._progress.release()
                self._progress.note(f"Finished before: {folder}; nothing is run.")
                # the ledger may have been full, or another one
                self._enter(read_table(folder, CELLS).to_pylist(), identity)
                return SweepResult.load(folder)
            trade: Trade = in_process if beside is None else beside.trade
            if dask:
                trade = at_the_end.enter_context(on_dask(dask))
            work = at_the_end.enter_context(Workspace(folder))
            at_the_end.enter_context(as_run_folder_error(folder))
            self._progress.release()
            return self._in_folder(work, identity, trade)

    def _in_folder(self, work: Workspace, identity: str, trade: Trade) -> SweepResult:
        started, began = now(), time.monotonic()
        shelf = Shelf(work.path / _WORK)
        self._place_prices(shelf)
        usage = answer_groups(self._plan, shelf, work, identity, self._progress, self._max_cost)
        parts = self._parts(identity)
        traded = time.monotonic()
        self._trade(parts, shelf, trade)
        finished = FinishedCells([str(path) for path in shelf.paths(part.key for part in parts).values()])
        self._progress.begin("writing")
        axes = axes_of(self._sweep.keys, self._cells.all)
        write_cells(work.path / CELLS, finished, self._cells.all, axes)
        write_returns(work.path / RETURNS, finished)
        document = self._document(axes, identity)
        write_json(document, work.path / SWEEP)
        notes = self._enter(finished.rows, identity)
        seconds = {"answers": round(traded - began, 3), "cells": round(time.monotonic() - traded, 3)}
        manifest = {
            "format": FORMAT,
            "kind": SWEEP_KIND,
            "name": self._sweep.name,
            "identity": identity,
            "status": "complete",
            "usage": usage,
            "notes": [*self._plan.notes, *notes],
            **provenance(),
            "started": started,
            "finished": now(),
            "seconds": seconds,
        }
        write_json(manifest, work.path / MANIFEST)
        _write_page(work.path)
        shutil.rmtree(shelf.folder)
        folder = work.finish(failed=False, seal=seal_sweep)
        self._progress.end()
        return SweepResult.load(folder)

    def _enter(self, rows: Sequence[Mapping[str, Any]], identity: str) -> list[str]:
        """Enter the cells as trials, and tell what a person must know of that."""
        notes = enter_trials(self._plan, rows, self._sweep.name, identity)
        for sentence in notes:
            self._progress.note(f"Note: {sentence}")
        return notes

    def _check_cost(self) -> None:
        estimate, most = self._plan.estimate, self._max_cost
        if most is None or estimate is None or not estimate.to_ask:
            return
        if estimate.cost is None:
            raise ConfigurationError(
                "--max-cost needs the price of the model: set price_in and price_out (for a million tokens; 0 where "
                "they cost nothing) in configs/llm.yaml, or LLM_PRICE_IN and LLM_PRICE_OUT."
            )
        if estimate.cost > most:
            raise ConfigurationError(
                f"The sweep would cost about {estimate.cost:,.4g}, more than --max-cost {most:,.4g}: take fewer cells "
                "that ask something of their own, or raise it."
            )

    def _identity(self) -> str:
        """A hash of all that decides the results."""
        cells = []
        for cell in self._cells.all:
            resolved = {
                name: part
                for name, part in without_folders(json.loads(cell.resolved)).items()
                if name not in ("name", "output")
            }
            arms = [(one.arm.name, one.group) for one in self._plan.arms[cell.number]]
            prices = prices_key(self._cells.prices.visible(cell.experiment).universe)
            cells.append([cell.number, dict(cell.settings), cell.window, prices, arms, resolved])
        decides = {
            "name": self._sweep.name,
            "cells": cells,
            "prompts": prompts_sha256(),
            "schemas": schemas_sha256(),
            "version": version("backtrader-llm"),
        }
        return hashlib.sha256(json.dumps(decides, sort_keys=True, default=str).encode()).hexdigest()

    def _place_prices(self, shelf: Shelf) -> None:
        for cell in self._cells.all:
            universe = self._cells.prices.visible(cell.experiment).universe
            if not shelf.has(key := prices_key(universe)):
                shelf.put(key, universe_bytes(universe))

    def _parts(self, identity: str) -> list[Part]:
        """The cells in parts, those of the same prices and costs beside each other."""
        work: dict[tuple[str, str], list[CellWork]] = {}
        closes: dict[tuple[str, str], int] = {}
        for cell in self._cells.all:
            universe = self._cells.prices.visible(cell.experiment).universe
            arms = [
                (one.arm.name, None if one.group is None else decisions_key(one.group))
                for one in self._plan.arms[cell.number]
            ]
            one = CellWork(cell.number, without_frames(cell.experiment), prices_key(universe), arms)
            alike = one.prices, json.dumps(json.loads(cell.resolved)["costs"])
            work.setdefault(alike, []).append(one)
            closes[alike] = universe.closes * len(arms)
        parts = []
        first = {prices: number for number, prices in enumerate(dict.fromkeys(prices for prices, _ in work))}
        for alike, cells in sorted(work.items(), key=lambda item: first[item[0][0]]):  # prices are read once
            size = max(1, min(MOST_CELLS_OF_A_PART, CLOSES_OF_A_PART // closes[alike]))
            for begin in range(0, len(cells), size):
                some = tuple(cells[begin : begin + size])
                named = json.dumps([identity, [cell.number for cell in some]])
                files = [cell.prices for cell in some] + [key for cell in some for _, key in cell.arms if key]
                key = f"cells-{hashlib.sha256(named.encode()).hexdigest()[:24]}"
                parts.append(Part(key, some, tuple(dict.fromkeys(files))))
        return parts

    def _wanted_processes(self, workers: int | None) -> int:
        if workers is None:
            closes = sum(self._cells.prices.visible(cell.experiment).universe.closes for cell in self._cells.all)
            workers = processes() if closes >= _WORTH_A_PROCESS else 1
        if workers > 1 and not can_travel([without_frames(cell.experiment) for cell in self._cells.all]):
            return 1
        return workers

    def _trade(self, parts: Sequence[Part], shelf: Shelf, trade: Trade) -> None:
        total, left = len(self._cells.all), [part for part in parts if not shelf.has(part.key)]
        done = total - sum(len(part.cells) for part in left)
        self._progress.begin("trading cells", total, unit="cells")
        self._progress.at(done, total)
        with contextlib.closing(trade_parts(left, shelf, trade)) as traded:
            for found in traded:
                if isinstance(found, CellFailed):
                    cell = next(cell for cell in self._cells.all if cell.number == found.cell)
                    raise type(found.problem)(f"{cell.title}: {found.problem}")
                part, outcomes = found
                shelf.put(part.key, part_bytes(outcomes))
                done += len(part.cells)
                self._progress.at(done, total)
        self._progress.end(counted(total, "cell"))

    def _document(self, axes: Sequence[Any], identity: str) -> dict[str, Any]:
        prices = dict.fromkeys(
            prices_key(self._cells.prices.visible(cell.experiment).universe) for cell in self._cells.all
        )
        arms = dict.fromkeys(one.arm.name for each in self._plan.arms.values() for one in each)
        experiment = without_folders(self._cells.base.resolved())
        models = {session.name: model_of(session.model) for session in self._plan.sessions}
        return {
            "format": FORMAT,
            "name": self._sweep.name,
            "identity": identity,
            "sweep": self._sweep.as_dict(),
            "experiment": {name: part for name, part in experiment.items() if name != "output"},
            "axes": [{"key": axis.key, "values": axis.values} for axis in axes],
            "windows": [{"name": each.name, "start": each.start, "end": each.end} for each in self._cells.windows],
            "cells": len(self._cells.all),
            "equal": {str(number): first for number, first in self._cells.equal.items()},
            "arms": list(arms),
            "decisions": self._plan.decisions,
            "questions": self._plan.questions,
            "prices": list(dict.fromkeys(prices)),
            "models": models,
            "notes": list(self._plan.notes),
            "versions": {"backtrader-llm": version("backtrader-llm")},
        }


def _write_page(folder: Path) -> None:
    """Write the page of a finished sweep."""
    from simulator.reporting.sweep.page import write_sweep_page  # its charts are not needed before

    write_sweep_page(folder)
