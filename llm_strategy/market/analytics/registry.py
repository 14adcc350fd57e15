"""The analytics by name, and a person's own: a family is a file with ``ANALYTICS``, and its line here."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from llm_strategy.errors import ConfigurationError
from llm_strategy.market.analytics import (
    dependence,
    distribution,
    line,
    oscillators,
    patterns,
    returns,
    seasonality,
    symbols,
    trend,
    volatility,
    volume,
)
from llm_strategy.market.analytics.analytic import Analytic
from llm_strategy.support.condition import Vocabulary
from llm_strategy.support.plugins import find_plugin

ANALYTICS_GROUP = "backtrader_llm.analytics"
"""Entry points of a person's own analytics."""

ANALYTICS: dict[str, Analytic] = {
    analytic.name: analytic
    for family in (
        line,
        trend,
        oscillators,
        returns,
        volatility,
        distribution,
        dependence,
        volume,
        patterns,
        seasonality,
        symbols,
    )
    for analytic in family.ANALYTICS
}
"""The analytics of the package by name."""


def find_analytic(name: str) -> Analytic:
    """The analytic that a name or reference (``package.module:NAME``, ``FILE.py:NAME``) means; raises
    ``ConfigurationError``."""
    found: Any = find_plugin("analytic", name, ANALYTICS_GROUP, ANALYTICS)
    if not isinstance(found, Analytic):
        raise ConfigurationError(
            f"The analytic {name!r} is of type {type(found).__name__}: write it as Analytic(name, description, "
            "lookback, function, outputs)."
        )
    if name not in ANALYTICS and found.name in ANALYTICS:
        raise ConfigurationError(f"The analytic {name!r} is called {found.name!r}, which is taken: rename it.")
    return found


def analytic_names() -> tuple[str, ...]:
    """The names of those of the package, and of those that are installed as entry points."""
    installed = sorted(entry.name for entry in entry_points(group=ANALYTICS_GROUP))
    return tuple(dict.fromkeys([*ANALYTICS, *installed]))


def is_own(name: str) -> bool:
    """Whether the name of an analytic means a person's own code."""
    return name not in ANALYTICS


@cache
def _package_vocabulary() -> Vocabulary:
    return {name: quantity for analytic in ANALYTICS.values() for name, quantity in analytic.vocabulary.items()}


def vocabulary(own: Iterable[str] = ()) -> Vocabulary:
    """What conditions may speak of: the outputs of every analytic, and of a person's ``own`` ones by their names, whose
    files are read as they are now."""
    known = _package_vocabulary()
    analytics = [find_analytic(name) for name in own]
    if not analytics:
        return known
    return {**known, **{name: quantity for analytic in analytics for name, quantity in analytic.vocabulary.items()}}
