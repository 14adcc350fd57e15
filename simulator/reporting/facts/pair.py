"""Facts of two arms side by side, and the verdict that they allow."""

from __future__ import annotations

from dataclasses import fields

from simulator.evaluation.advice import Life
from simulator.evaluation.measures import measure
from simulator.evaluation.metrics import returns
from simulator.evaluation.regimes import agreement
from simulator.evaluation.sharpe import UNMEASURED, Effect, SharpeDifference, compare_sharpe
from simulator.folder.record import ArmRecord, Record
from simulator.reporting.facts.fact import Unit
from simulator.reporting.facts.roles import REFERENCE_ARM, benchmark_arms
from simulator.reporting.facts.run import bars_a_year
from simulator.reporting.facts.table import FactTable, Value
from simulator.reporting.facts.vocabulary import DIFFERENCES, PAIR_TERMS
from simulator.reporting.sections import noise
from simulator.reporting.sections.noise import add_pair_noise, against_floor


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
    effect = _above_noise(table, tested)
    table.add(subject, "verdict", str(effect), Unit.TEXT, f"what {first.name} adds to {second.name}")
    for metric, of in DIFFERENCES.items():
        one, other = table.number(f"{first.name}.{of}"), table.number(f"{second.name}.{of}")
        add(metric, None if one is None or other is None else one - other)
    add_pair_noise(table, first.name, second.name)
    if second.name == REFERENCE_ARM:
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


def _above_noise(table: FactTable, tested: SharpeDifference) -> Effect:
    """What the test says, unless asking the model again changes as much, or nobody could measure how much."""
    seen = tested.effect in (Effect.ADDS, Effect.SUBTRACTS) and tested.sharpe_difference is not None
    if not seen or "noise.sharpe_floor" not in table.facts:
        return tested.effect
    match against_floor(tested.sharpe_difference, table.number("noise.sharpe_floor")):
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
    if "failed" in (record.manifest["status"], advised.manifest["status"]):
        return "failed"
    if table.facts[f"{advised.name}.life"].value == Life.DEAD:
        return "dead advisor"
    effects = [table.facts[f"{advised.name}-{name}.verdict"].value for name in benchmark_arms(record)]
    if effects and all(effect == Effect.ADDS for effect in effects):
        return str(Effect.ADDS)
    for effect in (Effect.SUBTRACTS, Effect.BELOW_NOISE, Effect.INCONCLUSIVE, Effect.NOT_DETECTABLE):
        if effect in effects:
            return str(effect)
    return "not compared"
