"""The analytics that an experiment names, wherever it does: what measures, hashes and checks them asks here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_strategy.market.context.registry import SOURCES, analytic_names
from simulator.experiment.advisor import AdvisorConfig
from simulator.experiment.configuration import Experiment


def advisor_analytics(config: AdvisorConfig) -> list[str]:
    """The analytics that an advisor is shown, or may choose for a plan, by name or reference."""
    return [*analytic_names(config.context), *(config.menu.analytics if config.menu else ())]


def named_analytics(experiment: Experiment) -> tuple[str, ...]:
    """Those that its advisors are shown, and a person's own that its checklist speaks of, each once."""
    configs = [arm.config for arm in experiment.plan if arm.config is not None] or [experiment.advisor]
    names = [name for config in configs for name in advisor_analytics(config)]
    checklist = experiment.risk.checklist
    return tuple(dict.fromkeys([*names, *(checklist.analytics if checklist is not None else ())]))


def written_analytics(document: Mapping[str, Any]) -> list[str]:
    """The same of an experiment's document, which may be damaged: nothing of a person's own is looked up for it."""
    sections = [{"": document.get("advisor")}, document.get("advisors"), document.get("arms")]
    settings = [one for section in sections if isinstance(section, dict) for one in section.values()]
    names = [name for one in settings if isinstance(one, dict) for name in analytic_names(one.get("context"))]
    plans = [one["plan"] for one in settings if isinstance(one, dict) and isinstance(one.get("plan"), dict)]
    listed = [entry for plan in plans for entry in plan.get("analytics") or ()]
    names += [entry for entry in listed if isinstance(entry, str) and entry not in SOURCES]
    risk = document.get("risk")
    checklist = risk.get("checklist") if isinstance(risk, dict) else None
    own = checklist.get("analytics") if isinstance(checklist, dict) else None
    return [*names, *(name for name in (own if isinstance(own, list) else ()) if isinstance(name, str))]
