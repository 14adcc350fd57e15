"""From an experiment to a finished run folder."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict, Unpack

from llm_strategy.advice.ahead import OnAnswer
from llm_strategy.errors import ConfigurationError, TooManyFailures, did_you_mean
from llm_strategy.llm.client import LLMClient
from simulator.evaluation.trials import TrialCount
from simulator.experiment import LLM_ARM, RANDOM_ARM
from simulator.experiment.arms import Arm
from simulator.experiment.configuration import Experiment
from simulator.folder.description import notes_on
from simulator.folder.evidence import DECISIONS
from simulator.folder.provenance import model_of, run_identity
from simulator.folder.record import Decisions
from simulator.folder.workspace import Workspace, as_run_folder_error
from simulator.hypotheses.register import Register
from simulator.prices.universe import Universe
from simulator.progress.run import RunStages, models_line
from simulator.progress.stages import SILENT, Progress
from simulator.progress.surfaces import progress_for
from simulator.reporting.own_sections import load_section
from simulator.runs.advisors.analytic_needs import check_needs, check_volumes
from simulator.runs.advisors.given import GivenAdvisor, with_parts
from simulator.runs.advisors.session import AdvisorSession, Clients, check_clients, explaining_session, sessions_of
from simulator.runs.arms import AdvisorOfArm, ArmRunner, OnBar, can_run_beside
from simulator.runs.attribution import lacks_holder, write_attribution
from simulator.runs.briefs.last import write_last_brief
from simulator.runs.checklists.worth import measured_arm, write_worth
from simulator.runs.copied import copied_arm
from simulator.runs.estimate import Estimate, estimate_run
from simulator.runs.hypotheses.examine import require_hypotheses, write_hypotheses
from simulator.runs.hypotheses.registrar import UserRegistrar
from simulator.runs.lookahead.analytics import refuse_lookahead
from simulator.runs.parts import Part
from simulator.runs.placebos.measure import Histories
from simulator.runs.placebos.write import write_placebos
from simulator.runs.report import MeasuredArm, measure_arms, write_report
from simulator.runs.result import Result
from simulator.runs.robustness import write_robustness
from simulator.runs.simulation import check_cash_rates
from simulator.runs.strategies.processes import ArmProcesses, check_workers
from simulator.runs.strategies.trade import own_strategy
from simulator.runs.trials.opening import TailOpening
from simulator.runs.trials.tail import told_of, visible_part, visible_universe
from simulator.runs.trials.write import Known, note_trials, write_trials
from simulator.runs.worst_case import write_harm

AnyExperiment = Experiment | str | Path | dict[str, Any]
"""An ``Experiment``, the path of a YAML file, or a mapping of the same shape."""

OnNote = Callable[[str], None]
OnEstimate = Callable[[Estimate], None]


class Callbacks(TypedDict, total=False):
    """What a caller of a run is told while it runs; each may be ``None`` or left out."""

    on_bar: OnBar | None
    """How far the trading of an arm is."""
    on_estimate: OnEstimate | None
    """What the model will be asked, before it is asked, and where no speed was known once more after the first
    answers."""
    on_answer: OnAnswer | None
    """How far the model is with the questions that are asked ahead of the simulation."""
    on_note: OnNote | None
    """What one must know of prices and limits, a sentence each, before anything runs."""


def run(
    experiment: AnyExperiment,
    arm: str | None = None,
    *,
    client: LLMClient | None = None,
    progress: Progress | bool | None = None,
    **callbacks: Unpack[Callbacks],
) -> Result:
    """Run one arm, the first that a model advises if none is named, and write its folder; arguments, result and errors
    as for ``compare``."""
    if arm == RANDOM_ARM:
        raise ConfigurationError(
            "random is no arm that runs alone: btllm compare sets accounts with the holding times of each advised arm "
            "at other moments beside it."
        )
    wanted = as_experiment(experiment)
    arm = arm or (wanted.primary.name if wanted.primary else LLM_ARM)
    if arm not in wanted.known_arms:
        raise ConfigurationError(f"There is no arm {arm!r}{did_you_mean(arm, wanted.known_arms)}")
    with progress_for(progress) as shown:
        return execute(wanted, (arm,), client, shown, **callbacks)


def compare(
    experiment: AnyExperiment,
    *,
    client: LLMClient | None = None,
    advisors: Mapping[str, GivenAdvisor] | None = None,
    arms: Mapping[str, Any] | Sequence[str] | None = None,
    workers: int = 1,
    progress: Progress | bool | None = None,
    **callbacks: Unpack[Callbacks],
) -> Result:
    """Run all arms of an experiment side by side and write the comparison's folder.

    ``client`` answers in place of the configured model, and is asked once for all runs where it comes from
    ``get_llm_client``. ``advisors`` are advisors by name, in place of ``llm``: settings as in an experiment, with those
    of its section ``advisor`` where they set none, an ``AdvisorConfig``, a client with the experiment's settings, or a
    ``ModelAdvisor``. ``arms`` take the place of the experiment's: names, or a mapping as in an experiment, in which an
    arm may be a ``Rule`` or its class, a function or a class of ``bt.Strategy``. Arms that ask no model trade in up to
    so many processes as there are ``workers``, with the same bytes; of those ``on_bar`` hears nothing.
    ``on_bar``, ``on_estimate``, ``on_answer`` and ``on_note`` are told what ``Callbacks`` says. ``progress`` shows each
    stage: by itself in a notebook and on a terminal, always with True, never with False. Raises ``ConfigurationError``,
    ``MarketDataError``, ``ModelError``, ``BudgetReached`` and ``RunFolderError`` before or while running (answers
    already given are kept, the same call goes on where it was cut off), and ``TooManyFailures`` after writing the
    folder where too many decisions failed.
    """
    wanted = as_experiment(experiment)
    clients: Clients = client
    if advisors is not None or arms is not None:
        wanted, clients = with_parts(wanted, advisors or {}, arms, client)
    with progress_for(progress) as shown:
        return execute(wanted, wanted.compared, clients, shown, workers=workers, **callbacks)


def as_experiment(given: AnyExperiment) -> Experiment:
    """The experiment that a person means; raises ``ConfigurationError``."""
    if isinstance(given, Experiment):
        return given
    if isinstance(given, dict):
        return Experiment.from_mapping(given)
    if not isinstance(given, (str, Path)):
        raise ConfigurationError(
            f"experiment is {given!r:.60}: give an Experiment, the path of a YAML file, or a mapping of the same shape."
        )
    return Experiment.from_file(Path(given))


def execute(
    experiment: Experiment,
    arms: tuple[str, ...],
    client: Clients,
    progress: Progress = SILENT,
    *,
    universe: Universe | None = None,
    opening: TailOpening | None = None,
    workers: int = 1,
    advisor_of_arm: AdvisorOfArm | None = None,
    on_bar: OnBar | None = None,
    on_estimate: OnEstimate | None = None,
    on_answer: OnAnswer | None = None,
    on_note: OnNote | None = None,
) -> Result:
    """Run the arms and write one folder: that of a single arm, or a comparison with a folder for each. The prices are
    those of the experiment's sources, or a ``universe`` that is given; without the sealed tail, of which an ``opening``
    says that they are it. ``advisor_of_arm`` is that of ``ArmRunner``."""
    check_workers(workers)  # this, and what follows, before anything is asked
    for section in experiment.output.sections:
        load_section(section)
    check_clients(experiment, client)
    chosen = tuple(map(experiment.arm, arms))
    for arm in chosen:
        if arm.kind == "strategy":
            own_strategy(arm).find()
    progress.head(models_line(experiment, chosen, client))
    progress.begin("environment")
    progress.beside("loading prices")
    if universe is None:
        universe, sealed = visible_universe(experiment, minimum_bars=experiment.warm_up.bars + 2)
    else:
        universe, sealed = visible_part(universe, experiment)
    check_volumes(experiment, universe)
    check_cash_rates(experiment, universe)
    check_needs(chosen, universe)
    refuse_lookahead(experiment, universe)
    examines = experiment.hypotheses is not None and arms == experiment.compared
    if examines:
        require_hypotheses(universe, experiment, has_model=client is not None or any(arm.config for arm in chosen))
    names = universe.symbols[0] if len(universe.symbols) == 1 else f"{len(universe.symbols)} symbols"
    progress.end(f"{universe.closes:,} bars of {names}")
    progress.begin("model")
    sessions = sessions_of(experiment, chosen, client)
    if further := copied_arm(experiment, chosen, sessions):
        chosen, arms = (*chosen, *further), (*arms, *(arm.name for arm in further))
    asking = sessions or ([] if client is None else [explaining_session(experiment, client)])
    model = asking[0].model if asking else None
    comparison = len(arms) > 1
    who = {session.name: model_of(session.model) for session in sessions}
    named = who if comparison and experiment.names_advisors else None
    identity = run_identity(experiment, arms, universe, model, named)
    progress.end(_who_answers(asking))
    known = Known(TrialCount(sealed=sealed), {}, told_of(sealed))
    if opening is not None:
        known = opening.enter(universe, experiment, identity)
    name = experiment.name if comparison else f"{experiment.name}-{arms[0]}"
    folder = experiment.output.path / f"{name}-{identity[:8]}"
    with Workspace(folder) as work, as_run_folder_error(folder), contextlib.ExitStack() as at_the_end:
        progress.release()
        tell_note = _both(on_note, lambda told: progress.note(f"Note: {told}"))
        caveats = dict.fromkeys(sentence for session in asking for sentence in session.model.caveats)
        for sentence in (*notes_on(experiment, universe), *caveats, *known.notes):
            tell_note(sentence)
        stages = RunStages(progress, model)
        for session in asking:
            at_the_end.enter_context(session.open(work))
        runner = ArmRunner(
            experiment, universe, identity, sessions, _both(on_bar, stages.traded), _both(on_answer, stages.asked),
            explainer=None if sessions else model, advisor_of_arm=advisor_of_arm,
        )  # fmt: skip
        universe.write_csv(work.path / "prices.csv")

        def place(arm: Arm) -> Path:
            return work.path / arm.name if comparison else work.path

        others = [arm for arm in chosen if arm.kind != "advisor"]
        apart = sessions and workers == 1 and on_bar is None
        ours = list(filter(can_run_beside, others)) if apart else []
        traded = at_the_end.enter_context(runner.beside(ours, place))
        if sessions and (on_estimate or progress.shows):
            progress.begin("counting questions")
            plan = estimate_run(experiment, universe, sessions)
            progress.end(f"{plan.distinct:,} distinct")
            tell = _both(on_estimate, lambda told: progress.note(told.as_text()))
            tell(plan)
            for session in sessions:
                session.plan = plan.of(session.name)
                session.watch.tell(session.plan, tell)
        with ArmProcesses(workers, universe, experiment) as processes:
            for arm in others:
                processes.begin(arm, place(arm))
            for session in sessions:
                _run_advised(session, runner, place, work, stages)
            beside = ours if traded.is_beside else []
            for arm in (arm for arm in others if arm not in beside):
                if (began := processes.finished(arm)) is not None:
                    runner.finish(arm, place(arm), began)
                else:
                    runner.run(arm, place(arm))
        if beside:
            progress.begin("trading the other arms")
            runner.take(beside, traded)
        if client is None:
            for session in sessions:
                session.watch.note()
        if experiment.hypotheses is not None and not examines:
            progress.note("Note: hypotheses are proposed and tested by btllm compare; this is one arm alone.")
        if examines:
            progress.begin("hypotheses")
            told = _examine(experiment, universe, asking, work.path, identity)
            if told:
                tell_note(told)
        if runner.problem is None:
            progress.begin("the ledger of trials")
            known = write_trials(universe, experiment, chosen, place, work.path, known)
            for sentence in known.notes:
                tell_note(sentence)
        measured: dict[str, MeasuredArm] = {}
        if comparison:

            def finish_beside() -> dict[str, MeasuredArm]:
                write_robustness(universe, experiment, work.path)
                return measure_arms(work.path, [arm.name for arm in others])

            beside_accounts = Part(finish_beside, 0 if experiment.output.sections else len(others) * universe.closes)
            at_the_end.enter_context(beside_accounts)
            progress.begin("an adviser that wants to lose under these limits")
            write_harm(universe, experiment, work.path)
            advised = any(arm.config for arm in chosen)
            if advised and experiment.evaluation.placebos:
                progress.begin("accounts at other moments", unit="accounts")
            histories = Histories(universe)
            write_placebos(universe, experiment, chosen, place, work.path, progress.at, histories)
            if lacks_holder(chosen):
                progress.begin("what the gate alone does to a holder")
                write_attribution(universe, experiment, work.path)
            if (checked := measured_arm(experiment)) in chosen:
                progress.begin("what the checklist was worth")
                write_worth(universe, experiment, Decisions(place(checked) / DECISIONS), work.path)
            if advised:
                progress.begin("other costs, years and starts")
            if beside_accounts.is_beside:
                measured = beside_accounts.result()
            else:
                write_robustness(universe, experiment, work.path, histories)
            del histories  # of a long run they are large
            runner.finish_comparison(chosen, work.path)
        note_trials(known, work.path)
        if model is not None:
            stages.turn_to(model, ())
        explains = asking[0].asked if asking and experiment.output.explain else None
        write_last_brief(universe, experiment, work.path, explains)
        write_report(work.path, explains, stages.reported, measured)
        for session in asking:
            session.audit.close()
        written = work.finish(failed=runner.problem is not None)
    progress.end()
    if runner.problem:
        raise TooManyFailures(f"{runner.problem} Everything is kept in {written}.")
    return Result.load(written)


def _examine(
    experiment: Experiment, universe: Universe, asking: Sequence[AdvisorSession], folder: Path, identity: str
) -> str:
    """Propose, register, test and trade the hypotheses of an experiment; returns what a person must know of the
    register, if anything."""
    registrar = UserRegistrar(Register(), identity)
    with asking[0].naming() if asking else contextlib.nullcontext():
        write_hypotheses(universe, experiment, folder, asking[0].asked if asking else None, registrar)
    return registrar.problem


def _run_advised(
    session: AdvisorSession, runner: ArmRunner, place: Callable[[Arm], Path], work: Workspace, stages: RunStages
) -> None:
    """Run the arms of one advisor, which asks nothing that another one has just been answered."""
    stages.turn_to(session.model, tuple(arm.name for arm in session.arms))
    session.model.take_for_own(work.answered_requests())
    if session.plan is not None:
        stages.ask(session.plan)
    with session.naming():
        for arm in session.arms:
            try:
                runner.run(arm, place(arm), session)
            except TooManyFailures:
                work.forget(session.model.unusable)  # started again it asks them again, or it would end here for ever
                raise


def _who_answers(sessions: Sequence[AdvisorSession]) -> str:
    names = [f"{session.model.identity.name} by {session.model.identity.backend}" for session in sessions]
    return ", ".join(dict.fromkeys(names)) or "all arms are rules, none is asked"


def _both(first: Callable[..., None] | None, second: Callable[..., None]) -> Callable[..., None]:
    """Call the one that was given, and ours."""

    def call(*told: Any) -> None:
        if first is not None:
            first(*told)
        second(*told)

    return call
