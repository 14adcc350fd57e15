"""Which parts of an experiment are a person's own, so that they are checked."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from llm_strategy.advice.rules import BASELINES
from llm_strategy.market.view import find_feature, is_own
from simulator.experiment.advisor import ABSTAIN
from simulator.experiment.configuration import Experiment
from simulator.runs.lookahead.parts import FeaturePart, Part, RulePart


def parts_of(experiment: Experiment, *, built_in: bool) -> Iterator[Part]:
    """The parts to check, in the order of an experiment; those of the program's own with ``built_in``."""
    for feature in experiment.advisor.features:
        if own := is_own(feature):
            yield FeaturePart(feature, find_feature(feature).name, own)
        elif built_in:
            yield FeaturePart(feature, feature, own)
    for name in dict.fromkeys((*experiment.arms, experiment.advisor.fallback)):
        settings = experiment.baselines.get(name, {})
        if "rule" in settings or (built_in and name in BASELINES and name != ABSTAIN):
            reference = settings.get("rule", "")
            yield RulePart(name, partial(experiment.rule, name), (reference,) if reference else ())
