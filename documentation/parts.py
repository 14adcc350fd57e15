"""The page of parts that an experiment names: rules, features, sources of context, nulls, analytics."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from documentation.markdown import cell, code, table
from llm_strategy.advice.rules import BASELINES
from llm_strategy.market.analytics.registry import ANALYTICS
from llm_strategy.market.context.registry import SOURCES
from llm_strategy.market.features import FEATURES
from simulator.experiment.nulls import NULLS


def parts() -> str:
    """The page: a table for each kind of part."""
    text = [
        "# Parts by name",
        "What an experiment can name. A part of your own stands beside these as `FILE.py:NAME` or "
        "`package.module:NAME`; how to write one is told for each kind under *How to*.",
        "## Rules",
        "Arms that ask no model: `arms: [llm, momentum]`, with settings under `baselines` or on the arm.",
        table(
            ("rule", "settings", "what"),
            [(code(name), _settings(rule), _first(rule)) for name, rule in BASELINES.items()],
        ),
        "## Features of the market's line",
        "`advisor: {features: [trend, volatility]}`; behind each its words, from the lowest to the highest.",
        table(("feature", "bars", "words", "what"), [_feature(one) for one in FEATURES.values()]),
        "## Sources of context",
        "`advisor: {context: [features, {history: {bars: 30}}]}`.",
        table(("source", "options", "what"), [(code(n), _settings(one), _first(one)) for n, one in SOURCES.items()]),
        "## Nulls",
        "`arms: {dealt: {advisor: llm, null: shuffled_labels}}`: the same advisor without what it is praised for.",
        table(("word", "what"), [(code(name), _null(name, null)) for name, null in NULLS.items()]),
        "## Analytics",
        "`btllm analytics NAME` tells each figure. Shown by the source of context `analytics`, chosen by a plan, and "
        "compared in conditions as `NAME.FIGURE`.",
        table(("analytic", "bars", "figures", "what"), [_analytic(one) for one in ANALYTICS.values()]),
    ]
    return "\n\n".join(text) + "\n"


def _settings(made: Callable[..., Any]) -> str:
    given = inspect.signature(made).parameters.values()
    return ", ".join(code(f"{one.name}: {_plain(one.default)}") for one in given if one.kind is not one.VAR_KEYWORD)


def _plain(value: Any) -> str:
    if value is inspect.Parameter.empty:
        return "needed"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(str, value)) + "]"
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def _first(kind: Any) -> str:
    return cell((inspect.getdoc(kind) or "").split("\n\n")[0])


def _feature(feature: Any) -> tuple[str, str, str, str]:
    words = " · ".join(word + feature.noun for _, word in feature.buckets)
    return code(feature.label), str(feature.lookback), cell(words), cell(feature.description)


def _analytic(analytic: Any) -> tuple[str, str, str, str]:
    return code(analytic.name), str(analytic.lookback), _codes(analytic.outputs), cell(analytic.description)


def _codes(names: Iterable[str]) -> str:
    return ", ".join(map(code, names))


def _null(name: str, null: Any) -> str:
    if null.__name__ == name:
        return _first(null)
    value, _, source = name.partition("_")
    if source == "analytics":
        chosen = {"all": "every analytic of the list", "fixed": "the first of the list", "random": "random ones"}[value]
        return f"a plan of {chosen}, made by no model"
    return f"the source of context {code(source)} with {code(f'null: {_of_source(value)}')}"


def _of_source(value: str) -> str:
    return "none" if value == "no" else value
