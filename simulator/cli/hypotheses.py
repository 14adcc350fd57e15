"""Commands about hypotheses: propose and test them for an experiment, and read the register that keeps all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simulator.cli import console
from simulator.cli.console import AsJson

if TYPE_CHECKING:
    from simulator.hypotheses.register import Register
    from simulator.registers.chain import Entry

Experiment = Annotated[Path, typer.Argument(help="The experiment whose windows and model are used.")]
Id = Annotated[str, typer.Argument(help="The id of a statement, or its beginning.")]

app = typer.Typer(
    no_args_is_help=True,
    help="Statements about what follows a condition of the market, registered before they are tested: propose, test, "
    "list, show, export, import.",
)


@app.command()
def propose(
    experiment: Experiment = Path("experiment.yaml"),
    count: Annotated[
        int | None, typer.Option("--count", "-n", min=1, max=20, help="How many; else as the experiment says, or 3.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Let the model propose statements from the first window of an experiment, and register them.

    Example: btllm hypotheses propose experiment.yaml -n 3
    """
    from simulator.progress.surfaces import progress_on_stderr

    with progress_on_stderr() as progress:
        progress.begin("proposing")
        from simulator.runs.hypotheses.commands import propose_hypotheses

        found = propose_hypotheses(experiment, count)
        progress.drop()
    if as_json:
        console.print_json([{"id": one.id, "sentence": one.sentence, **one.as_document()} for one in found])
        return
    for one in found:
        console.say(f"{one.id}  {one.sentence}")


