"""The command ``btllm``."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Annotated, Any

try:
    import typer
    from typer.core import TyperGroup

    from llm_strategy.errors import BacktraderLLMError, RunFolderError, nearest
    from llm_strategy.support.outside_text import spelled_out
    from llm_strategy.support.threads import GRACE_S, native_calls
    from simulator.cli import (
        analytics,
        checklists,
        console,
        documents,
        experiments,
        folders,
        hypotheses,
        memory,
        questions,
        runs,
        sweep,
        train,
        trials,
        watch,
    )
    from simulator.cli import models as model
    from simulator.cli.late_talib import import_talib_late
except KeyboardInterrupt:  # imports take a while on a busy machine, and nothing has begun yet
    sys.stderr.write("Error: interrupted before anything was done.\n")
    raise SystemExit(130) from None

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)
"""What a disk that is full or fails says, whatever was being written."""
_LOUD = re.compile(r"-v+|--verbose")
_CHOICE = re.compile(r"'(.*)' is not one of (.*)", re.DOTALL)
_UsageError: type[Any] = typer.BadParameter.__mro__[1]
"""What a wrong option or command raises; typer exports no name for it, and may bring its own copy of click."""


class OneSentenceErrors(TyperGroup):
    """Every error of a user is one sentence and an exit code."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take ``-v`` wherever it stands, before or behind the command, and no option that is empty."""
        loud = [one for one in args if _LOUD.fullmatch(one)]
        with _visible_usage_errors():
            _refuse_empty(args)
            return super().parse_args(ctx, [*loud, *(one for one in args if not _LOUD.fullmatch(one))])

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            with _visible_usage_errors():
                return super().invoke(ctx)
        except BacktraderLLMError as problem:
            console.fail(problem)
            raise typer.Exit(problem.exit_code) from None
        except BrokenPipeError:
            console.leave_quietly()
            raise typer.Exit(141) from None
        except OSError as problem:
            if problem.errno not in _DISK:
                raise
            where = problem.filename or "What was to be kept or shown"
            console.fail(RunFolderError(f"{where} cannot be written ({problem.strerror}): free space, then go on."))
            raise typer.Exit(RunFolderError.exit_code) from None
        except KeyboardInterrupt:
            console.fail(
                "interrupted; every answer of the model so far is kept, and the same command goes on from there."
            )
            raise typer.Exit(130) from None


def _refuse_empty(args: list[str]) -> None:
    """An option with an empty text, as from a variable of the shell that is not set, is none that is left out."""
    for before, arg in zip(["", *args], args, strict=False):
        option = before if arg == "" else arg.removesuffix("=")
        if option.startswith("--") and (arg == "" or arg.endswith("=")):
            raise typer.BadParameter(f"{option} is empty: give it a value, or leave it out.")


@contextmanager
def _visible_usage_errors() -> Iterator[None]:
    """What was typed is told in a way that the terminal shows and does not obey."""
    try:
        yield
    except _UsageError as problem:
        told = problem.message.removeprefix("Value error, ")  # how pydantic begins what our types say
        if choice := _CHOICE.fullmatch(told):
            told = told.rstrip(".") + (nearest(choice[1], re.findall(r"'([^']*)'", choice[2])) or ".")
        problem.message = spelled_out(told)
        raise


app = typer.Typer(
    cls=OneSentenceErrors,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="A language model advises at every bar close, a gate clamps it, and a report says whether it added anything. "
    "Simulation only.",
    epilog="Exit codes: 0 done, 1 a part looks ahead, 2 configuration, 3 prices, 4 model, 5 not a simulated broker, "
    "6 run folder, 7 too many failed decisions, 8 budget used up, 130 interrupted, 141 the reader of a pipe has gone.",
)
for command in (
    experiments.demo,
    experiments.run,
    experiments.compare,
    sweep.sweep,
    trials.open_holdout,
    folders.replay,
    folders.report,
    folders.view,
    runs.runs,
    runs.diff,
    runs.export,
    experiments.advise,
    experiments.brief,
    folders.trace,
    experiments.check_lookahead,
    memory.audit_memory,
    analytics.analytics,
    experiments.init,
    model.doctor,
    model.forget,
):
    app.command()(command)
app.add_typer(model.app, name="models")
app.add_typer(documents.app, name="documents")
app.add_typer(checklists.app, name="checklist")
app.add_typer(hypotheses.app, name="hypotheses")
app.add_typer(trials.app, name="trials")
app.add_typer(train.app, name="train")
app.add_typer(watch.app, name="watch")
app.add_typer(questions.app, name="questions")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        console.say(f"backtrader-llm {version('backtrader-llm')}")
        raise typer.Exit


@app.callback()
def start(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    verbose: Annotated[
        int,
        typer.Option(
            "--verbose",
            "-v",
            count=True,
            help="Show each question that the model is asked; -vv also those answered from the record, and more. As "
            "LOG_LEVEL=INFO and DEBUG do.",
        ),
    ] = 0,
) -> None:
    import logging

    from llm_strategy.llm.settings import load_settings
    from llm_strategy.support.logs import LOG_FORMAT, LOGGERS

    level: str = load_settings().log_level
    if verbose:
        level = "INFO" if verbose == 1 and level != "DEBUG" else "DEBUG"
    handler = console.LogHandler()
    handler.setFormatter(logging.Formatter(LOG_FORMAT))
    others = max(level, "WARNING", key=logging.getLevelNamesMapping().__getitem__)
    logging.basicConfig(level=others, handlers=[handler])
    for package in LOGGERS:  # what other libraries have to say below a warning is not ours
        logging.getLogger(package).setLevel(level)


def main() -> None:
    """Run the command line. A model that does not stop is left behind with the process: every file is closed by then,
    and to end the interpreter under native code that still runs would abort it."""
    import_talib_late()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal of few characters ends no command
    try:
        app()
    except SystemExit as end:
        if native_calls.ended(GRACE_S):
            raise
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code if isinstance(end.code, int) else int(end.code is not None))
    except Exception:  # a fault of ours, told whole but for keys in it
        console.show_fault()
        raise SystemExit(1) from None
