"""The report: one self-contained HTML page and its Markdown sibling, from a saved record and its facts."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import escape

from llm_strategy.support.outside_text import spelled_out
from llm_strategy.trading.decision_lines import entry_of
from simulator.evaluation.advice import ChangeFinder
from simulator.evaluation.measures import measure
from simulator.evaluation.regimes import LABELS
from simulator.folder.record import ArmRecord, Record, origin, origins
from simulator.reporting.facts.build import explanation_facts
from simulator.reporting.facts.fact import Facts
from simulator.reporting.facts.roles import REFERENCE_ARM, advised_arm, same_close, subject_arm
from simulator.reporting.facts.run import NOTE
from simulator.reporting.facts.symbol import slugs_of
from simulator.reporting.facts.table import NOT_AVAILABLE
from simulator.reporting.facts.vocabulary import ARM_TERMS
from simulator.reporting.figures.draw import draw
from simulator.reporting.page_policy import secured
from simulator.reporting.sections.asking import asking
from simulator.reporting.sections.costs import cost_sentences
from simulator.reporting.sections.doubts import doubt_sentences
from simulator.reporting.sections.noise import noise_view
from simulator.reporting.sections.statements import UNREAL_FILLS, caveats, headline, interval
from simulator.reporting.sections.worst_case import harm_sentences
from simulator.reporting.templating import (
    escape_markdown,
    fact_in_html,
    fact_in_markdown,
    helpers,
    html_templates,
    markdown_templates,
    read_template,
    without_bare_links,
)

LISTED = 200
"""Rows of decisions, of trades and of orders on a page; the rest stays in the run folder."""
COLUMNS = {
    "total_return": "Return", "cagr": "Growth a year", "volatility": "Volatility", "sharpe": "Sharpe",
    "max_drawdown": "Drawdown", "exposure": "Exposure", "turnover": "Turnover", "trades": "Trades",
    "hit_rate": "Hits", "costs": "Costs", "cost_rate": "Costs a year",
}  # fmt: skip
"""The table of arms."""
MORE = (
    "sortino", "calmar", "drawdown_bars", "time_in_market", "average_win", "average_loss", "profit_factor",
    "worst_trade", "bars_held", "stop_planned_loss", "stop_realised_loss", "stop_worst_overrun", "commission",
    "slippage", "carry",
)  # fmt: skip
"""Further figures of each arm, folded away."""
GATE = {
    "cut": "Cut", "refused": "Refused", "exits.stop": "Stopped", "exits.time": "Timed out",
    "kill_switch": "Kill switch", "kill_switch_bars_out": "Out since", "open_at_end": "Held at end",
    "pending": "Orders pending", "entry_bar_breaches": "Breaches", "carry": "Carry",
}  # fmt: skip
"""The table of what the gate did to each arm."""
SYMBOLS = {
    "group": "Group", "bars": "Bars", "first_decision": "First decision", "last_bar": "Last bar",
    "price_change": "Price change", "decisions": "Decisions", "trades": "Trades", "net_profit": "Net profit",
    "profit_share": "Share", "held": "Held at end",
}  # fmt: skip
"""The table of symbols."""
FEW_SYMBOLS = 5
"""Symbols whose price changes are named one by one beside the arms."""
COUNTS = {
    "statuses": "How decisions came about", "abstentions": "Abstentions by reason",
    "repairs": "Answers repaired, by kind", "actions": "Proposed actions", "verdicts": "Policy verdicts",
    "policy_reasons": "Policy remarks", "events": "What happened on the way to answers",
    "votes": "Votes of the ensemble",
    "orders": "Orders by kind and final status",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Report:
    """The two renderings of one report."""

    html: str
    markdown: str


def render(record: Record, facts: Facts, explanation: Mapping[str, Any] | None, changed: Sequence[str] = ()) -> Report:
    """Render a record; ``explanation`` is the content of ``explanation.json`` where there is one, and ``changed`` names
    files that are not as the run wrote them, which then stands above everything.

    The same arguments give the same bytes. Every figure outside quoted evidence and provenance is the text of a fact.
    """
    shown = {**facts, **(explanation_facts(explanation) if explanation else {})}
    view = _view(record, shown, explanation) | {"changed": ", ".join(changed)}
    page = html_templates().get_template("report.html.j2")
    text = markdown_templates().get_template("report.md.j2")
    view_html = {"style": read_template("style.css"), "drawings": draw(record)}
    return Report(
        secured(spelled_out(page.render(view, **view_html, **helpers(shown, fact_in_html, escape)))),
        without_bare_links(spelled_out(text.render(view, **helpers(shown, fact_in_markdown, escape_markdown)))),
    )


def _view(record: Record, facts: Facts, explanation: Mapping[str, Any] | None) -> dict[str, Any]:
    subject, advised = subject_arm(record), advised_arm(record)
    names = [arm.name for arm in record.arms]
    finder = ChangeFinder()
    changes = deque((row for row in subject.decisions if finder.take(entry_of(row))), maxlen=LISTED)
    pairs = {name: f"{advised.name}-{name}" for name in names if name != advised.name} if advised else {}
    return {
        "manifest": record.manifest,
        "unreal": UNREAL_FILLS if same_close(record) else (),
        "notes": [name for name in facts if name.startswith(f"run.{NOTE}")],
        "headline": headline(record, facts),
        "caveats": caveats(record, facts),
        "arms": names,
        "subject": subject.name,
        "columns": COLUMNS,
        "more": {metric: ARM_TERMS[metric].words for metric in MORE},
        "doubts": doubt_sentences(record, facts),
        "costs": cost_sentences(facts),
        "symbols": _symbols(record, facts),
        "gate": GATE,
        "by_limit": {arm: limits for arm in names if any(limits := _limits(arm, facts))},
        "harm": harm_sentences(facts),
        "pairs": pairs,
        "noise": noise_view(record, facts),
        "advised": advised is not None,
        "asking": asking(record),
        "interval": {pair: interval(pair, facts) for pair in pairs.values()},
        "labels": LABELS,
        "regime_arms": _regime_arms(subject.name, names, advised is not None),
        "kappa": f"{subject.name}-{REFERENCE_ARM}" if f"{subject.name}-{REFERENCE_ARM}.label_kappa" in facts else None,
        "counts": {title: kinds for metric, title in COUNTS.items() if (kinds := _kinds(subject.name, metric, facts))},
        "changes": list(changes),
        "cut": {
            "changes": measure(subject).changes > LISTED,
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


def _symbols(record: Record, facts: Facts) -> dict[str, Any]:
    """What the page says of symbols: the prefixes of their facts, and which of them need words."""
    prefixes = {symbol: f"symbol.{slug}" for symbol, slug in slugs_of(record.prices).items()}
    grouped = any(facts[f"{prefix}.group"].value != "none" for prefix in prefixes.values())
    return {
        "several": len(prefixes) > 1,
        "prefixes": list(prefixes.values()),
        "named": list(prefixes.values()) if len(prefixes) <= FEW_SYMBOLS else [],
        "columns": {metric: heading for metric, heading in SYMBOLS.items() if metric != "group" or grouped},
        "ended": facts["run.ended_symbols"].value != NOT_AVAILABLE,
        "unsold": facts["run.unsold_symbols"].value != NOT_AVAILABLE,
        "longer": facts["run.decide_on"].value != facts["run.timeframe"].value,
    }


def _limits(arm: str, facts: Facts) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """The limits that cut and that refused, with the ids of their counts."""
    return _kinds(arm, "clamps", facts), _kinds(arm, "refusals", facts)


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
    experiment = {key: value for key, value in manifest["experiment"].items() if key != "output"}
    markets = manifest["prices"]["symbols"].items()
    symbols = {symbol: market | {"source": origin(market["source"])} for symbol, market in markets}
    parts = {
        "Configuration": experiment | {"data": origins(experiment["data"])},
        "Prices": manifest["prices"] | {"symbols": symbols},
        "Model": manifest["model"],
        "Versions": manifest["versions"],
        "Source tree": manifest["git"],
    }
    return {
        title: json.dumps(part, indent=2, sort_keys=True, ensure_ascii=False) for title, part in parts.items() if part
    }
