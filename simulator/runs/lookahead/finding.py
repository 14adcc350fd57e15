"""Which parts of an experiment are a person's own, so that they are checked."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from llm_strategy.advice.rules import BASELINES
from llm_strategy.market.context.features import FEATURES
from llm_strategy.market.context.registry import is_own as is_own_source
from llm_strategy.market.context.registry import read_choices
from llm_strategy.market.view import find_feature, is_own
from llm_strategy.support.plugins import is_reference
from simulator.experiment import LLM_ARM
from simulator.experiment.advisor import AdvisorConfig
from simulator.experiment.configuration import Experiment
from simulator.runs.lookahead.parts import ContextPart, FeaturePart, Part, RequestPart, RulePart


def parts_of(experiment: Experiment, *, built_in: bool) -> Iterator[Part]:
    """The parts to check, in the order of an experiment; those of the program's own with ``built_in``."""
    for name in dict.fromkeys((*experiment.arms, experiment.advisor.fallback)):
        settings = experiment.baselines.get(name, {})
        if "rule" in settings or (built_in and name in BASELINES):
            reference = settings.get("rule", "")
            yield RulePart(name, partial(experiment.rule, name), (reference,) if reference else ())
    if LLM_ARM in experiment.arms:
        yield from _of_advisor(LLM_ARM, experiment.advisor, built_in=built_in)


def _of_advisor(name: str, config: AdvisorConfig, *, built_in: bool) -> Iterator[Part]:
    """The features and sources of context of an advisor, and its requests."""
    features, references = config.view.features, []
    for feature in features:
        if own := is_own(feature):
            references.append(feature)
        if own or built_in:
            yield FeaturePart(feature, find_feature(feature).name, own)
    for choice in read_choices(config.context):
        if own := is_own_source(choice.name):
            references.append(choice.name)
        if choice.name != FEATURES and (own or built_in):
            yield ContextPart(name, choice, config)
    yield RequestPart(name, config, tuple(filter(is_reference, references)))
