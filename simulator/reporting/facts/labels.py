"""Facts of what the labels of an arm were worth (``simulator.evaluation.regime_scores`` and ``hindsight``)."""

from __future__ import annotations

from simulator.evaluation.hindsight import label_directions, lags_after, phase_fit, pointing_share, turns_of
from simulator.evaluation.labelled import HORIZONS, labelled_closes
from simulator.evaluation.measures import measure
from simulator.evaluation.phases import FALL, RISE
from simulator.evaluation.regime_scores import (
    INFORMATION_HORIZON,
    Followed,
    after_labels,
    information_beyond_rule,
    label_spells,
    labels_alike,
    rule_agreement,
    until_next,
)
from simulator.evaluation.regimes import LABELS, decisions_per_year
from simulator.evaluation.resampling import Estimate, Resampling
from simulator.experiment import REFERENCE_ARM
from simulator.folder.record import ArmRecord, Record
from simulator.reporting.facts.fact import FactTable, Value
from simulator.reporting.facts.run import bars_a_year
from simulator.reporting.facts.shared import add_once
from simulator.reporting.facts.terms import Unit

METHODS = {"lunde_timmermann": "Lunde and Timmermann", "pagan_sossounov": "Pagan and Sossounov"}
"""How phases are dated afterwards, and whose way it is."""


def add_labels(table: FactTable, record: Record, arm: ArmRecord) -> None:
    """Add what followed the labels of one arm, what they add to the causal rule's, and how they fit what is known only
    afterwards; nothing where it labelled nothing."""
    add_once(table, record, arm, _add_labels)


def _add_labels(table: FactTable, record: Record, arm: ArmRecord) -> None:
    _LabelFacts(table, record, arm).add()


