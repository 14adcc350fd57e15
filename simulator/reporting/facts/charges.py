"""What trading really cost and what cash earned, beside what was set."""

from __future__ import annotations

from typing import Any

import numpy as np

from llm_strategy.costs.cash_rates import CashRates
from simulator.evaluation.cash import cash_rates_over
from simulator.folder.record import Record
from simulator.reporting.facts.fact import NOT_AVAILABLE, Facts, FactTable
from simulator.reporting.facts.run import cash_rate, same_close, subject_arm
from simulator.reporting.facts.terms import Unit

NEAR_BPS = 0.05
"""Basis points between what was set and what was charged that nobody has to be told."""
_VARIES = ("slippage_per_share", "slippage_volatility", "impact")


def add_charges(table: FactTable, record: Record) -> None:
    """Add the slippage that was set, and what cash earned a year."""
    costs = record.manifest["experiment"]["costs"]
    set_bps = costs["slippage_bps"] + costs["spread_bps"] / 2
    if set_bps and not any(costs[key] for key in _VARIES):
        words = "slippage set for market and stop fills, half of the spread included, in basis points"
        table.add("costs", "slippage_set", set_bps, Unit.RATIO, words, f"{set_bps:g}")
    rate, times = cash_rate(record), subject_arm(record).equity.index
    if not rate or not len(times):
        return
    stood = cash_rates_over(times, rate)
    table.add(
        "costs", "cash_rate", float(np.mean(stood)), Unit.FRACTION, "interest on cash a year", _rate(stood.mean())
    )
    if isinstance(rate, CashRates):
        table.add("costs", "cash_source", rate.source, Unit.TEXT, "source of the rates of cash")
        for end, value in (("low", stood.min()), ("high", stood.max())):
            words = f"{end}est rate of cash a year"
            table.add("costs", f"cash_rate_{end}", float(value), Unit.FRACTION, words, _rate(value))


def _rate(value: Any) -> str:
    return f"{round(100 * float(value), 2):g}%"


def cash_sentence(facts: Facts) -> str:
    """What cash earned, ids of facts in braces."""
    if "costs.cash_rate" not in facts:
        return "Cash earns no interest, and Sharpe ratios take no risk-free rate off."
    rest = "; borrowed cash and the proceeds of short sales earned nothing. Sharpe ratios are over that rate."
    if "costs.cash_source" not in facts:
        return f"Cash earned {{costs.cash_rate}} a year for each night{rest}"
    return (
        "Cash earned the rates of {costs.cash_source} for each night, {costs.cash_rate} a year on average "
        f"({{costs.cash_rate_low}} to {{costs.cash_rate_high}}){rest}"
    )


def open_trade_sentences(record: Record, facts: Facts) -> list[str]:
    """Where a result rests on trades still open, of which the rates of closed trades say nothing; ids of facts in
    braces."""
    resting = []
    for arm in record.arms:
        held, ended = facts.get(f"{arm.name}.open_profit"), facts.get(f"{arm.name}.closed_profit")
        if held is None or ended is None or NOT_AVAILABLE in (held.value, ended.value):
            continue
        if abs(float(held.value)) > abs(float(ended.value)):
            resting.append(
                f"{arm.name} stands at {{{arm.name}.open_profit}} in trades still open and made "
                f"{{{arm.name}.closed_profit}} in all closed ones"
            )
    if not resting:
        return []
    return [f"Hits, profit factor and average trades leave out what these results rest on: {'; '.join(resting)}."]


def slippage_sentences(record: Record, facts: Facts) -> list[str]:
    """What slippage was charged where it is less than was set; ids of facts in braces."""
    arm = subject_arm(record).name
    charged, usual = facts.get(f"{arm}.slippage_bps"), facts.get("costs.slippage_set")
    if charged is None or usual is None or charged.value == NOT_AVAILABLE or same_close(record):
        return []
    if float(usual.value) - float(charged.value) < NEAR_BPS:
        return []
    free = f", and nothing at {{{arm}.without_slippage}} of them" if facts[f"{arm}.without_slippage"].value else ""
    return [
        f"Of {{costs.slippage_set}} basis points of slippage the market and stop fills of {arm} paid "
        f"{{{arm}.slippage_bps}}{free}: a fill stays within its bar, and where the open is its worst price nothing is "
        "left to slip. Real fills can be worse."
    ]
