"""Facts of two arms: what one differs by from the other, whether the two can be told apart, and all pairs together."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pandas as pd

from simulator.evaluation.cash import CashRate
from simulator.evaluation.draws import compare_draws
from simulator.evaluation.measures import measure
from simulator.evaluation.metrics import Floats, returns
from simulator.evaluation.regimes import agreement
from simulator.evaluation.sharpe import UNMEASURED, Effect, SharpeDifference
from simulator.evaluation.step_down import step_down
from simulator.experiment import REFERENCE_ARM
from simulator.folder.record import ArmRecord, Record
from simulator.reporting.facts.fact import FactTable, Value
from simulator.reporting.facts.run import bars_a_year, cash_rate, compared_arms
from simulator.reporting.facts.terms import DIFFERENCES, PAIR_TERMS, Unit

BETTER, WORSE, NOT_TOLD_APART, INCONCLUSIVE = "better", "worse", "not told apart", "inconclusive"
PAIR_WORDS = {
    Effect.ADDS: BETTER,
    Effect.SUBTRACTS: WORSE,
    Effect.NOT_DETECTABLE: NOT_TOLD_APART,
    Effect.INCONCLUSIVE: INCONCLUSIVE,
}
"""What is said of the first of two arms beside the second: a difference, and no verdict on advice."""


def add_pair(table: FactTable, record: Record, first: ArmRecord, second: ArmRecord) -> None:
    """Add what the first arm differs by from the second."""
    subject = f"{first.name}-{second.name}"

    def add(metric: str, value: Value) -> None:
        term = PAIR_TERMS[metric]
        table.add(subject, metric, value, term.unit, term.words.format(first.name, second.name))

    tested = compare_arms(record, first, second)
    for field in fields(tested):
        if field.name in PAIR_TERMS:
            add(field.name, getattr(tested, field.name))
    words = f"what {first.name} is beside {second.name}"
    table.add(subject, "verdict", PAIR_WORDS[tested.effect], Unit.TEXT, words)
    for metric, of in DIFFERENCES.items():
        one, other = table.number(f"{first.name}.{of}"), table.number(f"{second.name}.{of}")
        add(metric, None if one is None or other is None else one - other)
    if second.name == REFERENCE_ARM and first.regimes.are_usual:
        agreed = agreement(measure(first).decisions, measure(second).decisions)
        add("label_bars", agreed.bars)
        add("label_agreement", agreed.share)
        add("label_kappa", agreed.kappa)
        for (one_label, other_label), bars in agreed.confusion.items():
            label = f"bars that {first.name} labelled {one_label} and {second.name} {other_label}"
            table.add(subject, f"labels.{one_label}.{other_label}", bars, Unit.BARS, label)


def compare_arms(record: Record, first: ArmRecord, second: ArmRecord) -> SharpeDifference:
    """The test on the bars that all draws of both arms have; a failed arm has no result to compare."""
    if first.has_failed or second.has_failed:
        return UNMEASURED
    evaluation = record.manifest["experiment"]["evaluation"]
    sides = draw_returns([first, second], cash_rate(record))
    return compare_draws(
        sides[0],
        sides[1],
        bars_a_year(record),
        confidence_level=evaluation["confidence_level"],
        samples=evaluation["bootstrap_samples"],
        seed=evaluation["seed"],
    )


def draw_returns(arms: list[ArmRecord], cash: CashRate) -> list[list[Floats]]:
    """Of each arm the returns of each of its draws over those of cash, on the bars that all of them have."""
    accounts = [[arm.equity["equity"], *(draw.equity["equity"] for draw in arm.draws)] for arm in arms]
    both: pd.Index = accounts[0][0].index
    for account in (account for draws in accounts for account in draws):
        both = both.intersection(account.index)
    return [[returns(account.loc[both], cash) for account in draws] for draws in accounts]


def add_pairs(table: FactTable, record: Record) -> None:
    """Add all pairs that are compared, each by itself and all together."""
    pairs = compared_arms(record)
    for first, second in pairs:
        add_pair(table, record, first, second)
    for (first, second), p in zip(pairs, _together(record, pairs), strict=True):
        term = PAIR_TERMS["p_together"]
        table.add(f"{first.name}-{second.name}", "p_together", p, term.unit, term.words.format(first.name, second.name))


def _together(record: Record, pairs: list[tuple[ArmRecord, ArmRecord]]) -> list[float | None]:
    """The step-down p-value of each pair, on the bars that all arms have which did not fail."""
    arms = {arm.name: arm for pair in pairs for arm in pair if not arm.has_failed}
    if not arms:
        return [None] * len(pairs)
    columns = {name: column for column, name in enumerate(arms)}
    series = [draws[0] for draws in draw_returns(list(arms.values()), cash_rate(record))]
    if len({len(one) for one in series}) > 1:  # a ruined account has no returns
        solvent = max(len(one) for one in series)
        series = [one if len(one) else np.zeros(solvent) for one in series]
    tested = [place for place, (first, second) in enumerate(pairs) if first.name in columns and second.name in columns]
    evaluation = record.manifest["experiment"]["evaluation"]
    found: list[float | None] = [None] * len(pairs)
    adjusted = step_down(
        np.column_stack(series),
        [(columns[pairs[place][0].name], columns[pairs[place][1].name]) for place in tested],
        samples=evaluation["bootstrap_samples"],
        seed=evaluation["seed"],
    )
    for place, p in zip(tested, adjusted, strict=True):
        found[place] = p
    return found
