"""What the items of a checklist were worth: the recorded advice of an arm through the same gate, orders and costs but
without each item, and with it at other times. No model is asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Self

import pandas as pd

from llm_strategy.risk import Limits
from llm_strategy.risk.checklist import Checklist, Firing, Item
from llm_strategy.trading.decision_lines import Entry
from llm_strategy.trading.journal import Journal
from llm_strategy.types import CheckAnswer, Decision, Snapshot
from simulator.evaluation.cash import cash_returns
from simulator.evaluation.checklists import (
    FEWEST_FIRINGS,
    PLACEMENTS,
    ChecklistWorth,
    ItemWorth,
    compare_accounts,
    moves,
    percentile_of,
)
from simulator.evaluation.metrics import bars_per_year
from simulator.evaluation.resampling import Resampling
from simulator.experiment.arms import Arm
from simulator.experiment.configuration import Experiment
from simulator.folder.evidence import CHECKLIST, write_json
from simulator.folder.record import Decisions
from simulator.prices.universe import Universe
from simulator.runs.simulation import simulate

MOST_CLOSES = 60_000
"""Closes of prices that are traded again in all, decided on or not: some ten seconds. What fired most goes first."""
_PLACED = "placed at random"
"""No name of an item can have a space."""

_Close = tuple[str, str]
"""Symbol and time of a decision."""


def measured_arm(experiment: Experiment) -> Arm | None:
    """The arm whose checklist is measured: the primary one, or the first rule behind the gate; None where there is no
    checklist."""
    if experiment.risk.checklist is None:
        return None
    return experiment.primary or next((arm for arm in experiment.plan if arm.kind == "rule"), None)


def write_worth(universe: Universe, experiment: Experiment, decisions: Decisions, folder: Path) -> None:
    """Measure on these decisions of ``measured_arm``, and write ``checklist.json``."""
    arm = measured_arm(experiment)
    if arm is not None:
        write_json(measure(universe, experiment, arm, decisions).as_dict(), folder / CHECKLIST)


def measure(universe: Universe, experiment: Experiment, arm: Arm, decisions: Decisions) -> ChecklistWorth:
    """What each item of the checklist was worth to an arm that decided so."""
    if 2 * universe.closes > MOST_CLOSES:
        return ChecklistWorth(arm.name, len(decisions), 0, (), measured=False)
    return _Measurement(universe, experiment, arm, decisions.entries()).worth()


class _Account(NamedTuple):
    """An account at its closes: times and equity (currency)."""

    times: list[str]
    equity: list[float]


class _Measurement:
    """The same advice again and again, through gates that differ in one item."""

    def __init__(self, universe: Universe, experiment: Experiment, arm: Arm, entries: Iterable[Entry]) -> None:
        self._universe, self._experiment, self._arm = universe, experiment, arm
        assert experiment.risk.checklist is not None  # noqa: S101 - measured_arm
        self._checklist = experiment.risk.checklist
        self._decisions = {(at.snapshot.symbol, at.snapshot.time): at for at in (one.decision for one in entries)}
        self._held: dict[str, set[_Close]] = {item.name: set() for item in self._checklist.items}
        self._fired = dict.fromkeys(self._held, 0)
        self._entries = 0
        evaluation = experiment.evaluation
        self._how = Resampling(evaluation.bootstrap_samples, evaluation.seed, evaluation.confidence_level)

    def worth(self) -> ChecklistWorth:
        """Every item, measured as far as ``MOST_CLOSES`` goes."""
        real = self._trade(self._experiment.risk, watch=True)
        left = MOST_CLOSES // max(1, self._universe.closes) - 1
        found = {item.name: self._unmeasured(item) for item in self._checklist.items}
        often = sorted(self._checklist.items, key=lambda item: -self._fired[item.name])  # stable: ties as they stand
        acting = [item for item in often if self._fired[item.name] and item.do != "flag"]
        for item in acting[:left]:
            found[item.name] = replace(found[item.name], **self._against_none(item, real))
        left -= len(acting[:left])
        for item in acting:
            if self._fired[item.name] >= FEWEST_FIRINGS and left >= PLACEMENTS:
                found[item.name] = replace(found[item.name], **self._at_other_times(item, real))
                left -= PLACEMENTS
        return ChecklistWorth(self._arm.name, len(self._decisions), self._entries, tuple(found.values()))

    def _unmeasured(self, item: Item) -> ItemWorth:
        kind = "ask" if item.ask else "preset" if item.preset is not None else "when"
        return ItemWorth(item.name, item.do, kind, len(self._held[item.name]), self._fired[item.name])

    def _against_none(self, item: Item, real: _Account) -> dict[str, Any]:
        without = self._trade(self._with(item, ()))
        times = pd.to_datetime(pd.Index(real.times), format="ISO8601")
        year, rate = self._experiment.evaluation.bars_per_year or bars_per_year(times), self._experiment.costs.cash_rate
        cash = cash_returns(times, rate) if rate else 0.0
        return compare_accounts(real.equity, without.equity, year, self._how, cash)

    def _at_other_times(self, item: Item, real: _Account) -> dict[str, Any]:
        times = sorted({time for _, time in self._decisions})
        place = {time: number for number, time in enumerate(times)}
        ends = []
        placed = Item(_PLACED, item.do, ask=f"{_PLACED}?")
        for move in moves(len(times), self._experiment.evaluation.seed):
            held = {(symbol, times[(place[time] + move) % len(times)]) for symbol, time in self._held[item.name]}
            ends.append(self._trade(self._with(item, (placed,)), held).equity[-1])
        return {"placed": len(ends), "percentile": percentile_of(real.equity[-1], ends)}

    def _with(self, changed: Item, more: tuple[Item, ...]) -> Limits:
        """The limits in which an item leaves a remark alone, so that the run begins at the same close, and with
        ``more`` items."""
        items = tuple(replace(item, do="flag") if item is changed else item for item in self._checklist.items)
        checklist = Checklist((*items, *more), self._checklist.limits, self._checklist.analytics)
        return replace(self._experiment.risk, checklist=checklist)

    def _trade(self, limits: Limits, held: Iterable[_Close] = (), *, watch: bool = False) -> _Account:
        journal = Journal(keep=lambda _: None)
        if watch:
            journal.on_firings = self._watch
        advisor = _Recorded(self._decisions, frozenset(held))
        simulate(self._universe, advisor, self._experiment, journal, self._arm.config, limits=limits)
        return _Account([row.time for row in journal.equity], [row.equity for row in journal.equity])

    def _watch(self, snapshot: Snapshot, firings: tuple[Firing, ...], entry: bool) -> None:
        self._entries += entry
        for firing in firings:
            self._held[firing.item].add((snapshot.symbol, snapshot.time))
            self._fired[firing.item] += entry


class _Recorded:
    """Decides as a run did, and says yes to the placed item at the closes where it is held."""

    def __init__(self, decisions: dict[_Close, Decision], held: frozenset[_Close]) -> None:
        self._decisions, self._held = decisions, held

    def attach(self, data: Any) -> Self:
        """Itself: it keeps nothing of a feed."""
        return self

    def decide(self, snapshot: Snapshot) -> Decision:
        """The decision of the run at this close."""
        close = snapshot.symbol, snapshot.time
        decision = replace(self._decisions[close], snapshot=snapshot)
        if close not in self._held or decision.advice is None:
            return decision
        checks = (*decision.advice.checks, CheckAnswer(_PLACED, applies=True, field=""))
        return replace(decision, advice=replace(decision.advice, checks=checks))
