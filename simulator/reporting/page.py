"""The report: one self-contained HTML page and its Markdown sibling, from a saved record and its facts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup, escape

from simulator.evaluation.advice import advice_changes
from simulator.evaluation.regimes import LABELS
from simulator.record import ArmRecord, Record, origin
from simulator.reporting.fact import Fact, Facts, Unit
from simulator.reporting.facts import REFERENCE_ARM, advised_arm, explanation_facts, subject_arm
from simulator.reporting.figures import draw
from simulator.reporting.statements import caveats, headline, interval
from simulator.reporting.vocabulary import ARM_TERMS

LISTED = 200
"""Rows of decisions, of trades and of orders on a page; the rest stays in the run folder."""
COLUMNS = {
    "total_return": "Return", "cagr": "Growth a year", "volatility": "Volatility", "sharpe": "Sharpe",
    "max_drawdown": "Drawdown", "exposure": "Exposure", "turnover": "Turnover", "trades": "Trades",
    "hit_rate": "Hits", "costs": "Costs", "cost_rate": "Costs a year",
}  # fmt: skip
"""The table of arms."""
MORE = (
    "sortino", "calmar", "drawdown_bars", "time_in_market", "open_at_end", "average_win", "average_loss",
    "profit_factor", "worst_trade", "bars_held", "stop_exits", "stop_planned_loss", "stop_realised_loss",
    "stop_worst_overrun", "entry_bar_breaches", "commission", "slippage", "pending",
)  # fmt: skip
"""Further figures of each arm, folded away."""
COUNTS = {
    "statuses": "How decisions came about", "abstentions": "Abstentions by reason",
    "repairs": "Answers repaired, by kind", "actions": "Proposed actions", "verdicts": "Policy verdicts",
    "policy_reasons": "Policy remarks", "clamps": "Cuts of the risk gate, by limit",
    "orders": "Orders by kind and final status",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Report:
    """The two renderings of one report."""

    html: str
    markdown: str


def render(record: Record, facts: Facts, explanation: Mapping[str, Any] | None) -> Report:
    """Render a record; ``explanation`` is the content of ``explanation.json`` where there is one.

    The same arguments give the same bytes. Every figure outside quoted evidence and provenance is the text of a fact.
    """
    shown = {**facts, **(explanation_facts(explanation) if explanation else {})}
    view = _view(record, shown, explanation)
    page, text = _html().get_template("report.html.j2"), _markdown().get_template("report.md.j2")
    return Report(
        page.render(view, style=_read("style.css"), drawings=draw(record), **_helpers(shown, _fact_in_html, escape)),
        text.render(view, **_helpers(shown, _fact_in_markdown, _escape_markdown)),
    )


def _view(record: Record, facts: Facts, explanation: Mapping[str, Any] | None) -> dict[str, Any]:
    subject, advised = subject_arm(record), advised_arm(record)
    names = [arm.name for arm in record.arms]
    changes = advice_changes(subject.decisions)
    pairs = {name: f"{advised.name}-{name}" for name in names if name != advised.name} if advised else {}
    return {
        "manifest": record.manifest,
        "headline": headline(record, facts),
        "caveats": caveats(record, facts),
        "arms": names,
        "subject": subject.name,
        "columns": COLUMNS,
        "more": {metric: ARM_TERMS[metric].words for metric in MORE},
        "pairs": pairs,
        "advised": advised is not None,
        "interval": {pair: interval(pair, facts) for pair in pairs.values()},
        "labels": LABELS,
        "regime_arms": _regime_arms(subject.name, names, advised is not None),
        "kappa": f"{subject.name}-{REFERENCE_ARM}" if f"{subject.name}-{REFERENCE_ARM}.label_kappa" in facts else None,
        "counts": {title: kinds for metric, title in COUNTS.items() if (kinds := _kinds(subject.name, metric, facts))},
        "changes": changes[-LISTED:],
        "cut": {
            "changes": len(changes) > LISTED,
            "trades": len(subject.trades) > LISTED,
            "orders": len(subject.orders) > LISTED,
        },
        "trades": _rows(subject.trades),
        "orders": _rows(subject.orders),
        "explanation": explanation,
        "refused": _refused(explanation) if explanation else [],
        "sources": {"model": "m", "program": "p"},
        "files": _files(record),
        "provenance": _provenance(record),
    }


def _regime_arms(subject: str, names: list[str], advised: bool) -> list[str]:
    """The model's arm beside the causal rule; rules alone label alike, so one of them is enough."""
    shown = [name for name in dict.fromkeys((subject, REFERENCE_ARM)) if name in names]
    return shown if advised else shown[-1:]


