"""Every figure that a report may show, measured from a saved run folder and named once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pandas as pd

from llm_strategy.errors import RunFolderError
from llm_strategy.types import ActionType, PolicyVerdict, Status
from simulator.evaluation.advice import Life, advice_changes, count_advice
from simulator.evaluation.metrics import dealing, performance, returns, trading
from simulator.evaluation.regimes import agreement, regime_table
from simulator.evaluation.sharpe import POWER, UNMEASURED, Effect, SharpeDifference, compare_sharpe
from simulator.record import ArmRecord, Record, origin
from simulator.reporting.fact import Fact, Facts, Unit
from simulator.reporting.fact_table import FactTable, Value
from simulator.reporting.vocabulary import (
    ARM_TERMS,
    DIFFERENCES,
    MODEL_TERMS,
    PAIR_TERMS,
    RANKED,
    REGIME_TERMS,
)

ALWAYS_COUNTED: dict[str, Iterable[str]] = {"statuses": Status, "verdicts": PolicyVerdict, "actions": ActionType}
"""Kinds that are shown also where they never came."""
REFERENCE_ARM = "regime_rule"
"""The causal rule whose labels an advisor's are compared with."""
BENCHMARKS = ("buy_and_hold", REFERENCE_ARM)
"""The arms that advice must beat to have added anything: the market, and the rule that needs no model."""


def build_facts(record: Record) -> dict[str, Fact]:
    """All facts of a run or comparison by id, in the order of the report."""
    table = FactTable()
    subject = subject_arm(record)
    _run_facts(table, record, subject)
    for name, term in MODEL_TERMS.items():
        table.term("model", name, term, record.manifest["usage"].get(name, 0))
    for arm in record.arms:
        _arm_facts(table, record, arm)
    _ranks(table, [arm.name for arm in record.arms])
    advised = advised_arm(record)
    for other in record.arms:
        if advised is not None and other is not advised:
            _pair_facts(table, record, advised, other)
    table.add("run", "verdict", _overall(table, record, advised), Unit.TEXT, "verdict on the advice")
    return table.facts


def benchmark_arms(record: Record) -> list[str]:
    """The arms that the verdict rests on: the benchmarks among them, or else all but the advised one."""
    names = [arm.name for arm in record.arms if arm is not advised_arm(record)]
    return [name for name in BENCHMARKS if name in names] or names


def advised_arm(record: Record) -> ArmRecord | None:
    """The arm that a model advised: ``llm``, or else the first one with a model; ``None`` where only rules ran."""
    modelled = [arm for arm in record.arms if arm.manifest["model"] is not None]
    return next((arm for arm in modelled if arm.name == "llm"), modelled[0] if modelled else None)


def subject_arm(record: Record) -> ArmRecord:
    """The arm that a page is about: the advised one, or else the first."""
    return advised_arm(record) or record.arms[0]


def write_facts(facts: Facts, path: Path) -> None:
    """Write facts as JSON sorted by id, one fact a line, whole or not at all; raises ``RunFolderError``."""
    lines = (json.dumps(asdict(facts[name]), sort_keys=True, ensure_ascii=False) for name in sorted(facts))
    part = path.with_name(path.name + ".part")
    try:
        part.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
        part.replace(path)
    except OSError as problem:
        raise RunFolderError(f"{path} cannot be written ({problem.strerror}): name a folder that can be.") from None


