"""Facts of each arm beside the market: alpha, beta, information ratio, and the steps from the market's return to it."""

from __future__ import annotations

from simulator.evaluation.attribution import (
    FEWEST_BARS,
    STEPS,
    AnnualReturn,
    MarketModel,
    Steps,
    fit_market_model,
    read_holder,
    steps_to,
)
from simulator.evaluation.metrics import mean, returns
from simulator.evaluation.placebo_record import read_placebos
from simulator.experiment import HOLDER_ARM
from simulator.folder.record import ArmRecord, Record
from simulator.reporting.facts.fact import FactTable
from simulator.reporting.facts.run import (
    advisor_arms,
    bars_a_year,
    excess_returns,
    holder_arm,
    market_arms,
    subject_arm,
    ungated_arms,
)
from simulator.reporting.facts.terms import Term, Unit

FAILED = "the arm failed"
MODEL_TERMS = {
    "alpha": Term(Unit.FRACTION, "alpha a year", "Alpha a year"),
    "alpha_low": Term(Unit.FRACTION, "lower end of the interval of alpha a year", "Interval"),
    "alpha_high": Term(Unit.FRACTION, "upper end of the interval of alpha a year"),
    "alpha_t": Term(Unit.RATIO, "alpha over its standard error", "t"),
    "beta": Term(Unit.RATIO, "beta to the market", "Beta"),
    "r_squared": Term(Unit.FRACTION, "share of the variance that the market explains", "Explained"),
    "tracking_error": Term(Unit.FRACTION, "annual tracking error to the market", "Tracking error"),
    "information_ratio": Term(Unit.RATIO, "annual information ratio against the market", "Information ratio"),
    "information_t": Term(Unit.RATIO, "mean return beyond the market's over its standard error", "Its t"),
}
"""Figures of ``MarketModel``, in the order of their columns; a label reads "WORDS of ARM"."""
STEP_TERMS = {
    "market": "annual mean return of the market",
    "gate": "what the gate alone does to a holder a year, before costs",
    "exposure": "what holding as long at moments of chance adds to the holder a year",
    "timing": "what the moments that it chose add a year",
    "choices": "what its choices, how much it held and when, add to the holder a year",
    "costs": "costs a year beyond those of the market",
    "own": "annual mean return",
}
"""Figures of ``Steps``; a label reads "WORDS, on the way to ARM"."""


def add_market(table: FactTable, record: Record) -> None:
    """Add them for every arm but the market, where there is one."""
    markets = market_arms(record)
    if not markets:
        return
    market = record.arm(markets[0])
    table.add("run", "market", market.name, Unit.TEXT, "arm that is the market")
    table.add("run", "alpha_bars", FEWEST_BARS, Unit.BARS, "bars below which nothing is regressed on the market")
    for arm in explained_arms(record):
        _add_model(table, arm.name, model_of(record, arm, market))
    for arm in stepped_arms(record):
        if (steps := steps_of(table, record, arm, market)) is not None:
            _add_steps(table, arm.name, steps)


def explained_arms(record: Record) -> list[ArmRecord]:
    """The arms that are held against the market: all others."""
    markets = market_arms(record)
    return [arm for arm in record.arms if arm.name not in markets]


def stepped_arms(record: Record) -> list[ArmRecord]:
    """The arms of which it is told how the market's return became theirs: those that a model advises, or else the arm
    that a page is about, where it has a gate."""
    arms = advisor_arms(record) or [subject_arm(record)]
    return [arm for arm in arms if arm.name not in (HOLDER_ARM, *ungated_arms(record))]


def model_of(record: Record, arm: ArmRecord, market: ArmRecord) -> MarketModel:
    """An arm's returns over cash explained by the market's, on the bars that both have."""
    if arm.has_failed or market.has_failed:
        return MarketModel(problem=FAILED)
    own, of_market = excess_returns(arm, record).align(excess_returns(market, record), join="inner")
    level = record.manifest["experiment"]["evaluation"]["confidence_level"]
    return fit_market_model(own.to_numpy(), of_market.to_numpy(), bars_a_year(record), level)


def steps_of(table: FactTable, record: Record, arm: ArmRecord, market: ArmRecord) -> Steps | None:
    """The steps from the market to an arm; None where an account has no returns, or its costs are not known."""
    if arm.has_failed or market.has_failed:
        return None
    own, of_market = (annual_return(table, record, one) for one in (arm, market))
    gated = holder_arm(record)
    holder = _simulated_holder(record) if gated is None else annual_return(table, record, gated)
    if own is None or of_market is None or holder is None:
        return None
    placed = read_placebos(record.folder).get(arm.name)
    at_random = None if placed is None or placed.timing.annual_return is None else placed.timing.annual_return.mean
    return steps_to(own, of_market, holder, at_random)


def annual_return(table: FactTable, record: Record, arm: ArmRecord) -> AnnualReturn | None:
    """What the account of an arm earned a year, and paid; None where it has no returns, or its costs are not known."""
    a_bar, costs = mean(returns(arm.equity["equity"])), table.number(f"{arm.name}.cost_rate")
    return None if a_bar is None or costs is None else AnnualReturn(a_bar * bars_a_year(record), costs)


def _simulated_holder(record: Record) -> AnnualReturn | None:
    found = read_holder(record.folder)
    if found is None or found.annual_return is None or found.cost_rate is None:
        return None
    return AnnualReturn(found.annual_return, found.cost_rate)


def _add_model(table: FactTable, arm: str, found: MarketModel) -> None:
    for metric, term in MODEL_TERMS.items():
        table.term(arm, metric, term, getattr(found, metric))
    if found.lags is not None:
        table.add("run", "alpha_lags", found.lags, Unit.BARS, "lags of the standard errors of alpha")
    if found.problem:
        table.add(arm, "alpha_problem", found.problem, Unit.TEXT, f"why {arm} cannot be held against the market")


def _add_steps(table: FactTable, arm: str, steps: Steps) -> None:
    for metric in ("market", *STEPS, "own"):
        if (value := getattr(steps, metric)) is not None:
            unit = Unit.POINTS if metric in STEPS else Unit.FRACTION
            table.add(arm, f"steps.{metric}", value, unit, f"{STEP_TERMS[metric]}, on the way to {arm}")
