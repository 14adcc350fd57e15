"""From what stands under ``arms`` to the arms: who decides in each, checked and in order."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from llm_strategy.advice.checks import AskedItems
from llm_strategy.advice.own_rule import RULE_NAME, in_folder, installed_rules
from llm_strategy.advice.rules import BASELINES
from llm_strategy.errors import ConfigurationError, did_you_mean
from llm_strategy.market.regimes import Regimes
from llm_strategy.support.plugins import is_reference, place_reference, source_sha256
from simulator.experiment import COPY_ARM, HOLDER_ARM, LLM_ARM, MARKET_ARM, RANDOM_ARM
from simulator.experiment.advisor import AdvisorConfig, write_whole_advisor
from simulator.experiment.advisor_schema import ABSTAIN
from simulator.experiment.advisors import override, told_at
from simulator.experiment.arms import ALL_ARMS, IMPLIED_ARMS, OF_REPORTS, Arm
from simulator.experiment.implied import implied_arm
from simulator.experiment.nulls import null_of
from simulator.experiment.objects import entry_of

STRATEGY_GROUP = "backtrader_llm.strategies"
"""Entry points of installed packages that are strategies, by name."""
KINDS = ("advisor", "rule", "strategy", "ungated")
"""The key that says who decides in an arm; its value is a name or a reference."""
_MARKET = {"ungated": HOLDER_ARM}
Entries: TypeAlias = Mapping[str, Mapping[str, Any] | None]


def split_rules(
    arms: Mapping[str, Any], baselines: Mapping[str, Any], advisors: Mapping[str, AdvisorConfig], folder: Path | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arms and baselines, in which the settings of rules stand under the baselines alone, as they may be written."""
    entries, settings = dict(arms), dict(baselines)
    for name, given in arms.items():
        _check_name(name)
        entries[name] = entry = entry_of(name, given)
        if entry is None:
            continue
        if not isinstance(entry, Mapping):
            raise ConfigurationError(f"arms.{name} is {entry!r:.60}: write settings, such as {{advisor: NAME}}.")
        kind = _kind(name, entry, advisors, baselines)
        if name == MARKET_ARM and entry != _MARKET:
            raise ConfigurationError(
                f"arms.{name} is the market itself, held without the gate ({{ungated: {HOLDER_ARM}}}): give an arm in "
                "which something else decides another name."
            )
        if kind != "rule":
            continue
        if name in baselines:
            raise ConfigurationError(f"The settings of {name} stand under arms and under baselines: keep one of them.")
        if name in ALL_ARMS and "rule" in entry and entry["rule"] != name:
            raise ConfigurationError(f"arms.{name}: that is a name of the program's own, give the arm another.")
        own = {key: value for key, value in entry.items() if key != "rule" or name not in BASELINES}
        _check_rule(name, own.get("rule", name))
        if own.get("rule") in installed_rules():
            own["rule"] = installed_rules()[own["rule"]]
        if own:
            settings[name] = in_folder(own, folder)
        entries[name] = None
    return entries, settings


def plan_arms(
    arms: Mapping[str, Any], advisors: Mapping[str, AdvisorConfig], own: Sequence[str], folder: Path | None
) -> tuple[Arm, ...]:
    """The arms in their order; raises ``ConfigurationError`` for one that is unknown, or cannot be without another."""
    plan = [_arm(name, entry, advisors, own, folder) for name, entry in arms.items()]
    plan = [arm if arm.kind != "advisor" or not arm.null else _with_null(arm, plan) for arm in plan]
    advised = [arm for arm in plan if arm.kind == "advisor"]
    if any(arm.kind == "random" for arm in plan) and not advised:
        first = LLM_ARM if list(advisors) == [LLM_ARM] else f"an arm of an advisor ({', '.join(advisors)})"
        raise ConfigurationError(
            f"arms holds random but not {first}: random keeps the holding times of "
            f"{'llm' if first == LLM_ARM else 'the first of those'}, add "
            f"{'llm' if first == LLM_ARM else 'one'} or leave random out."
        )
    return tuple(plan)


def check_used(plan: Sequence[Arm], advisors: Mapping[str, AdvisorConfig]) -> None:
    """Raise ``ConfigurationError`` for an advisor that no arm has."""
    for name in advisors:
        if all(arm.advisor != name for arm in plan):
            raise ConfigurationError(
                f"No arm has the advisor {name!r}: add {name} to arms, or leave advisors.{name} out."
            )


