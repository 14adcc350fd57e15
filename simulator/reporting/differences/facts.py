"""Facts of two runs: how many settings differ, where the decisions part, and what the accounts differ by."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields

from simulator.evaluation.draws import compare_draws
from simulator.evaluation.metrics import Floats, returns
from simulator.evaluation.pairs import PairedDecisions, Parting, compare_decisions, find_partings
from simulator.evaluation.regimes import BySymbol
from simulator.evaluation.resampling import Estimate, Resampling
from simulator.evaluation.sharpe import UNMEASURED, SharpeDifference
from simulator.folder.record import ArmRecord, Record
from simulator.reporting.differences.settings import Setting
from simulator.reporting.differences.two_runs import SIDES, ArmPair, TwoRuns
from simulator.reporting.facts.advisors import add_estimate
from simulator.reporting.facts.fact import FactTable, Value
from simulator.reporting.facts.pairs import PAIR_WORDS
from simulator.reporting.facts.run import bars_a_year, cash_rate, day
from simulator.reporting.facts.terms import ARM_TERMS, DECISION_TERMS, PAIR_TERMS, Unit

MOST_PARTINGS = 20
"""Closes at which two arms part that are told one by one."""
COUNTED = ("bars", "both", "first_alone", "second_alone", "same")
AGREEMENT = ("label_agreement", "label_kappa", "action_agreement", "action_kappa")
RESULTS = ("total_return", "volatility", "sharpe", "max_drawdown", "exposure", "turnover", "trades", "costs")
"""Figures of both accounts that stand beside each other."""
NOT_COMPARED = "not compared"


def differing_decisions(runs: TwoRuns, pair: ArmPair) -> tuple[PairedDecisions, tuple[Parting, ...]]:
    """How the decisions of a pair compare on the closes that both were asked at, and the first ones that differ."""
    evaluation = runs.records[0].manifest["experiment"]["evaluation"]
    how = Resampling(evaluation["bootstrap_samples"], evaluation["seed"], evaluation["confidence_level"])
    first, second = pair.decisions()
    made = compare_decisions(first, second, runs.records[0].prices, how)
    return made, find_partings(first, second, runs.records[0].prices, MOST_PARTINGS)


def differing_actions(pair: ArmPair) -> Counter[tuple[str, str]]:
    """How often A proposed one action where B proposed another one, by both."""
    counts: Counter[tuple[str, str]] = Counter()
    first, second = pair.decisions()
    for symbol in sorted(first):
        theirs = _actions(second, symbol)
        for time, action in _actions(first, symbol).items():
            other = theirs.get(time)
            if action is not None and other is not None and action != other:
                counts[action, other] += 1
    return counts


def _actions(made: BySymbol, symbol: str) -> dict[str, str | None]:
    return dict(zip(made[symbol].times, made[symbol].actions, strict=True))


def two_runs_facts(runs: TwoRuns, settings: list[Setting], decided: dict[str, PairedDecisions]) -> FactTable:
    """All facts of the page: ``both.*`` of the runs, and of each pair ``NAME.A.*``, ``NAME.B.*``, ``NAME.difference.*``
    and ``NAME.decisions.*``."""
    table = FactTable()
    table.add("both", "settings", len(settings), Unit.COUNT, "settings that differ")
    for name in ("experiment", "model", "prices", "program"):
        count = sum(setting.of == name for setting in settings)
        table.add("both", f"settings.{name}", count, Unit.COUNT, f"settings of the {name} that differ")
    table.add("both", "bars", len(runs.shared_bars), Unit.BARS, "bars of the account that A and B share")
    same = "yes" if runs.same_bars else "no"
    table.add("both", "same_bars", same, Unit.TEXT, "whether A and B saw the same prices on these bars")
    level = runs.records[0].manifest["experiment"]["evaluation"]["confidence_level"]
    table.add("both", "confidence_level", level, Unit.FRACTION, "level of the intervals", f"{100 * level:g}%")
    for side, facts in zip(SIDES, runs.facts, strict=True):
        for metric in ("verdict", "first_decision", "last_bar"):
            value = facts[f"run.{metric}"].text if f"run.{metric}" in facts else None
            table.add("both", f"{metric}.{side}", value, Unit.TEXT, f"{metric.replace('_', ' ')} of {side}")
    for pair in runs.pairs:
        _add_decisions(table, pair, decided[pair.name])
        _add_results(table, runs, pair)
    return table


def _add_decisions(table: FactTable, pair: ArmPair, made: PairedDecisions) -> None:
    subject, names = f"{pair.name}.decisions", [f"{pair.name} of {side}" for side in SIDES]

    def add(metric: str, value: Value | Estimate) -> None:
        term = DECISION_TERMS[metric]
        add_estimate(table, subject, metric, value, term.unit, term.words.format(*names))

    for metric in (*COUNTED, *AGREEMENT):
        add(metric, getattr(made, metric))
    add("differing", 1 - made.same / made.both if made.both else None)
    parted = made.partings[0] if made.partings else None
    add("first_parting", None if parted is None else f"{day(parted.time)} ({parted.symbol})")
    table.add(
        subject, "parted", made.both - made.same, Unit.COUNT, f"decisions in which {names[0]} and {names[1]} part"
    )
    for (one, other), count in sorted(differing_actions(pair).items(), key=lambda each: (-each[1], each[0])):
        words = f"closes at which {names[0]} proposed {one} and {names[1]} {other}"
        table.add(subject, f"actions.{one}.{other}", count, Unit.COUNT, words)


def _add_results(table: FactTable, runs: TwoRuns, pair: ArmPair) -> None:
    for metric in RESULTS:
        term = ARM_TERMS[metric]
        values = runs.values(pair, metric)
        for side, value in zip(SIDES, values, strict=True):
            table.add(f"{pair.name}.{side}", metric, value, term.unit, f"{term.words} of {pair.name} in {side}")
        first, second = values
        apart = None if first is None or second is None or not runs.same_window else first - second
        unit = Unit.POINTS if term.unit is Unit.FRACTION else term.unit
        table.add(f"{pair.name}.difference", metric, apart, unit, f"{term.words} of {pair.name} in A minus that in B")
    tested = compare_accounts(runs, pair)
    names = [f"{pair.name} of {side}" for side in SIDES]
    for field in fields(tested):
        if field.name in PAIR_TERMS:
            term = PAIR_TERMS[field.name]
            value = getattr(tested, field.name)
            table.add(f"{pair.name}.paired", field.name, value, term.unit, term.words.format(*names))
    told = PAIR_WORDS[tested.effect] if runs.same_bars else NOT_COMPARED
    table.add(f"{pair.name}.paired", "verdict", told, Unit.TEXT, f"what {names[0]} is beside {names[1]}")


def compare_accounts(runs: TwoRuns, pair: ArmPair) -> SharpeDifference:
    """The Sharpe ratio of the arm in A minus that in B on the bars that both have, with the evaluation settings of A;
    not measured where the bars are not the same, or an arm failed."""
    if not runs.same_bars or pair.first.has_failed or pair.second.has_failed:
        return UNMEASURED
    evaluation = runs.records[0].manifest["experiment"]["evaluation"]
    first, second = (
        _draws(record, arm, runs) for record, arm in zip(runs.records, (pair.first, pair.second), strict=True)
    )
    if any(len(draw) != len(first[0]) for draw in (*first, *second)):
        return UNMEASURED  # a ruined account has no returns
    return compare_draws(
        first,
        second,
        bars_a_year(runs.records[0]),
        confidence_level=evaluation["confidence_level"],
        samples=evaluation["bootstrap_samples"],
        seed=evaluation["seed"],
    )


def _draws(record: Record, arm: ArmRecord, runs: TwoRuns) -> list[Floats]:
    """Returns of each draw over those of cash in its run."""
    accounts = [arm.equity["equity"], *(draw.equity["equity"] for draw in arm.draws)]
    return [returns(account.reindex(runs.shared_bars).dropna(), cash_rate(record)) for account in accounts]
