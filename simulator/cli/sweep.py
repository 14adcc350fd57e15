"""The command that runs an experiment over a grid of its settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simulator.cli import console
from simulator.cli.console import AsJson
from simulator.cli.experiments import Quiet, progress_shown

if TYPE_CHECKING:
    from simulator.sweeps.collect import Collected
    from simulator.sweeps.result import SweepResult

_SHOWN = 10
"""Cells of the table, those with the largest Sharpe ratios."""
_COLUMNS = {
    "sharpe": "Sharpe",
    "total_return": "total return",
    "max_drawdown": "max drawdown",
    "trades": "trades",
    "market_sharpe": "market's Sharpe",
}


def sweep(
    document: Annotated[Path, typer.Argument(metavar="SWEEP", help="What is varied: sweep.yaml.")] = Path("sweep.yaml"),
    workers: Annotated[
        int | None, typer.Option(help="Processes; all processors where it is worth it, if absent.", show_default=False)
    ] = None,
    dask: Annotated[str, typer.Option(help="The scheduler of a Dask cluster, such as tcp://host:8786.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count cells, decisions and questions, and stop before any is asked.")
    ] = False,
    max_cost: Annotated[
        float | None,
        typer.Option(min=0, help="Refuse above this estimate (money), and spend no more.", show_default=False),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Run an experiment over a grid of settings and windows; each distinct question is asked once.

    Example: btllm sweep sweep.yaml --dry-run
    """
    with progress_shown(quiet or dry_run) as progress:
        if dry_run:
            from simulator.sweeps.sweep import plan_sweep

            _say_plan(plan_sweep(document, progress=progress), as_json)
            return
        from simulator.sweeps.sweep import sweep as run_sweep

        result = run_sweep(document, workers=workers, dask=dask, max_cost=max_cost, progress=progress)
    if as_json:
        console.print_json({"folder": str(result.folder), "report": str(result.report), "sweep": result.about})
    elif quiet:
        console.say(str(result.report if result.report.exists() else result.folder))
    else:
        _say_result(result)


def _say_plan(plan: Collected, as_json: bool) -> None:
    if as_json:
        console.print_json(plan.as_dict())
        return
    for line in plan.as_text().splitlines():
        console.say(line)
    for sentence in plan.notes:
        console.say(f"Note: {sentence}")


def _say_result(result: SweepResult) -> None:
    from simulator.sweeps.collect import counted

    about, cells = result.about, result.cells
    keys = [axis["key"] for axis in about["axes"]] + (["window"] if about["windows"] else [])
    keys += ["arm"] if len(about["arms"]) > 1 else []
    best = cells.sort_values("sharpe", ascending=False, kind="stable", na_position="last").head(_SHOWN)
    rows = [
        [str(row["cell"]), *(_shown(row[key]) for key in keys), *(_figure(name, row[name]) for name in _COLUMNS)]
        for row in best.to_dict("records")
    ]
    console.print_table(["cell", *keys, *_COLUMNS.values()], rows, texts=keys)
    if len(cells) > _SHOWN:
        console.say(
            f"The first {_SHOWN} of {len(cells):,} by their Sharpe ratios, all in {result.folder / 'cells.parquet'}."
        )
    console.say(
        f"{counted(about['cells'], 'cell')}, {counted(about['decisions'], 'decision')} with "
        f"{counted(about['questions'], 'distinct question')}. "
        "The best of many cells is good by luck alone: it is no advice to trade it."
    )
    if result.report.exists():
        console.say_report(result.report)
    else:
        console.say(f"Folder: {result.folder}")


def _shown(value: object) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:.6g}"
    return "" if value is None else str(value)[:60]


def _figure(name: str, value: float) -> str:
    if value != value:
        return "n/a"
    if name == "trades":
        return f"{value:.0f}"
    return f"{100 * value:.1f}%" if name in ("total_return", "max_drawdown") else f"{value:.2f}"
