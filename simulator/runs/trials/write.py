"""``trials.json``: a run entered in the user's ledger of trials, and what that said of its bars.

What of the entries is of the wall clock stands in the manifest (``trials``). A replay has neither the ledger of that
user nor writes to its own: it measures the trials again, takes from the run what the ledger had said, and computes the
hash of each entry anew, so that a changed one shows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from llm_strategy.errors import RegisterError
from simulator.evaluation.metrics import bars_per_year, performance
from simulator.evaluation.trials import TrialCount, read_trials
from simulator.experiment.arms import Arm
from simulator.experiment.configuration import Experiment
from simulator.folder.evidence import TRIALS, round_digits, write_json
from simulator.folder.manifest import read_manifest
from simulator.folder.record import Record
from simulator.prices.universe import Universe
from simulator.registers.chain import Entry
from simulator.registers.data import DataWindow
from simulator.runs.trials.configurations import configuration_id, is_tuned
from simulator.trials.ledger import Ledger, Trial

NOT_ENTERED = "The ledger of trials could not be used, so that this run does not stand in it."


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the bars of a run: the ``count`` for ``trials.json``, what of it is ``dated`` for the manifest,
    and ``notes``, sentences that a person must have read."""

    count: TrialCount
    dated: dict[str, Any]
    notes: list[str]


class Tried(NamedTuple):
    """The trials of a run on its decision bars; of which ``run`` (identity) of which experiment's ``name``."""

    trials: tuple[Trial, ...]
    window: DataWindow
    name: str
    run: str


def write_trials(
    universe: Universe,
    experiment: Experiment,
    arms: Sequence[Arm],
    place: Callable[[Arm], Path],
    folder: Path,
    known: Known,
) -> Known:
    """Enter the finished arms of a run, each in its ``place``, in the user's ledger, and write ``trials.json``; returns
    what is ``known`` then, with notes of the ledger alone."""
    tried = _tried(universe, experiment, arms, place)
    now = replace(known, notes=[])
    if tried is not None:
        try:
            now = _entered(Ledger(), tried, known)
        except RegisterError as problem:
            now = Known(_as_far_as_known(tried, known.count), known.dated, [str(problem)])
    if tried is not None or now.count.sealed is not None or now.count.opened is not None:
        write_json(now.count.as_document(), folder / TRIALS)
    return now


def note_trials(known: Known, folder: Path) -> None:
    """Keep in the manifest of a run what of its entries is of the wall clock."""
    if known.dated:
        manifest = read_manifest(folder)
        write_json(manifest | {"trials": known.dated}, folder / "manifest.json")


def replay_trials(
    universe: Universe,
    experiment: Experiment,
    arms: Sequence[Arm],
    place: Callable[[Arm], Path],
    record: Record,
    target: Path,
) -> None:
    """Write ``trials.json`` of a run again into ``target``, where the run has one."""
    count = read_trials(record.folder)
    if count is None:
        return
    tried = _tried(universe, experiment, arms, place)
    dated = (record.manifest.get("trials") or {}).get("entries", {})
    entries: dict[str, str] = {}
    for trial in tried.trials if tried is not None else ():
        if tried is not None and trial.arm in dated:
            entries[trial.arm] = _again(dated[trial.arm], trial, tried).digest
    write_json(replace(count, entries=entries).as_document(), target / TRIALS)


def decision_window(universe: Universe, experiment: Experiment) -> DataWindow:
    """The bars of all symbols from the first decision on, as a register keeps them."""
    series, prices = {}, {}
    first, last = [], []
    for symbol in universe.symbols:
        table = universe.decisions(symbol).table
        times = table.index.to_numpy().astype("datetime64[us]")
        decided = times[experiment.warm_up.bars - 1 :]
        series[symbol] = (times, table["close"].to_numpy(np.float64))
        prices[symbol] = universe.market(symbol).sha256
        first.append(decided[0])
        last.append(decided[-1])
    return DataWindow.of(series, min(first), max(last), prices)


def _entered(ledger: Ledger, tried: Tried, known: Known) -> Known:
    """What is known as the ledger tells it with these trials in it: as it was when the last of them was entered first,
    so that the same run writes the same again."""
    entries = ledger.record(tried.trials, tried.window, tried.name, tried.run)
    same, overlapping = ledger.configurations(tried.window, max(entry.number for entry in entries))
    hashes = {entry.content["arm"]: entry.hash for entry in entries}
    count = replace(known.count, same=len(same), overlapping=len(overlapping), entries=hashes)
    return Known(count, known.dated | {"entries": {entry.content["arm"]: _dated(entry) for entry in entries}}, [])


def _as_far_as_known(tried: Tried, count: TrialCount) -> TrialCount:
    """The count where the ledger could not be written: with what can be read of it."""
    own = {trial.configuration for trial in tried.trials}
    same = overlapping = set[str]()
    with contextlib.suppress(RegisterError):
        same, overlapping = Ledger().configurations(tried.window)
    problem = count.problem or NOT_ENTERED
    return replace(count, same=len(own | same), overlapping=len(own | overlapping), problem=problem)


def _tried(
    universe: Universe, experiment: Experiment, arms: Sequence[Arm], place: Callable[[Arm], Path]
) -> Tried | None:
    """The arms of a run that are trials; None where none is."""
    tuned = [arm for arm in arms if is_tuned(arm, experiment)]
    if not tuned:
        return None
    manifests = {arm.name: read_manifest(place(arm)) for arm in tuned}
    trials = tuple(_trials(tuned, manifests, place, experiment))
    identity = str(manifests[tuned[0].name]["identity"])
    return Tried(trials, decision_window(universe, experiment), experiment.name, identity)


def _trials(
    tuned: Sequence[Arm],
    manifests: Mapping[str, Mapping[str, Any]],
    place: Callable[[Arm], Path],
    experiment: Experiment,
) -> Iterator[Trial]:
    for arm in tuned:
        manifest = manifests[arm.name]
        equity = pd.read_csv(place(arm) / "equity.csv", parse_dates=["time"], date_format="ISO8601", index_col="time")
        year = experiment.evaluation.bars_per_year or bars_per_year(equity.index)
        ratio = performance(equity, year, experiment.costs.cash_rate).sharpe
        yield Trial(
            configuration_id(arm, manifest),
            arm.name,
            arm.kind,
            None if manifest["model"] is None else str(manifest["model"]["name"]),
            round_digits(year),
            None if ratio is None else round_digits(ratio),
        )


def _dated(entry: Entry) -> dict[str, Any]:
    """Of an entry what cannot be measured again."""
    more = {"origin": entry.content["origin"]} if "origin" in entry.content else {}
    return {"number": entry.number, "at": entry.at, "run": entry.content["run"], "before": entry.earlier, **more}


def _again(kept: Mapping[str, Any], trial: Trial, tried: Tried) -> Entry:
    """The entry of a trial with what the run kept of it."""
    content = trial.content(tried.name, kept["run"]) | {"window": tried.window.id}
    content |= {"origin": kept["origin"]} if "origin" in kept else {}
    return Entry(kept["number"], "tried", trial.configuration, kept["at"], content, kept["before"])
