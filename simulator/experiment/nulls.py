"""Nulls: an advisor without what it is praised for, by one word on an arm (``null: shuffled_labels``).

A word is VALUE_SOURCE, and what it does is a function from the settings of the advisor to those of its null. What an
advisor owes to its sense is gone in the null, and all else is left as it was: a sense whose null does as well adds
nothing. A further null is its function here and its line in ``NULLS``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from llm_strategy.advice.examples import SHUFFLED
from llm_strategy.advice.own_labels import OwnLabels
from llm_strategy.advice.planning.options import By
from llm_strategy.errors import ConfigurationError, did_you_mean
from llm_strategy.market.context.registry import NONE, null_choices, read_choices
from simulator.experiment.advisor import AdvisorConfig
from simulator.experiment.advisors import OF_EVERY_BACKEND, told_at

Null: TypeAlias = Callable[[AdvisorConfig], AdvisorConfig]
"""Makes the settings of the null; raises ``ConfigurationError`` where these settings have none."""


def shuffled_labels(config: AdvisorConfig) -> AdvisorConfig:
    """The same past states as examples, the labels that they have dealt out anew among them."""
    labels: Any = config.labels
    if isinstance(labels, OwnLabels):
        return replace(config, labels=replace(labels, shuffled=True))
    return replace(config, labels=SHUFFLED.get(labels, labels))


def best_member(config: AdvisorConfig) -> AdvisorConfig:
    """The member of an ensemble alone that a person names first, which should be the one that was best on prices before
    these: which is best here nobody knows before the end."""
    members = config.options.get("members") if config.backend == "ensemble" else None
    if not isinstance(members, Sequence) or isinstance(members, str) or not members:
        raise ConfigurationError(
            "best_member is the null of an ensemble: write backend: ensemble, and its members under options of the "
            "advisor, the best one first."
        )
    first = {"backend": members[0]} if isinstance(members[0], str) else dict(members[0])
    own = {name: first.pop(name) for name in ("backend", "model", "base_url") if name in first}
    kept = {name: value for name, value in config.options.items() if name in OF_EVERY_BACKEND}
    alone: dict[str, Any] = {"model": None, "base_url": (), **own, "options": kept | first}
    return replace(config, **alone)


def null_of_source(source: str, value: str) -> Null:
    """The same advisor with this null of a source of context; with ``none`` that source is silent."""

    def change(config: AdvisorConfig) -> AdvisorConfig:
        return replace(config, context=null_choices(config.context, source, value))

    return change


def plan_made_by(who: By) -> Null:
    """The same advisor with plans that no model makes: of all analytics, of the first ones, or of random ones."""

    def change(config: AdvisorConfig) -> AdvisorConfig:
        if config.planning is None:
            raise ConfigurationError(
                f"{who}_analytics is the null of a plan: write plan: {{choose: 3}} for the advisor, or leave the null "
                "out."
            )
        return replace(config, plan=replace(config.planning, by=who))

    return change


NULLS: dict[str, Null] = {
    "shuffled_labels": shuffled_labels,
    "best_member": best_member,
    "random_analogues": null_of_source("analogues", "random"),
    "shuffled_documents": null_of_source("documents", "shuffled"),
    "no_documents": null_of_source("documents", NONE),
    "shuffled_events": null_of_source("events", "shuffled"),
    "no_events": null_of_source("events", NONE),
    "no_analogues": null_of_source("analogues", NONE),
    "no_history": null_of_source("history", NONE),
    "all_analytics": plan_made_by("all"),
    "fixed_analytics": plan_made_by("fixed"),
    "random_analytics": plan_made_by("random"),
    "other_chart": null_of_source("chart", "other"),
    "mirrored_chart": null_of_source("chart", "mirrored"),
    "text_chart": null_of_source("chart", "text"),
    "no_chart": null_of_source("chart", NONE),
}
"""By the word that an arm says."""


def null_of(config: AdvisorConfig, word: str, where: str) -> AdvisorConfig:
    """The settings of an advisor's null; raises ``ConfigurationError``, which begins with ``where``, for a word that is
    none, and where it would change nothing."""
    own = word.removeprefix("no_")  # every source has the null of its silence, a person's own too
    known = NULLS
    if own != word and own in (choice.label for choice in read_choices(config.context)):
        known = NULLS | {word: null_of_source(own, NONE)}
    if word not in known:
        raise ConfigurationError(f"{where}.null is {word!r}{did_you_mean(word, known)}")
    with told_at(f"{where}.null"):
        changed = known[word](config)
    if changed == config:
        raise ConfigurationError(f"{where}.null is {word}, which changes nothing there: leave this arm out.")
    return changed
