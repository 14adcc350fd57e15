"""From an experiment to a finished run folder."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict, Unpack

from llm_strategy.advice.advisor import OnAnswer
from llm_strategy.errors import ConfigurationError, TooManyFailures, did_you_mean
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.loader import prices_of, without_price
from llm_strategy.llm.metering.audit import AuditLog
from llm_strategy.llm.metering.calls import Prices as TokenPrices
from llm_strategy.llm.record.client import RecordingClient
from llm_strategy.llm.settings import load_settings
from simulator.experiment import LLM_ARM, RANDOM_ARM
from simulator.experiment.configuration import Experiment
from simulator.folder.description import notes_on
from simulator.folder.provenance import run_identity
from simulator.folder.workspace import AUDIT, Workspace, as_run_folder_error
from simulator.prices.universe import Universe, load_universe
from simulator.progress.run import RunStages, model_line
from simulator.progress.stages import SILENT, Progress
from simulator.progress.surfaces import progress_for
from simulator.reporting.own_sections import load_section
from simulator.runs.answers import connect, recorded
from simulator.runs.arms import ArmRunner, OnBar
from simulator.runs.estimate import Estimate, SpeedWatch, estimate
from simulator.runs.report import write_report
from simulator.runs.result import Result
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
    arm: str = LLM_ARM,
    *,
    client: LLMClient | None = None,
    progress: Progress | bool | None = None,
    **callbacks: Unpack[Callbacks],
) -> Result:
    """Run one arm and write its folder; arguments, result and errors as for ``compare``."""
    if arm == RANDOM_ARM:
        raise ConfigurationError("The random arm keeps the holding times of llm: compare the two with btllm compare.")
    wanted = as_experiment(experiment)
    if arm not in wanted.known_arms:
        raise ConfigurationError(f"There is no arm {arm!r}{did_you_mean(arm, wanted.known_arms)}")
    with progress_for(progress) as shown:
        return execute(wanted, (arm,), client, shown, **callbacks)


def compare(
    experiment: AnyExperiment,
    *,
    client: LLMClient | None = None,
    progress: Progress | bool | None = None,
    **callbacks: Unpack[Callbacks],
) -> Result:
    """Run all arms of an experiment side by side and write the comparison's folder.

    ``client`` answers in place of the configured model, and is asked once for all runs where it comes from
    ``get_llm_client``; ``on_bar``, ``on_estimate``, ``on_answer`` and ``on_note`` are told what ``Callbacks`` says.
    ``progress`` shows each stage: by itself in a notebook and on a terminal, always with True, never with False. Raises
    ``ConfigurationError``,
    ``MarketDataError``, ``ModelError``, ``BudgetReached`` and ``RunFolderError`` before or while running (answers
    already given are kept, the same call goes on where it was cut off), and ``TooManyFailures`` after writing the
    folder where too many decisions failed.
    """
    wanted = as_experiment(experiment)
    with progress_for(progress) as shown:
        return execute(wanted, wanted.arms, client, shown, **callbacks)


def as_experiment(given: AnyExperiment) -> Experiment:
    """The experiment that a person means; raises ``ConfigurationError``."""
    if isinstance(given, Experiment):
        return given
    return Experiment.from_mapping(given) if isinstance(given, dict) else Experiment.from_file(Path(given))


def execute(
    experiment: Experiment,
    arms: tuple[str, ...],
    client: LLMClient | None,
    progress: Progress = SILENT,
    *,
    universe: Universe | None = None,
    on_bar: OnBar | None = None,
    on_estimate: OnEstimate | None = None,
    on_answer: OnAnswer | None = None,
    on_note: OnNote | None = None,
) -> Result:
    """Run the arms and write one folder: that of a single arm, or a comparison with a folder for each. The prices are
    those of the experiment's sources, or a ``universe`` that is given."""
    for section in experiment.output.sections:
        load_section(section)  # before anything is asked
    given = None if client is None else recorded(client, experiment.advisor.answers)
    asks = LLM_ARM in arms
    settings = load_settings(experiment.folder)
    progress.head(model_line(settings, given) if asks or given else "Model: none is asked, all arms are rules")
    progress.begin("environment")
    progress.beside("loading prices")
    warm_up = experiment.warm_up
    universe = universe or load_universe(
        experiment.data, minimum_bars=warm_up.bars + 2, warm_up=warm_up, folder=experiment.folder
    )
    _check_volumes(experiment, universe)
    money = _prices_of_tokens(experiment, given)
    progress.end(_size_of(universe))
    progress.begin("model")
    model = given or _model(experiment, arms)
    identity = run_identity(experiment, arms, universe, model)
    progress.end(f"{model.identity.name} by {model.identity.backend}" if model else "all arms are rules, none is asked")
    comparison = len(arms) > 1
    name = experiment.name if comparison else f"{experiment.name}-{arms[0]}"
    folder = experiment.output.path / f"{name}-{identity[:8]}"
    with Workspace(folder) as work, as_run_folder_error(folder), contextlib.ExitStack() as at_the_end:
        progress.release()
        for sentence in notes_on(experiment, universe):
            _both(on_note, lambda told: progress.note(f"Note: {told}"))(sentence)
        asked = audit = watch = None
        stages = RunStages(progress, model)
        if model:
            audit, watch = AuditLog(work.path / AUDIT, money), SpeedWatch(experiment, model)
            asked = at_the_end.enter_context(
                model.session(
                    budget=experiment.advisor.budget,
                    prices=money,
                    own=work.answered_requests(),
                    on_record=watch.after(work.answered),
                    audit=audit,
                )
            )
            if asks and (on_estimate or progress.shows):
                progress.begin("counting questions")
                plan = estimate(experiment, universe, model, money)
                progress.end(f"{plan.distinct:,} distinct")
                tell = _both(on_estimate, lambda told: progress.note(told.as_text()))
                tell(plan)
                watch.tell(plan, tell)
                stages.ask(plan)
        runner = ArmRunner(
            experiment, universe, identity, model, _both(on_bar, stages.traded), asked, _both(on_answer, stages.asked),
            explainer=None if asks else model,
        )  # fmt: skip
        universe.write_csv(work.path / "prices.csv")
        for arm in sorted(arms, key=lambda arm: arm != LLM_ARM):
            try:
                runner.run(arm, work.path / arm if comparison else work.path)
            except TooManyFailures:
                if model:
                    work.forget(model.unusable)  # started again it asks them again, or it would end here for ever
                raise
        if watch and client is None:
            watch.note()
        if comparison:
            progress.begin("the worst advice under these limits")
            write_harm(universe, experiment, work.path)
            runner.finish_comparison(arms, work.path)
        write_report(work.path, asked if experiment.output.explain else None, stages.reported)
        if audit:
            audit.close()
        written = work.finish(failed=runner.problem is not None)
    progress.end()
    if runner.problem:
        raise TooManyFailures(f"{runner.problem} Everything is kept in {written}.")
    return Result.load(written)


