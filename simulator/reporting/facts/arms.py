"""Facts of one arm (what it earned, risked and paid, how its advice came about, what the gate did to it) and of two
side by side, with the verdict that they allow.
"""

from __future__ import annotations

from dataclasses import fields

from simulator.evaluation.advice import Life
from simulator.evaluation.measures import KillSwitchUse, kill_switch, measure
from simulator.evaluation.metrics import dealing, performance, returns, trading
from simulator.evaluation.regimes import RegimeTable, agreement, decisions_per_year, regime_table
from simulator.evaluation.sharpe import UNMEASURED, Effect, SharpeDifference, compare_sharpe
from simulator.experiment import REFERENCE_ARM
from simulator.folder.record import ArmRecord, Record
from simulator.reporting.facts.fact import FactTable, Value
from simulator.reporting.facts.run import advisor_arms, bars_a_year, benchmark_arms, day, same_close, ungated_arms
from simulator.reporting.facts.terms import ARM_TERMS, COUNTED_TERMS, DIFFERENCES, PAIR_TERMS, REGIME_TERMS, Unit
from simulator.reporting.sections import noise
from simulator.reporting.sections.noise import add_pair_noise, against_floor, has_floor, noise_floor

NEVER = "never"


def add_arm(table: FactTable, record: Record, arm: ArmRecord) -> None:
    """Add the facts of one arm."""
    year = bars_a_year(record)
    table.add(arm.name, "status", arm.manifest["status"], Unit.TEXT, f"status of {arm.name}")
    made, trades = measure(arm), trading(arm.trades)
    counts, gate = made.advice, made.gate
    per_year = decisions_per_year(made.decisions, arm.equity.index, year)
    regimes = regime_table(made.decisions, per_year, tuple(arm.regimes))
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


def add_pair(table: FactTable, record: Record, first: ArmRecord, second: ArmRecord) -> None:
    """Add what the first arm differs by from the second."""
    subject = f"{first.name}-{second.name}"

    def add(metric: str, value: Value) -> None:
        term = PAIR_TERMS[metric]
        table.add(subject, metric, value, term.unit, term.words.format(first.name, second.name))

    tested = _tested(record, first, second)
    for field in fields(tested):
        if field.name in PAIR_TERMS:
            add(field.name, getattr(tested, field.name))
    effect = _above_noise(table, tested, first.name, second.name)
    table.add(subject, "verdict", str(effect), Unit.TEXT, f"what {first.name} adds to {second.name}")
    for metric, of in DIFFERENCES.items():
        one, other = table.number(f"{first.name}.{of}"), table.number(f"{second.name}.{of}")
        add(metric, None if one is None or other is None else one - other)
    add_pair_noise(table, first.name, second.name)
    if second.name == REFERENCE_ARM and first.regimes.are_usual:
        agreed = agreement(measure(first).decisions, measure(second).decisions)
        add("label_bars", agreed.bars)
        add("label_agreement", agreed.share)
        add("label_kappa", agreed.kappa)
        for (one_label, other_label), bars in agreed.confusion.items():
            label = f"bars that {first.name} labelled {one_label} and {second.name} {other_label}"
            table.add(subject, f"labels.{one_label}.{other_label}", bars, Unit.BARS, label)


def _tested(record: Record, first: ArmRecord, second: ArmRecord) -> SharpeDifference:
    """The test on the bars that both arms have; a failed arm has no result to compare."""
    if "failed" in (first.manifest["status"], second.manifest["status"]):
        return UNMEASURED
    evaluation = record.manifest["experiment"]["evaluation"]
    both = first.equity.index.intersection(second.equity.index)
    return compare_sharpe(
        returns(first.equity["equity"].loc[both]),
        returns(second.equity["equity"].loc[both]),
        bars_a_year(record),
        confidence_level=evaluation["confidence_level"],
        samples=evaluation["bootstrap_samples"],
        seed=evaluation["seed"],
    )


def _above_noise(table: FactTable, tested: SharpeDifference, *arms: str) -> Effect:
    """What the test says, unless asking the model again changes as much, or nobody could measure how much."""
    seen = tested.effect in (Effect.ADDS, Effect.SUBTRACTS) and tested.sharpe_difference is not None
    if not seen or not has_floor(table, *arms):
        return tested.effect
    match against_floor(tested.sharpe_difference, noise_floor(table, "sharpe", *arms)):
        case noise.ABOVE:
            return tested.effect
        case noise.UNKNOWN:
            return Effect.INCONCLUSIVE
        case _:
            return Effect.BELOW_NOISE


def overall(table: FactTable, record: Record, advised: ArmRecord | None) -> str:
    """One word or two for the whole: what the comparison with the benchmarks allows to say."""
    if advised is None:
        return "no model"
    several = len(advisor_arms(record)) > 1  # one that failed takes nothing from another
    needed = [record.arm(name).manifest for name in benchmark_arms(record)] if several else [record.manifest]
    if "failed" in (manifest["status"] for manifest in (advised.manifest, *needed)):
        return "failed"
    if table.facts[f"{advised.name}.life"].value == Life.DEAD:
        return "dead advisor"
    others = [name for name in benchmark_arms(record) if f"{advised.name}-{name}.verdict" in table.facts]
    effects = [table.facts[f"{advised.name}-{name}.verdict"].value for name in others]
    if effects and all(effect == Effect.ADDS for effect in effects):
        return str(Effect.ADDS)
    for effect in (Effect.SUBTRACTS, Effect.BELOW_NOISE, Effect.INCONCLUSIVE, Effect.NOT_DETECTABLE):
        if effect in effects:
            return str(effect)
    return "not compared"
