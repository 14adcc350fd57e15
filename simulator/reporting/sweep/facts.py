"""Facts of a sweep: what the best configuration came to, what luck makes of so many, and whether choosing carried
over."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
import pandas as pd

from simulator.evaluation.metrics import Floats
from simulator.evaluation.overfitting import (
    DeflatedSharpe,
    ForwardStep,
    Luck,
    Overfitting,
    deflated_sharpe,
    luck_of_best,
    overfitting,
    sharpe_ratios,
    walk_forward,
)
from simulator.reporting.facts.fact import FactTable, Value
from simulator.reporting.facts.run import day
from simulator.reporting.facts.terms import ARM_TERMS, Unit
from simulator.reporting.sweep.cells import Axis, SweepRecord

SAMPLES, SEED = 499, 7
"""Resamples of the bars, and their seed: the same folder gives the same page."""
SIZE = 0.05
"""From this p value on the best is not told from luck."""
SHOWN = ("sharpe", "total_return", "volatility", "max_drawdown", "exposure", "turnover", "trades", "costs")
"""Figures of a configuration."""
MOST_VALUES = 40
"""Values of an axis that have their facts; of more, these are taken evenly."""


class SweepVerdict(StrEnum):
    """What may be said of the best configuration; none of these is a recommendation."""

    NOTHING = "Nothing can be said"
    ALONE = "There was nothing to choose from"
    NO_SKILL = "Cannot be told from luck"
    NO_CHOICE = "Choosing cannot be told from luck"
    OVERFITTED = "The choice does not carry over"
    BELOW_MARKET = "No better than the market"
    BEYOND_LUCK = "More than luck explains on these bars"


@dataclass(frozen=True)
class SweepMeasures:
    """All that the page measures of a sweep."""

    record: SweepRecord

    @cached_property
    def luck(self) -> Luck | None:
        """How far luck takes the best."""
        return luck_of_best(self.record.returns, SAMPLES, SEED)

    @cached_property
    def deflated(self) -> DeflatedSharpe | None:
        """How sure the best is."""
        return None if self.luck is None else deflated_sharpe(self.record.returns)

    @cached_property
    def overfitting(self) -> Overfitting | None:
        """Whether choosing carries over from half of the bars to the other half."""
        return None if self.luck is None else overfitting(self.record.returns)

    @cached_property
    def steps(self) -> list[ForwardStep]:
        """What became of the best of each window in the next one."""
        record = self.record
        table = record.cells.pivot(index="window_number", columns="configuration", values="sharpe")
        by_window = table.reindex(columns=record.measured).to_numpy(float)
        return walk_forward(by_window, record.returns, record.owners)

    @cached_property
    def forward_ratios(self) -> tuple[float, Floats] | None:
        """Annual Sharpe ratio of the account that always takes the best of the window before, and those of all
        configurations on the same bars; None without steps."""
        if not self.steps:
            return None
        record, rows = self.record, [np.flatnonzero(self.record.owners == step.window) for step in self.steps]
        chosen = np.concatenate([record.returns[at, step.chosen] for at, step in zip(rows, self.steps, strict=True)])
        year = math.sqrt(record.bars_per_year)
        return (
            float(sharpe_ratios(chosen[:, None])[0]) * year,
            sharpe_ratios(record.returns[np.concatenate(rows)]) * year,
        )

    @cached_property
    def market(self) -> float | None:
        """Annual Sharpe ratio of the market on the bars of the best configuration (mean over windows)."""
        if not len(self.record.order):
            return None
        ratio = float(self.record.configurations["market_sharpe"].to_numpy(float)[self.record.order[0]])
        return ratio if math.isfinite(ratio) else None

    @cached_property
    def verdict(self) -> SweepVerdict:
        """The strongest words that the figures allow, weakest first."""
        record, luck = self.record, self.luck
        if len(record.configurations) < 2:
            return SweepVerdict.ALONE
        if luck is None:
            return SweepVerdict.NOTHING
        if luck.p_value > SIZE:
            return SweepVerdict.NO_SKILL
        if luck.p_value_of_equals > SIZE:
            return SweepVerdict.NO_CHOICE
        if self.overfitting is None or self.overfitting.probability >= 0.5:
            return SweepVerdict.OVERFITTED
        if self.market is not None and float(record.ratios.max()) <= self.market:
            return SweepVerdict.BELOW_MARKET
        return SweepVerdict.BEYOND_LUCK


def sweep_facts(measures: SweepMeasures) -> FactTable:
    """All facts: ``sweep.*``, ``best.*``, ``middle.*``, ``worst.*``, ``luck.*``, ``dsr.*``, ``pbo.*``, ``forward.*``
    and ``axis.N.M.*`` (value M of axis N, both from 1)."""
    table = FactTable()
    _add_sweep(table, measures)
    _add_accounts(table, measures.record)
    _add_luck(table, measures)
    _add_overfitting(table, measures)
    _add_steps(table, measures)
    for number, axis in enumerate(measures.record.shown_axes, start=1):
        _add_axis(table, measures.record, axis, f"axis.{number}")
    return table


def _add_sweep(table: FactTable, measures: SweepMeasures) -> None:
    record = measures.record
    cells = record.cells

    def add(metric: str, value: Value, unit: Unit, label: str) -> None:
        table.add("sweep", metric, value, unit, label)

    add("verdict", measures.verdict, Unit.TEXT, "what may be said of the best configuration")
    add("cells", int(cells["cell"].nunique()), Unit.COUNT, "cells: all settings in one window each")
    add("configurations", len(record.configurations), Unit.COUNT, "configurations")
    add("windows", len(record.windows), Unit.COUNT, "windows")
    add("axes", len(record.shown_axes), Unit.COUNT, "settings that were varied")
    add("measured", len(record.measured), Unit.COUNT, "configurations that are compared")
    add(
        "unmeasured",
        len(record.configurations) - len(record.measured),
        Unit.COUNT,
        "configurations without returns on half of the bars",
    )
    still = int((record.ratios == 0).sum())
    add("still", still, Unit.COUNT, "configurations whose account never moved")
    add("bars", len(record.closes) * record.bars_in_row, Unit.BARS, "bars that all configurations have")
    add("bars_in_row", record.bars_in_row, Unit.BARS, "bars whose returns were added up before ratios were taken")
    add("dropped", record.dropped_closes, Unit.BARS, "bars that some configurations lack, left out for all")
    years = len(record.closes) / record.bars_per_year if record.bars_per_year else None
    add("years", years, Unit.RATIO, "years of these bars")
    add("first", day(record.closes[0]) if len(record.closes) else None, Unit.TEXT, "first bar")
    add("last", day(record.closes[-1]) if len(record.closes) else None, Unit.TEXT, "last bar")
    made = int(cells["decisions"].sum())
    add("decisions", _count(record, "decisions", made), Unit.COUNT, "decisions of a model in all cells")
    add("questions", _count(record, "questions"), Unit.COUNT, "distinct questions that they rest on")
    add("asked", _count(record, "asked"), Unit.COUNT, "questions that were asked for this sweep")
    share = float(cells["abstained"].sum()) / made if made else None
    add("abstained", share, Unit.FRACTION, "share of the decisions that were abstentions")
    add("size", SIZE, Unit.RATIO, "p value from which on the best is not told from luck")
    add("market_sharpe", measures.market, Unit.RATIO, "annual Sharpe ratio of the market on the bars of the best one")


def _count(record: SweepRecord, name: str, other: int | None = None) -> int | None:
    """A count of the document."""
    value = record.document.get(name, other)
    return value if isinstance(value, int) and not isinstance(value, bool) else other


def places(record: SweepRecord) -> dict[str, int]:
    """The configurations at the top, in the middle and at the end of the order."""
    order = record.order
    return {"best": order[0], "middle": order[len(order) // 2], "worst": order[-1]} if len(order) else {}


def _add_accounts(table: FactTable, record: SweepRecord) -> None:
    for subject, number in places(record).items():
        for metric in SHOWN:
            term, value = ARM_TERMS[metric], float(record.configurations[metric].to_numpy(float)[number])
            held: Value = int(value) if term.unit is Unit.COUNT and math.isfinite(value) else value
            words = f"{term.words} of the {subject} configuration"
            table.add(subject, metric, held if math.isfinite(value) else None, term.unit, words)


def _add_luck(table: FactTable, measures: SweepMeasures) -> None:
    luck, year = measures.luck, math.sqrt(measures.record.bars_per_year)
    if luck is None:
        return

    def add(metric: str, value: Value, unit: Unit, label: str) -> None:
        table.add("luck", metric, value, unit, label)

    among = "of the best of all configurations by luck alone"
    add("mean", luck.mean * year, Unit.RATIO, "mean annual Sharpe ratio of the configurations that moved")
    add("expected", luck.expected * year, Unit.RATIO, f"annual Sharpe ratio {among}, were none better than cash")
    add("equals", luck.expected_of_equals * year, Unit.RATIO, f"the same {among}, were all as good as their mean")
    add("p", luck.p_value, Unit.RATIO, "p value of the best, were none better than cash")
    add("p_equals", luck.p_value_of_equals, Unit.RATIO, "p value of the best, were all as good as their mean")
    add("effective", luck.effective, Unit.RATIO, "independent configurations that so many are worth")
    words = "annual Sharpe ratio of the best of as many independent configurations by luck alone"
    add("independent", luck.independent * year, Unit.RATIO, words)
    add("block", luck.block, Unit.BARS, "length of the resampled blocks")
    add("samples", luck.samples, Unit.COUNT, "resamples")
    if (deflated := measures.deflated) is not None:
        words = "annual Sharpe ratio that the deflated one is held against"
        table.add("dsr", "against", deflated.against * year, Unit.RATIO, words)
        words = "deflated Sharpe ratio: probability that the true ratio of the best is above that"
        table.add("dsr", "probability", deflated.probability, Unit.FRACTION, words)


def _add_overfitting(table: FactTable, measures: SweepMeasures) -> None:
    found = measures.overfitting
    if found is None:
        return
    values: dict[str, tuple[Value, Unit, str]] = {
        "probability": (found.probability, Unit.FRACTION, "probability of backtest overfitting (CSCV)"),
        "loss": (found.loss, Unit.FRACTION, "share of the splits whose chosen configuration lost in the other half"),
        "rank": (float(np.median(found.ranks)), Unit.FRACTION, "median relative rank in the other half"),
        "slope": (found.slope, Unit.RATIO, "slope of the ratio in the other half over that in the choosing half"),
        "splits": (found.splits, Unit.COUNT, "splits of the bars into two halves"),
        "blocks": (found.blocks, Unit.COUNT, "blocks of the bars"),
    }
    for metric, (value, unit, label) in values.items():
        table.add("pbo", metric, value, unit, label)


def _add_steps(table: FactTable, measures: SweepMeasures) -> None:
    year, found = math.sqrt(measures.record.bars_per_year), measures.forward_ratios
    if found is None:
        return
    own, all_of_them = found
    words = "annual Sharpe ratio of the account that takes the best of the window before"
    table.add("forward", "sharpe", own, Unit.RATIO, words)
    words = "median annual Sharpe ratio of the configurations kept over the same bars"
    table.add("forward", "middle", float(np.median(all_of_them)), Unit.RATIO, words)
    words = "highest annual Sharpe ratio of a configuration over the same bars, known only afterwards"
    table.add("forward", "best", float(all_of_them.max()), Unit.RATIO, words)
    table.add("forward", "steps", len(measures.steps), Unit.COUNT, "windows that follow one that chose")
    for number, step in enumerate(measures.steps, start=1):
        name = f"step.{number}"
        table.add("forward", f"{name}.bars", step.bars, Unit.BARS, f"bars that window {step.window + 1} adds")
        values = {"in_sample": step.in_sample, "out_of_sample": step.out_of_sample * year, "middle": step.middle * year}
        for metric, value in values.items():
            label = f"annual Sharpe ratio, {metric.replace('_', ' ')}, before window {step.window + 1}"
            table.add("forward", f"{name}.{metric}", value, Unit.RATIO, label)
        label = f"share of the configurations that the chosen one was not worse than in window {step.window + 1}"
        table.add("forward", f"{name}.rank", step.rank, Unit.FRACTION, label)


def shown_values(record: SweepRecord, axis: Axis) -> list[tuple[str, np.ndarray]]:
    """The values of an axis in the order of the document, each with which rows of ``configurations`` have it; evenly
    taken where there are more than ``MOST_VALUES``."""
    held = record.configurations[axis.key].map(axis.shown)
    numbers = pd.api.types.is_numeric_dtype(record.configurations[axis.key])
    order = [axis.shown(float(value) if numbers else value) for value in axis.values]
    there = set(held)
    names = [name for name in dict.fromkeys([*order, *held]) if name in there]
    if len(names) > MOST_VALUES:
        names = [names[at] for at in np.linspace(0, len(names) - 1, MOST_VALUES).round().astype(int)]
    return [(name, (held == name).to_numpy()) for name in names]


def _add_axis(table: FactTable, record: SweepRecord, axis: Axis, name: str) -> None:
    ratios = record.configurations["sharpe"].to_numpy(float)
    for number, (value, rows) in enumerate(shown_values(record, axis), start=1):
        chosen = ratios[rows]
        chosen = chosen[np.isfinite(chosen)]
        about = f"configurations with {axis.key} {value}"
        table.add(f"{name}.{number}", "configurations", int(rows.sum()), Unit.COUNT, about)
        for metric, of in (("median", np.median), ("best", np.max), ("worst", np.min)):
            found = float(of(chosen)) if len(chosen) else None
            table.add(f"{name}.{number}", metric, found, Unit.RATIO, f"{metric} annual Sharpe ratio of the {about}")