def _refused(explanation: Mapping[str, Any]) -> list[Mapping[str, str]]:
    """What the model wrote and nobody backs, with the reasons."""
    sentences = (sentence for paragraph in explanation["paragraphs"] for sentence in paragraph["sentences"])
    return [sentence["refused"] for sentence in sentences if sentence["refused"]]


def _kinds(arm: str, metric: str, facts: Facts) -> list[tuple[str, str]]:
    """Kind as read by people, and the id of its count."""
    prefix = f"{arm}.{metric}."
    return [
        (name.removeprefix(prefix).replace(".", ", ").replace("_", " "), name)
        for name in facts
        if name.startswith(prefix)
    ]


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The last rows of a table, missing values as ``None``."""
    last = table.tail(LISTED).astype(object)
    return [
        {str(name): value for name, value in row.items()} for row in last.where(last.notna(), None).to_dict("records")
    ]


def _files(record: Record) -> list[tuple[str, str, str]]:
    """Arm, file and sha256 of all evidence."""
    return [(arm.name, name, digest) for arm in record.arms for name, digest in _hashes(arm).items()]


def _hashes(arm: ArmRecord) -> dict[str, str]:
    return dict(sorted(arm.manifest.get("files", {}).items()))


def _provenance(record: Record) -> dict[str, str]:
    """Parts of the manifest as text: what decides the result, and neither clock times, paths nor the machine."""
    manifest = record.manifest
    source = {"source": origin(manifest["prices"]["source"])}
    experiment = {key: value for key, value in manifest["experiment"].items() if key != "output"}
    parts = {
        "Configuration": experiment | {"data": experiment["data"] | source},
        "Prices": manifest["prices"] | source,
        "Model": manifest["model"],
        "Versions": manifest["versions"],
        "Source tree": manifest["git"],
    }
    return {
        title: json.dumps(part, indent=2, sort_keys=True, ensure_ascii=False) for title, part in parts.items() if part
    }


@cache
def _html() -> jinja2.Environment:
    return _furnished(jinja2.Environment(autoescape=True))


@cache
def _markdown() -> jinja2.Environment:
    environment = jinja2.Environment(finalize=_escape_markdown, autoescape=False)  # noqa: S701 - finalize escapes
    return _furnished(environment)


def _furnished(environment: jinja2.Environment) -> jinja2.Environment:
    environment.loader = jinja2.FunctionLoader(_read)
    environment.undefined = jinja2.StrictUndefined
    environment.trim_blocks = environment.lstrip_blocks = environment.keep_trailing_newline = True
    environment.filters |= {"money": _money, "shares": _shares, "day": _day}
    return environment


def _read(name: str) -> str:
    return (files("simulator.reporting.templates") / name).read_text(encoding="utf-8")


def _helpers(facts: Facts, spell: Callable[[Fact], Markup], clean: Callable[[Any], Markup]) -> dict[str, Any]:
    """The only ways to a number: ``fact(id)``, and ``say(sentence)`` for a sentence with ``{id}`` where facts stand."""

    def fact(identity: str) -> Markup:
        return spell(facts[identity])

    def say(sentence: str) -> Markup:
        parts = re.split(r"\{([^{}]+)\}", sentence)
        return Markup("").join(fact(part) if number % 2 else clean(part) for number, part in enumerate(parts))

    return {"fact": fact, "say": say}


def _fact_in_html(fact: Fact) -> Markup:
    if fact.unit is Unit.TEXT:
        return Markup('<span data-fact="{}">{}</span>').format(fact.id, fact.text)
    return Markup('<data data-fact="{}" value="{}" title="{}">{}</data>').format(
        fact.id, fact.value, fact.label, fact.text
    )


def _fact_in_markdown(fact: Fact) -> Markup:
    return _escape_markdown(fact.text)


def _escape_markdown(value: object) -> Markup:
    """One line in which nothing is markup: pipes, line feeds, tags, emphasis, links and code are spelled out."""
    if isinstance(value, Markup):
        return value
    line = re.sub(r"\s+", " ", str(value))
    line = re.sub(r"([\\`*\[\]|])", r"\\\1", line)
    line = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", line)
    return Markup(line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))  # noqa: S704 - escaped above


def _money(value: float | None) -> str:
    """A price or an amount of a quoted row."""
    if value is None:
        return ""
    return f"{value:,.2f}" if abs(value) >= 1 or value == 0 else f"{value:.4g}"


def _shares(value: float) -> str:
    """A size of a quoted row, or a limit: as many decimals as it has."""
    return f"{value:,.10g}"


def _day(value: object) -> str:
    """A time of a quoted row, without its hour at midnight."""
    text = value.isoformat() if isinstance(value, pd.Timestamp) else str(value or "")
    return text.removesuffix("T00:00:00")
