"""Which questions a sweep asks: its cells grouped by what enters a question, and their distinct requests counted
without a model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

from llm_strategy.errors import ConfigurationError, ModelError, did_you_mean
from llm_strategy.llm.requests import Request
from simulator.experiment.advisor import RUNTIME, AdvisorConfig, write_advisor
from simulator.experiment.arms import Arm
from simulator.experiment.configuration import Experiment
from simulator.folder.provenance import model_of, own_parts, shown_parts
from simulator.prices.universe import Universe
from simulator.runs.advisors.analytic_needs import check_needs, check_volumes
from simulator.runs.advisors.session import AdvisorSession, Clients, check_clients, sessions_of
from simulator.runs.batch.export import Asked
from simulator.runs.estimate import Estimate, SetsEstimate, estimate_sets
from simulator.runs.lookahead.analytics import refuse_lookahead
from simulator.runs.questions import QuestionSet
from simulator.runs.simulation import check_cash_rates
from simulator.runs.strategies.trade import own_strategy
from simulator.sweeps.cells import Cell, Cells

_WHOLE = {"advisor", "advisors", "arms"}
"""Sections that hold who answers."""


@dataclass(eq=False)
class QuestionGroup:
    """Cells of which an arm decides the same: equal prices, features and settings of the advisor, whatever their
    limits, costs and orders. ``key`` is a hash of all that; the ``experiment`` is that of the first of the cells."""

    key: str
    arm: Arm
    config: AdvisorConfig
    experiment: Experiment
    universe: Universe
    session: AdvisorSession
    cells: list[int] = field(default_factory=list)
    decisions: int = 0
    """Of one cell."""


class ArmOfCell(NamedTuple):
    """An arm that trades in a cell, with the key of its group where a model advises it."""

    arm: Arm
    group: str | None


@dataclass(frozen=True, eq=False)
class Collected:
    """The cells of a sweep with their arms, the groups of equal questions by key, the models that are asked, and what
    the sweep comes to."""

    cells: Cells
    arms: Mapping[int, Sequence[ArmOfCell]]
    """By number of the cell."""
    groups: Mapping[str, QuestionGroup]
    sessions: Sequence[AdvisorSession]
    counted: SetsEstimate | None
    """None where no model advises."""
    notes: tuple[str, ...] = ()
    """What a person must know of them before anything runs."""

    @property
    def requests(self) -> tuple[Request, ...]:
        """Every distinct question that has no answer on record."""
        return () if self.counted is None else tuple(one for each in self.counted.to_ask.values() for one in each)

    @property
    def requests_by_session(self) -> Iterator[tuple[AdvisorSession, Sequence[Request]]]:
        """The same, with the model that each is asked of."""
        for session in self.sessions:
            yield session, [] if self.counted is None else self.counted.to_ask[session.name]

    @cached_property
    def decisions(self) -> int:
        """Decisions of the advised arms in all cells."""
        return sum(group.decisions * len(group.cells) for group in self.groups.values())

    @cached_property
    def estimate(self) -> Estimate | None:
        """What is asked for all of these decisions; None where no model advises."""
        return None if self.counted is None else replace(self.counted.whole, decisions=self.decisions)

    @property
    def questions(self) -> int:
        """Distinct questions, answered or not."""
        if self.counted is None:
            return 0
        return self.counted.whole.distinct - self.counted.whole.shared

    def as_text(self) -> str:
        """What the sweep comes to, in lines."""
        cells, arms = len(self.cells.all), len(next(iter(self.arms.values())))
        windows = len(self.cells.windows)
        lines = [
            f"{counted(cells, 'cell')}{f' of {arms} arms' if arms > 1 else ''}, "
            f"{counted(windows, 'window') if windows else 'no windows'}."
        ]
        if self.estimate is not None:
            lines.append(self.estimate.as_text())
            if self.estimate.to_ask:
                lines.append(
                    "An answer that breaks the contract is asked for once more, and a call that fails again as retries "
                    f"say: twice that at most, retries aside{self._money_twice()}."
                )
        return "\n".join(lines)

    def _money_twice(self) -> str:
        cost = None if self.estimate is None else self.estimate.cost
        return "" if cost is None else f" ({2 * cost:,.4g} in money)"

    def as_dict(self) -> dict[str, Any]:
        """The same for a program."""
        estimate = self.estimate
        return {
            "cells": len(self.cells.all),
            "windows": len(self.cells.windows),
            "decisions": self.decisions,
            "questions": self.questions,
            "on_record": 0 if estimate is None else estimate.on_record,
            "to_ask": 0 if estimate is None else estimate.to_ask,
            "tokens": 0 if estimate is None else estimate.tokens,
            "seconds": 0.0 if estimate is None else estimate.seconds,
            "cost": 0.0 if estimate is None else estimate.cost,
            "notes": list(self.notes),
        }


def counted(number: int, noun: str) -> str:
    """A number of things in words, such as ``1 cell``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def collect(cells: Cells, arms: Sequence[str] = (), client: Clients = None) -> Collected:
    """Group the cells by what their arms ask (the primary arm's if none is named), and count the distinct questions,
    each looked up in the record. Models are connected and asked nothing; a ``client`` answers in their place.

    Raises ``ConfigurationError`` for an arm that is not there, and whatever a run raises before it asks.
    """
    grouped = _group(cells, arms, client)
    estimated = None
    if grouped.groups:
        asked = grouped.asked
        estimated = estimate_sets([(session, _sets(of_it)) for session, of_it in asked])
        for session, of_it in asked:
            for group, decisions in zip(of_it, estimated.decisions[session.name], strict=True):
                group.decisions = decisions
    return Collected(cells, grouped.arms, grouped.groups, grouped.sessions, estimated)


