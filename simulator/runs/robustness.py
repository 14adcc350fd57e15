"""The recorded decisions of each advised arm, traded again under other costs, a bar late, from later starts and without
the gate (``robustness.json``). No model is asked."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pandas as pd

from llm_strategy.advice.rules import BuyAndHold, Rule
from llm_strategy.costs.costs import CommissionTier, Costs
from llm_strategy.errors import ConfigurationError
from llm_strategy.trading.journal import Journal
from llm_strategy.types import ActionType, Decision, Snapshot
from simulator.evaluation.metrics import bars_per_year
from simulator.evaluation.placebo import FEWEST_CLOSES, AdviceHistory, Made, action_of
from simulator.evaluation.robustness import (
    MULTIPLES,
    AtCosts,
    LaterStart,
    Outcome,
    Robustness,
    break_even,
    calendar_years,
    compare_outcomes,
    equal_parts,
)
from simulator.experiment.arms import Arm
from simulator.experiment.configuration import Experiment
from simulator.experiment.implied import is_market
from simulator.folder.evidence import DECISIONS, ROBUSTNESS, write_json
from simulator.folder.manifest import has_failed
from simulator.prices.universe import Universe
from simulator.runs.placebos.accounts import trade_accounts
from simulator.runs.placebos.measure import Histories, history_of
from simulator.runs.simulation import Conditions
from simulator.runs.strategies.ungated import simulate_ungated

MOST_CLOSES = 60_000
"""Closes of prices, decided on or not, on which the decisions of an arm are traded again: some two minutes."""
STARTS = 20
"""Bars by which a start is later at most."""
_SCALED = (
    "commission_per_share", "commission_per_trade", "commission_bps", "commission_minimum", "commission_maximum_bps",
    "slippage_bps", "slippage_per_share", "slippage_volatility", "impact", "spread_bps", "borrow_rate",
    "financing_rate",
)  # fmt: skip


def write_robustness(
    universe: Universe, experiment: Experiment, folder: Path, histories: Histories | None = None
) -> None:
    """Measure every advised arm whose folder stands in that of a comparison, and write ``robustness.json``; nothing
    where no model advised."""
    known = histories or Histories(universe)
    market: pd.Series | None = None
    found: dict[str, Robustness] = {}
    for arm in experiment.plan:
        place = folder / arm.name
        if arm.config is None or not (place / DECISIONS).exists():
            continue
        if has_failed(place):
            found[arm.name] = Robustness("failed")
            continue
        if universe.closes > MOST_CLOSES:
            found[arm.name] = Robustness("long")
            continue
        if market is None:
            market = _market_of(universe, experiment, folder)
        found[arm.name] = _Replays(universe, experiment, arm, known.of(place), market).robustness()
    if found:
        write_json({name: robust.as_dict() for name, robust in found.items()}, folder / ROBUSTNESS)


def measure(
    universe: Universe, experiment: Experiment, arm: Arm, decisions: Iterable[Decision], market: pd.Series
) -> Robustness:
    """The same decisions under everything else that could have been; ``market`` is the account of the market's line."""
    return _Replays(universe, experiment, arm, history_of(universe, decisions), market).robustness()


def multiply_costs(costs: Costs, multiple: float) -> Costs:
    """So many times what trading costs: every rate, amount and cap. Raises ``ConfigurationError`` where one is more
    than a cost can be."""
    scaled = {name: value * multiple for name in _SCALED if (value := getattr(costs, name)) is not None}
    if scaled.get("commission_maximum_bps") == 0:
        scaled["commission_maximum_bps"] = None  # nothing is left to cap
    tiers = tuple(CommissionTier(tier.above, tier.bps * multiple) for tier in costs.commission_tiers)
    return replace(costs, **scaled, commission_tiers=tiers)


def _market_of(universe: Universe, experiment: Experiment, folder: Path) -> pd.Series:
    """The account of the market at its closes (currency): that of the arm that is it, where one has run."""
    for arm in filter(is_market, experiment.plan):
        path = folder / arm.name / "equity.csv"
        if path.exists() and not has_failed(path.parent):
            with path.open(encoding="utf-8", newline="") as lines:
                rows = list(csv.DictReader(lines))
            return _account([row["time"] for row in rows], [float(row["equity"]) for row in rows])
    return _equity(simulate_ungated(universe, BuyAndHold(), experiment, _unkept()))


def _unkept() -> Journal:
    return Journal(keep=lambda _: None)


