"""The experiment and the prices of a finished run, from its folder."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from llm_strategy.advice.rules import BASELINES
from llm_strategy.errors import ConfigurationError, MarketDataError, RunFolderError
from llm_strategy.market.context.registry import SOURCES
from simulator.experiment.configuration import Experiment
from simulator.experiment.named_analytics import written_analytics
from simulator.experiment.objects import is_of_program, is_there
from simulator.folder.provenance import Parts, own_parts
from simulator.folder.record import Record
from simulator.prices.universe import Universe, read_universe_csv
from simulator.reporting.own_sections import load_section
from simulator.runs.strategies.trade import own_strategy


def experiment_of(record: Record) -> Experiment:
    """The experiment of a folder; what it names of a person's own is compared with what it was before it is run."""
    path, configuration = record.folder / "manifest.json", record.manifest["experiment"]
    rules = configuration.get("baselines")
    arms = configuration.get("arms")
    parts = [*_entries(rules, "rule"), *_entries(arms, "strategy")]
    for reference in parts:
        if is_of_program(reference) and not is_there(reference):
            raise RunFolderError(
                f"{reference} was given to the run in {record.folder} as an object of a program that cannot be "
                "imported, and it is not here: run the experiment again there, or name a part that stands in a file."
            )
    for rule in rules.values() if isinstance(rules, dict) else ():
        reference = rule.get("rule") if isinstance(rule, dict) else None
        if is_of_program(reference) or reference in (None, *BASELINES):
            continue
        if not rule.get("sha256"):  # which code it was must be certain
            raise RunFolderError(f"{path} names a rule without the hash of its file: restore it, or run it again.")
    then = record.manifest.get("own_parts", {})
    now = own_parts(*_shown_parts(configuration), data=False).get("own_parts", {})
    for name in now:
        if now[name] and now[name] != then.get(name):  # one that is not there is told below
            raise RunFolderError(
                f"The file of {name} has changed since the run in {record.folder}: bring it back as it was, or run the "
                "experiment again."
            )
    try:
        experiment = Experiment.from_mapping(configuration, str(path))
        for section in experiment.output.sections:
            load_section(section)
        for arm in experiment.plan:
            if arm.kind == "strategy":
                own_strategy(arm).find()
    except ConfigurationError as problem:
        raise RunFolderError(
            f"{path} holds an experiment that cannot be run ({problem}): restore it, or run the experiment again."
        ) from None
    return experiment


def universe_of(record: Record, experiment: Experiment) -> Universe:
    used = record.about.prices
    folder = record.folder if (record.folder / "prices.csv").exists() else record.folder.parent
    try:
        sources = {symbol: market["source"] for symbol, market in used["symbols"].items()}
        volumes = {symbol: market.get("volume", "shares") for symbol, market in used["symbols"].items()}
        universe = read_universe_csv(folder / "prices.csv", experiment.data, sources, volumes)
    except MarketDataError as problem:
        raise RunFolderError(f"The prices of {record.folder} cannot be read: {problem}") from None
    if universe.sha256 != used["sha256"]:
        raise RunFolderError(
            f"{folder / 'prices.csv'} was changed after the run: restore it, or run the experiment again."
        )
    missed = {symbol: market["missed"] for symbol, market in used["symbols"].items() if market.get("missed")}
    return replace(universe, missed=missed, committed=used.get("committed"))


def _entries(section: Any, key: str) -> list[Any]:
    """What the entries of a section say under this key."""
    entries = section.values() if isinstance(section, dict) else ()
    return [entry[key] for entry in entries if isinstance(entry, dict) and key in entry]


def _shown_parts(configuration: dict[str, Any]) -> Parts:
    """The features, sources and analytics that the advisors of an experiment are shown, as its document names them."""
    sections = [{"": configuration.get("advisor")}, configuration.get("advisors"), configuration.get("arms")]
    named = [one for section in sections if isinstance(section, dict) for one in section.values()]
    told = [one for one in named if isinstance(one, dict)]
    features = dict.fromkeys(name for one in told for name in one.get("features", ()))
    context = [entry for one in told for entry in one.get("context", ())]
    plans = [one["plan"] for one in told if isinstance(one.get("plan"), dict)]
    offered = [entry for plan in plans for entry in plan.get("analytics") or ()]
    context += [entry for entry in offered if not isinstance(entry, str) or entry in SOURCES]
    return Parts(list(features), context, written_analytics(configuration))
