"""Commands about checklists: let the model draft one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from simulator.cli import console

app = typer.Typer(no_args_is_help=True, help="Checklists that the gate obeys: let the model draft one.")


@app.callback()
def group() -> None:
    """A group, although there is one command alone."""


@app.command()
def propose(
    experiment: Annotated[Path, typer.Argument(help="The experiment that it is for.")] = Path("experiment.yaml"),
    to: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write; checklist.yaml beside the experiment.")
    ] = None,
    conditions: Annotated[
        int, typer.Option("--conditions", "-n", min=0, max=10, help="How many items have a condition.")
    ] = 2,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Let the model draft a checklist and tighter limits as a file to read and change; nothing is applied by itself.

    Example: btllm checklist propose experiment.yaml -o checklist.yaml
    """
    from simulator.progress.surfaces import progress_on_stderr
    from simulator.runs.checklists.draft import require_place

    target = to or experiment.parent / "checklist.yaml"
    require_place(target, force=force)
    with progress_on_stderr() as progress:
        progress.begin("drafting")
        from simulator.runs.checklists.propose import propose_checklist

        draft = propose_checklist(experiment, conditions=conditions)
        progress.drop()
    draft.write(target, force=force)
    items = "1 item" if len(draft.items) == 1 else f"{len(draft.items)} items"
    limits = {0: "no limit tighter", 1: "1 limit tighter"}.get(len(draft.limits), f"{len(draft.limits)} limits tighter")
    console.say(f"Wrote {target}: {items}, {limits}.")
    if draft.failed:
        console.note(f"{draft.failed} of {draft.asked} questions got no answer that could be taken and are left out.")
    console.say(f"Read it, change what is wrong, then name it in the experiment: risk: {{checklist: {target.name}}}")
