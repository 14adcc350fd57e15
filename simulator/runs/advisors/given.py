"""Advisors and arms that a program gives to a comparison as objects, as settings of its experiment and clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias, cast

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.modes.registry import DecisionMode
from llm_strategy.advice.rules import BASELINES, Rule
from llm_strategy.errors import ConfigurationError
from llm_strategy.llm.client import LLMClient
from llm_strategy.market.context.registry import read_choices
from simulator.experiment import LLM_ARM
from simulator.experiment.advisor import AdvisorConfig
from simulator.experiment.advisor_schema import ABSTAIN
from simulator.experiment.advisors import override
from simulator.experiment.configuration import Experiment
from simulator.runs.advisors.session import Clients
from simulator.runs.answers import recorded

GivenAdvisor: TypeAlias = AdvisorConfig | Mapping[str, Any] | LLMClient | ModelAdvisor
"""Settings of an advisor, a client that answers it, or an advisor that asks a client of its own."""


def with_parts(
    experiment: Experiment,
    advisors: Mapping[str, GivenAdvisor],
    arms: Mapping[str, Any] | Sequence[str] | None,
    client: LLMClient | None,
) -> tuple[Experiment, Clients]:
    """The experiment with these advisors and arms, and the clients that answer; raises ``ConfigurationError``."""
    if not isinstance(advisors, Mapping):
        raise ConfigurationError(
            f"advisors is {advisors!r:.60}: give a mapping of names to settings, clients or advisors."
        )
    if arms is not None and not isinstance(arms, (Mapping, list, tuple)):
        raise ConfigurationError(f"arms is {arms!r:.60}: give a list of names, or a mapping of names to what decides.")
    if client is not None and any(isinstance(one, (LLMClient, ModelAdvisor)) for one in advisors.values()):
        raise ConfigurationError("client is given, and an advisor with a client of its own: keep one of them.")
    configs: dict[str, AdvisorConfig | Mapping[str, Any]] = dict(experiment.advisors)
    clients: dict[str, LLMClient] = {}
    base = AdvisorConfig() if experiment.advisors else experiment.advisor
    for name, given in advisors.items():
        if isinstance(given, ModelAdvisor):
            configs[name], clients[name] = config_of(given), recorded(given.client, kept=given.record)
        elif isinstance(given, LLMClient):
            configs[name], clients[name] = base, given
        elif isinstance(given, Mapping):
            settings = _with_names(given)
            like = settings.get("like")
            configs[name] = settings if like else override(base, settings, experiment.folder, f"advisors.{name}")
        elif isinstance(given, AdvisorConfig):
            configs[name] = given
        else:
            raise ConfigurationError(
                f"advisors[{name!r}] is {given!r:.60}: give settings, a client or a ModelAdvisor, and what decides "
                "otherwise as an arm."
            )
    wanted = experiment.arms if arms is None else arms if isinstance(arms, Mapping) else tuple(arms)
    if configs and not isinstance(wanted, Mapping):
        there = [name for name in wanted if name != LLM_ARM or LLM_ARM in configs]
        wanted = (*(name for name in advisors if name not in there and arms is None), *there)
    elif configs and arms is None and isinstance(wanted, Mapping):
        wanted = {**wanted, **{name: None for name in advisors if name not in wanted}}
    advisor = experiment.advisor if not configs else AdvisorConfig()
    return replace(experiment, advisor=advisor, advisors=configs, arms=wanted), clients or client


def _with_names(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with the names of what stands in their context as a class or a function."""
    named = dict(settings)
    if "context" in named:
        named["context"] = [choice.plain for choice in read_choices(named["context"], "advisor.context")]
    return named


def config_of(advisor: ModelAdvisor, **schedule: Any) -> AdvisorConfig:
    """The settings that an advisor was made with, and those of its ``schedule``."""
    view, options = advisor.view, advisor.wanted_options
    examples = options.examples
    return AdvisorConfig(
        style=view.style,
        decimals=view.decimals,
        unmasked=view.unmasked,
        features=view.features,
        fallback=_fallback(advisor),
        mode=cast(DecisionMode, options.mode),
        examples=examples if examples in ("auto", "fixed", "none") else {examples: options.count},
        labels=options.labels,
        calibration=options.calibration,
        rationale=options.rationale,
        layout=options.layout,
        prompt=options.prompt,
        repairs=advisor.repairs,
        context=advisor.context.plain,
        plan=advisor.plan_options,
        **schedule,
    )


def _fallback(advisor: ModelAdvisor) -> str:
    rule = advisor.fallback
    if rule is None:
        return ABSTAIN
    for name, kind in BASELINES.items():
        if type(rule) is kind and isinstance(rule, Rule) and vars(rule) == vars(kind()):
            return name
    raise ConfigurationError(
        f"The advisor's fallback is a {type(rule).__name__} of its own: a study takes the rules {', '.join(BASELINES)} "
        "as they are, or none."
    )
