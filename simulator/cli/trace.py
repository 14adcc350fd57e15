"""The command that tells one decision of a finished run."""

from __future__ import annotations

from typing import Annotated

import typer

from simulator.cli import console
from simulator.cli.experiments import AsJson, RunFolder, tell_changes


def trace(
    run_folder: RunFolder,
    at: Annotated[str, typer.Option(help="The day (or time) of the bar, ISO; the last decision if absent.")] = "",
    arm: Annotated[str, typer.Option(help="Which arm of a comparison; llm if absent.")] = "",
    symbol: Annotated[str, typer.Option(help="Which symbol, where there are several.")] = "",
    draw: Annotated[int, typer.Option(help="Which draw, where evaluation.draws made several.")] = 1,
    as_json: AsJson = False,
) -> None:
    """One decision of a finished run from its folder, without a model: shown, asked, answered, cut, ordered, followed.

    Example: btllm trace reports/sp500-daily-1a2b3c4d --at 2008-10-10
    """
    from simulator.runs.trace import trace as trace_decision

    tell_changes(run_folder)
    found = trace_decision(run_folder, at or None, arm=arm or None, symbol=symbol or None, draw=draw)
    if as_json:
        console.print_json(found.as_dict())
    else:
        console.say(found.as_text())
