"""Commands about finished runs beside each other, and about taking one elsewhere: runs, diff, export.

What a command needs is imported when it runs, so that help comes at once and an interruption is met.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simulator.cli import console
from simulator.cli.console import AsJson
from simulator.cli.folders import RunFolder, note_changes, sign_of_life
from simulator.exports.kinds import Format

if TYPE_CHECKING:
    from simulator.runs.finished import FinishedRun

MOST_NAMES = 3
"""Symbols or advisors that a cell names; the rest is counted."""


class Order(StrEnum):
    """What a list of runs is sorted by."""

    FINISHED = "finished"
    NAME = "name"
    SHARPE = "sharpe"
    VERDICT = "verdict"


def runs(
    folder: Annotated[Path, typer.Argument(help="Where the runs stand, at any depth.")] = Path("reports"),
    name: Annotated[str, typer.Option(help="Only experiments with this in their name.")] = "",
    symbol: Annotated[str, typer.Option(help="Only runs that trade this symbol.")] = "",
    verdict: Annotated[str, typer.Option(help="Only runs with this in their verdict, such as: adds.")] = "",
    sort: Annotated[
        Order, typer.Option(help="By the time (last one first), the name, the Sharpe ratio (best first), the verdict.")
    ] = Order.FINISHED,
    as_json: AsJson = False,
) -> None:
    """List the finished runs under a folder: name, data, advisors, verdict, when.

    Example: btllm runs reports --symbol SPY --verdict "cannot tell"
    """
    from simulator.runs.finished import find_runs

    found = find_runs(folder, name=name, symbol=symbol, verdict=verdict)
    listed = _sorted(found.runs, sort)
    if as_json:
        others = [{"folder": str(each.folder), "why": each.why} for each in found.others]
        console.print_json({"runs": [run.as_dict() for run in listed], "others": others})
        return
    if listed:
        columns = ["name", "data", "advisors", "verdict", "Sharpe", "finished (UTC)", "folder"]
        console.print_table(columns, map(_row, listed), texts=[each for each in columns if each != "Sharpe"])
    else:
        console.say(f"No run {'of these ' if name or symbol or verdict else ''}stands under {folder}.")
    for each in found.others:
        console.note(f"Not listed: {each.folder} {each.why}")


def _sorted(found: Sequence[FinishedRun], by: Order) -> list[FinishedRun]:
    match by:
        case Order.NAME:
            return sorted(found, key=lambda run: run.name.casefold())
        case Order.VERDICT:
            return sorted(found, key=lambda run: run.verdict)
        case Order.SHARPE:
            return sorted(found, key=lambda run: (run.sharpe is None, -(run.sharpe or 0.0)))
        case _:
            return list(found)


def _row(run: FinishedRun) -> list[str]:
    return [
        run.name,
        f"{_few(run.symbols)} {run.timeframe}, {run.first[:10]} to {run.last[:10]}",
        _few(run.advisors) or "rules alone",
        run.verdict,
        "n/a" if run.sharpe is None else f"{run.sharpe:.2f}",
        run.finished[:16].replace("T", " "),
        str(run.folder),
    ]


def _few(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")


def diff(
    first: Annotated[Path, typer.Argument(metavar="A", help="A finished run or comparison.", show_default=False)],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another one.", show_default=False)],
    to: Annotated[
        Path | None,
        typer.Option(help="The page; diff.html beside the folder A if absent.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare two finished runs as a page: settings, decisions and results that differ, paired where bars are the same.

    Example: btllm diff reports/nasdaq-daily-1a2b3c4d reports/nasdaq-daily-5e6f7a8b
    """
    with sign_of_life("comparing"):
        from simulator.folder.outside import beside
        from simulator.runs.difference import diff_runs

        for folder in (first, second):
            note_changes(folder)
        found = diff_runs(first, second)
        page = found.write(beside(first) / "diff.html" if to is None else to)
    if as_json:
        console.print_json(found.as_dict() | {"page": str(page)})
        return
    for line in found.lines():
        console.say(line)
    console.say("")
    console.say(f"Page: {page}")
    console.say(f"      {page.absolute().as_uri()}")


def export(
    run_folder: RunFolder,
    kind: Annotated[
        Format,
        typer.Option(
            "--format",
            help="returns: daily returns for quantstats (CSV, or .parquet). parquet: decisions, accounts, trades and "
            "orders. otel: spans of the questions (GenAI conventions). mlflow: a run of MLflow.",
            show_default=False,
        ),
    ],
    to: Annotated[
        str,
        typer.Option(
            help="The file, folder or address (otel: http://localhost:4318; mlflow: a folder or a tracking server); "
            "beside the run under its name if absent.",
            show_default=False,
        ),
    ] = "",
    arm: Annotated[str, typer.Option(help="Returns of this arm alone; all in columns if absent.")] = "",
    content: Annotated[bool, typer.Option("--content", help="Spans carry what was asked and answered, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a finished run for another tool: returns series, Parquet, OpenTelemetry, MLflow.

    Example: btllm export reports/nasdaq-daily-1a2b3c4d --format returns
    """
    with sign_of_life("exporting"):
        from simulator.exports.formats import export_run

        note_changes(run_folder)
        exported = export_run(run_folder, kind.value, to, arm=arm, content=content)
    if as_json:
        console.print_json({"format": kind.value, "place": exported.place, "note": exported.note})
    else:
        console.say(f"Written: {exported.place}{f' ({exported.note})' if exported.note else ''}")
