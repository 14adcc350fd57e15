"""The arms of a run, one after the other: each advisor through the same gate, orders and costs, each into its
folder."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.ahead import OnAnswer
from llm_strategy.advice.protocol import Advisor, begin_run, witness_of
from llm_strategy.advice.rules import BASELINES
from llm_strategy.errors import PromptTooLong, TooManyFailures
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.metering.calls import Usage
from llm_strategy.trading.decision_lines import Entry
from llm_strategy.types import Abstention, AbstentionReason, Decision, Snapshot
from simulator.experiment.advisor import AdvisorConfig
from simulator.experiment.arms import Arm
from simulator.experiment.configuration import Experiment
from simulator.folder.description import RunDescription, now
from simulator.folder.documents import library_of, write_ledger
from simulator.folder.evidence import draw_name, write_json
from simulator.folder.provenance import model_of
from simulator.folder.sent_request import write_request
from simulator.folder.tally import Questions, Tally, failure_of, write_calibration
from simulator.prices.universe import Universe
from simulator.runs.advisors.session import AdvisorSession
from simulator.runs.context_size import require_room
from simulator.runs.parts import Part
from simulator.runs.simulation import upcoming
from simulator.runs.strategies.trade import rule_of, trade_arm

OnBar = Callable[[str, int, int], None]
"""Called after each decision with the arm's name (``llm draw 2`` for a further draw), decisions made, and decisions in
all."""

AdvisorOfArm = Callable[[Arm], ModelAdvisor]
"""Makes the advisor of an arm that has decided already."""


class _FirstMustFit:
    """An advisor whose first question must fit the model's context: where it does not, no later one will."""

    def __init__(self, advisor: Advisor) -> None:
        self._advisor = advisor
        self.view = getattr(advisor, "view", None)
        self.window = getattr(advisor, "window", 0)
        self._first = True

    def begin(self) -> _FirstMustFit:
        """The advisor of a run, whose copies share one past."""
        return _FirstMustFit(begin_run(self._advisor))

    def attach(self, data: Any) -> _FirstMustFit:
        """The advisor of one feed, whose first question must fit."""
        return _FirstMustFit(self._advisor.attach(data))

    def decide(self, snapshot: Snapshot) -> Decision:
        """The advisor's decision; raises ``PromptTooLong`` where the first one failed for its length."""
        decision = self._advisor.decide(snapshot)
        failure = decision.abstention or decision.instead_of
        if self._first and failure is not None and failure.reason is AbstentionReason.CONTEXT_OVERFLOW:
            raise PromptTooLong(failure.detail)
        self._first = False
        return decision

    def witness(self, snapshot: Snapshot) -> None:
        """What the advisor does at a bar without a decision."""
        if (witness := witness_of(self._advisor)) is not None:
            witness(snapshot)


