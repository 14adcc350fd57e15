"""What was traded, and what the arm that the page is about made of each symbol."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from simulator.evaluation.measures import symbol_table
from simulator.folder.record import Record
from simulator.reporting.blocks import Block, Column, Heading, Paragraph, Table, on_page
from simulator.reporting.facts.fact import NOT_AVAILABLE, Facts, FactTable
from simulator.reporting.facts.run import day, join_names, subject_arm
from simulator.reporting.facts.terms import Term, Unit

SYMBOL_TERMS = {
    "name": Term(Unit.TEXT, "symbol"),
    "group": Term(Unit.TEXT, "group of {}", "Group"),
    "bars": Term(Unit.BARS, "bars of {}", "Bars"),
    "first_decision": Term(Unit.TEXT, "first decision on {}", "First decision"),
    "last_bar": Term(Unit.TEXT, "last bar of {}", "Last bar"),
    "ended": Term(Unit.TEXT, "whether the data of {} end before the last bar"),
    "price_change": Term(Unit.FRACTION, "price change of {} over the decisions", "Price change"),
    "decisions": Term(Unit.COUNT, "decisions on {0} of {1}", "Decisions"),
    "trades": Term(Unit.COUNT, "trades in {0} of {1}", "Trades"),
    "net_profit": Term(Unit.CURRENCY, "net profit in {0} of {1}", "Net profit"),
    "profit_share": Term(Unit.FRACTION, "share of {0} in the net profit of {1}", "Share"),
    "held": Term(Unit.TEXT, "whether {0} is held at the end by {1}", "Held at end"),
}
"""Figures of one symbol, and of what the arm that the page is about made of it."""


def facts(table: FactTable, record: Record) -> None:
    """Add ``symbol.SLUG.metric`` for every symbol, and which symbols ended early."""
    arm, markets = subject_arm(record), record.manifest["prices"]["symbols"]
    measured = symbol_table(arm, record.prices)
    slugs = slugs_of(record.prices)
    for symbol in measured:
        values = {
            "name": symbol.symbol,
            "group": markets[symbol.symbol]["group"] or "none",
            "bars": symbol.bars,
            "first_decision": day(symbol.first_decision),
            "last_bar": day(symbol.last_bar),
            "ended": "yes" if symbol.ended else "no",
            "price_change": symbol.price_change,
            "decisions": symbol.decisions,
            "trades": symbol.trades,
            "net_profit": symbol.net_profit,
            "profit_share": symbol.profit_share,
            "held": _held(held=symbol.held, ended=symbol.ended),
        }
        for metric, value in values.items():
            term = SYMBOL_TERMS[metric]
            label = term.words.format(symbol.symbol, arm.name)
            table.add(f"symbol.{slugs[symbol.symbol]}", metric, value, term.unit, label)
    changes = [symbol.price_change for symbol in measured if symbol.price_change is not None]
    mean = sum(changes) / len(changes) if changes else None
    table.add("run", "mean_price_change", mean, Unit.FRACTION, "mean price change of the symbols over the decisions")
    ended = {
        "ended_symbols": ("symbols whose data end before the last bar", [m.symbol for m in measured if m.ended]),
        "unsold_symbols": ("symbols held where their data end", [m.symbol for m in measured if m.ended and m.held]),
    }
    for metric, (label, names) in ended.items():
        table.add("run", metric, join_names(names), Unit.TEXT, label)


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """A row for each of several symbols, and which of them ended early."""
    if len(record.prices) == 1:
        return
    prefixes = [f"symbol.{slug}" for slug in slugs_of(record.prices).values()]
    grouped = any(facts[f"{prefix}.group"].value != "none" for prefix in prefixes)
    shown = {name: term for name, term in SYMBOL_TERMS.items() if term.heading and (grouped or name != "group")}
    columns = [Column("Symbol"), *(Column(term.heading) for term in shown.values())]
    rows = [(f"{{{prefix}.name}}", *(f"{{{prefix}.{metric}}}" for metric in shown)) for prefix in prefixes]
    yield Heading(f"Symbols, as traded by {subject_arm(record).name}", "symbols")
    yield Table(columns, rows, tall=True)
    if facts["run.ended_symbols"].value != NOT_AVAILABLE:
        ended = ["The data of {run.ended_symbols} end before the last bar of the run."]
        if facts["run.unsold_symbols"].value != NOT_AVAILABLE:
            ended.append(
                "A position in {run.unsold_symbols} was held there: it is marked at its last close until the end and "
                "cannot be sold."
            )
        yield Paragraph(ended)
    yield on_page(
        Paragraph(
            "Price change is from the close of the first decision to the last close, without trading. Net profit is "
            "after commission and slippage, a position held at the end marked at its last close; the share is of the "
            "net profit of all symbols.",
            "note",
        )
    )


def slugs_of(symbols: Iterable[str]) -> dict[str, str]:
    """For each symbol a name of letters, digits, hyphens and underscores that no other symbol has."""
    slugs: dict[str, str] = {}
    for symbol in sorted(symbols):
        plain = re.sub(r"[^\w-]+", "_", symbol).strip("_") or "symbol"
        slug, number = plain, 2
        while slug in slugs.values():
            slug, number = f"{plain}_{number}", number + 1
        slugs[symbol] = slug
    return slugs


def _held(*, held: bool, ended: bool) -> str:
    if not held:
        return "no"
    return "yes, cannot be sold" if ended else "yes"