class _LabelFacts:
    """The facts of one arm in the making."""

    def __init__(self, table: FactTable, record: Record, arm: ArmRecord) -> None:
        evaluation = record.manifest["experiment"]["evaluation"]
        self._table, self._record, self._arm = table, record, arm
        self._how = Resampling(evaluation["bootstrap_samples"], evaluation["seed"], evaluation["confidence_level"])
        self._year = bars_a_year(record)
        self._made = measure(arm).decisions
        self._closes = labelled_closes(self._made, record.prices, tuple(arm.regimes), LABELS)

    def add(self) -> None:
        """Add all of them."""
        if not (self._closes.label >= 0).any():
            return
        self._followed()
        self._chance()
        if self._arm.name != REFERENCE_ARM:
            self._beyond_rule()
        self._hindsight()

    def _put(self, metric: str, value: Value, unit: Unit, words: str) -> None:
        self._table.add(self._arm.name, metric, value, unit, words)

    def _interval(self, metric: str, found: Estimate, unit: Unit, words: str) -> None:
        """The two ends, where there is an interval."""
        if found.low is not None:
            self._put(f"{metric}_low", found.low, unit, f"lower end of the interval of the {words}")
            self._put(f"{metric}_high", found.high, unit, f"upper end of the interval of the {words}")

    def _estimate(self, metric: str, found: Estimate, unit: Unit, words: str) -> None:
        self._put(metric, found.value, unit, words)
        self._interval(metric, found, unit, words)

    def _followed(self) -> None:
        closes, arm = self._closes, self._arm.name
        per_year = decisions_per_year(self._made, self._arm.equity.index, self._year)
        for label, soon in until_next(closes, per_year, self._how).items():
            words = f"after decisions labelled {label} by {arm}"
            self._interval(f"regime.{label}.mean_return", soon.mean_return, Unit.FRACTION, f"annual return {words}")
            self._interval(f"regime.{label}.volatility", soon.volatility, Unit.FRACTION, f"annual volatility {words}")
        for (label, horizon), later in after_labels(closes, self._year, self._how).items():
            self._after(label, horizon, later)
        for label, spells in label_spells(closes).items():
            words = f"spells labelled {label} by {arm}"
            self._put(f"regime.{label}.spells", spells.count, Unit.COUNT, words)
            self._put(f"regime.{label}.spell_mean", spells.mean, Unit.RATIO, f"mean length in decisions of {words}")
            self._put(
                f"regime.{label}.spell_longest", spells.longest, Unit.COUNT, f"decisions in the longest of {words}"
            )

    def _after(self, label: str, horizon: int, found: Followed) -> None:
        words = f"over {horizon} bars after the label {label} of {self._arm.name}"
        name = f"regime.{label}.after_{horizon}"
        self._estimate(f"{name}.return", found.mean_return, Unit.FRACTION, f"mean return {words}")
        self._estimate(f"{name}.volatility", found.volatility, Unit.FRACTION, f"annual volatility {words}")

    def _chance(self) -> None:
        arm, closes = self._arm.name, self._closes
        series = [by_horizon[horizon] for horizon in HORIZONS for by_horizon in (closes.ahead, closes.swing)]
        alike = iter(labels_alike(closes, series, self._how.seed))
        for horizon in HORIZONS:
            self._put(f"labels_alike.bars_{horizon}", horizon, Unit.BARS, f"bars after the labels of {arm}")
            for what in ("return", "volatility"):
                words = f"p-value of the same {what} over {horizon} bars after all labels of {arm}"
                self._put(f"labels_alike.{what}_{horizon}", next(alike), Unit.RATIO, words)

    def _beyond_rule(self) -> None:
        arm, closes = self._arm.name, self._closes
        told = information_beyond_rule(closes, self._how.seed)
        if told is not None:
            self._put("information.bars", INFORMATION_HORIZON, Unit.BARS, f"bars that information of {arm} looks ahead")
            words = f"bits that a label of {arm} tells of the sign of the return over {INFORMATION_HORIZON} bars beyond"
            self._put("information.bits", told.bits, Unit.RATIO, f"{words} the causal rule's")
            self._put("information.by_chance", told.by_chance, Unit.RATIO, f"{words} the causal rule's, by chance")
            self._put("information.p", told.p_value, Unit.RATIO, f"p-value of no information of {arm} beyond the rule")
        if self._arm.regimes.are_usual:
            words = f"Cohen's kappa of the labels of {arm} and the causal rule's"
            self._estimate("rule_kappa", rule_agreement(closes, self._how), Unit.RATIO, words)

    def _hindsight(self) -> None:
        arm, closes = self._arm.name, self._closes
        pointing = label_directions(self._arm.regimes)
        if len(set(pointing.values())) < 2:
            return  # nothing that points up, or nothing that points down
        self._put("hindsight.rise", RISE, Unit.FRACTION, f"rise that begins a phase in the prices of {arm}")
        self._put("hindsight.fall", FALL, Unit.FRACTION, f"fall that begins a phase in the prices of {arm}")
        share = pointing_share(closes, pointing)
        self._put("hindsight.share", share, Unit.FRACTION, f"share of labels of {arm} that point up or down")
        dated = turns_of(closes, self._record.prices, self._year)
        for method, whose in METHODS.items():
            fit = phase_fit(closes, pointing, dated[method], self._how)
            name = f"hindsight.{method}"
            self._put(f"{name}.turns", fit.turns, Unit.COUNT, f"turns dated afterwards as {whose} do, for {arm}")
            words = f"Cohen's kappa of the labels of {arm} and phases dated afterwards as {whose} do"
            self._estimate(f"{name}.kappa", fit.kappa, Unit.RATIO, words)
        lags = lags_after(closes, pointing, dated["lunde_timmermann"])
        self._put("hindsight.turns", lags.turns, Unit.COUNT, f"turns known afterwards within the decisions of {arm}")
        self._put("hindsight.missed", lags.missed, Unit.COUNT, f"of these turns, those that no label of {arm} followed")
        words = f"median decisions from a turn known afterwards to a label of {arm} in its direction"
        self._table.add(arm, "hindsight.lag", lags.median, Unit.RATIO, words, _plainly(lags.median))


def _plainly(value: float | None) -> str | None:
    """A number of decisions without decimals where it has none."""
    return None if value is None else f"{value:g}"
