"""The costs of a run as facts and in plain words: those that are in force, and no others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from simulator.reporting.facts.fact import Facts, Unit
from simulator.reporting.facts.table import FactTable

_COMMISSION = {
    "commission_bps": "{} basis points of the traded value",
    "commission_per_share": "{} a share",
    "commission_per_trade": "{} a trade",
    "commission_minimum": "at least {} a trade",
    "commission_maximum_bps": "at most {} basis points of the value",
}
_SLIPPAGE = {
    "slippage_bps": "{} basis points of the price",
    "slippage_per_share": "{} a share",
    "slippage_volatility": "{} times the volatility of one bar",
    "spread_bps": "half of a spread of {} basis points",
    "impact": "market impact of {} times the volatility of one bar times the square root of the order's share of the "
    "bar's volume",
}
_CARRY = {"borrow_rate": "borrowed shares cost {} a year", "financing_rate": "borrowed cash costs {} a year"}
_RATES = ("borrow_rate", "financing_rate", "max_fill_share")


def add_costs(table: FactTable, costs: Mapping[str, Any]) -> None:
    """Add ``costs.KEY`` for every cost that is not zero, the starting cash, and what bounds a fill."""
    table.add("costs", "starting_cash", costs["starting_cash"], Unit.CURRENCY, "cash at the start")
    if costs["preset"] != "none":
        table.add("costs", "preset", costs["preset"], Unit.TEXT, "preset of the costs")
    for key in (*_COMMISSION, *_SLIPPAGE, *_CARRY, "max_fill_share"):
        if costs[key]:
            rate = key in _RATES
            shown = f"{100 * costs[key]:g}%" if rate else f"{costs[key]:g}"
            unit = Unit.FRACTION if rate else Unit.RATIO
            table.add("costs", key, costs[key], unit, f"{key.replace('_', ' ')} of the costs", shown)
    if costs["leverage"] > 1:
        table.add("costs", "leverage", costs["leverage"], Unit.RATIO, "leverage", f"{costs['leverage']:g}")
    for number, tier in enumerate(costs["commission_tiers"], start=1):
        table.add("costs", f"tier_{number}_bps", tier["bps"], Unit.RATIO, f"rate of tier {number}", f"{tier['bps']:g}")
        above = f"{tier['above']:,g}" if tier["above"] < 1e6 else f"{tier['above']:,.0f}"
        table.add("costs", f"tier_{number}_above", tier["above"], Unit.CURRENCY, f"start of tier {number}", above)


def cost_sentences(facts: Facts) -> list[str]:
    """What trading cost, ids of facts in braces."""
    tiers = [
        f"{{costs.tier_{number}_bps}} basis points of a trade worth more than {{costs.tier_{number}_above}}"
        for number in range(1, len(facts))
        if f"costs.tier_{number}_bps" in facts
    ]
    commission, slippage = [*tiers, *_in_force(facts, _COMMISSION)], list(_in_force(facts, _SLIPPAGE))
    parts = [
        f"{name} {', '.join(found)}" for name, found in (("commission", commission), ("slippage", slippage)) if found
    ]
    parts += _in_force(facts, _CARRY)
    preset = " (preset {costs.preset})" if "costs.preset" in facts else ""
    said = ["Each arm began with {costs.starting_cash} in cash."]
    said.append(
        f"Costs in force{preset}: {'; '.join(parts)}."
        if parts
        else "No costs are charged, neither commission nor slippage: real figures would be worse."
    )
    if "costs.leverage" in facts:
        said.append("The broker lends: positions may be worth up to {costs.leverage} times equity.")
    return said


def fill_sentence(facts: Facts) -> str:
    """How much of an order fills, and what that does to the price."""
    fills = (
        "Orders fill up to {costs.max_fill_share} of a bar's volume on each bar"
        if "costs.max_fill_share" in facts
        else "Orders of any size fill"
    )
    return f"{fills}." if "costs.impact" in facts else f"{fills}, and do not move the price: there is no market impact."


def _in_force(facts: Facts, words: Mapping[str, str]) -> Iterator[str]:
    for key, phrase in words.items():
        if f"costs.{key}" in facts:
            yield phrase.format(f"{{costs.{key}}}")
