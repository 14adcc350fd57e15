"""The trading of an arm, whoever decides in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from llm_strategy.advice.copying import CopyNearest
from llm_strategy.advice.protocol import Advisor
from llm_strategy.trading.decision_lines import Entry
from simulator.experiment.arms import Arm
from simulator.experiment.configuration import Experiment
from simulator.prices.universe import Universe
from simulator.runs.simulation import trade
from simulator.runs.strategies.own_strategy import OwnStrategy, trade_strategy
from simulator.runs.strategies.ungated import trade_ungated


def rule_of(arm: Arm, experiment: Experiment) -> Advisor | None:
    """Who decides in an arm that asks no model, made anew: its rule, or what stands in the primary arm's prompt; None
    for an arm that is a person's strategy or has no gate."""
    if arm.kind == "copy":
        return copy_of_primary(experiment)
    return experiment.rule(arm.rule) if arm.kind == "rule" else None


def copy_of_primary(experiment: Experiment) -> CopyNearest:
    """The answers of the examples that the primary advisor is shown; where it chooses them by itself, the nearest."""
    config = experiment.primary_config
    options = config.prompt_options
    return CopyNearest(config.view, replace(options, examples="nearest") if options.examples == "auto" else options)


def own_strategy(arm: Arm) -> OwnStrategy:
    """The strategy of an arm of this kind."""
    return OwnStrategy(arm.name, arm.reference, arm.params)


def trade_arm(
    universe: Universe,
    arm: Arm,
    advisor: Advisor | None,
    experiment: Experiment,
    decided: Callable[[Entry], None],
    folder: Path,
) -> None:
    """Trade an arm and write the evidence into its folder; each decision is ``decided`` and not kept. The ``advisor``
    decides, but in an arm that is a person's strategy or has no gate."""
    if arm.kind == "strategy":
        trade_strategy(universe, own_strategy(arm), experiment, decided, folder)
    elif arm.kind == "ungated":
        trade_ungated(universe, experiment.rule(arm.rule), experiment, decided, folder)
    elif advisor is None:
        raise ValueError(f"nobody decides in the arm {arm.name}")
    else:
        trade(universe, advisor, experiment, decided, folder, arm.config)