def read_facts(path: Path) -> dict[str, Fact]:
    """Read what ``write_facts`` wrote; raises ``RunFolderError``."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return {row["id"]: Fact(**(row | {"unit": Unit(row["unit"])})) for row in rows}
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise RunFolderError(f"{path} cannot be read ({problem}): build the report again from its folder.") from None


def explanation_facts(explanation: Mapping[str, Any]) -> dict[str, Fact]:
    """The counts of an explanation as facts, for the page that shows it."""
    table = FactTable()
    for name, count in explanation["counts"].items():
        table.add("explanation", name, count, Unit.COUNT, f"sentences of the explanation {name.replace('_', ' ')}")
    return table.facts


def _run_facts(table: FactTable, record: Record, subject: ArmRecord) -> None:
    manifest, times = record.manifest, subject.equity.index
    experiment = manifest["experiment"]
    evaluation, costs = experiment["evaluation"], experiment["costs"]
    level, others = evaluation["confidence_level"], len(record.arms) - 1 if advised_arm(record) else 0
    failed = [arm.name for arm in record.arms if arm.manifest["status"] == "failed"]
    problems = [manifest["problem"], *(arm.manifest["problem"] for arm in record.arms)]
    texts = {
        "name": ("name of the experiment", manifest["name"]),
        "status": ("status", "failed" if failed else manifest["status"]),
        "problem": ("what went wrong", next((problem for problem in problems if problem), "")),
        "failed_arms": ("arms that failed", ", ".join(failed)),
        "symbol": ("symbol", manifest["prices"]["symbol"]),
        "timeframe": ("length of a bar", manifest["prices"]["timeframe"]),
        "source": ("source of the prices", origin(manifest["prices"]["source"])),
        "first_bar": ("first bar", _day(record.prices.index)),
        "first_decision": ("first decision", _day(times)),
        "last_bar": ("last bar", _day(record.prices.index[::-1])),
        "subject": ("arm that the page is about", subject.name),
    }
    for metric, (label, text) in texts.items():
        table.add("run", metric, str(text), Unit.TEXT, label)
    year = evaluation["bars_per_year"]
    numbers: list[tuple[str, str, Value, Unit, str | None]] = [
        ("bars", "bars of prices", len(record.prices), Unit.BARS, None),
        ("decision_bars", "bars from the first decision on", len(times), Unit.BARS, None),
        ("years", "years from the first decision on", max(0, len(times) - 1) / year, Unit.RATIO, None),
        ("bars_per_year", "bars in a year", year, Unit.BARS, None),
        ("arms", "arms", len(record.arms), Unit.COUNT, None),
        ("comparisons", "comparisons with the advised arm", others, Unit.COUNT, None),
        ("confidence_level", "level of the intervals", level, Unit.FRACTION, f"{100 * level:g}%"),
        ("power", "power for the detectable difference", POWER, Unit.FRACTION, f"{100 * POWER:g}%"),
        ("false_alarms", "comparisons expected to stand out by luck", others * (1 - level), Unit.RATIO, None),
        ("bootstrap_samples", "bootstrap samples", evaluation["bootstrap_samples"], Unit.COUNT, None),
        (
            "commission_bps",
            "commission in basis points",
            costs["commission_bps"],
            Unit.RATIO,
            f"{costs['commission_bps']:g}",
        ),
        ("slippage_bps", "slippage in basis points", costs["slippage_bps"], Unit.RATIO, f"{costs['slippage_bps']:g}"),
    ]
    for metric, label, value, unit, shown in numbers:
        table.add("run", metric, value, unit, label, shown)


def _arm_facts(table: FactTable, record: Record, arm: ArmRecord) -> None:
    year = record.manifest["experiment"]["evaluation"]["bars_per_year"]
    table.add(arm.name, "status", arm.manifest["status"], Unit.TEXT, f"status of {arm.name}")
    counts = count_advice(arm.decisions)
    regimes = regime_table(arm.decisions, record.prices, year)
    deals = dealing(arm.orders, arm.equity, record.prices, year)
    for measured in (performance(arm.equity, year), trading(arm.trades), deals, counts, regimes):
        for field in fields(measured):
            if field.name in ARM_TERMS:
                table.term(arm.name, field.name, ARM_TERMS[field.name], getattr(measured, field.name))
    table.counts(arm.name, "orders", {f"{kind}.{status}": count for (kind, status), count in deals.orders.items()})
    for metric in ("statuses", "abstentions", "repairs", "verdicts", "policy_reasons", "clamps", "actions"):
        table.counts(arm.name, metric, dict.fromkeys(ALWAYS_COUNTED.get(metric, ()), 0) | getattr(counts, metric))
    for regime in regimes.regimes:
        for metric, term in REGIME_TERMS.items():
            label = f"{term.words} {regime.label} by {arm.name}"
            table.add(arm.name, f"regime.{regime.label}.{metric}", getattr(regime, metric), term.unit, label)
    rows = {
        "decision_changes": ("changes of advice", len(advice_changes(arm.decisions))),
        "order_count": ("orders", len(arm.orders)),
    }
    for metric, (words, count) in rows.items():
        table.add(arm.name, metric, count, Unit.COUNT, f"{words} of {arm.name}")


def _ranks(table: FactTable, arms: list[str]) -> None:
    for metric, sign in RANKED.items():
        values = {arm: value for arm in arms if (value := table.number(f"{arm}.{metric}")) is not None}
        for arm in arms:
            ahead = None if arm not in values else sum(sign * other < sign * values[arm] for other in values.values())
            label = f"rank of {arm} by {ARM_TERMS[metric].words} among the arms, best first"
            table.add(arm, f"{metric}_rank", None if ahead is None else ahead + 1, Unit.COUNT, label)


def _pair_facts(table: FactTable, record: Record, first: ArmRecord, second: ArmRecord) -> None:
    subject = f"{first.name}-{second.name}"

    def add(metric: str, value: Value) -> None:
        term = PAIR_TERMS[metric]
        table.add(subject, metric, value, term.unit, term.words.format(first.name, second.name))

    tested = _tested(record, first, second)
    for field in fields(tested):
        if field.name in PAIR_TERMS:
            add(field.name, getattr(tested, field.name))
    table.add(subject, "verdict", str(tested.effect), Unit.TEXT, f"what {first.name} adds to {second.name}")
    for metric, of in DIFFERENCES.items():
        one, other = table.number(f"{first.name}.{of}"), table.number(f"{second.name}.{of}")
        add(metric, None if one is None or other is None else one - other)
    if second.name == REFERENCE_ARM:
        agreed = agreement(first.decisions, second.decisions)
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
        evaluation["bars_per_year"],
        confidence_level=evaluation["confidence_level"],
        samples=evaluation["bootstrap_samples"],
        seed=evaluation["seed"],
    )


def _overall(table: FactTable, record: Record, advised: ArmRecord | None) -> str:
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
    for effect in (Effect.SUBTRACTS, Effect.INCONCLUSIVE, Effect.NOT_DETECTABLE):
        if effect in effects:
            return str(effect)
    return "not compared"


def _day(times: pd.Index[pd.Timestamp]) -> str:
    """The first of these times, without its hour at midnight."""
    return times[0].isoformat().removesuffix("T00:00:00") if len(times) else ""
