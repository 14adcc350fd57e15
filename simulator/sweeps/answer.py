"""The answers of a sweep: each group of equal questions is decided once, as an arm of a run is, and its decisions are
kept for all of its cells."""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from typing import Any

from llm_strategy.errors import TooManyFailures
from simulator.folder.evidence import DECISIONS
from simulator.folder.record import Decisions
from simulator.folder.workspace import Workspace
from simulator.progress.run import RunStages
from simulator.progress.stages import Progress
from simulator.runs.advisors.session import AdvisorSession
from simulator.runs.arms import ArmRunner
from simulator.runs.estimate import Estimate
from simulator.sweeps.collect import Collected, QuestionGroup
from simulator.sweeps.shelf import Shelf, decisions_bytes, decisions_key

_DECIDING = "deciding"


def answer_groups(
    plan: Collected, shelf: Shelf, work: Workspace, identity: str, progress: Progress, max_cost: float | None
) -> dict[str, Any]:
    """Decide every group whose decisions are not on the shelf yet; returns what the models were asked, by session.

    What a model is asked is on record before it is used, so that nothing is asked twice however often this is cut off.
    Raises as a run does, ``TooManyFailures`` where more decisions of a group failed than its advisor allows.
    """
    used: dict[str, Any] = {}
    spent = 0.0
    for session in plan.sessions:
        waiting = [
            group
            for group in plan.groups.values()
            if group.session is session and not shelf.has(decisions_key(group.key))
        ]
        if max_cost is not None:
            _bound(session, max_cost - spent)
        before = replace(session.model.usage)
        if waiting:
            with session.open(work):
                _answer(session, waiting, shelf, work, identity, progress, plan)
        usage = session.model.usage.since(before)
        used[session.name] = asdict(usage)
        spent += usage.cost
    return used


def _bound(session: AdvisorSession, most: float) -> None:
    """Let a session spend no more than this, nor more than its own budget."""
    budget = session.config.budget
    least = min(most, budget.max_cost) if budget.max_cost is not None else most
    session.config = replace(session.config, budget=replace(budget, max_cost=max(least, 1e-12)))


def _answer(
    session: AdvisorSession,
    groups: list[QuestionGroup],
    shelf: Shelf,
    work: Workspace,
    identity: str,
    progress: Progress,
    collected: Collected,
) -> None:
    estimate = collected.estimate
    stages = RunStages(progress, session.model)
    stages.turn_to(session.model, tuple({group.arm.name: None for group in groups}))
    session.model.take_for_own(work.answered_requests())
    if estimate is not None:
        plan = estimate.of(session.name)
        if plan.to_ask:
            stages.ask(plan)
        else:
            progress.begin("decisions from the record", len(groups), unit="groups of cells")
        session.plan = plan
    for done, group in enumerate(groups, 1):
        folder = work.path / f"{_DECIDING}-{group.key}"
        shutil.rmtree(folder, ignore_errors=True)
        runner = ArmRunner(
            group.experiment, group.universe, identity, [session], None, stages.asked if plan_asks(estimate) else None
        )
        with session.naming():
            try:
                runner.run(group.arm, folder, session)
                if runner.problem is not None:
                    raise TooManyFailures(runner.problem)
            except TooManyFailures as problem:
                work.forget(session.model.unusable)  # started again it asks them again
                raise TooManyFailures(
                    f"{_title(group, collected)}: {problem} Answers already given are kept: leave such cells out, let "
                    "another model or mode answer them, or allow more."
                ) from None
        shelf.put(decisions_key(group.key), decisions_bytes(Decisions(folder / DECISIONS)))
        shutil.rmtree(folder)
        if not plan_asks(estimate):
            progress.at(done)
    progress.end()


def _title(group: QuestionGroup, collected: Collected) -> str:
    """The cells of a group, by the first."""
    cell = next(cell for cell in collected.cells.all if cell.number == group.cells[0])
    more = f" and {len(group.cells) - 1:,} more" if len(group.cells) > 1 else ""
    return f"{cell.title}{more}"


def plan_asks(estimate: Estimate | None) -> bool:
    """Whether anything is left to ask."""
    return estimate is not None and estimate.to_ask > 0
