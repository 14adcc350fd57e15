"""The arms of an experiment by their names: the model's, the rules that are compared with it, and a person's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from llm_strategy.advice.own_rule import RULE_NAME, installed_rules, whole_settings
from llm_strategy.advice.rules import BASELINES, rule_settings
from llm_strategy.errors import ConfigurationError, did_you_mean
from simulator.experiment import LLM_ARM, RANDOM_ARM
from simulator.experiment.advisor import ABSTAIN
from simulator.experiment.schema import keywords_schema

ALL_ARMS = (LLM_ARM, *BASELINES, RANDOM_ARM)
_SETTABLE = {name: settings for name in BASELINES if (settings := rule_settings(name))}
_RULE_ARM = {"type": "string", "pattern": RULE_NAME}
ARMS_SCHEMA = {
    "type": "array",
    "minItems": 1,
    "uniqueItems": True,
    "items": {"anyOf": [{"enum": list(ALL_ARMS)}, _RULE_ARM]},
}
RULES_SCHEMA = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "properties": {"rule": {"type": "string", "minLength": 1}, "sha256": {"type": "string"}},
        "additionalProperties": {"type": ["number", "string", "boolean"]},
    },
    "description": "settings of the rules among the arms, and rules of your own",
    "properties": {name: keywords_schema(BASELINES[name]) for name in _SETTABLE},
}
_TAKEN = (*ALL_ARMS, ABSTAIN, "costs", "explanation", "harm", "model", "noise", "run", "symbol")
"""Names that a person's own rule cannot have: those of arms, and of what a report has figures of."""


def own_rules(arms: Iterable[Any], fallback: Any, baselines: Mapping[str, Any]) -> list[str]:
    """The rules that are none of ours: those with a reference, and those of installed packages that are asked for."""
    own = [name for name, settings in baselines.items() if isinstance(settings, Mapping) and "rule" in settings]
    named = [name for name in (*arms, fallback, *baselines) if isinstance(name, str) and name not in (*_TAKEN, *own)]
    own += [name for name in dict.fromkeys(named) if name in installed_rules()]
    for name in own:
        if name in _TAKEN:
            raise ConfigurationError(f"baselines: {name!r} is a name of the program's own: give your rule another.")
    return own


def own_rules_in(document: Mapping[str, Any]) -> list[str]:
    """The same of a document, which may hold anything."""
    sections = {name: document.get(name) for name in ("advisor", "baselines")}
    advisor, baselines = ({} if not isinstance(section, Mapping) else section for section in sections.values())
    arms = document.get("arms")
    return own_rules(arms if isinstance(arms, list) else (), advisor.get("fallback"), baselines)


def names_schema(own: Sequence[str]) -> dict[str, Any]:
    """The schema of all places that name arms and rules, where a person has brought these."""
    own = list(dict.fromkeys((*own, *installed_rules())))
    rules = (*BASELINES, *own)
    return {
        "properties": {
            "advisor": {"properties": {"fallback": {"enum": [ABSTAIN, *rules]}}},
            "arms": {"items": {"enum": [LLM_ARM, *rules, RANDOM_ARM]}},
            "baselines": {"additionalProperties": False, "properties": dict.fromkeys((*_SETTABLE, *own), True)},
        }
    }


def _in_types_of(usual: Mapping[str, float], settings: Mapping[str, float]) -> dict[str, float]:
    """The settings in the types of the usual ones: 50.0 is a whole number in YAML, too."""
    for setting in settings:
        if setting not in usual:
            raise ConfigurationError(f"baselines: there is no setting {setting!r}{did_you_mean(setting, list(usual))}")
    return {setting: type(usual[setting])(value) for setting, value in settings.items()}


def check_arms(arms: Sequence[str], own: Sequence[str]) -> None:
    """Raise ``ConfigurationError`` for arms that are unknown, none, named twice, or cannot be without another."""
    if not arms or len(set(arms)) < len(arms):
        raise ConfigurationError(f"arms is {list(arms)}: name at least one arm, and each once.")
    for arm in arms:
        if arm not in (*ALL_ARMS, *own):
            raise ConfigurationError(f"There is no arm {arm!r}{did_you_mean(arm, [*ALL_ARMS, *own])}")
    if RANDOM_ARM in arms and LLM_ARM not in arms:
        raise ConfigurationError(
            "arms holds random but not llm: random keeps the holding times of llm, add llm or leave random out."
        )


def whole_baselines(baselines: Mapping[str, Mapping[str, Any]], own: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The settings of every rule that has some, each written out; raises ``ConfigurationError`` for a wrong one."""
    for name in baselines:
        if name not in (*_SETTABLE, *own):
            raise ConfigurationError(f"baselines: {name!r} has no settings{did_you_mean(name, [*_SETTABLE, *own])}")
    ours = {name: usual | _in_types_of(usual, baselines.get(name, {})) for name, usual in _SETTABLE.items()}
    return ours | {name: whole_settings(name, baselines.get(name, {})) for name in own}
