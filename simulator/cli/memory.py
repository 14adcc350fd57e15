"""The command that audits what a model remembers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from simulator.cli import console
from simulator.cli.console import AsJson


def audit_memory(
    experiment: Annotated[Path, typer.Argument(help="The experiment whose advisor is audited.")] = Path(
        "experiment.yaml"
    ),
    advisor: Annotated[
        str, typer.Option(help="Which advisor, by its name or that of its arm; the first if absent.")
    ] = "",
    dates: Annotated[int, typer.Option(min=20, max=2000, help="Dates that the model is asked about.")] = 120,
    windows: Annotated[int, typer.Option(min=10, max=500, help="Masked windows that it is to recognise.")] = 40,
    horizon: Annotated[int, typer.Option(min=1, max=250, help="Bars behind a date whose outcome counts.")] = 5,
    trade: Annotated[
        bool, typer.Option(help="Let the advisor and its twin under the mask trade every bar of the window.")
    ] = True,
    seed: Annotated[int, typer.Option(min=0, help="Of all that is drawn; equal seeds ask the same.")] = 1,
    out: Annotated[
        Path | None, typer.Option("--out", help="The folder to write; memory-NAME-ADVISOR in that of the reports.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ask whether an advisor's model remembers what came after a date, and write the answer with its power.

    Example: btllm audit-memory experiment.yaml --dates 60
    """
    from simulator.progress.surfaces import progress_on_stderr

    with progress_on_stderr() as progress:
        progress.begin("environment")
        from simulator.memory.audit import audit_memory as audit
        from simulator.memory.page import in_short, write_audit
        from simulator.memory.probes import AuditOptions
        from simulator.runs.compare import as_experiment

        wanted = as_experiment(experiment)
        options = AuditOptions(dates, windows, horizon, trade, seed)
        progress.release()
        found = audit(wanted, advisor or None, options, progress=progress)
        folder = write_audit(found, out or wanted.output.path / f"memory-{wanted.name}-{found.advisor}")
        progress.drop()
    if as_json:
        console.print_json(found.as_dict() | {"folder": str(folder)})
        return
    for line in in_short(found):
        console.say(line)
    console.say(f"\nReport: {folder / 'report.html'}")
