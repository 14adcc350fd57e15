"""Commands about the folder of a finished run: replay, report, view, trace.

What a command needs is imported when it runs, so that help comes at once and an interruption is met.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from llm_strategy.errors import RunFolderError
from simulator.cli import console
from simulator.cli.console import AsJson

RunFolder = Annotated[Path, typer.Argument(help="A folder that run or compare wrote.", show_default=False)]


def replay(
    run_folder: RunFolder,
    to: Annotated[Path | None, typer.Option(help="Keep the replay in this new folder.")] = None,
    placebos: Annotated[
        bool,
        typer.Option(
            "--placebos",
            help="Also trade again the accounts at other moments, which takes as long as in the run; without it they "
            "are taken over as recorded.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run a finished folder again from its own journal, without a model, and compare every byte.

    Example: btllm replay reports/nasdaq-daily-1a2b3c4d
    """
    with sign_of_life("replaying"):
        from simulator.folder.manifest import read_manifest
        from simulator.runs.replaying import replay as replay_folder

        checks = replay_folder(run_folder, to, placebos=placebos)
    _note_missing_seal(run_folder)
    if "facts.json" not in [check.name for check in checks] and (run_folder / "facts.json").exists():
        console.note(
            f"Facts and pages of {run_folder} are of an earlier version and are not compared: 'btllm report' writes "
            "them anew."
        )
    differing = [check.name for check in checks if not check.same]
    if as_json:
        console.print_json({check.name: check.same for check in checks})
    else:
        for check in checks:
            console.say(f"{'same' if check.same else 'DIFFERS':8}{check.name}")
    if differing:
        sections = read_manifest(run_folder)["experiment"]["output"].get("sections")
        changed = f"the folder, or a section of your own ({', '.join(sections)})," if sections else "the folder"
        raise RunFolderError(
            f"{len(differing)} of {len(checks)} files differ from the replay ({', '.join(differing)}): {changed} was "
            "changed, or written by another version (see versions in its manifest)."
        )


def report(
    run_folder: RunFolder,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Also where evidence was changed since the run; every page then says so.")
    ] = False,
) -> None:
    """Rebuild facts and report from a folder, without a model; of a watch, make those of its window.

    Example: btllm report reports/nasdaq-daily-1a2b3c4d
    """
    with sign_of_life("measuring, and making the page"):
        from simulator.runs.report import rebuild_report
        from simulator.watch.folder import is_watch

        if is_watch(run_folder):
            from simulator.watch.offline import forward_report

            page = forward_report(run_folder)
            run_folder = page.parent
        else:
            page = rebuild_report(run_folder, anyway=anyway)
    _note_missing_seal(run_folder)
    console.say_report(page)


def view(run_folder: RunFolder) -> None:
    """Open the report of a run in the browser; where there is none, its link is printed.

    Example: btllm view reports/nasdaq-daily-1a2b3c4d
    """
    import webbrowser

    page = (run_folder if run_folder.suffix == ".html" else run_folder / "report.html").absolute()
    if not page.is_file():
        from simulator.folder.manifest import read_manifest

        if run_folder.suffix == ".html":
            raise RunFolderError(f"There is no page {run_folder}: name a run folder (btllm runs lists them).")
        read_manifest(page.parent)  # what is no run folder is told as such
        whole = page.parent.parent
        beside = f" (that of its comparison: btllm view {whole})" if (whole / "report.html").is_file() else ""
        raise RunFolderError(f"{run_folder} has no report.html{beside}: make its page with: btllm report {run_folder}")
    note_changes(page.parent)
    console.say(page.as_uri())
    try:
        opened = webbrowser.open(page.as_uri())
    except webbrowser.Error:
        opened = False
    if not opened:
        console.note("No browser was found here: open the link above in one.")


def trace(
    run_folder: RunFolder,
    at: Annotated[str, typer.Option(help="The day (or time) of the bar, ISO; the last decision if absent.")] = "",
    arm: Annotated[str, typer.Option(help="Which arm of a comparison; the first that a model advised if absent.")] = "",
    symbol: Annotated[str, typer.Option(help="Which symbol, where there are several.")] = "",
    draw: Annotated[int, typer.Option(help="Which draw, where evaluation.draws made several.")] = 1,
    images: Annotated[
        Path | None, typer.Option(help="Write the images that the model was shown, drawn again, into this folder.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """One decision of a finished run from its folder, without a model: shown, asked, answered, cut, ordered, followed.

    Example: btllm trace reports/nasdaq-daily-1a2b3c4d --at 2008-10-10
    """
    from simulator.runs.trace import trace as trace_decision

    note_changes(run_folder)
    decision = trace_decision(run_folder, at or None, arm=arm or None, symbol=symbol or None, draw=draw, images=images)
    if as_json:
        console.print_json(decision.as_dict())
    else:
        console.say(decision.as_text())


def _note_missing_seal(run_folder: Path) -> None:
    from simulator.folder.integrity import is_sealed

    if not is_sealed(run_folder):
        console.note(
            f"{run_folder} has no seal, as an earlier version wrote it: report.html, added files and parts of the "
            "manifests are taken as they are."
        )


def note_changes(run_folder: Path) -> None:
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


@contextmanager
def sign_of_life(name: str) -> Iterator[None]:
    """A command of one stage: told only where it takes long."""
    from simulator.progress.surfaces import progress_on_stderr

    with progress_on_stderr() as progress:
        progress.begin(name)
        yield
        progress.drop()
