"""The timing of an arm, measured from what it decided: its account among those of its placebos."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from llm_strategy.types import Advice, Decision, PolicyOutcome
from simulator.evaluation.cash import cash_returns
from simulator.evaluation.drawdowns import max_drawdown
from simulator.evaluation.metrics import Floats, bars_per_year
from simulator.evaluation.placebo import AdviceHistory, AdvicePlacebos, Placebos
from simulator.evaluation.timing import annual_sharpe
from simulator.experiment.advisor import AdvisorConfig
from simulator.experiment.configuration import Experiment
from simulator.folder.evidence import DECISIONS
from simulator.folder.record import Decisions
from simulator.prices.table import iso_times
from simulator.prices.universe import Universe
from simulator.runs.placebos.accounts import trade_again
from simulator.runs.placebos.trades import covers, trade
from simulator.runs.simulation import Conditions

AT_ONCE = 40
"""Accounts that share one pass over the bars."""
_MOST_CLOSES = 2_400_000
"""Closes of the accounts that are traded together without a broker, which take some 160 MB."""
_MOST_SEEN = 4_096
_MOMENTS = 200
"""Closes at which an account is kept for a figure."""


class Outcome(NamedTuple):
    """What became of an account: annual Sharpe ratio; mean annual return, total return and largest drawdown
    (fractions); and its value (currency) at the closes of ``shown_closes``."""

    sharpe: float
    annual_return: float
    total_return: float
    max_drawdown: float
    curve: Floats


@dataclass(frozen=True)
class Work:
    """Accounts to be traded, by number, as any process can do it."""

    conditions: Conditions
    placebos: Placebos
    bars_per_year: float | None

    @cached_property
    def needs_broker(self) -> bool:
        """Whether the accounts cannot be traded without one."""
        return not covers(self.conditions, self.placebos.history.times)

    def times(self) -> list[str]:
        """The closes of every account, ISO 8601."""
        times = self.placebos.history.times
        return trade_again(self.conditions, times, []).times if self.needs_broker else list(times)

    def outcomes(self, numbers: Sequence[int]) -> list[Outcome]:
        """What became of the accounts of these numbers."""
        times, equities = self.equities(numbers)
        closes = pd.to_datetime(pd.Index(times), format="ISO8601")
        year, rate = self.bars_per_year or bars_per_year(closes), self.conditions.costs.cash_rate
        cash = cash_returns(closes, rate) if rate else 0.0
        shown = shown_closes(len(times))
        return [_outcome(equity, year, cash, shown) for equity in equities]

    def equities(self, numbers: Sequence[int]) -> tuple[list[str], Sequence[Floats]]:
        """The closes (ISO 8601) of the accounts of these numbers, and the equity of each at them (currency)."""
        times = self.placebos.history.times
        if not self.needs_broker:
            return list(times), list(trade(self.conditions, self.placebos.choices(numbers)))
        found = trade_again(self.conditions, times, map(self.placebos.series, numbers))
        return found.times, [np.array(equity) for equity in found.equities]

    def batches(self, number: int) -> Iterator[range]:
        """The numbers of all accounts, that of the arm first, in parts that are traded together."""
        most = AT_ONCE if self.needs_broker else max(1, _MOST_CLOSES // len(self.placebos.history.times))
        for first in range(0, number + 1, most):
            yield range(first, min(first + most, number + 1))


def _outcome(equity: Floats, year: float, cash: Floats | float, shown: Sequence[int]) -> Outcome:
    yearly = float((equity[1:] / equity[:-1] - 1).mean()) * year
    return Outcome(
        annual_sharpe(equity, year, cash),
        yearly,
        float(equity[-1] / equity[0] - 1),
        max_drawdown(equity),
        equity[shown],
    )


def shown_closes(closes: int) -> list[int]:
    """Some of so many closes, evenly, the first and the last among them."""
    return sorted(set(np.linspace(0, closes - 1, min(closes, _MOMENTS)).round().astype(int).tolist()))


def work_of(
    universe: Universe,
    experiment: Experiment,
    decisions: Iterable[Decision],
    seed: int,
    name: str,
    config: AdvisorConfig | None = None,
) -> Work:
    """The account of these decisions and its placebos."""
    placebos = AdvicePlacebos(history_of(universe, decisions), seed, name)
    return Work(Conditions.of(universe, experiment, config), placebos, experiment.evaluation.bars_per_year)


class Histories:
    """What the arms of a comparison decided, each read from its folder once."""

    def __init__(self, universe: Universe) -> None:
        self._universe = universe
        self._known: dict[Path, AdviceHistory] = {}

    def of(self, folder: Path) -> AdviceHistory:
        """The history of the arm whose run stands in this folder."""
        if folder not in self._known:
            entries = Decisions(folder / DECISIONS).entries()
            self._known[folder] = history_of(self._universe, (entry.decision for entry in entries))
        return self._known[folder]


def history_of(universe: Universe, decisions: Iterable[Decision]) -> AdviceHistory:
    """What an arm decided, on all bars that it might have decided on."""
    closes = {symbol: iso_times(universe.decisions(symbol).table.index) for symbol in universe.symbols}
    lean = _Lean()
    return AdviceHistory.of(map(lean.of, decisions), closes)


class _Lean:
    """Decisions without what their accounts do not depend on, because they go to other processes; what is equal in
    them is one object, because a run may have many."""

    def __init__(self) -> None:
        self._advices: dict[Advice, Advice] = {}
        self._policies: dict[PolicyOutcome, PolicyOutcome] = {}
        self._seen: dict[int, tuple[Advice, Advice]] = {}
        """By its number as an object, an advice and the one that is kept for it."""

    def of(self, decision: Decision) -> Decision:
        """One of them."""
        policy = decision.policy
        snapshot = decision.snapshot if decision.snapshot.window is None else replace(decision.snapshot, window=None)
        exchanges = tuple([replace(one, answer=None) for one in decision.exchanges if one.events])
        return Decision(
            snapshot,
            decision.status,
            None if decision.advice is None else self._kept(decision.advice),
            decision.abstention,
            self._policies.setdefault(policy, policy),
            exchanges=exchanges,
            instead_of=decision.instead_of,
            plan=decision.plan,
        )

    def _kept(self, advice: Advice) -> Advice:
        """The one object for all that are equal; to compare all that is in them takes longer than the rest."""
        if (seen := self._seen.get(id(advice))) is None:
            if len(self._seen) >= _MOST_SEEN:
                self._seen.clear()
            seen = self._seen[id(advice)] = advice, self._advices.setdefault(advice, advice)
        return seen[1]
