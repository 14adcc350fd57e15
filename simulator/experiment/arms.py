"""The arms of an experiment by their names: those that a model advises, rules, strategies and benchmarks that are
compared with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from llm_strategy.advice.own_rule import RULE_NAME, installed_rules, whole_settings
from llm_strategy.advice.rules import BASELINES, rule_settings
from llm_strategy.errors import ConfigurationError, did_you_mean
from simulator.experiment import COPY_ARM, LLM_ARM, MARKET_ARM, RANDOM_ARM
from simulator.experiment.advisor import AdvisorConfig
from simulator.experiment.advisor_schema import ABSTAIN
from simulator.experiment.schema import keywords_schema

ArmKind: TypeAlias = Literal["advisor", "rule", "random", "strategy", "ungated", "copy"]


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm of an experiment: who decides in it.

    ``kind`` advisor: the model of the ``advisor`` of this name, asked as ``config`` says; with a ``null`` it is that of
    the arm ``null_of`` without what the word names. rule: ``rule`` is the name that ``Experiment.rule`` knows it by.
    strategy: ``reference`` is a person's own ``bt.Strategy`` with these ``params``. ungated: ``rule`` without a gate.
    random: in experiments of earlier versions an account with the holding times of the first arm that is advised; now
    the accounts at other moments of each advised arm, which are there without it. copy: the answer of the nearest
    example that stands in the prompt of the primary advisor.
    """

    name: str
    kind: ArmKind
    advisor: str = ""
    config: AdvisorConfig | None = None
    rule: str = ""
    reference: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    null: str = ""
    null_of: str = ""


USUAL_ARMS = (LLM_ARM, *BASELINES)
"""Those of an experiment that names none."""
ALL_ARMS = (*USUAL_ARMS, RANDOM_ARM)
IMPLIED_ARMS = (MARKET_ARM, COPY_ARM)
"""Those that a comparison has by itself; an experiment may name them, too."""
_SETTABLE = {name: settings for name in BASELINES if (settings := rule_settings(name))}
_RULE_ARM = {"type": "string", "pattern": RULE_NAME}
_LISTED = {
    "type": "array",
    "minItems": 1,
    "uniqueItems": True,
    "items": {"anyOf": [{"enum": [*ALL_ARMS, *IMPLIED_ARMS]}, _RULE_ARM]},
}
_NAMED = {"minProperties": 1, "additionalProperties": {"type": ["object", "null"]}}
ARMS_SCHEMA = {"allOf": [{"if": {"type": "object"}, "then": _NAMED, "else": _LISTED}]}
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
OF_REPORTS = (
    "costs",
    "explanation",
    "harm",
    "model",
    "noise",
    "run",
    "symbol",
    "pair",
    "advisors",
    "experiment",
    "reporting",
)
"""What a report has figures of, so that no arm may have the name."""
_TAKEN = (*ALL_ARMS, *IMPLIED_ARMS, ABSTAIN, "costs", "explanation", "harm", "model", "noise", "run", "symbol")
"""Names that a person's own rule cannot have: those of arms, and of what a report has figures of."""
TAKEN_BY_ADVISORS = (*BASELINES, *IMPLIED_ARMS, RANDOM_ARM, ABSTAIN, *OF_REPORTS)
"""Names that an advisor cannot have: it is an arm by its name, too."""


def own_rules(arms: Iterable[Any], fallbacks: Iterable[Any], baselines: Mapping[str, Any]) -> list[str]:
    """The rules that are none of ours: those with a reference, and those of installed packages that are asked for."""
    own = [name for name, settings in baselines.items() if isinstance(settings, Mapping) and "rule" in settings]
    named = [name for name in (*arms, *fallbacks, *baselines) if isinstance(name, str) and name not in (*_TAKEN, *own)]
    own += [name for name in dict.fromkeys(named) if name in installed_rules()]
    for name in own:
        if name in _TAKEN:
            raise ConfigurationError(f"baselines: {name!r} is a name of the program's own: give your rule another.")
    return own


def own_rules_in(document: Mapping[str, Any]) -> list[str]:
    """The same of a document, which may hold anything."""
    sections = {name: document.get(name) for name in ("advisor", "advisors", "baselines")}
    advisor, advisors, baselines = (section if isinstance(section, Mapping) else {} for section in sections.values())
    arms = document.get("arms")
    fallbacks = [each.get("fallback") for each in (advisor, *advisors.values()) if isinstance(each, Mapping)]
    own = own_rules(arms if isinstance(arms, (list, Mapping)) else (), fallbacks, baselines)
    named = arms.items() if isinstance(arms, Mapping) else ()
    return own + [name for name, entry in named if isinstance(entry, Mapping) and "rule" in entry]


def names_schema(own: Sequence[str], advisors: Iterable[str] = ()) -> dict[str, Any]:
    """The schema of all places that name arms and rules, where a person has brought these rules and ``advisors``."""
    own = list(dict.fromkeys((*own, *installed_rules())))
    rules = (*BASELINES, *own)
    section = {"properties": {"fallback": {"enum": [ABSTAIN, *rules]}}}
    return {
        "properties": {
            "advisor": section,
            "advisors": {"additionalProperties": section},
            "arms": {"items": {"enum": [*(advisors or (LLM_ARM,)), *rules, RANDOM_ARM, *IMPLIED_ARMS]}},
            "baselines": {"additionalProperties": False, "properties": dict.fromkeys((*_SETTABLE, *own), True)},
        }
    }


def _in_types_of(usual: Mapping[str, float], settings: Mapping[str, float]) -> dict[str, float]:
    """The settings in the types of the usual ones: 50.0 is a whole number in YAML, too."""
    for setting in settings:
        if setting not in usual:
            raise ConfigurationError(f"baselines: there is no setting {setting!r}{did_you_mean(setting, list(usual))}")
    return {setting: type(usual[setting])(value) for setting, value in settings.items()}


def whole_baselines(baselines: Mapping[str, Mapping[str, Any]], own: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The settings of every rule that has some, each written out; raises ``ConfigurationError`` for a wrong one."""
    for name in baselines:
        if name not in (*_SETTABLE, *own):
            raise ConfigurationError(f"baselines: {name!r} has no settings{did_you_mean(name, [*_SETTABLE, *own])}")
    ours = {name: usual | _in_types_of(usual, baselines.get(name, {})) for name, usual in _SETTABLE.items()}
    return ours | {name: whole_settings(name, baselines.get(name, {})) for name in own}