def _equity(journal: Journal) -> pd.Series:
    """The account at its closes (currency)."""
    return _account([row.time for row in journal.equity], [row.equity for row in journal.equity])


def _account(times: Sequence[str], equity: Sequence[float]) -> pd.Series:
    return pd.Series(equity, index=pd.to_datetime(pd.Index(times), format="ISO8601"), dtype=float)


class _Replays:
    """One arm's decisions, again and again."""

    def __init__(
        self, universe: Universe, experiment: Experiment, arm: Arm, history: AdviceHistory, market: pd.Series
    ) -> None:
        self._universe, self._experiment, self._arm, self._market = universe, experiment, arm, market
        self._history = history
        self._conditions = Conditions.of(universe, experiment, arm.config)
        self._year = experiment.evaluation.bars_per_year or 0.0

    def robustness(self) -> Robustness:
        """Every account; none of a run on which nothing is said of advice."""
        if len(self._history.times) < FEWEST_CLOSES:
            return Robustness("short")
        later = range(1, 1 + min(STARTS, len(self._history.times) // 2))
        begun = [self._from(number) for number in later]
        account, late, *starts = self._trade(self._conditions, [self._history.decisions, self._a_bar_late(), *begun])
        if len(account) < 2:
            return Robustness("short")
        self._year = self._year or bars_per_year(account.index)
        own = self._compare(account)
        ladder = {multiple: own if multiple == 1 else self._at_costs(multiple) for multiple in MULTIPLES}
        ratios = {multiple: outcome.sharpe for multiple, outcome in ladder.items() if outcome is not None}
        even, never = break_even(ratios, own.market_sharpe, self._sharpe_at)
        cash = self._experiment.costs.cash_rate
        return Robustness(
            own=own,
            costs=[AtCosts(multiple, outcome) for multiple, outcome in ladder.items() if outcome is not None],
            break_even=even,
            never=never,
            years=calendar_years(account, self._market, self._year, cash),
            parts=equal_parts(account, self._market, self._year, cash),
            late=self._compare(late),
            starts=[
                LaterStart(number, self._compare(start.loc[pd.Timestamp(self._history.times[number]) :]))
                for number, start in zip(later, starts, strict=True)
            ],
            ungated=self._compare(self._without_gate()),
        )

    def _compare(self, account: pd.Series) -> Outcome:
        return compare_outcomes(account, self._market, self._year, self._experiment.costs.cash_rate)

    def _trade(self, conditions: Conditions, made: Sequence[Made]) -> list[pd.Series]:
        """The account of each series of decisions at its closes (currency)."""
        found = trade_accounts(conditions, self._history.times, made)
        times = pd.to_datetime(pd.Index(found.times), format="ISO8601")
        return [pd.Series(equity, index=times, dtype=float) for equity in found.equities]

    def _at_costs(self, multiple: float) -> Outcome | None:
        """The account at so many times the costs; None where that is more than a cost can be."""
        try:
            costs = multiply_costs(self._experiment.costs, multiple)
        except ConfigurationError:
            return None
        (account,) = self._trade(replace(self._conditions, costs=costs), [self._history.decisions])
        return self._compare(account)

    def _sharpe_at(self, multiple: float) -> float | None:
        outcome = self._at_costs(multiple)
        return None if outcome is None else outcome.sharpe

    def _a_bar_late(self) -> Made:
        """Each decision at the next bar of its symbol."""
        late: dict[str, list[Decision | None]] = {}
        for symbol, made in self._history.decisions.items():
            late[symbol] = [None] * len(made)
            bars = [place for place, there in enumerate(self._history.has_bar[symbol]) if there]
            for before, after in pairwise(bars):
                late[symbol][after] = made[before]
        return late

    def _from(self, later: int) -> Made:
        """Nothing before the close of this number."""
        return {symbol: [*[None] * later, *made[later:]] for symbol, made in self._history.decisions.items()}

    def _without_gate(self) -> pd.Series:
        rule = _Recorded(self._history)
        return _equity(simulate_ungated(self._universe, rule, self._experiment, _unkept(), self._arm.config))


class _Recorded(Rule):
    """Does what a run decided."""

    rationale = "As decided before."

    def __init__(self, history: AdviceHistory) -> None:
        place = {time: number for number, time in enumerate(history.times)}
        self._decisions, self._place = history.decisions, place

    def action(self, snapshot: Snapshot) -> ActionType:
        """What was advised at this close, or no change."""
        place = self._place.get(snapshot.time)
        made = None if place is None else self._decisions[snapshot.symbol][place]
        return action_of(made) or ActionType.HOLD
