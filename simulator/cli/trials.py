"""Commands about the ledger of trials: which configurations were evaluated on which bars."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simulator.cli import console
from simulator.cli.console import AsJson
from simulator.cli.experiments import ExperimentFile, Quiet, progress_shown

if TYPE_CHECKING:
    from simulator.registers.chain import Entry
    from simulator.trials.ledger import Ledger

Id = Annotated[str, typer.Argument(help="The id of a configuration, or its beginning.")]

app = typer.Typer(
    help="Every configuration that was evaluated, and on which bars, so that the best of many is known for what it is: "
    "list, show, check, export, import.",
)


@app.callback(invoke_without_command=True)
def trials(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_all()


@app.command("list")
def list_all(as_json: AsJson = False) -> None:
    """List every configuration that was evaluated, the last one first: on which bars, how often, and what it showed.

    Example: btllm trials list
    """
    ledger = _ledger()
    rows = list(_listed(ledger))
    if as_json:
        console.print_json({"trials": rows, "openings": list(_openings(ledger))})
        return
    if not rows:
        console.say(f"No run stands in {ledger.path} yet: btllm compare, run and sweep enter what they evaluate.")
        return
    console.print_table(
        ["configuration", "experiment", "arm", "model", "bars", "last run", "runs", "Sharpe"],
        [
            [
                *(str(row[name] or "") for name in ("configuration", "experiment", "arm", "model", "bars")),
                *(row["last"][:10], f"{row['runs']:,}", _sharpe(row["sharpe"])),
            ]
            for row in rows
        ],
    )
    for opening in _openings(ledger):
        console.say(f"Sealed bars opened on {opening['at'][:10]} by {opening['experiment']}: {opening['bars']}")
    console.say(f"{len(rows):,} configurations in {ledger.path}; runs that differ in seed alone are one.")


@app.command()
def show(identity: Id, as_json: AsJson = False) -> None:
    """Show all that the ledger holds of a configuration, with the hashes of its entries.

    Example: btllm trials show 5440fe7a8c5b
    """
    ledger = _ledger()
    configuration = ledger.find(identity)
    entries = [entry for entry in ledger.entries() if entry.statement == configuration]
    if as_json:
        console.print_json([_entry(ledger, entry) for entry in entries])
        return
    console.say(f"Configuration {configuration}")
    for entry in entries:
        content = entry.content
        console.say(f"\nEntry {entry.number}: {entry.kind} {entry.at} by the run {content['run'][:8]}")
        if entry.kind == "tried":
            model = f", {content['model']}" if content["model"] else ""
            console.say(f"  {content['name']}, arm {content['arm']} ({content['decides']}{model})")
            console.say(
                f"  annual Sharpe ratio {_sharpe([content['sharpe']])}, {content['bars_per_year']:.1f} bars a year"
            )
        else:
            console.say(f"  sealed bars, opened by {content['name']}")
        for line in _bars_by_symbol(ledger, entry):
            console.say(f"  {line}")
        console.say(f"  hash {entry.hash}\n  after {entry.earlier or 'nothing: it is the first'}")


@app.command()
def check(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Run folders that must stand in the ledger.", show_default=False)
    ] = None,
) -> None:
    """Check that the ledger was not changed, cut or deleted, and that the runs in these folders stand in it.

    Example: btllm trials check reports/*
    """
    from llm_strategy.errors import RegisterError
    from simulator.trials.ledger import Ledger as UserLedger

    ledger = UserLedger()
    if problem := ledger.check():
        raise RegisterError(problem)
    if told := _missing(ledger, folders or ()):
        raise RegisterError(f"{told}: this is another ledger, or it was cut with its head; bring it back from a copy.")
    entries = ledger.entries()
    last = f", the last one of {entries[-1].at}" if entries else ""
    console.say(f"The ledger of trials {ledger.path} is whole: {len(entries):,} entries{last}.")
    if back := ledger.set_back():
        console.note(
            f"Note: the clock was set back before entry {back[0].number} ({back[0].at}): the dates of the ledger prove "
            "little."
        )


@app.command("export")
def export_all(
    to: Annotated[Path | None, typer.Argument(help="The file to write; else the terminal.", show_default=False)] = None,
) -> None:
    """Write the whole ledger as lines of JSON, for a copy or another machine.

    Example: btllm trials export trials.jsonl
    """
    console.export_lines(list(_ledger().export()), to)


@app.command("import")
def bring_in(file: Annotated[Path, typer.Argument(help="Lines of JSON that export wrote.")]) -> None:
    """Append the entries of an exported ledger, such as a colleague's, that are not in this one.

    Example: btllm trials import trials.jsonl
    """
    lines = console.read_lines(file)
    count = _ledger().bring_in(lines, str(file))
    console.say(f"Brought in: {count:,} of {len(lines):,} entries, the others were there")


def open_holdout(
    experiment: ExperimentFile = Path("experiment.yaml"),
    again: Annotated[
        bool, typer.Option("--again", help="Also where these bars were opened before; the page then says so.")
    ] = False,
    workers: Annotated[int, typer.Option(help="Processes for arms that ask no model.")] = 1,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Compare all arms on the sealed bars of an experiment (evaluation.holdout) alone: once, for the last word.

    Example: btllm open-holdout experiment.yaml
    """
    with progress_shown(quiet) as progress:
        from simulator.runs.trials.holdout import open_holdout as open_tail

        result = open_tail(experiment, again=again, progress=progress, workers=workers)
    console.print_result(result, as_json=as_json, quiet=quiet)


def _ledger() -> Ledger:
    """The user's ledger; what is wrong with it is said beside the result."""
    from simulator.trials.ledger import Ledger as UserLedger

    ledger = UserLedger()
    if problem := ledger.check():
        console.note(f"Warning: {problem}")
    return ledger


def _listed(ledger: Ledger) -> Iterator[dict[str, Any]]:
    """A row for each configuration on each set of bars, the last one first."""
    rows: dict[tuple[str, str], list[Entry]] = {}
    for entry in ledger.entries("tried"):
        rows.setdefault((entry.statement, entry.content["window"]), []).append(entry)
    for (configuration, _), entries in sorted(rows.items(), key=lambda row: -row[1][-1].number):
        last = entries[-1]
        yield {
            "configuration": configuration,
            "experiment": last.content["name"],
            "arm": last.content["arm"],
            "model": last.content["model"],
            "bars": _bars(ledger, last),
            "last": last.at,
            "runs": len(entries),
            "sharpe": [entry.content["sharpe"] for entry in entries],
        }


def _openings(ledger: Ledger) -> Iterator[dict[str, Any]]:
    for entry in ledger.entries("opened"):
        yield {"at": entry.at, "experiment": entry.content["name"], "bars": _bars(ledger, entry)}


def _entry(ledger: Ledger, entry: Entry) -> dict[str, Any]:
    return {
        "number": entry.number,
        "kind": entry.kind,
        "at": entry.at,
        "content": dict(entry.content),
        "bars": list(_bars_by_symbol(ledger, entry)),
        "before": entry.earlier,
        "hash": entry.hash,
    }


def _bars(ledger: Ledger, entry: Entry) -> str:
    window = ledger.window(entry)
    names = [each.symbol for each in window.symbols]
    named = ", ".join(names[:2]) + (f" and {len(names) - 2:,} more" if len(names) > 2 else "")
    return f"{named} {window.first[:10]} to {window.last[:10]}"


def _bars_by_symbol(ledger: Ledger, entry: Entry) -> Iterator[str]:
    for each in ledger.window(entry).symbols:
        yield f"{each.bars:,} bars of {each.symbol} from {each.first[:16]} to {each.last[:16]}".replace("T00:00", "")


def _sharpe(ratios: Sequence[float | None]) -> str:
    """The ratios of several runs in a cell: one, or the least and the largest."""
    known = sorted(ratio for ratio in ratios if ratio is not None)
    if not known:
        return "n/a"
    return f"{known[0]:.2f}" if known[0] == known[-1] else f"{known[0]:.2f} to {known[-1]:.2f}"


def _missing(ledger: Ledger, folders: Sequence[Path]) -> str:
    """The first run among these folders that does not stand in the ledger, and why; empty where all do."""
    from simulator.evaluation.trials import read_trials
    from simulator.folder.manifest import read_manifest

    for folder in folders:
        manifest, count = read_manifest(folder), read_trials(folder)  # what is no run folder is told as such
        for arm, name in (count.entries if count else {}).items():
            if why := ledger.disagreement(manifest["trials"]["entries"][arm]["number"], name):
                return f"The run {folder} (arm {arm}) does not stand in the ledger of trials {ledger.path}, {why}"
    return ""
