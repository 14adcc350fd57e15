"""Facts of one arm: what it earned, risked and paid, how its advice came about, and what the gate did to it."""

from __future__ import annotations

from dataclasses import fields

from simulator.evaluation.measures import KillSwitchUse, kill_switch, measure
from simulator.evaluation.metrics import dealing, performance, trading
from simulator.evaluation.regimes import RegimeTable, decisions_per_year, regime_table
from simulator.folder.record import ArmRecord, Record
from simulator.reporting.facts.fact import FactTable, Value
from simulator.reporting.facts.run import bars_a_year, cash_rate, day, same_close, ungated_arms
from simulator.reporting.facts.shared import add_once
from simulator.reporting.facts.terms import ARM_TERMS, COUNTED_TERMS, REGIME_TERMS, Unit

NEVER = "never"


def add_arm(table: FactTable, record: Record, arm: ArmRecord) -> None:
    """Add the facts of one arm."""
    add_once(table, record, arm, _add_arm)


def _add_arm(table: FactTable, record: Record, arm: ArmRecord) -> None:
    year, cash = bars_a_year(record), cash_rate(record)
    table.add(arm.name, "status", arm.manifest["status"], Unit.TEXT, f"status of {arm.name}")
    made, trades = measure(arm), trading(arm.trades)
    counts, gate = made.advice, made.gate
    per_year = decisions_per_year(made.decisions, arm.equity.index, year)
    regimes = regime_table(made.decisions, per_year, tuple(arm.regimes))
    deals = dealing(arm.orders, arm.equity, record.prices, year, same_close=same_close(record), cash_rate=cash)
    for measured in (performance(arm.equity, year, cash), trades, deals, counts, gate, regimes):
        for field in fields(measured):
            if field.name in ARM_TERMS:
                table.term(arm.name, field.name, ARM_TERMS[field.name], getattr(measured, field.name))
    _add_kill_switch(table, record, arm)
    table.counts(arm.name, "orders", {f"{kind}.{status}": count for (kind, status), count in deals.orders.items()})
    kinds = {
        "exits": trades.exits, "statuses": counts.statuses, "abstentions": counts.abstentions,
        "repairs": counts.repairs, "verdicts": counts.verdicts, "policy_reasons": counts.policy_reasons,
        "clamps": gate.clamps, "refusals": gate.refusals, "actions": counts.actions,
        "events": counts.events, "votes": counts.votes,
    }  # fmt: skip
    for metric, found in kinds.items():
        table.counts(arm.name, metric, dict.fromkeys(COUNTED_TERMS[metric].always, 0) | found)
    _add_regimes(table, arm.name, regimes)
    if counts.disagreement is not None:
        words = f"mean share of members that disagreed in {arm.name}"
        table.add(arm.name, "disagreement", counts.disagreement, Unit.FRACTION, words)
    if counts.builds:
        builds: dict[str, tuple[str, Value, Unit]] = {
            "builds": ("builds of the model that answered in", counts.builds, Unit.COUNT),
            "other_builds": (
                "decisions with an answer of another build than the first in",
                counts.other_builds,
                Unit.COUNT,
            ),
            "other_build_first": (
                "first answer of another build in",
                counts.other_build_first.removesuffix("T00:00:00"),
                Unit.TEXT,
            ),
        }
        for metric, (words, value, unit) in builds.items():
            table.add(arm.name, metric, value, unit, f"{words} {arm.name}")
    rows = {
        "decision_changes": ("changes of advice", made.changes),
        "order_count": ("orders", len(arm.orders)),
    }
    for metric, (words, count) in rows.items():
        table.add(arm.name, metric, count, Unit.COUNT, f"{words} of {arm.name}")


def add_ranks(table: FactTable, arms: list[str]) -> None:
    """Add the place of each arm among all."""
    for metric, term in ARM_TERMS.items():
        if not term.ranked:
            continue
        values = {arm: value for arm in arms if (value := table.number(f"{arm}.{metric}")) is not None}
        for arm in arms:
            ahead = (
                None
                if arm not in values
                else sum(term.better * other > term.better * values[arm] for other in values.values())
            )
            label = f"rank of {arm} by {term.words} among the arms, best first"
            table.add(arm, f"{metric}_rank", None if ahead is None else ahead + 1, Unit.COUNT, label)


def _add_kill_switch(table: FactTable, record: Record, arm: ArmRecord) -> None:
    risk = record.manifest["experiment"]["risk"]
    used = KillSwitchUse(None, 0, for_good=False)
    if arm.name not in ungated_arms(record):
        used = kill_switch(arm.equity, risk["max_drawdown"], risk["rearm_after_bars"])
    values: dict[str, Value] = {
        "kill_switch": day(used.fired) or NEVER,
        "kill_switch_bars_out": used.bars_out,
        "kill_switch_for_good": "yes" if used.for_good else "no",
    }
    for metric, value in values.items():
        table.term(arm.name, metric, ARM_TERMS[metric], value)


def _add_regimes(table: FactTable, arm: str, regimes: RegimeTable) -> None:
    for regime in regimes.regimes:
        for metric, term in REGIME_TERMS.items():
            label = f"{term.words} {regime.label} by {arm}"
            table.add(arm, f"regime.{regime.label}.{metric}", getattr(regime, metric), term.unit, label)
