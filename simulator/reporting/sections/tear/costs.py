"""From what the trades made before costs to what was left, and what the model cost besides."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from simulator.folder.record import ArmRecord, Record
from simulator.reporting.blocks import Block, Column, Figure, Heading, Link, Paragraph, Table, Text, on_page
from simulator.reporting.charts.waterfall import Step, draw_waterfall
from simulator.reporting.facts.fact import Facts, FactTable
from simulator.reporting.facts.run import advised_arm, subject_arm
from simulator.reporting.facts.terms import Unit

STEPS = {
    "gross": ("Before costs", "what its trades made at the prices that they were due at"),
    "commission": ("Commission", "what the broker took"),
    "slippage": ("Slippage", "fills at worse prices than those that they were due at"),
    "carry": ("Borrowing", "for borrowed shares and borrowed cash"),
    "interest": ("Interest", "earned on cash"),
    "profit": ("The account", "what it gained or lost"),
    "model": ("The model", "what its answers cost in this run"),
    "after_model": ("After the model", "what was left of it"),
}
"""Of each step its name, and what it is."""
_WHOLE = ("gross", "profit", "after_model")
_UNRECORDED, _UNPRICED, _NOTHING_ASKED = "not on record", "no price", "nothing asked"


def facts(table: FactTable, record: Record) -> None:
    """Add the steps of the account that the page is about, in currency."""
    arm = subject_arm(record)
    values = arm.equity["equity"].to_numpy(dtype=np.float64)
    if len(values) < 2:
        return
    profit = float(values[-1] - values[0])
    paid = {name: table.number(f"{arm.name}.{name}") for name in ("commission", "slippage", "carry")}
    interest = table.number(f"{arm.name}.interest") or 0.0
    known = [cost for cost in paid.values() if cost is not None]
    steps: dict[str, float | None] = {"profit": profit}
    if len(known) == len(paid):
        steps["gross"] = profit + sum(known) - interest
        steps |= {name: -(cost or 0.0) for name, cost in paid.items()} | {"interest": interest}
    cost = _model_cost(arm)
    if isinstance(cost, float):
        steps |= {"model": -cost, "after_model": profit - cost}
    elif cost:
        table.add(
            arm.name, "waterfall.model_unknown", cost, Unit.TEXT, f"why the cost of the model of {arm.name} is open"
        )
    for name, value in steps.items():
        words = f"{STEPS[name][0].lower()}, on the way from gross to net of {arm.name}"
        table.add(arm.name, f"waterfall.{name}", value, Unit.CURRENCY, words)


def _model_cost(arm: ArmRecord) -> float | str:
    """What the questions of this run cost by the usage on record, or why that is not known; empty where no model was
    asked."""
    if arm.manifest["model"] is None:
        return ""
    usage = arm.manifest["usage"]
    if "cost" not in usage or "unpriced" not in usage:
        return _UNRECORDED
    if not usage["asked"]:
        return _NOTHING_ASKED
    return _UNPRICED if usage["unpriced"] else float(usage["cost"])


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """The steps as a picture and as a table, and what is known of the model's cost."""
    arm = subject_arm(record).name
    if f"{arm}.waterfall.profit" not in facts:
        return
    yield Heading("From gross to net", "costs-waterfall", level=3)
    told = {name: facts[f"{arm}.waterfall.{name}"] for name in STEPS if f"{arm}.waterfall.{name}" in facts}
    told = {name: fact for name, fact in told.items() if name in _WHOLE or fact.value}
    if "gross" in told:
        steps = [Step(STEPS[name][0], float(fact.value), fact.text, name in _WHOLE) for name, fact in told.items()]
        title = f"From what the trades of {arm} made to what was left, in the currency of the prices"
        yield on_page(Figure(draw_waterfall("costs-waterfall-figure", title, steps)))
    else:
        yield Paragraph("A fill whose bar is not among the prices leaves its slippage, and so the costs, unknown.")
    rows = [(STEPS[name][0], f"{{{arm}.waterfall.{name}}}", STEPS[name][1]) for name in told]
    yield Table(
        [Column("Step"), Column("Currency"), Column("What it is", "text")], rows, label=f"From gross to net of {arm}"
    )
    yield Paragraph([*_model_sentences(record, arm, facts)], "note")


def _model_sentences(record: Record, arm: str, facts: Facts) -> Iterator[Text]:
    reason = facts.get(f"{arm}.waterfall.model_unknown")
    match None if reason is None else reason.value:
        case "not on record":
            yield "What the model cost is not on record: an earlier version wrote this folder."
        case "nothing asked":
            yield (
                "The model was asked nothing in this run, all answers came from the record. What these had cost when "
                "they were asked is not in this folder."
            )
        case "no price":
            yield (
                "What the model cost is not known, because no price is configured for it (LLM_PRICE_IN, "
                "LLM_PRICE_OUT): it is not taken for nothing."
            )
        case _ if f"{arm}.waterfall.model" in facts:
            yield (
                "The model's cost is that of the questions of this run, all draws together, at the configured prices, "
                "and is taken for the currency of the account; answers from the record cost nothing here."
            )
        case _ if advised_arm(record) is None:
            yield "No model was asked."
    if f"{arm}.robust.own.sharpe" in facts:
        yield ("What other costs would leave stands under ", Link("costs, years and starts", "robustness"), ".")
