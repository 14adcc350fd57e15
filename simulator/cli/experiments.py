"""Commands that run experiments and read what they left: demo, run, compare, replay, report, advise, init.

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

if TYPE_CHECKING:
    from simulator.progress.stages import Progress
    from simulator.runs.result import Result

LLM_ARM = "llm"

ExperimentFile = Annotated[
    Path, typer.Argument(help="The experiment; write a starter with: btllm init", show_default=False)
]
RunFolder = Annotated[Path, typer.Argument(help="A folder that run or compare wrote.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress; print nothing but the path of the report.")]


def demo(as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Compare the embedded model with six baselines on twenty years of the S&P 500.

    Example: btllm demo
    """
    _compare(None, as_json, quiet)


def compare(
    experiment: ExperimentFile = Path("experiment.yaml"), as_json: AsJson = False, quiet: Quiet = False
) -> None:
    """Run all arms of an experiment side by side and write one report.

    Example: btllm compare experiment.yaml
    """
    _compare(experiment, as_json, quiet)


def run(
    experiment: ExperimentFile = Path("experiment.yaml"),
    arm: Annotated[str, typer.Option(help="Which arm: llm or the name of a baseline.")] = LLM_ARM,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Run one arm of an experiment.

    Example: btllm run experiment.yaml --arm regime_rule
    """
    with _progress(quiet) as progress:
        from simulator.runs.compare import run as run_arm

        result = run_arm(experiment, arm, progress=progress)
    console.print_result(result, as_json=as_json, quiet=quiet)


def replay(
    run_folder: RunFolder,
    to: Annotated[Path | None, typer.Option(help="Keep the replay in this new folder.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run a finished folder again from its own journal, without a model, and compare every byte.

    Example: btllm replay reports/sp500-daily-1a2b3c4d
    """
    with _sign_of_life("replaying"):
        from simulator.runs.replaying import replay as replay_folder

        checks = replay_folder(run_folder, to)
    _tell_without_seal(run_folder)
    differing = [check.name for check in checks if not check.same]
    if as_json:
        console.print_json({check.name: check.same for check in checks})
    else:
        for check in checks:
            console.say(f"{'same' if check.same else 'DIFFERS':8}{check.name}")
    if differing:
        raise RunFolderError(
            f"{len(differing)} of {len(checks)} files differ from the replay ({', '.join(differing)}): the folder was "
            "changed, or written by another version (see versions in its manifest)."
        )


def report(
    run_folder: RunFolder,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Also where evidence was changed since the run; every page then says so.")
    ] = False,
) -> None:
    """Rebuild facts and report from a folder, without a model.

    Example: btllm report reports/sp500-daily-1a2b3c4d
    """
    with _sign_of_life("measuring, and making the page"):
        from simulator.runs.report import rebuild_report

        page = rebuild_report(run_folder, anyway=anyway)
    _tell_without_seal(run_folder)
    console.say_report(page)


def _tell_without_seal(run_folder: Path) -> None:
    from simulator.folder.integrity import is_sealed

    if not is_sealed(run_folder):
        console.note(
            f"{run_folder} has no seal, as an earlier version wrote it: report.html, added files and parts of the "
            "manifests are taken as they are."
        )


def tell_changes(run_folder: Path) -> None:
    """Note on the error stream what was changed in a folder since its run, where it is one."""
    from simulator.folder.integrity import changed_evidence

    if (run_folder / "manifest.json").exists():
        try:
            if changed := changed_evidence(run_folder):
                console.note(
                    f"Changed since the run: {', '.join(changed)}. Only what btllm replay passes is the run's."
                )
        except RunFolderError as problem:
            console.note(f"The folder is damaged: {problem}")


def view(run_folder: RunFolder) -> None:
    """Open the report of a run in the browser; where there is none, its link is printed.

    Example: btllm view reports/sp500-daily-1a2b3c4d
    """
    import webbrowser

    page = (run_folder if run_folder.suffix == ".html" else run_folder / "report.html").absolute()
    if not page.is_file():
        from simulator.folder.manifest import read_manifest

        read_manifest(page.parent)  # what is no run folder is told as such
        raise RunFolderError(f"{run_folder} has no report.html: make its page with: btllm report {run_folder}")
    tell_changes(page.parent)
    console.say(page.as_uri())
    try:
        opened = webbrowser.open(page.as_uri())
    except webbrowser.Error:
        opened = False
    if not opened:
        console.note("No browser was found here: open the link above in one.")


def advise(
    at: Annotated[
        str, typer.Option(help="The last decision up to this day (or time), ISO; the last bar if absent.")
    ] = "",
    symbol: Annotated[str, typer.Option(help="Which symbol, where there are several.")] = "",
    experiment: ExperimentFile = Path("experiment.yaml"),
    as_json: AsJson = False,
) -> None:
    """One decision: everything that was asked and answered at one close, and what the gate made of it.

    Example: btllm advise experiment.yaml --at 2008-10-10
    """
    from simulator.runs.advise import advise_at
    from simulator.runs.compare import as_experiment

    consultation = advise_at(as_experiment(experiment), at or None, symbol=symbol or None)
    if as_json:
        console.print_json(consultation.as_dict())
    else:
        console.say(consultation.as_text())


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
    from simulator.experiment.experiment import starter_text
    from simulator.experiment.llm_settings import STARTER

    experiment, guesses = starter_text(), ""
    if csv is not None:
        from simulator.experiment.first_experiment import first_experiment

        first = first_experiment(csv, folder)
        experiment, guesses = first.text, f": {first.guesses}"
    for path, text, told in ((folder / "experiment.yaml", experiment, guesses), (folder / SETTINGS_FILE, STARTER, "")):
        if path.exists():
            console.note(f"{path} exists already and was left alone.")
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, text)
        except OSError as problem:
            raise RunFolderError(f"{path} cannot be written ({problem.strerror}): choose another folder.") from None
        console.say(f"Wrote {path}{told}")


@contextmanager
def _progress(quiet: bool) -> Iterator[Progress]:
    """Progress from before the first heavy import on, which alone may take seconds."""
    from simulator.progress.surfaces import progress_for, progress_on_stderr

    with progress_for(False) if quiet else progress_on_stderr() as progress:
        progress.begin("environment")
        progress.beside("loading libraries")
        yield progress


@contextmanager
def _sign_of_life(name: str) -> Iterator[None]:
    """A command of one stage: told only where it takes long."""
    from simulator.progress.surfaces import progress_on_stderr

    with progress_on_stderr() as progress:
        progress.begin(name)
        yield
        progress.drop()


def _compare(experiment: Path | None, as_json: bool, quiet: bool) -> Result:
    """Compare the arms of an experiment file; without one, those of the demo."""
    with _progress(quiet) as progress:
        from simulator.experiment.experiment import Experiment
        from simulator.runs.compare import as_experiment
        from simulator.runs.compare import compare as compare_arms

        wanted = Experiment.starter() if experiment is None else as_experiment(experiment)
        result = compare_arms(wanted, progress=progress)
    console.print_result(result, as_json=as_json, quiet=quiet)
    return result
