"""Manifests: everything about a run that is not evidence. Wall-clock times and paths stand here and nowhere else."""

from __future__ import annotations

import datetime
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from llm_strategy.llm.client import LLMClient
from simulator.experiment.experiment import LLM_ARM, Experiment
from simulator.folder.evidence import evidence_files, file_hashes
from simulator.folder.notes import notes_on
from simulator.folder.provenance import model_of, provenance
from simulator.folder.record import FORMAT_VERSION
from simulator.folder.tally import Questions
from simulator.prices.load import Prices
from simulator.prices.universe import Universe


def now() -> str:
    """The wall clock, ISO 8601 in UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def arm_manifest(
    run: RunDescription,
    arm: str,
    folder: Path,
    *,
    started: str,
    problem: str | None,
    usage: Questions,
    model: LLMClient | None,
) -> dict[str, Any]:
    """The manifest of one arm, whose evidence stands in ``folder``."""
    return {
        **_head(run, "run", problem),
        "arm": arm,
        **_tail(run, started, usage, model),
        "files": file_hashes(
            folder,
            evidence_files(run.experiment.further_draws if arm == LLM_ARM else ()),
            if_there=("calibration.json", "prices.csv"),
        ),
    }


def comparison_manifest(
    run: RunDescription,
    arms: tuple[str, ...],
    folder: Path,
    *,
    started: str,
    problem: str | None,
    usage: Questions,
    model: LLMClient | None,
) -> dict[str, Any]:
    """The manifest of a ``folder`` that holds these arms."""
    return {
        **_head(run, "comparison", problem),
        "arms": list(arms),
        **_tail(run, started, usage, model),
        "files": file_hashes(folder, (), if_there=("harm.json", "prices.csv")),
    }


class RunDescription:
    """What all manifests of one run share: its experiment, universe and identity, and which model explains it where
    rules alone trade."""

    def __init__(
        self, experiment: Experiment, universe: Universe, identity: str, explainer: LLMClient | None = None
    ) -> None:
        self.experiment = experiment
        self.universe = universe
        self.identity = identity
        self.explainer = {} if explainer is None else {"explainer": model_of(explainer)}
        self.notes = notes_on(experiment, universe)
        self.provenance = provenance()


def _head(run: RunDescription, kind: str, problem: str | None) -> dict[str, Any]:
    return {
        "format": FORMAT_VERSION,
        "kind": kind,
        "name": run.experiment.name,
        "identity": run.identity,
        "status": "failed" if problem else "complete",
        "problem": problem,
    }


def _tail(run: RunDescription, started: str, usage: Questions, model: LLMClient | None) -> dict[str, Any]:
    return {
        "experiment": run.experiment.as_dict(),
        "prices": _prices(run.universe, run.experiment),
        "notes": list(run.notes),
        **model_of(model),
        **run.explainer,
        "usage": asdict(usage) | {"seconds": round(usage.seconds, 3)},
        **run.provenance,
        "started": started,
        "finished": now(),
    }


def _prices(universe: Universe, experiment: Experiment) -> dict[str, Any]:
    warm_up = experiment.warm_up.bars
    return {
        "timeframe": universe.timeframe,
        "decide_on": universe.decide_on or universe.timeframe,
        "sha256": universe.sha256,
        "warm_up": warm_up,
        "symbols": {
            prices.symbol: {
                "source": prices.source,
                "group": universe.groups.get(prices.symbol, ""),
                "first": prices.table.index[0].isoformat(),
                "last": prices.table.index[-1].isoformat(),
                "bars": len(prices.table),
                "volume": prices.volume,
                "first_decision": universe.decisions(prices.symbol).table.index[warm_up - 1].isoformat(),
                **_before_start(universe.decisions(prices.symbol), experiment.data.start),
            }
            for prices in universe.markets
        },
    }


def _before_start(decisions: Prices, start: str | None) -> dict[str, int]:
    """How many decision bars stand before the first one that may be decided on, where one was asked for."""
    return {} if start is None else {"before_start": int(decisions.table.index.searchsorted(pd.Timestamp(start)))}
