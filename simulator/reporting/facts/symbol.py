"""Facts of each symbol of a run, for the arm that the page is about."""

from __future__ import annotations

import re
from collections.abc import Iterable

from simulator.evaluation.measures import symbol_table
from simulator.folder.record import Record
from simulator.reporting.facts.fact import Unit
from simulator.reporting.facts.roles import subject_arm
from simulator.reporting.facts.run import day, named
from simulator.reporting.facts.table import FactTable
from simulator.reporting.facts.vocabulary import SYMBOL_TERMS


def add_symbols(table: FactTable, record: Record) -> None:
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
        table.add("run", metric, named(names), Unit.TEXT, label)


def slugs_of(symbols: Iterable[str]) -> dict[str, str]:
    """For each symbol a name of letters, digits, hyphens and underscores that no other symbol has."""
    found: dict[str, str] = {}
    for symbol in sorted(symbols):
        plain = re.sub(r"[^\w-]+", "_", symbol).strip("_") or "symbol"
        slug, number = plain, 2
        while slug in found.values():
            slug, number = f"{plain}_{number}", number + 1
        found[symbol] = slug
    return found


def _held(*, held: bool, ended: bool) -> str:
    if not held:
        return "no"
    return "yes, cannot be sold" if ended else "yes"
