"""Facts of one arm: what it earned, risked and paid, how its advice came about, and what the gate did to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields

from llm_strategy.types import ActionType, PolicyVerdict, Status
from simulator.evaluation.measures import kill_switch, measure
from simulator.evaluation.metrics import dealing, performance, trading
from simulator.evaluation.regimes import RegimeTable, decisions_per_year, regime_table
from simulator.folder.record import ArmRecord, Record
from simulator.reporting.facts.fact import Unit
from simulator.reporting.facts.roles import same_close
from simulator.reporting.facts.run import bars_a_year, day
from simulator.reporting.facts.table import FactTable, Value
from simulator.reporting.facts.vocabulary import ARM_TERMS, RANKED, REGIME_TERMS

ALWAYS_COUNTED: dict[str, Iterable[str]] = {
    "statuses": [status for status in Status if status is not Status.FALLBACK],  # there only where one is configured
    "verdicts": PolicyVerdict,
    "actions": ActionType,
    "exits": ("stop", "target", "advice", "time", "kill_switch"),
}
"""Kinds that are shown also where they never came."""
NEVER = "never"


def add_arm(table: FactTable, record: Record, arm: ArmRecord) -> None:
    """Add the facts of one arm."""
    year = bars_a_year(record)
    table.add(arm.name, "status", arm.manifest["status"], Unit.TEXT, f"status of {arm.name}")
    made, trades = measure(arm), trading(arm.trades)
    counts, gate = made.advice, made.gate
    regimes = regime_table(made.decisions, decisions_per_year(made.decisions, arm.equity.index, year))
    deals = dealing(arm.orders, arm.equity, record.prices, year, same_close=same_close(record))
    for measured in (performance(arm.equity, year), trades, deals, counts, gate, regimes):
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
        table.counts(arm.name, metric, dict.fromkeys(ALWAYS_COUNTED.get(metric, ()), 0) | found)
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
    for metric, sign in RANKED.items():
        values = {arm: value for arm in arms if (value := table.number(f"{arm}.{metric}")) is not None}
        for arm in arms:
            ahead = None if arm not in values else sum(sign * other < sign * values[arm] for other in values.values())
            label = f"rank of {arm} by {ARM_TERMS[metric].words} among the arms, best first"
            table.add(arm, f"{metric}_rank", None if ahead is None else ahead + 1, Unit.COUNT, label)


def _add_kill_switch(table: FactTable, record: Record, arm: ArmRecord) -> None:
    risk = record.manifest["experiment"]["risk"]
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
