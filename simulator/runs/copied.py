"""The arm ``copy_nearest`` of a run: there where the primary advisor is shown past states with an answer."""

from __future__ import annotations

from collections.abc import Sequence

from llm_strategy.advice.modes.mode import Abilities
from llm_strategy.advice.modes.registry import complete_options
from llm_strategy.errors import ConfigurationError
from simulator.experiment import COPY_ARM
from simulator.experiment.arms import Arm
from simulator.experiment.configuration import Experiment
from simulator.runs.advisors.session import AdvisorSession


def copied_arm(experiment: Experiment, arms: Sequence[Arm], sessions: Sequence[AdvisorSession]) -> tuple[Arm, ...]:
    """The arm that copies, where these arms of a comparison are to have it by themselves; raises ``ConfigurationError``
    where one of them copies and there is nothing to copy."""
    copies = any(arm.kind == "copy" for arm in arms)
    taken = any(arm.name == COPY_ARM for arm in arms)
    asked = next((session for session in sessions if experiment.primary in session.arms), None)
    shown = asked is not None and _shows_past(experiment, asked)
    if copies and not shown and (asked is not None or not experiment.primary_config.prompt_options.chosen_from_past):
        raise ConfigurationError(
            f"arms holds {COPY_ARM}, and the prompt of the primary advisor shows no past states whose answers could be "
            "copied: set advisor.examples to {nearest: 2}, or leave "
            f"{COPY_ARM} out."
        )
    return (experiment.arm(COPY_ARM),) if shown and len(arms) > 1 and not taken else ()


def _shows_past(experiment: Experiment, session: AdvisorSession) -> bool:
    config = experiment.primary_config
    return complete_options(config.prompt_options, Abilities.of(session.model, config.view)).chosen_from_past
