"""Facts of what exposure, the gate, the causal rule and the advice earned, over the run, by year and by regime."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from simulator.evaluation.cash import cash_returns
from simulator.evaluation.contributions import STEPS, Moves, Sums, split_moves, sum_over
from simulator.evaluation.measures import measure
from simulator.evaluation.metrics import Floats
from simulator.evaluation.regimes import LABELS
from simulator.experiment import HOLDER_ARM, REFERENCE_ARM
from simulator.folder.record import ArmRecord, Record
from simulator.reporting.facts.benchmark import account_of
from simulator.reporting.facts.fact import FactTable
from simulator.reporting.facts.run import cash_rate, market_arms, subject_arm
from simulator.reporting.facts.terms import Unit

STEP_WORDS = {
    "exposure": "what its mean exposure to the market alone earned",
    "gate": "what the gate did beside that",
    "rule": "what the moments of the causal rule added",
    "advice": "what its own choices added",
    "compounding": "what compounding made of it",
}
"""Of each part what it is; a label reads "WORDS, ARM in WHEN"."""
FEWEST_BARS = 20
"""Bars in all below which nothing is taken apart."""


@dataclass(frozen=True, slots=True)
class _Run:
    """The account of a page and its parts over the bars after the first decision."""

    times: pd.DatetimeIndex
    """The close before each bar."""
    own: Floats
    market: Floats
    parts: dict[str, Floats]


def add_contributions(table: FactTable, record: Record) -> None:
    """Add them for the arm that the page is about; none without a market to hold it against, for an arm without a gate,
    and where an account was ruined or is too short."""
    run = _run(record)
    if run is None:
        return
    arm = subject_arm(record).name
    for name, words, chosen in _groups(record, run):
        if chosen.any():
            _add_sums(table, arm, name, words, sum_over(run.parts, run.own, run.market, chosen))
    steps = [step for step in STEPS if step in run.parts]
    table.add(arm, "earned.steps", ", ".join(steps), Unit.TEXT, f"parts into which the return of {arm} is taken")


def _add_sums(table: FactTable, arm: str, name: str, words: str, sums: Sums) -> None:
    for step, value in (*sums.steps.items(), ("compounding", sums.compounding)):
        unit = Unit.FRACTION if step == "exposure" else Unit.POINTS
        table.add(arm, f"earned.{name}.{step}", value, unit, f"{STEP_WORDS[step]}, {arm} {words}")
    table.add(arm, f"earned.{name}.bars", sums.bars, Unit.BARS, f"bars of {arm} {words}")
    table.add(arm, f"earned.{name}.total", sums.total_return, Unit.FRACTION, f"return of {arm} {words}")
    table.add(arm, f"earned.{name}.market", sums.market, Unit.FRACTION, f"return of the market {words}, beside {arm}")


def _groups(record: Record, run: _Run) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """The whole run, each year, and the bars after each label of the causal rule: the end of an id, words, and which
    bars."""
    yield "all", "over the run", np.ones(len(run.own), np.bool_)
    years = _ends(record).year.to_numpy()
    for year in sorted(set(years.tolist())):
        yield f"year.{year}", f"in {year}", years == year
    labels = regimes_at(subject_arm(record), run.times)
    for label in LABELS:
        yield f"regime.{label}", f"on bars after a close that the causal rule calls {label}", labels == label


def _ends(record: Record) -> pd.DatetimeIndex:
    """The close of each bar."""
    return pd.DatetimeIndex(account_of(record).index[1:])


def _run(record: Record) -> _Run | None:
    """The parts at each bar; None where there are none."""
    subject, markets = subject_arm(record), market_arms(record)
    account = account_of(record)
    if not markets or subject.name in markets or subject.has_failed or len(account) <= FEWEST_BARS:
        return None
    own, market = moves_of(subject, account.index), moves_of(record.arm(markets[0]), account.index)
    if own is None or market is None:
        return None
    rate = cash_rate(record)
    cash = cash_returns(account.index, rate) if rate else np.zeros(len(own.returns))
    others = {
        name: moves_of(record.arm(name), account.index)
        for name in (HOLDER_ARM, REFERENCE_ARM)
        if name != subject.name and subject.name != HOLDER_ARM and name in [arm.name for arm in record.arms]
    }
    parts = split_moves(own, market.returns, cash, holder=others.get(HOLDER_ARM), rule=others.get(REFERENCE_ARM))
    return _Run(pd.DatetimeIndex(account.index[:-1]), own.returns, market.returns, parts)


def moves_of(arm: ArmRecord, times: pd.Index) -> Moves | None:
    """An account at these closes; None where one is missing, it failed or was ruined."""
    equity = arm.equity
    if not equity.index.equals(times):
        equity = equity.reindex(times)
    values = equity["equity"].to_numpy(dtype=np.float64)
    if arm.has_failed or not np.isfinite(values).all() or values.min() <= 0:
        return None
    net = equity["net"].to_numpy(dtype=np.float64)
    return Moves(values[1:] / values[:-1] - 1, net[:-1] / values[:-1])


def regimes_at(arm: ArmRecord, times: pd.DatetimeIndex) -> NDArray[np.str_]:
    """The label of the causal rule at the last decision up to each of these closes, of several symbols the most
    frequent one; empty where nothing was decided yet."""
    found = []
    for made in measure(arm).decisions.values():
        decided = pd.DatetimeIndex(pd.to_datetime(pd.Index(made.times), format="ISO8601"))
        places = decided.searchsorted(times, side="right") - 1
        labels = np.array([*made.rule_labels, ""])  # -1 is the last one
        found.append(labels[places])
    if len(found) < 2:
        return found[0] if found else np.full(len(times), "", dtype=np.str_)
    rank = {label: number for number, label in enumerate(LABELS)}
    return np.array([_most(labels, rank) for labels in zip(*found, strict=True)])


def _most(labels: tuple[str, ...], rank: dict[str, int]) -> str:
    """The most frequent label, of equal ones the first in the order of the rule; empty for none."""
    counts = Counter(str(label) for label in labels if label)
    return min(counts, key=lambda label: (-counts[label], rank[label]), default="")