def _both(first: Callable[..., None] | None, second: Callable[..., None]) -> Callable[..., None]:
    """Call the one that was given, and ours."""

    def call(*told: Any) -> None:
        if first is not None:
            first(*told)
        second(*told)

    return call


def _size_of(universe: Universe) -> str:
    bars = sum(len(prices.table) for prices in universe.markets)
    names = universe.symbols[0] if len(universe.symbols) == 1 else f"{len(universe.symbols)} symbols"
    return f"{bars:,} bars of {names}"


def _check_volumes(experiment: Experiment, universe: Universe) -> None:
    for prices in universe.markets:
        if not experiment.costs.needs_volume:
            continue
        if not (prices.table["volume"] > 0).any():
            raise ConfigurationError(
                f"costs.impact and costs.max_fill_share need volumes, and the bars of {prices.symbol} have none: leave "
                "them out."
            )
        if prices.volume != "shares":
            raise ConfigurationError(
                f"costs.impact and costs.max_fill_share need volumes in shares, and those of {prices.symbol} count "
                "ticks: leave them out, or set data.volume: shares if they are shares."
            )


def _prices_of_tokens(experiment: Experiment, client: LLMClient | None) -> TokenPrices:
    """Prices of the configured backend; a given client's calls have them where it says no others."""
    settings = load_settings(experiment.folder)
    money = prices_of(settings.for_backend(settings.backend))
    if client is None:
        unpriced = without_price(settings)
    else:
        unpriced = () if (client.prices or money).known else (client.identity.backend,)
    experiment.advisor.budget.check_prices(unpriced)
    return money


def _model(experiment: Experiment, arms: tuple[str, ...]) -> RecordingClient | None:
    """The configured model where an arm needs one; a run of rules is explained by the program alone."""
    return connect(experiment) if LLM_ARM in arms else None
