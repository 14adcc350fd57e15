"""Which parts of an experiment are a person's own, so that they are checked."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from llm_strategy.market.analytics.registry import is_own as is_own_analytic
from llm_strategy.market.context.features import FEATURES
from llm_strategy.market.context.registry import is_own as is_own_source
from llm_strategy.market.context.registry import read_choices
from llm_strategy.market.view import find_feature, is_own
from llm_strategy.support.plugins import is_reference
from simulator.experiment.advisor import AdvisorConfig
from simulator.experiment.advisor_schema import ABSTAIN
from simulator.experiment.arms import Arm
from simulator.experiment.configuration import Experiment
from simulator.experiment.named_analytics import advisor_analytics, named_analytics
from simulator.runs.lookahead.analytics import AnalyticPart
from simulator.runs.lookahead.parts import ContextPart, FeaturePart, Part, RequestPart, RulePart, StrategyPart
from simulator.runs.strategies.trade import own_strategy


def parts_of(experiment: Experiment, *, built_in: bool) -> Iterator[Part]:
    """The parts to check, each once, in the order of the arms, and analytics after them; those of the program's own
    with ``built_in``."""
    found: set[str] = set()
    for arm in experiment.plan:
        for part in _of_arm(arm, experiment, built_in=built_in):
            if part.name not in found:
                found.add(part.name)
                yield part
    yield from (AnalyticPart(name) for name in named_analytics(experiment) if built_in or is_own_analytic(name))


def _of_arm(arm: Arm, experiment: Experiment, *, built_in: bool) -> Iterator[Part]:
    if arm.kind == "strategy":
        yield StrategyPart(own_strategy(arm))
    elif arm.kind in ("rule", "ungated"):
        yield from _of_rule(arm.rule, experiment, built_in=built_in)
    elif arm.config is not None:
        if arm.config.fallback != ABSTAIN:
            yield from _of_rule(arm.config.fallback, experiment, built_in=built_in)
        yield from _of_advisor(arm.name, arm.config, built_in=built_in)


def _of_rule(name: str, experiment: Experiment, *, built_in: bool) -> Iterator[Part]:
    reference = experiment.baselines.get(name, {}).get("rule", "")
    if reference or built_in:
        yield RulePart(name, partial(experiment.rule, name), (reference,) if reference else ())


def _of_advisor(name: str, config: AdvisorConfig, *, built_in: bool) -> Iterator[Part]:
    """The features and sources of context of an advisor, and its requests."""
    features, references = config.view.features, []
    for feature in features:
        if own := is_own(feature):
            references.append(feature)
        if own or built_in:
            yield FeaturePart(feature, find_feature(feature).name, config, own=own)
    for choice in (*read_choices(config.context), *(config.menu.choices if config.menu else ())):
        if own := is_own_source(choice.name):
            references.append(choice.name)
        if choice.name != FEATURES and (own or built_in):
            yield ContextPart(name, choice, config)
    references += filter(is_own_analytic, advisor_analytics(config))
    yield RequestPart(name, config, tuple(filter(is_reference, references)))