class ArmRunner:
    """Runs arms and writes the folder of each. What a model is asked is asked ahead of the simulation, as many
    questions at once as it takes. ``explainer`` is the model that explains where rules alone trade. ``advisor_of_arm``
    makes the advisor of an arm that has decided already, in the place of the one that its session makes.

    ``problem`` is one sentence after an arm whose decisions failed too often.
    """

    def __init__(
        self,
        experiment: Experiment,
        universe: Universe,
        identity: str,
        sessions: Sequence[AdvisorSession],
        on_bar: OnBar | None,
        on_answer: OnAnswer | None = None,
        explainer: LLMClient | None = None,
        advisor_of_arm: AdvisorOfArm | None = None,
    ) -> None:
        self.problem: str | None = None
        self._experiment = experiment
        self._warm_up = experiment.warm_up.bars
        self._universe = universe
        self._sessions = sessions
        self._on_bar = on_bar
        self._on_answer = on_answer
        self._advisor_of_arm = advisor_of_arm
        self._description = RunDescription(experiment, universe, identity, explainer)
        self._started = now()
        self._usage: dict[str, Questions] = {}

    def run(self, arm: Arm, folder: Path, session: AdvisorSession | None = None) -> None:
        """Run one arm, which a model advises in its ``session``, and write its evidence and manifest."""
        started = now()
        model = session.model if session else None
        before = replace(model.usage) if model else Usage()
        made, problem = self._trade(arm, self._advisor(arm, session), folder)
        tallies = [made]
        if session is not None and arm.config is not None:
            for number in self._experiment.further_draws:
                advisor = session.advisor(self._experiment, arm.config, number)
                drawn, failed = self._trade(arm, advisor, folder / draw_name(number), number)
                tallies.append(drawn)
                problem = problem or failed
            if problem and session.named:
                problem = f"Arm {arm.name}: {problem}"
        self.problem = self.problem or problem
        self._usage[arm.name] = (
            Questions.of(tallies, model.usage.since(before), model.latencies[before.asked :]) if model else Questions()
        )
        self._describe(arm, folder, started, problem, model)

    def finish(self, arm: Arm, folder: Path, started: str) -> None:
        """Write the manifest of an arm that asked no model and was traded elsewhere."""
        self._usage[arm.name] = Questions()
        self._describe(arm, folder, started, None, None)

    def beside(self, arms: Sequence[Arm], place: Callable[[Arm], Path]) -> Part[str | None]:
        """Run arms that ask no model while others run here, into their folders; ``take`` what came of it."""
        here = os.getpid()

        def run_all() -> str | None:
            if os.getpid() != here:
                self._on_bar = None  # whoever hears of bars is in the other process
            before, self.problem = self.problem, None
            for arm in arms:
                self.run(arm, place(arm))
            found, self.problem = self.problem, before
            return found

        return Part(run_all, len(arms) * self._due(1))

    def take(self, arms: Sequence[Arm], traded: Part[str | None]) -> None:
        """Wait for the arms that were run beside this process."""
        problem = traded.result()
        self.problem = self.problem or problem
        self._usage |= {arm.name: Questions() for arm in arms}

    def _describe(self, arm: Arm, folder: Path, started: str, problem: str | None, model: LLMClient | None) -> None:
        manifest = self._description.of_arm(
            arm, folder, started=started, problem=problem, usage=self._usage[arm.name], model=model
        )
        write_json(manifest.as_dict(), folder / "manifest.json")

    def finish_comparison(self, arms: Sequence[Arm], folder: Path) -> None:
        """Write the manifest of the folder that holds the arms."""
        manifest = self._description.of_comparison(
            arms,
            folder,
            {
                session.name: model_of(session.model) | {"usage": asdict(self._usage_of(session.arms))}
                for session in self._sessions
            },
            started=self._started,
            problem=self.problem,
            usage=self._usage_of(arms),
            model=self._sessions[0].model if self._sessions else None,
        )
        write_json(manifest.as_dict(), folder / "manifest.json")

    def _usage_of(self, arms: Sequence[Arm]) -> Questions:
        """What several arms took: counts added, the mean time of a question over all of them, and the largest p95."""
        each = [self._usage[arm.name] for arm in arms]
        usages = [asdict(usage) for usage in each]
        whole = Questions(**{name: sum(usage[name] for usage in usages) for name in usages[0]})
        asking = [usage for usage in each if usage.asked]
        if len(asking) < 2:
            return whole
        mean = sum(usage.asked * usage.mean_seconds for usage in asking) / whole.asked
        return replace(whole, mean_seconds=round(mean, 3), p95_seconds=max(usage.p95_seconds for usage in asking))

    def _trade(self, arm: Arm, advisor: Advisor | None, folder: Path, draw: int = 0) -> tuple[Tally, str | None]:
        """What the advisor brought about, its evidence written, and a sentence where it failed too often."""
        folder.mkdir(parents=True, exist_ok=True)
        choice = arm.config or self._experiment.primary_config
        if isinstance(advisor, ModelAdvisor) and (advisor.asks_ahead or advisor.context.shows_more):
            seen = upcoming(self._universe, self._experiment, choice)
            require_room(advisor, seen)
            advisor.ask_ahead(seen.snapshots, self._on_answer, wants=seen.wants)
        asked = _FirstMustFit(advisor) if isinstance(advisor, ModelAdvisor) else advisor
        made = Tally(advisor)
        name, due = f"{arm.name} draw {draw}" if draw else arm.name, self._due(choice.decide_every)

        def decided(entry: Entry) -> None:
            made.take(entry)
            if self._on_bar is not None:
                self._on_bar(name, made.decisions, due)
            if choice.abort_above_failure_rate and failure_of(entry.decision) is not None:
                self._end_failing(choice, made, draw)

        trade_arm(self._universe, arm, asked, self._experiment, decided, folder)
        if not draw:
            write_calibration(made, folder, self._universe.sha256)
            write_request(made, folder)
            made.texts.write(folder)
            write_ledger(made.documents, folder, library_of(advisor))
        return made, too_many_failures(made, choice.max_failure_rate, draw=draw)

    def _advisor(self, arm: Arm, session: AdvisorSession | None) -> Advisor | None:
        if arm.config is not None:
            if session is None:
                raise ValueError(f"the arm {arm.name} needs a model")
            if self._advisor_of_arm is not None:
                return self._advisor_of_arm(arm)
            return session.advisor(self._experiment, arm.config)
        return rule_of(arm, self._experiment)

    @cached_property
    def _bars(self) -> list[int]:
        """Bars of each symbol that may be decided on."""
        tables = [self._universe.decisions(symbol).table for symbol in self._universe.symbols]
        return [max(0, len(table) - self._warm_up + 1) for table in tables]

    def _due(self, every: int) -> int:
        """Decisions of an arm that decides once in so many bars, the first included."""
        return sum(-(-bars // every) for bars in self._bars)

    def _end_failing(self, choice: AdvisorConfig, made: Tally, draw: int) -> None:
        """Raise ``TooManyFailures`` where the failures so far are too many for the whole run."""
        if problem := too_many_failures(made, choice.max_failure_rate, sum(self._bars), draw):
            raise TooManyFailures(
                f"{problem} The run was ended there: put that right and start it again, answers already given are kept."
            )


def can_run_beside(arm: Arm) -> bool:
    """Whether an arm asks no model and nobody's own code decides in it. What copies a prompt looks at the past that the
    advisor has been through here."""
    return arm.kind in ("rule", "ungated") and arm.rule in BASELINES


def commonest(failed: Sequence[Abstention]) -> Abstention:
    """The last failure of the commonest reason. An open breaker is none of its own: it is so for the others."""
    reasons = Counter(failure.reason for failure in failed if failure.reason is not AbstentionReason.BREAKER_OPEN)
    wanted = reasons.most_common(1)[0][0] if reasons else AbstentionReason.BREAKER_OPEN
    return next(failure for failure in reversed(failed) if failure.reason is wanted)


def too_many_failures(made: Tally, allowed: float, decisions: int | None = None, draw: int = 0) -> str | None:
    """One sentence if the share of failures is above ``allowed``; ``decisions`` are those of the whole run, ``draw`` is
    the number of a further draw."""
    failed = made.failed
    if len(failed) <= allowed * (decisions or made.decisions) or not failed:
        return None
    named = commonest(failed)
    how = "the last one as" if named is failed[-1] else "the commonest reason, an open breaker aside, is"
    sentence = (
        f"{len(failed)} of {made.decisions} decisions failed, more than advisor.max_failure_rate ({allowed:g}) "
        f"allows; {how} {named.reason}: {named.detail.rstrip('.')}."
    )
    return f"Draw {draw}: {sentence}" if draw else sentence