def check_fallbacks(plan: Sequence[Arm], own: Sequence[str]) -> None:
    """Raise ``ConfigurationError`` for a rule that decides where a model failed, and is none."""
    known = (ABSTAIN, *BASELINES, *own)
    for arm in plan:
        if arm.config is not None and arm.config.fallback not in known:
            where = f"arms.{arm.name}" if arm.name != arm.advisor else "advisor"
            raise ConfigurationError(
                f"{where}.fallback is {arm.config.fallback!r}, and no such rule is there"
                f"{did_you_mean(arm.config.fallback, known)}"
            )


def of_experiment(plan: Sequence[Arm], regimes: Regimes, checks: AskedItems) -> tuple[Arm, ...]:
    """The arms in an experiment with these labels and asked items of a checklist; raises ``ConfigurationError`` where
    settings do not fit them."""
    found: list[Arm] = []
    for arm in plan:
        with nullcontext() if arm.config is None or arm.name == arm.advisor else told_at(f"arms.{arm.name}"):
            config = None if arm.config is None else arm.config.of_experiment(regimes, checks)
            found.append(replace(arm, config=config))
    return tuple(found)


def write_arms(plan: Sequence[Arm], given: Mapping[str, Mapping[str, Any] | None]) -> dict[str, Any]:
    """The entries of arms as a document keeps them: with the content of files, and the hash of code."""
    configs = {arm.name: arm.config for arm in plan}
    return {arm.name: _write(arm, given[arm.name], configs.get(arm.null_of) or arm.config) for arm in plan}


def _write(arm: Arm, given: Mapping[str, Any] | None, config: AdvisorConfig | None) -> dict[str, Any] | None:
    """The entry of an arm, whose settings are these before its null changes them."""
    if arm.kind == "strategy":
        sha256 = source_sha256(arm.reference, STRATEGY_GROUP)
        return {"strategy": arm.reference, "sha256": sha256, "params": dict(arm.params)}
    if arm.kind == "ungated":
        return {"ungated": arm.rule}
    if config is None or not given:
        return None
    settings = write_whole_advisor(config)
    kept = {key: settings[key] for key in given if key not in ("advisor", "null") and given[key] is not None}
    return {"advisor": arm.advisor, **kept, **({"null": arm.null} if arm.null else {})}


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not re.fullmatch(RULE_NAME, name):
        raise ConfigurationError(
            f"arms: {name!r} cannot be the name of an arm: write small letters, digits and underscores, at most 40 of "
            "them, and begin with a letter."
        )
    if name in (*OF_REPORTS, ABSTAIN):
        raise ConfigurationError(f"arms: {name!r} is a name of the program's own: give the arm another.")


def _kind(name: str, entry: Mapping[str, Any], advisors: Mapping[str, Any], baselines: Mapping[str, Any]) -> str:
    said = [kind for kind in KINDS if kind in entry]
    if len(said) > 1:
        raise ConfigurationError(f"arms.{name} says {' and '.join(said)}: keep one of them.")
    if said:
        return said[0]
    if name in advisors:
        return "advisor"
    if name in BASELINES or name in baselines:
        return "rule"
    if name in (RANDOM_ARM, COPY_ARM):
        raise ConfigurationError(f"arms.{name} has no settings: write no more than {name}:.")
    raise ConfigurationError(
        f"arms.{name} does not say who decides: write one of advisor, rule, strategy and ungated, such as "
        f"{{advisor: {next(iter(advisors), LLM_ARM)}}}."
    )


def _check_rule(name: str, rule: object) -> None:
    """Raise ``ConfigurationError`` for what can be no rule of an arm."""
    if not isinstance(rule, str) or not rule:
        raise ConfigurationError(
            f"arms.{name}.rule is {rule!r:.60}: write the name of a rule, package.module:NAME or FILE.py:NAME."
        )
    if not (is_reference(rule) or rule.endswith(".py") or rule in (name, *BASELINES, *installed_rules())):
        raise ConfigurationError(
            f"arms.{name}.rule is {rule!r:.60}{did_you_mean(rule, [*BASELINES, *installed_rules()])}"
        )


