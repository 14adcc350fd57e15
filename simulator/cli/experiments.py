"""Commands that run experiments: demo, run, compare, advise, brief, check-lookahead, init.

What a command needs is imported when it runs, so that help comes at once and an interruption is met.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llm_strategy.errors import RunFolderError
from simulator.cli import console
from simulator.cli.console import AsJson

if TYPE_CHECKING:
    from simulator.progress.stages import Progress
    from simulator.runs.result import Result

ExperimentFile = Annotated[
    Path, typer.Argument(help="The experiment; write a starter with: btllm init", show_default=False)
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress; print nothing but the path of the report.")]


def demo(as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Compare the embedded model with its baselines on twenty years of the NASDAQ.

    Example: btllm demo
    """
    _compare(None, as_json, quiet)


def compare(
    experiment: ExperimentFile = Path("experiment.yaml"),
    workers: Annotated[int, typer.Option(help="Processes for arms that ask no model.")] = 1,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Run all arms of an experiment side by side and write one report.

    Example: btllm compare experiment.yaml
    """
    _compare(experiment, as_json, quiet, workers)


def run(
    experiment: ExperimentFile = Path("experiment.yaml"),
    arm: Annotated[
        str, typer.Option(help="Which arm, by its name or a baseline's; the first that a model advises if absent.")
    ] = "",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Run one arm of an experiment.

    Example: btllm run experiment.yaml --arm regime_rule
    """
    with progress_shown(quiet) as progress:
        from simulator.runs.compare import run as run_arm

        result = run_arm(experiment, arm or None, progress=progress)
    console.print_result(result, as_json=as_json, quiet=quiet)


def advise(
    at: Annotated[
        str, typer.Option(help="The last decision up to this day (or time), ISO; the last bar if absent.")
    ] = "",
    symbol: Annotated[str, typer.Option(help="Which symbol, where there are several.")] = "",
    advisor: Annotated[str, typer.Option(help="Which advisor, by its name or its arm's; the first if absent.")] = "",
    experiment: ExperimentFile = Path("experiment.yaml"),
    as_json: AsJson = False,
) -> None:
    """One decision: everything that was asked and answered at one close, and what the gate made of it.

    Example: btllm advise experiment.yaml --at 2008-10-10
    """
    from simulator.runs.advise import advise_at
    from simulator.runs.compare import as_experiment

    consultation = advise_at(as_experiment(experiment), at or None, symbol=symbol or None, advisor=advisor or None)
    if as_json:
        console.print_json(consultation.as_dict())
    else:
        console.say(consultation.as_text())


def brief(
    experiment: ExperimentFile = Path("experiment.yaml"),
    at: Annotated[str, typer.Option(help="The last close up to this day (or time), ISO; the last bar if absent.")] = "",
    advisor: Annotated[str, typer.Option(help="Which advisor, by its name or its arm's; the first if absent.")] = "",
    symbol: Annotated[str, typer.Option(help="Which symbol, where there are several.")] = "",
    as_json: AsJson = False,
) -> None:
    """The market's condition at a close in the model's words, of which only those are shown that measured figures back.

    Example: btllm brief experiment.yaml --at 2008-10-10
    """
    from simulator.runs.briefs.brief import brief_at
    from simulator.runs.compare import as_experiment

    made = brief_at(as_experiment(experiment), at or None, symbol=symbol or None, advisor=advisor or None)
    if as_json:
        console.print_json(made.as_dict())
    else:
        console.print_brief(made)


def check_lookahead(
    experiment: ExperimentFile = Path("experiment.yaml"),
    cuts: Annotated[int, typer.Option(help="How many bars the histories are cut at.")] = 20,
    built_in: Annotated[bool, typer.Option("--all", help="Check the built-in parts too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run your strategies, rules, features and context again on cut histories: which decision changes, looks ahead.

    The exit code is 1 where something does not pass.

    Example: btllm check-lookahead experiment.yaml
    """
    from simulator.progress.surfaces import progress_on_stderr

    with progress_on_stderr() as progress:
        progress.begin("checking")
        from simulator.runs.lookahead.check import check_lookahead as check

        result = check(experiment, cuts=cuts, built_in=built_in)
        progress.drop()
    if as_json:
        console.print_json(result.as_dict())
    else:
        console.say(result.as_text())
    if not result.passed:
        raise typer.Exit(1)


def init(
    folder: Annotated[Path, typer.Argument(help="Where to write them.")] = Path(),
    csv: Annotated[
        str | None,
        typer.Option(
            help="Your prices, options behind a question mark: time frame, symbol and costs are guessed from the file."
        ),
    ] = None,
) -> None:
    """Write commented starter files: experiment.yaml and configs/llm.yaml; existing files are left alone.

    Example: btllm init --csv my.csv && btllm compare experiment.yaml
    """
    from llm_strategy.llm.settings import SETTINGS_FILE
    from llm_strategy.support.write_whole import write_whole
    from simulator.experiment.starters import starter_text

    experiment, guesses = starter_text(), ""
    if csv is not None:
        from simulator.experiment.first_experiment import first_experiment

        first = first_experiment(csv, folder)
        experiment, guesses = first.text, f": {first.guesses}"
    for path, text, addition in (
        (folder / "experiment.yaml", experiment, guesses),
        (folder / SETTINGS_FILE, starter_text("llm.yaml"), ""),
    ):
        if path.exists():
            console.note(f"{path} exists already and was left alone.")
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, text)
        except OSError as problem:
            raise RunFolderError(f"{path} cannot be written ({problem.strerror}): choose another folder.") from None
        console.say(f"Wrote {path}{addition}")


@contextmanager
def progress_shown(quiet: bool) -> Iterator[Progress]:
    """Progress from before the first heavy import on, which alone may take seconds."""
    from simulator.progress.surfaces import progress_for, progress_on_stderr

    with progress_for(False) if quiet else progress_on_stderr() as progress:
        progress.begin("environment")
        progress.beside("loading libraries")
        yield progress


def _compare(experiment: Path | None, as_json: bool, quiet: bool, workers: int = 1) -> Result:
    """Compare the arms of an experiment file; without one, those of the demo."""
    with progress_shown(quiet) as progress:
        from simulator.experiment.configuration import Experiment
        from simulator.runs.compare import as_experiment
        from simulator.runs.compare import compare as compare_arms

        wanted = Experiment.starter() if experiment is None else as_experiment(experiment)
        result = compare_arms(wanted, progress=progress, workers=workers)
    console.print_result(result, as_json=as_json, quiet=quiet)
    return result