@app.command("test")
def run_tests(
    experiment: Experiment = Path("experiment.yaml"),
    ids: Annotated[
        list[str] | None,
        typer.Argument(help="Which statements, by id; else those of the experiment and all registered."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Test statements on the second window of an experiment, each once.

    Example: btllm hypotheses test experiment.yaml
    """
    from simulator.progress.surfaces import progress_on_stderr

    with progress_on_stderr() as progress:
        progress.begin("testing")
        from simulator.runs.hypotheses.commands import test_hypotheses

        table = test_hypotheses(experiment, ids or ())
        progress.drop()
    rows: list[dict[str, Any]] = [
        {"id": str(identity)} | {str(name): _plain(value) for name, value in row.items()}
        for identity, row in zip(table.index, table.to_dict("records"), strict=True)
    ]
    if as_json:
        console.print_json(rows)
        return
    for row in rows:
        console.say(f"{row['id']}  {row['sentence']}")
        console.say(f"              {row['note'] or _told(row)}")


@app.command("list")
def list_all(as_json: AsJson = False) -> None:
    """List every registered statement: who proposed it, on which bars it was tested, and the verdict up to now.

    Example: btllm hypotheses list
    """
    rows = list(_listed(_register()))
    if as_json:
        console.print_json(rows)
    elif not rows:
        console.say("No statement is registered; propose some with: btllm hypotheses propose experiment.yaml")
    for row in () if as_json else rows:
        masked = f", unmasked {', '.join(row['unmasked'])}" if row["unmasked"] else ""
        console.say(f"{row['id']}  {row['sentence']}")
        console.say(f"              registered {row['registered']} by {row['proposer']}{masked}")
        for tested in row["tests"]:
            console.say(f"              tested on {tested['bars']}: {tested['verdict']}")


@app.command()
def show(identity: Id, as_json: AsJson = False) -> None:
    """Show all that the register holds of a statement, with the hashes of its entries.

    Example: btllm hypotheses show 5440fe7a8c5b
    """
    from simulator.runs.hypotheses.commands import statement_of, verdict_now

    register = _register()
    statement = register.find(identity)
    entries = register.entries(statement=statement)
    if as_json:
        console.print_json([_entry(register, entry) for entry in entries])
        return
    console.say(f"{statement}  {statement_of(register, statement).sentence}")
    for entry in entries:
        window = register.window(entry)
        bars = "" if window is None else f" on {', '.join(_bars(each) for each in window.symbols)}"
        console.say(f"\nEntry {entry.number}: {entry.kind} {entry.at}{bars}")
        if entry.kind == "proposed":
            by = entry.content["proposer"]
            console.say(f"  by {_who(by)}{', unmasked ' + ', '.join(by['unmasked']) if by['unmasked'] else ''}")
        if entry.kind == "tested":
            console.say(f"  {_told({**entry.content['result'], 'verdict': verdict_now(register, entry)})}")
        if entry.kind == "traded":
            earned = entry.content["result"]
            console.say(
                f"  earned {100 * earned['total_return']:+.2f}% in {earned['trades']} trades, a holder under the same "
                f"gate {100 * earned['holder']['total_return']:+.2f}%"
            )
        console.say(f"  hash {entry.hash}\n  after {entry.earlier or 'nothing: it is the first'}")


@app.command("export")
def export_all(
    to: Annotated[Path | None, typer.Option("--to", help="The file to write; else the terminal.")] = None,
) -> None:
    """Write the whole register as lines of JSON, for a copy or another machine.

    Example: btllm hypotheses export --to register.jsonl
    """
    console.export_lines(list(_register().export()), to)


@app.command("import")
def bring_in(file: Annotated[Path, typer.Argument(help="Lines of JSON that export wrote.")]) -> None:
    """Append the entries of an exported register that are not in this one.

    Example: btllm hypotheses import register.jsonl
    """
    lines = console.read_lines(file)
    count = _register().bring_in(lines, str(file))
    console.say(f"Brought in: {count:,} of {len(lines):,} entries, the others were there")


def _register() -> Register:
    """The user's register; what is wrong with it is said beside the result."""
    from simulator.hypotheses.register import Register as UserRegister

    register = UserRegister()
    if problem := register.check():
        console.note(f"Warning: {problem}")
    return register


def _listed(register: Register) -> Iterator[dict[str, Any]]:
    from simulator.runs.hypotheses.commands import verdict_now

    for statement in dict.fromkeys(entry.statement for entry in register.entries("proposed")):
        first = register.entries("proposed", statement)[0]
        by = first.content["proposer"]
        tests = []
        for entry in register.entries("tested", statement):
            window = register.window(entry)
            bars = "" if window is None else ", ".join(map(_bars, window.symbols))
            tests.append({"at": entry.at, "bars": bars, "verdict": verdict_now(register, entry)})
        yield {
            "id": statement,
            "sentence": first.content["sentence"],
            "registered": first.at,
            "proposer": _who(by),
            "unmasked": by["unmasked"],
            "tests": tests,
            "traded": len(register.entries("traded", statement)),
        }


def _entry(register: Register, entry: Entry) -> dict[str, Any]:
    window = register.window(entry)
    return {
        "number": entry.number,
        "kind": entry.kind,
        "at": entry.at,
        "content": dict(entry.content),
        "bars": None if window is None else [_bars(each) for each in window.symbols],
        "before": entry.earlier,
        "hash": entry.hash,
    }


def _who(proposer: Mapping[str, Any]) -> str:
    return f"{proposer['kind']} {proposer['name']}".strip()


def _bars(window: Any) -> str:
    return f"{window.bars:,} bars of {window.symbol} from {_day(window.first)} to {_day(window.last)}"


def _day(time: str) -> str:
    """A time without the clock where that is midnight."""
    day, _, clock = time.partition("T")
    return time if clock.strip("0:.") else day


def _told(row: Mapping[str, Any]) -> str:
    """What a test found, in a line."""
    effect, low, high, p_value = (row[name] for name in ("effect", "low", "high", "p"))
    adjusted = row.get("adjusted")
    found = "no event" if effect is None else f"effect {100 * effect:+.2f} points"
    between = "" if low is None or high is None else f" ({100 * low:+.2f} to {100 * high:+.2f})"
    chance = "" if p_value is None else f", p {p_value:.3f}"
    all_tests = "" if adjusted is None else f", {adjusted:.3f} adjusted"
    return (
        f"{row['verdict']}: {found}{between} after {row['events']:,} events in {row['runs']:,} runs{chance}{all_tests}"
    )


def _plain(value: Any) -> Any:
    """A cell of a table for JSON: none where there is nothing."""
    return None if value != value else value