def asked_by(cells: Cells, arms: Sequence[str] = (), client: Clients = None) -> Asked:
    """The models of a sweep, each with the decisions that it is asked for, for files of questions."""
    grouped = _group(cells, arms, client)
    if not grouped.groups:
        raise ConfigurationError("No arm of the sweep asks a model: there are no questions.")
    return [(session, _sets(of_it)) for session, of_it in grouped.asked]


def _sets(groups: Sequence[QuestionGroup]) -> list[QuestionSet]:
    return [QuestionSet(group.experiment, group.universe, group.config) for group in groups]


class _Grouped(NamedTuple):
    """The groups of equal questions by key, the arms of each cell by its number, and the models."""

    groups: dict[str, QuestionGroup]
    arms: dict[int, list[ArmOfCell]]
    sessions: list[AdvisorSession]

    @property
    def asked(self) -> list[tuple[AdvisorSession, list[QuestionGroup]]]:
        """Each model with its groups."""
        return [
            (session, [group for group in self.groups.values() if group.session is session])
            for session in self.sessions
        ]


def _group(cells: Cells, arms: Sequence[str], client: Clients) -> _Grouped:
    check_clients(cells.base, client)
    named = arms or _primary(cells.base)
    models = _Sessions(client)
    groups: dict[str, QuestionGroup] = {}
    of_cells: dict[int, list[ArmOfCell]] = {}
    checked: set[str] = set()
    for cell in cells.all:
        universe = cells.prices.visible(cell.experiment).universe
        check_cash_rates(cell.experiment, universe)
        check_volumes(cell.experiment, universe)
        for name in named:
            if name not in cell.experiment.known_arms or name == "random":
                known = [arm for arm in cell.experiment.known_arms if arm != "random"]
                raise ConfigurationError(f"arm: there is no arm {name!r}{did_you_mean(name, known)}")
            arm = cell.experiment.arm(name)
            if arm.config is None:
                if arm.kind == "strategy":
                    own_strategy(arm).find()
                of_cells.setdefault(cell.number, []).append(ArmOfCell(arm, None))
                continue
            session = models.session(cell, arm)
            key = _key(cell, arm, arm.config, universe, session)
            if key not in groups:
                check_needs((arm,), universe)
                if (measured := _measured(cell.experiment, universe)) not in checked:
                    checked.add(measured)
                    refuse_lookahead(cell.experiment, universe)
                groups[key] = QuestionGroup(key, arm, arm.config, cell.experiment, universe, session)
            groups[key].cells.append(cell.number)
            of_cells.setdefault(cell.number, []).append(ArmOfCell(arm, key))
    return _Grouped(groups, of_cells, models.all)


def _primary(experiment: Experiment) -> tuple[str, ...]:
    return (experiment.primary.name if experiment.primary else experiment.compared[0],)


class _Sessions:
    """The models of a sweep: cells with equal runtime settings share one."""

    def __init__(self, client: Clients) -> None:
        self._client = client
        self._of: dict[str, AdvisorSession] = {}

    @property
    def all(self) -> list[AdvisorSession]:
        return list(self._of.values())

    def session(self, cell: Cell, arm: Arm) -> AdvisorSession:
        """That of an arm in a cell, which is named where its model is not to be had."""
        config = arm.config or AdvisorConfig()
        asks = {name: getattr(config, name) for name in (*RUNTIME, "answers")}
        key = json.dumps([arm.advisor, asks, asdict(config.budget)], sort_keys=True, default=str)
        if key not in self._of:
            try:
                (session,) = sessions_of(cell.experiment, (arm,), self._client)
            except (ConfigurationError, ModelError) as problem:
                if not any(key in _WHOLE or not set(RUNTIME).isdisjoint(key.split(".")) for key in cell.settings):
                    raise  # it is the same in every cell
                raise type(problem)(f"{cell.title}: {problem}") from None
            taken = [each.name for each in self._of.values()]
            if session.name in taken:
                session.name, session.named = f"{session.name}/{len(taken) + 1}", True
            self._of[key] = session
        return self._of[key]


def _key(cell: Cell, arm: Arm, config: AdvisorConfig, universe: Universe, session: AdvisorSession) -> str:
    """A hash of all that enters the questions of an arm, and who answers them."""
    experiment = cell.experiment
    checklist = experiment.risk.checklist
    decides = {
        "prices": universe.sha256,
        "warm_up": experiment.warm_up.bars,
        "advisor": {name: value for name, value in write_advisor(config).items() if name != "budget"},
        "null": arm.null,
        "regimes": list(experiment.regimes.as_dict().items()),
        "fallback": experiment.baselines.get(config.fallback),
        "checklist": None if checklist is None else experiment.as_dict()["risk"]["checklist"],
        "own_parts": own_parts(*shown_parts(experiment)),
        **model_of(session.model),
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True, default=str).encode()).hexdigest()[:24]


def _measured(experiment: Experiment, universe: Universe) -> str:
    return json.dumps([universe.sha256, own_parts(*shown_parts(experiment))], sort_keys=True)
