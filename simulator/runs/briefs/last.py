"""The brief of a run: that of the last decision of its primary arm, where that has a plan; and others of its prices."""

from __future__ import annotations

from pathlib import Path

from llm_strategy.llm.client import LLMClient
from llm_strategy.support.write_whole import write_whole
from simulator.experiment.arms import Arm
from simulator.experiment.configuration import Experiment
from simulator.folder.record import Record, load_record
from simulator.prices.universe import Universe
from simulator.reporting.brief.brief import BRIEF, Brief, Close, judge_brief_again, write_brief
from simulator.runs.advise import advised_arm
from simulator.runs.briefs.brief import brief_of, with_plan
from simulator.runs.briefs.view import view_at
from simulator.runs.recorded import experiment_of, universe_of


def write_last_brief(universe: Universe, experiment: Experiment, folder: Path, client: LLMClient | None) -> None:
    """Write the brief of a run into its folder: that of the last decision of the first arm that a model advised, where
    that arm has a plan."""
    if any(arm.config is not None and arm.config.planning is not None for arm in experiment.plan):
        close = _last_close(universe, experiment, load_record(folder))
        if close is not None:
            write_whole(folder / BRIEF, write_brief(close, client).as_json())


def write_last_brief_again(
    universe: Universe, experiment: Experiment, record: Record, folder: Path, before: Brief
) -> None:
    """The same for a replay, from the answers of the brief that was there before."""
    if (close := _last_close(universe, experiment, record)) is not None:
        write_whole(folder / BRIEF, judge_brief_again(before, close, record.manifest).as_json())


def brief_of_record(
    record: Record, at: str | None = None, *, symbol: str | None = None, client: LLMClient | None = None
) -> Brief:
    """A brief from the prices of a run, by the model of its first arm that one advised, or a ``client``; what was
    chosen at a decision is not asked for again."""
    experiment = experiment_of(record)
    arm = _advised(record, experiment) or advised_arm(experiment, None)
    universe = universe_of(record, experiment)
    config = arm.config or experiment.primary_config
    entries = next((each.entries for each in record.arms if each.name == arm.name), ())
    whole, planned = with_plan(experiment, config)
    return brief_of(
        universe,
        whole,
        planned,
        at,
        symbol=symbol,
        client=client,
        advisor=arm.name,
        chosen=() if config.planning is None else entries,
    )


def _advised(record: Record, experiment: Experiment) -> Arm | None:
    """The primary arm of a run, or else the first one that a model advised."""
    arms = [experiment.arm(each.name) for each in record.arms]
    advised = [arm for arm in arms if arm.config is not None]
    return min(advised, key=lambda arm: arm != experiment.primary, default=None)


def _last_close(universe: Universe, experiment: Experiment, record: Record) -> Close | None:
    """The close of the last decision of that arm for which there was a plan; None where there is none."""
    arm = _advised(record, experiment)
    if arm is None or arm.config is None or arm.config.planning is None:
        return None
    planned = [entry.decision for entry in record.arm(arm.name).entries if entry.decision.plan is not None]
    if not planned:
        return None
    last = max(planned, key=lambda decision: decision.snapshot.time)
    snapshot, names = last.snapshot, last.plan or ()
    view = view_at(universe, experiment, arm.config, snapshot.symbol, snapshot.time)
    by = "model" if arm.config.planning.by == "model" else "program"
    return Close(snapshot.symbol, snapshot.time, arm.name, view.figures(names), names, by)
