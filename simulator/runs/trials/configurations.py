"""What of a run is a trial: the arms that a person tunes, and by which id the configuration of each is known again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from llm_strategy.advice.rules import BASELINES, rule_settings
from simulator.experiment.advisor import RUNTIME
from simulator.experiment.arms import Arm
from simulator.experiment.configuration import Experiment
from simulator.folder.manifest import advisor_settings
from simulator.folder.record import without_folders

_OF_DATA = ("timeframe", "decide_on", "session", "timezone", "start", "end", "groups")
_DIGITS = 12


def is_tuned(arm: Arm, experiment: Experiment) -> bool:
    """Whether an arm is a person's own attempt: advised (and no null of another arm), a strategy or rule of their own,
    or a rule of ours with other settings than the usual ones. Benchmarks and chance are none."""
    if arm.kind == "advisor":
        return not arm.null
    if arm.kind == "rule" and arm.rule in BASELINES:
        settings = dict(experiment.baselines.get(arm.rule, {}))
        return settings not in ({}, rule_settings(arm.rule))
    return arm.kind in ("rule", "strategy")


def configuration_id(arm: Arm, manifest: Mapping[str, Any]) -> str:
    """The id of all that decides the trading of an arm, from its manifest: advisor and model, or rule, or strategy;
    labels, limits, orders, costs, symbols, and the dates as the experiment states them.

    Name, output, seed and number of draws are left out, and so is what only measures, so that the same configuration
    with another seed is no other one; and prices are left out, which a trial is kept with.
    """
    advised = {"advisor": advisor_settings(manifest)} if arm.kind == "advisor" else {}
    whole = without_folders({**manifest["experiment"], **advised})
    rules: Mapping[str, Any] = whole.get("baselines") or {}
    decides: dict[str, Any] = {
        "kind": arm.kind,
        "symbols": sorted(manifest["prices"]["symbols"]),
        "data": {name: whole["data"].get(name) for name in _OF_DATA},
        "holdout": whole["evaluation"].get("holdout"),
        **{name: whole[name] for name in ("risk", "orders", "costs")},
    }
    if arm.kind == "advisor":
        settings = {name: value for name, value in whole["advisor"].items() if name not in ("budget", *RUNTIME)}
        sampler = {name: value for name, value in (manifest["sampler"] or {}).items() if name != "seed"}
        decides |= {
            "advisor": settings,
            "fallback": rules.get(settings.get("fallback", "")),
            "regimes": whole.get("regimes"),
            "model": manifest["model"],
            "sampler": sampler,
            "own_parts": manifest.get("own_parts"),
        }
    elif arm.kind == "strategy":
        decides["strategy"] = whole["arms"][arm.name]
    else:
        decides |= {"rule": arm.rule, "settings": rules.get(arm.rule)}
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:_DIGITS]
