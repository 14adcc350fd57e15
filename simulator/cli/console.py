"""What a command shows: results on stdout, progress and errors on stderr."""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
import traceback
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from llm_strategy.errors import ConfigurationError
from llm_strategy.support.outside_text import hanging, spelled_out, spelled_out_json
from llm_strategy.support.read_regular import read_text
from llm_strategy.support.secrets import redact
from llm_strategy.support.write_whole import write_whole

if TYPE_CHECKING:
    from simulator.reporting.brief.brief import Brief
    from simulator.runs.result import Result


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # the command line answers it; by itself rich would end the program with 1


class ErrorStream:
    """The error stream of the moment: while progress is alive on a terminal, what is logged goes above it."""

    def write(self, text: str) -> int:
        """Pass it on."""
        return sys.stderr.write(text)

    def flush(self) -> None:
        """Pass it on."""
        sys.stderr.flush()


AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
"""The option of every command whose result a program may read."""

out = _Console(soft_wrap=True, highlight=False)
err = _Console(stderr=True, soft_wrap=True, highlight=False)


def say(text: str) -> None:
    """A line of the result; what a model wrote in it is shown and never obeyed."""
    out.print(Text(spelled_out(text)))


def note(text: str) -> None:
    """A line beside the result."""
    err.print(Text(spelled_out(text)))


def fail(problem: object) -> None:
    """An error, as one sentence."""
    err.print(Text(f"Error: {hanging(spelled_out(redact(str(problem))))}"), style="red")


def show_fault() -> None:
    """The traceback of the exception in hand, without secrets."""
    sys.stderr.write(spelled_out(redact(traceback.format_exc())))


class LogHandler(logging.StreamHandler[ErrorStream]):
    """Writes the log to the error stream; what a model wrote in it is shown and never obeyed."""

    def __init__(self) -> None:
        super().__init__(ErrorStream())

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return hanging(spelled_out(redact(super().format(record))))


def leave_quietly() -> None:
    """Let nothing more be written to a pipe whose reader has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_json(document: Any) -> None:
    """The result for a program."""
    unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    text = json.dumps(document, indent=1, ensure_ascii=not unicode, default=str)
    sys.stdout.write(spelled_out_json(text) + "\n")
    sys.stdout.flush()  # a reader that has gone is met here, not at the end of the program


def print_table(columns: Iterable[str], rows: Iterable[Iterable[str]], texts: Collection[str] = ()) -> None:
    """A table: the first column and those of ``texts`` to the left, figures to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for position, column in enumerate(columns):
        table.add_column(column, justify="right" if position and column not in texts else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(spelled_out(cell)) for cell in row))
    needed = out.measure(table, options=out.options.update(width=10_000)).maximum
    _Console(width=max(out.width, needed), highlight=False).print(table)  # a narrow terminal wraps, no figure is cut


def export_lines(lines: list[str], to: Path | None) -> None:
    """Lines of a register into a file, or else onto the terminal."""
    if to is None:
        for line in lines:
            say(line)
        return
    try:
        write_whole(to, "".join(f"{line}\n" for line in lines))
    except OSError as problem:
        raise ConfigurationError(f"{to} cannot be written ({problem.strerror}): name another file.") from None
    say(f"Written: {to}, {len(lines):,} entries")


def read_lines(file: Path) -> list[str]:
    """The lines of a file that a person names; raises ``ConfigurationError``."""
    try:
        return read_text(file).splitlines()
    except FileNotFoundError:
        raise ConfigurationError(f"There is no file {file}: correct the path.") from None
    except (OSError, ValueError) as problem:
        raise ConfigurationError(f"{file} cannot be read: {problem}.") from None


_LOOKS = {"heading": "bold", "program": "dim"}


def print_brief(brief: Brief) -> None:
    """A brief: headings stand out, and what the model wrote stands out from what the program tells."""
    for line, kind in brief.lines():
        out.print(Text(hanging(spelled_out(line)), style=_LOOKS.get(kind, "")))


def print_result(result: Result, *, as_json: bool, quiet: bool = False) -> None:
    """The table of arms, the verdict, what was asked, and where the report is; with ``quiet`` only the last, as a
    path."""
    usage = result.record.manifest["usage"]
    if quiet and not as_json:
        if result.warning:
            note(result.warning)
        say(str(result.report))
        return
    if as_json:
        print_json(
            {
                "folder": str(result.folder),
                "report": str(result.report),
                "verdict": result.verdict,
                "verdicts": result.verdicts,
                "reasons": result.reasons,
                "rests_on": result.rests_on,
                "chips": result.chips,
                "warning": result.warning,
                "notes": list(result.notes),
                "doubts": result.doubts,
                "charges": result.charges,
                "remarks": result.remarks,
                "reporting_checklist": result.reporting_checklist,
                "usage": usage,
                "facts": {identity: fact.value for identity, fact in result.facts.items()},
            }
        )
        return
    if result.warning:
        out.print(Text(f"{spelled_out(result.warning)}\n"), style="bold red")
    shown = result.shown
    print_table(
        ["arm", *shown.columns],
        ([str(arm), *map(str, row)] for arm, row in zip(shown.index, shown.values, strict=True)),
    )
    for sentence in (*result.doubts, *result.charges):
        say(sentence)
    why = result.facts["run.cut_away_by"].text if "run.cut_away_by" in result.facts else None  # told in a doubt
    say("")
    for remark in result.remarks:
        say(remark if why is None or why not in remark else f"{remark.partition(':')[0]}.")
    lines = result.advisor_lines
    whose = f" of {next(iter(result.verdicts))}" if lines else ""
    say(" ".join([f"Verdict on the advice{whose}: {result.verdict}.", *result.reasons]))
    for line in result.rests_on:
        say(f"- {line}")
    if result.chips:
        say(f"Limits: {'; '.join(result.chips)}.")
    if lines:
        say("The other advisors:")
    for line in lines:
        say(f"- {line}")
    if usage["decisions"]:
        draws = result.record.manifest["experiment"]["evaluation"].get("draws", 1)
        drawn = f" of {draws} draws" if draws > 1 else ""
        who = "Models" if lines else "Model"
        say(
            f"{who}: {usage['decisions']:,} decisions{drawn} with {usage['questions']:,} questions, "
            f"{usage['distinct']:,} of them distinct; {usage['asked']:,} asked now in {usage['seconds']:.1f} s"
            f"{_asked_again(usage.get('asked_again', 0))}, the others from the record."
        )
        if repaired := _repaired(result):
            say(f"Answers put right before they met the contract: {repaired}.")
    say_report(result.report)


def say_report(page: Path) -> None:
    """Where a report is: its path, a link that terminals open, and the command that does."""
    say(f"Report: {page}")
    say(f"        {page.absolute().as_uri()}")
    say(f"View:   btllm view {shlex.quote(str(page.parent))}")


def _repaired(result: Result) -> str:
    """How many decisions of the model had an answer put right, by kind; empty where none had."""
    told = []
    for arm in result.verdicts:
        head = f"{arm}.repairs."
        counts = {name.removeprefix(head): fact.text for name, fact in result.facts.items() if name.startswith(head)}
        whose = f" of {arm}" if len(result.verdicts) > 1 else ""
        told += [f"{kind.replace('_', ' ')} {count}{whose}" for kind, count in counts.items()]
    return ", ".join(told)


def _asked_again(count: int) -> str:
    return f" ({count:,} of them again, as the answers on record never met the contract)" if count else ""
