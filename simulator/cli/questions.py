"""Commands about questions that are answered as files: export, submit, fetch, import.

What a command needs is imported when it runs, so that help comes at once and an interruption is met.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simulator.cli import console
from simulator.cli.console import AsJson
from simulator.cli.experiments import ExperimentFile
from simulator.cli.folders import sign_of_life

if TYPE_CHECKING:
    from simulator.runs.batch.bring_in import Imported
    from simulator.runs.batch.export import Asked, Exported

MOST_TOLD = 50
"""Lines of answers that a table shows; the others are counted, and stand in the JSON."""

app = typer.Typer(
    no_args_is_help=True,
    help="Questions as files, for batch services and vllm run-batch, and their answers put on record: export, submit, "
    "fetch, import.",
)


@app.command("export")
def export_all(
    experiment: ExperimentFile = Path("experiment.yaml"),
    out: Annotated[Path, typer.Option(help="The file; of several the names are numbered.")] = Path("questions.jsonl"),
    as_json: AsJson = False,
) -> None:
    """Write every question that has no answer on record, in the batch form of OpenAI (JSON lines); nothing is asked.

    Example: btllm questions export experiment.yaml --out questions.jsonl
    """
    with sign_of_life("looking for questions"):
        from simulator.runs.batch.export import export_questions

        told, others = export_questions(_asked(experiment), out)
        left = _of_earlier(out, [file for one in told for file in one.files])
    if as_json:
        console.print_json({"models": [one.as_dict() for one in told], "others": others, "earlier_files": left})
        return
    for one in told:
        for line in _exported(one):
            console.say(line)
    for sentence in others:
        console.note(sentence)
    if left:
        console.note(f"Of an earlier export, and not of this one: {', '.join(left)}. Hand them in no more.")


@app.command("import")
def bring_in(
    experiment: Annotated[Path, typer.Argument(help="The experiment whose questions they answer.", show_default=False)],
    answers: Annotated[
        list[Path], typer.Argument(help="Files of answers, and of errors, in any order.", show_default=False)
    ],
    as_json: AsJson = False,
) -> None:
    """Put the answers in these files on record, each checked against its question, and tell every line that is no use.

    Example: btllm questions import experiment.yaml answers.jsonl errors.jsonl
    """
    with sign_of_life("reading answers"):
        from simulator.runs.batch.bring_in import check_files, import_answers

        check_files(answers)
        done = import_answers(_asked(experiment), answers)
    if as_json:
        console.print_json(done.as_dict())
        return
    if done.lines:
        console.print_table(
            ["file", "line", "question", "", "why"],
            [
                [line.file, f"{line.number:,}", line.question[:12], line.fate, line.why]
                for line in done.lines[:MOST_TOLD]
            ],
            texts=["question", "", "why"],
        )
        if (more := len(done.lines) - MOST_TOLD) > 0:
            console.say(f"and {more:,} more: --json has all of them")
    for text in _imported(done):
        console.say(text)


@app.command()
def submit(
    experiment: Annotated[Path, typer.Argument(help="The experiment whose questions they are.", show_default=False)],
    files: Annotated[list[Path], typer.Argument(help="Files that export wrote.", show_default=False)],
    advisor: Annotated[str, typer.Option(help="Whose server, where several advisors ask one.")] = "",
    as_json: AsJson = False,
) -> None:
    """Hand files of questions to the batch service of the configured server, and tell the name of each batch.

    Example: btllm questions submit experiment.yaml questions.jsonl
    """
    with sign_of_life("handing in"):
        from simulator.runs.batch.export import batch_form, submit_file
        from simulator.runs.compare import as_experiment

        form = batch_form(as_experiment(experiment), advisor)
        batches: dict[str, str] = {}
        for file in files:
            batches[str(file)] = submit_file(form, file)
            if not as_json:
                console.say(
                    f"{file}: {batches[str(file)]}"
                )  # at once: a batch whose name is lost is paid for all the same
    if as_json:
        console.print_json(batches)
    else:
        console.say(f"Next: btllm questions fetch {experiment} {' '.join(batches.values())}")


@app.command()
def fetch(
    experiment: Annotated[Path, typer.Argument(help="The experiment whose questions they are.", show_default=False)],
    batches: Annotated[list[str], typer.Argument(help="The names that submit told.", show_default=False)],
    to: Annotated[Path, typer.Option(help="The folder for files of answers and errors.")] = Path(),
    advisor: Annotated[str, typer.Option(help="Whose server, where several advisors ask one.")] = "",
    as_json: AsJson = False,
) -> None:
    """Tell how far batches are, and write the answers of those that have ended; import puts them on record.

    Example: btllm questions fetch experiment.yaml batch_123 batch_124
    """
    with sign_of_life("fetching answers"):
        from simulator.runs.batch.export import batch_form
        from simulator.runs.compare import as_experiment

        form = batch_form(as_experiment(experiment), advisor)
        states = {batch: form.fetch(batch, to) for batch in batches}
    if as_json:
        console.print_json({batch: state._asdict() for batch, state in states.items()})
        return
    for batch, state in states.items():
        answered, failed, whole = state.counts
        wrong = f": {state.problem}" if state.problem else ""
        console.say(f"{batch}: {state.status}, {answered:,} of {whole:,} answered, {failed:,} failed{wrong}")
    files = [str(file) for state in states.values() for file in state.files]
    if files:
        console.say(f"Next: btllm questions import {experiment} {' '.join(files)}")


def _asked(file: Path) -> Asked:
    """The advisors of an experiment or a sweep, with the decisions that they are asked for."""
    from simulator.sweeps.document import is_sweep

    if is_sweep(file):
        from simulator.sweeps.cells import cells_of
        from simulator.sweeps.collect import asked_by as asked_by_sweep
        from simulator.sweeps.document import Sweep

        sweep = Sweep.from_file(file)
        return asked_by_sweep(cells_of(sweep), sweep.arms)
    from simulator.runs.batch.export import asked_by
    from simulator.runs.compare import as_experiment

    return asked_by(as_experiment(file))


def _exported(told: Exported) -> Iterator[str]:
    distinct = told.on_record + told.written
    yield (
        f"{told.model}: {distinct:,} distinct questions in {told.decisions:,} decisions, {told.on_record:,} on record, "
        f"{told.written:,} written."
    )
    if told.unusable:
        yield f"The answers on record to {told.unusable:,} decisions never met the contract: btllm compare asks again."
    for file, lines in told.files.items():
        yield f"Written: {file}, {lines:,} questions"
    if not told.files:
        yield "Every question is on record, and no file was written: btllm compare asks nothing."


def _imported(done: Imported) -> Iterator[str]:
    counts = ", ".join(f"{fate} {count:,}" for fate, count in done.counts.items())
    yield f"Lines: {counts or 'none'}."
    cost = "" if done.cost is None else f", {done.cost:,.4g} at the configured prices"
    tokens = f"{done.tokens_in:,} tokens read and {done.tokens_out:,} written"
    yield f"Put on record: {done.kept:,} answers, {tokens}{cost}."
    if done.missing:
        further = f" ({done.further:,} of them follow from answers that came)" if done.further else ""
        yield f"Missing: {done.missing:,} questions{further}; run export again: it writes only the missing ones."
    else:
        yield "Nothing is missing: btllm compare asks none of these questions."


def _of_earlier(out: Path, written: Sequence[Path]) -> list[str]:
    """Files beside those that were written whose names say that an earlier export wrote them."""
    numbered = [
        path for path in out.parent.glob(f"{out.stem}-*{out.suffix}") if path.stem[len(out.stem) + 1 :].isdigit()
    ]
    return sorted(str(path) for path in {out, *numbered} - set(written) if path.exists())
