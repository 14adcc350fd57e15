"""A hypothesis as a rule, traded in one window through gate, orders and costs, beside a holder under the same gate."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import asdict, dataclass
from typing import Any

import backtrader as bt
import numpy as np

from llm_strategy.advice.rules import Rule
from llm_strategy.trading.journal import Journal
from llm_strategy.types import ActionType, Snapshot
from simulator.evaluation.drawdowns import max_drawdown
from simulator.experiment.advisor import AdvisorConfig
from simulator.experiment.configuration import Experiment
from simulator.folder.evidence import round_digits
from simulator.hypotheses.statement import Hypothesis
from simulator.prices.universe import Universe
from simulator.runs.hypotheses.field_series import FieldSeries
from simulator.runs.simulation import simulate


class HypothesisRule(Rule):
    """Enters in the claimed direction at a close at which the conditions hold and nothing is held, and leaves after as
    many bars as the claim is about; it acts from the first to the last close of a window, and leaves at the last.

    ``events`` are the closes at which the conditions hold, by symbol (times as in ``Snapshot.time``); ``last`` is the
    last close of each symbol in the window.
    """

    rationale = "Follows a hypothesis."

    def __init__(self, events: Mapping[str, Set[str]], last: Mapping[str, str], hypothesis: Hypothesis) -> None:
        self._events, self._last = events, last
        self._horizon = hypothesis.horizon
        self._entry = ActionType.ENTER_LONG if hypothesis.direction == "up" else ActionType.ENTER_SHORT
        self._left = 0

    def prepare(self, data: bt.AbstractDataBase) -> None:
        """Begin with nothing held."""
        self._left = 0

    def action(self, snapshot: Snapshot) -> ActionType:
        """Enter, wait, or leave."""
        if snapshot.time >= self._last.get(snapshot.symbol, ""):
            self._left = 0
            return ActionType.EXIT
        if self._left:
            self._left -= 1
            return ActionType.HOLD if self._left else ActionType.EXIT
        if snapshot.time in self._events.get(snapshot.symbol, ()):
            self._left = self._horizon
            return self._entry
        return ActionType.HOLD


class WindowHolder(Rule):
    """Holds from the first to the last close of a window."""

    rationale = "Holds within a window."

    def __init__(self, first: str, last: Mapping[str, str]) -> None:
        self._first, self._last = first, last

    def action(self, snapshot: Snapshot) -> ActionType:
        """Long inside, out behind, nothing before."""
        if snapshot.time < self._first:
            return ActionType.HOLD
        return ActionType.ENTER_LONG if snapshot.time < self._last.get(snapshot.symbol, "") else ActionType.EXIT


@dataclass(frozen=True, slots=True)
class Earned:
    """What a rule earned in a window: total return and largest drawdown (fractions of equity, the drawdown positive),
    round trips, and the share of the window's bars at which something was held."""

    total_return: float
    max_drawdown: float
    trades: int
    exposure: float

    def as_document(self) -> dict[str, Any]:
        """The same as plain data, with twelve digits."""
        return {
            name: round_digits(value) if isinstance(value, float) else value for name, value in asdict(self).items()
        }


def trade_hypothesis(
    universe: Universe, experiment: Experiment, series: FieldSeries, hypothesis: Hypothesis, first: str, last: str
) -> Earned:
    """Trade a hypothesis from the ``first`` to the ``last`` close of a window."""
    window = series.events(hypothesis, first, last)
    events = {symbol: frozenset(_iso(time) for time in each.times[each.events]) for symbol, each in window.items()}
    rule = HypothesisRule(events, {symbol: _iso(each.times[-1]) for symbol, each in window.items()}, hypothesis)
    return _earned(universe, experiment, rule, first, last)


def hold_window(universe: Universe, experiment: Experiment, series: FieldSeries, first: str, last: str) -> Earned:
    """Hold everything from the ``first`` to the ``last`` close of a window."""
    ends = {
        symbol: max(time for time in each.times if first <= time <= last)
        for symbol, each in series.symbols.items()
        if any(first <= time <= last for time in each.times)
    }
    return _earned(universe, experiment, WindowHolder(first, ends), first, last)


def _earned(universe: Universe, experiment: Experiment, rule: Rule, first: str, last: str) -> Earned:
    every_close = AdvisorConfig(lookbacks=experiment.primary_config.lookbacks)
    journal = simulate(universe, rule, experiment, Journal(keep=lambda _: None), every_close)
    equity = np.array([row.equity for row in journal.equity])
    held = [row.gross > 0 for row in journal.equity if first <= row.time <= last]
    return Earned(
        float(equity[-1] / equity[0] - 1), max_drawdown(equity), len(journal.trades), sum(held) / max(1, len(held))
    )


def _iso(time: np.datetime64) -> str:
    return str(time.astype("datetime64[us]").astype(object).isoformat())
