"""Commands about adapters for a local model: train export, run, judge, and default for the one of the package."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simulator.cli import console
from simulator.cli.console import AsJson

if TYPE_CHECKING:
    from simulator.training.judge import Judgement

app = typer.Typer(no_args_is_help=True, help="Train an adapter for a local model, beside its null, and judge it.")


class Label(StrEnum):
    """What labels a row: what followed and is known by then, the path's true regime, or the causal rule."""

    OUTCOME = "outcome"
    REGIME = "regime"
    RULE = "rule"


Threads = Annotated[int | None, typer.Option(min=1, help="Processor threads; as torch chooses if absent.")]
Out = Annotated[Path, typer.Option("--out", help="The folder to write.")]
Closes = Annotated[int, typer.Option(min=20, help="Closes of each market at which every arm is asked.")]
Trade = Annotated[bool, typer.Option(help="Also run the comparison, with its report and verdict.")]


@app.command()
def export(
    runs: Annotated[list[Path] | None, typer.Argument(help="Folders of finished runs.", show_default=False)] = None,
    synthetic: Annotated[int | None, typer.Option(min=1, help="How many synthetic paths.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first path; each further one has the next.")] = 1000,
    bars: Annotated[int, typer.Option(min=400, help="Bars of a synthetic path.")] = 10_000,
    label: Annotated[
        Label | None,
        typer.Option(help="Who labels: outcome, regime or rule. Outcome for runs, regime for paths if absent."),
    ] = None,
    before: Annotated[str, typer.Option(help="Where the validation window begins (ISO); needed with runs.")] = "",
    layout: Annotated[str, typer.Option(help="The layout of the prompts.")] = "brief",
    out: Annotated[Path, typer.Option("--out", help="The file of chat JSONL to write.")] = Path("data.jsonl"),
    as_json: AsJson = False,
) -> None:
    """Write training rows from finished runs and synthetic paths: masked, before the validation window, and labelled by
    what no model said.

    Example: btllm train export --synthetic 6 --out data.jsonl
    """
    from simulator.progress.surfaces import progress_on_stderr
    from simulator.training.export import SyntheticPaths, export_rows

    paths = None if synthetic is None else SyntheticPaths(synthetic, seed, bars)
    chosen = label or (Label.OUTCOME if runs else Label.REGIME)
    with progress_on_stderr() as progress:
        progress.begin("exporting")
        about = export_rows(
            out, runs or (), paths, label=chosen.value, before=before or None, layout=layout, on_source=progress.beside
        )
        progress.drop()
    if as_json:
        console.print_json(about | {"file": out})
        return
    labels = ", ".join(f"{name} {count:,}" for name, count in about["labels"].items())
    console.say(f"{about['decisions']:,} decisions with {about['prompts']:,} distinct prompts: {labels}")
    for reason, count in about["dropped"].items():
        console.say(f"dropped {count:,}: {reason}")
    console.say(f"Data: {out}")


@app.command(name="run")
def run_training(
    data: Annotated[Path, typer.Argument(help="A file of 'btllm train export'.")],
    out: Out = Path("adapter"),
    model: Annotated[
        str, typer.Option(help="The model: a name of 'btllm models list', or a GGUF file.")
    ] = "smollm2-135m",
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of the optimiser.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Prompts a step.")] = None,
    rank: Annotated[int | None, typer.Option(min=1, help="Rank of the additions.")] = None,
    blocks: Annotated[int | None, typer.Option(min=1, help="How many of the last blocks are adapted.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="At its highest.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of weights, order and the twin's permutation.")] = None,
    threads: Threads = None,
    twin: Annotated[bool, typer.Option(help="Also train the twin on permuted answers: the null.")] = True,
    merge: Annotated[bool, typer.Option(help="Also write the whole model with the adapter in it.")] = False,
) -> None:
    """Train an adapter of exported rows, and its twin on permuted answers; a command that was cut off goes on.

    Example: btllm train run data.jsonl --out adapter
    """
    from simulator.progress.surfaces import progress_on_stderr
    from simulator.training.adapter import train_adapter
    from simulator.training.options import training_options
    from simulator.training.recipe import model_file

    options = training_options(
        steps=steps, batch=batch, rank=rank, blocks=blocks, learning_rate=learning_rate, seed=seed, threads=threads
    )
    with progress_on_stderr() as progress:
        made = train_adapter(data, model_file(model), out, options, twin=twin, merge=merge, progress=progress)
        progress.drop()
    for kind, losses in made.record["losses"].items():
        console.say(f"{kind}: loss {losses[0]:.3f} at first, {losses[-1]:.3f} at last, {len(losses)} steps")
    console.say(f"Adapter: {made.adapter}")
    console.say(f"Use:     LLM_BACKEND=llama_cpp LLM_ADAPTER={made.adapter}")


@app.command()
def judge(
    adapter: Annotated[Path, typer.Argument(help="A folder of 'btllm train run'.")],
    experiment: Annotated[Path, typer.Argument(help="The experiment whose window is later than the data.")] = Path(
        "experiment.yaml"
    ),
    also: Annotated[list[str] | None, typer.Option(help="A further market, such as sample:nasdaq.")] = None,
    closes: Closes = 300,
    trade: Trade = True,
    out: Annotated[
        Path | None, typer.Option("--out", help="The folder to write; judged in that of the adapter.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Set base, adapter, twin and causal rule side by side: how each reads markets, and what its advice was worth.

    Example: btllm train judge adapter experiment.yaml --also sample:nasdaq
    """
    from simulator.progress.surfaces import progress_on_stderr
    from simulator.training.adapter import AdapterFolder
    from simulator.training.judge import judge_adapter

    with progress_on_stderr() as progress:
        judged = judge_adapter(
            AdapterFolder.read(adapter),
            experiment,
            out or adapter / "judged",
            also=also or (),
            closes=closes,
            trade=trade,
            progress=progress,
        )
        progress.drop()
    _show(judged, as_json=as_json)


@app.command(name="default")
def make_default(
    out: Out = Path("build/adapter"),
    threads: Threads = None,
    closes: Closes = 100,
    trade: Trade = True,
    as_json: AsJson = False,
) -> None:
    """Make the adapter that comes with the package anew: from synthetic paths alone to a judged adapter.

    Example: btllm train default --out build/adapter
    """
    from simulator.progress.surfaces import progress_on_stderr
    from simulator.training.options import training_options
    from simulator.training.recipe import make_default as make

    with progress_on_stderr() as progress:
        _, judged = make(out, training_options(threads=threads), closes=closes, trade=trade, progress=progress)
        progress.drop()
    _show(judged, as_json=as_json)


def _show(judged: Judgement, *, as_json: bool) -> None:
    from dataclasses import asdict

    from simulator.training.judge import PAGE, table

    if as_json:
        report = None if judged.result is None else judged.result.report
        console.print_json({"scores": [asdict(one) for one in judged.scores], "report": report})
        return
    console.print_table(*table(judged.scores))
    if judged.result is not None:
        console.say(" ".join([f"Verdict on the adapter's advice: {judged.result.verdict}.", *judged.result.reasons]))
        console.say_report(judged.result.report)
    console.say(f"Table:  {judged.folder / PAGE}")
