"""What a command shows: results on stdout, progress and errors on stderr."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from llm_strategy.outside_text import spelled_out
from llm_strategy.secrets import redact

if TYPE_CHECKING:
    from simulator.result import Result


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # the command line answers it; by itself rich would end the program with 1


out = _Console(soft_wrap=True, highlight=False)
err = _Console(stderr=True, soft_wrap=True, highlight=False)


def say(text: str) -> None:
    """A line of the result; what a model wrote in it is shown and never obeyed."""
    out.print(spelled_out(text), markup=False)


def note(text: str) -> None:
    """A line beside the result."""
    err.print(spelled_out(text), markup=False)


def fail(problem: object) -> None:
    """An error, as one sentence."""
    err.print(f"Error: {spelled_out(redact(str(problem)))}", markup=False, style="red")


class LogHandler(logging.Handler):
    """Writes the log where notes go, so that a progress bar stands below it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        try:
            note(self.format(record))
        except Exception:  # a log must not end a run
            self.handleError(record)


def leave_quietly() -> None:
    """Let nothing more be written to a pipe whose reader has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_json(document: Any) -> None:
    """The result for a program."""
    text = json.dumps(document, indent=1, ensure_ascii=False, default=str)
    sys.stdout.write(_LEFT_BY_JSON.sub(lambda found: _escaped(found[0]), text) + "\n")
    sys.stdout.flush()  # a reader that has gone is met here, not at the end of the program


_LEFT_BY_JSON = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]")
"""Signs that JSON leaves as they are and a terminal obeys or hides."""


def _escaped(sign: str) -> str:
    return json.dumps(sign)[1:-1] if sign != "\x7f" else "\\u007f"


def print_table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """A table: the first column to the left, figures to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for position, column in enumerate(columns):
        table.add_column(column, justify="right" if position else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    _Console(width=max(out.width, 140), highlight=False).print(table)  # a narrow terminal wraps, no figure is cut


def print_result(result: Result, *, as_json: bool) -> None:
    """The table of arms, the verdict, what was asked, and where the report is."""
    usage = result.record.manifest["usage"]
    if as_json:
        print_json(
            {
                "folder": str(result.folder),
                "report": str(result.report),
                "verdict": result.verdict,
                "warning": result.warning,
                "usage": usage,
                "facts": {identity: fact.value for identity, fact in result.facts.items()},
            }
        )
        return
    if result.warning:
        out.print(f"{result.warning}\n", markup=False, style="bold red")
    shown = result.shown
    print_table(
        ["arm", *shown.columns],
        ([str(arm), *map(str, row)] for arm, row in zip(shown.index, shown.values, strict=True)),
    )
    say("")
    say(f"Verdict on the advice: {result.verdict}.")
    if usage["decisions"]:
        draws = result.record.manifest["experiment"]["evaluation"].get("draws", 1)
        drawn = f" of {draws} draws" if draws > 1 else ""
        say(
            f"Model: {usage['decisions']:,} decisions{drawn} with {usage['questions']:,} questions, "
            f"{usage['distinct']:,} of them distinct; {usage['asked']:,} asked now in {usage['seconds']:.1f} s, the "
            "others from the record."
        )
    say(f"Report: {result.report}")


class ArmProgress:
    """A progress bar for each arm on a terminal, a line for each finished arm elsewhere; call it as an ``OnBar``."""

    _EVERY = 25

    def __init__(self) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=err,
            transient=True,
            disable=not err.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def asked(self, done: int, questions: int, at_once: int) -> None:
        """How many questions were asked ahead; call it as an ``OnAnswer``."""
        told = f"asking {questions:,} questions, {at_once} at once"
        if told not in self._tasks:
            self._tasks[told] = self._bars.add_task(told, total=questions)
            if not err.is_terminal:
                note(told)
        self._bars.update(self._tasks[told], completed=done)

    def __call__(self, arm: str, done: int, total: int) -> None:
        if arm not in self._tasks:
            self._tasks[arm] = self._bars.add_task(arm, total=total)
        if done % self._EVERY == 0 or done == total:
            self._bars.update(self._tasks[arm], completed=done)
        if done == total and not err.is_terminal:
            note(f"{arm}: {done:,} decisions")