def _arm(
    name: str,
    entry: Mapping[str, Any] | None,
    advisors: Mapping[str, AdvisorConfig],
    own: Sequence[str],
    folder: Path | None,
) -> Arm:
    if entry is None:
        if name in advisors:
            return Arm(name, "advisor", name, advisors[name])
        if name == RANDOM_ARM:
            return Arm(name, "random")
        if (implied := implied_arm(name)) is not None:
            return implied
        if name not in (*BASELINES, *own):
            if name == LLM_ARM:
                raise ConfigurationError(
                    f"There is no arm {name!r} where advisors are named: list yours under arms, such as arms: "
                    f"[{', '.join(advisors)}, regime_rule]."
                )
            known = [*advisors, *BASELINES, RANDOM_ARM, *IMPLIED_ARMS, *own]
            raise ConfigurationError(f"There is no arm {name!r}{did_you_mean(name, known)}")
        return Arm(name, "rule", rule=name)
    kind = _kind(name, entry, advisors, {})
    if kind == "advisor":
        return _advised(name, entry, advisors, folder)
    if name in (*ALL_ARMS, *advisors):
        raise ConfigurationError(f"arms.{name}: that is the name of another, give the arm one of its own.")
    return _ungated(name, entry) if kind == "ungated" else _strategy(name, entry, folder)


def _advised(name: str, entry: Mapping[str, Any], advisors: Mapping[str, AdvisorConfig], folder: Path | None) -> Arm:
    advisor = entry.get("advisor", name)
    if not isinstance(advisor, str) or advisor not in advisors:
        raise ConfigurationError(f"arms.{name}.advisor is {advisor!r:.60}{did_you_mean(advisor, advisors)}")
    if name in (*BASELINES, RANDOM_ARM) or (name in advisors and advisor != name):
        raise ConfigurationError(f"arms.{name}: that is the name of another, give the arm one of its own.")
    settings = {key: value for key, value in entry.items() if key not in ("advisor", "null")}
    config = override(advisors[advisor], settings, folder, f"arms.{name}") if settings else advisors[advisor]
    return Arm(name, "advisor", advisor, config, null=str(entry.get("null") or ""))


def _with_null(arm: Arm, plan: Sequence[Arm]) -> Arm:
    config = arm.config or AdvisorConfig()
    same = [one for one in plan if one.advisor == arm.advisor and not one.null and one.config == config]
    changed = null_of(config, arm.null, f"arms.{arm.name}")
    if not same:
        raise ConfigurationError(
            f"arms.{arm.name} is the null of an arm that is not there: add one of the advisor {arm.advisor} with the "
            "same settings and without null."
        )
    return Arm(arm.name, "advisor", arm.advisor, changed, null=arm.null, null_of=same[0].name)


def _strategy(name: str, entry: Mapping[str, Any], folder: Path | None) -> Arm:
    _only(name, entry, ("strategy", "params", "sha256"))
    reference, params = entry["strategy"], entry.get("params") or {}
    if not isinstance(reference, str) or not reference:
        raise ConfigurationError(
            f"arms.{name}.strategy is {reference!r:.60}: write package.module:NAME or FILE.py:NAME."
        )
    if not isinstance(params, Mapping):
        raise ConfigurationError(
            f"arms.{name}.params is {params!r:.60}: write parameters by name, such as {{period: 20}}."
        )
    placed = place_reference(reference, folder) if is_reference(reference) else reference
    sha256 = source_sha256(placed, STRATEGY_GROUP)
    if sha256 and entry.get("sha256", sha256) != sha256:
        raise ConfigurationError(
            f"The strategy of the arm {name} ({reference}) has changed: its file has the sha256 {sha256[:12]}, and "
            f"that asked for is {entry['sha256']!s:.12}: restore the file, or leave sha256 out."
        )
    return Arm(name, "strategy", reference=placed, params=dict(params))


def _ungated(name: str, entry: Mapping[str, Any]) -> Arm:
    _only(name, entry, ("ungated",))
    rule = entry["ungated"]
    if not isinstance(rule, str) or rule not in BASELINES:
        raise ConfigurationError(f"arms.{name}.ungated is {rule!r:.60}{did_you_mean(rule, BASELINES)}")
    return Arm(name, "ungated", rule=rule)


def _only(name: str, entry: Mapping[str, Any], known: Sequence[str]) -> None:
    for key in entry:
        if key not in known:
            raise ConfigurationError(f"arms.{name}.{key} is an unknown key{did_you_mean(key, known)}")
