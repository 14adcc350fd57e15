"""The commands of ``btllm watch``: a market watched forward on paper, and what its record proves.

What a command needs is imported when it runs, so that help comes at once and an interruption is met.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from llm_strategy.errors import RunFolderError
from simulator.cli import console
from simulator.cli.console import AsJson
from simulator.cli.folders import sign_of_life

WatchedFolder = Annotated[Path, typer.Argument(help="A folder that btllm watch wrote.", show_default=False)]


class _RunByDefault(TyperGroup):
    """``btllm watch experiment.yaml`` is ``btllm watch run experiment.yaml``."""

    usual = "run"
    """The command of words that name none."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command in front of what names none."""
        if not args or (args[0] not in self.commands and args[0] not in ("--help",)):
            args = [self.usual, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_RunByDefault,
    help="Watch a market forward on paper: decisions are committed before their outcome. No real order exists.",
)


@app.command()
def run(
    experiment: Annotated[
        Path, typer.Argument(help="The experiment; write a starter with: btllm init", show_default=False)
    ] = Path("experiment.yaml"),
    feed: Annotated[
        str, typer.Option(help="Where bars come from: replay:, replay:SOURCE, follow:PATH; as under watch if absent.")
    ] = "",
    speed: Annotated[
        float | None, typer.Option(help="Seconds of the market in a second of a replay; 0 is as fast as it goes.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Watch until the feed ends or you interrupt; the same command goes on from there, also after a kill.

    Example: btllm watch experiment.yaml --feed replay: --speed 3600
    """
    from simulator.watch.status import EventLines
    from simulator.watch.watch import watch

    with _ending() as stop:
        result = watch(experiment, feed=feed or None, speed=speed, sinks=[EventLines(console.note)], stop=stop)
    if as_json:
        console.print_json(
            {
                "folder": str(result.folder),
                "closes": result.closes,
                "decisions": result.decisions,
                "ended": result.ended,
            }
        )
        return
    how = "The feed has ended" if result.ended else "Ended; the same command goes on from here"
    console.say(f"{how}: {result.closes:,} closes, {result.decisions:,} decisions.")
    console.say(f"Folder: {result.folder}")
    console.say(f"Proof:  btllm watch verify {result.folder}")
    console.say(f"Page:   btllm report {result.folder}")


@app.command()
def verify(folder: WatchedFolder, as_json: AsJson = False) -> None:
    """Prove that nothing of a watch was changed, removed or inserted, and how long before its outcome each decision was
    made.

    Example: btllm watch verify reports/day-watch-1a2b3c4d
    """
    from simulator.watch.proof import prove

    proof = prove(folder)
    if as_json:
        console.print_json(proof.as_dict())
    else:
        for line in proof.lines():
            console.say(line)
    if not proof.is_whole:
        kinds = ", ".join(f"{fault.file} line {fault.line:,} {fault.kind}" for fault in proof.faults)
        raise RunFolderError(f"{folder} is not what was written ({kinds}): restore it from a copy.")


@app.command()
def shadow(folder: WatchedFolder, as_json: AsJson = False) -> None:
    """Decide and trade the recorded bars again offline, and compare byte for byte.

    Example: btllm watch shadow reports/day-watch-1a2b3c4d
    """
    with sign_of_life("trading the recorded bars again"):
        from simulator.watch.offline import shadow as shadow_folder

        checks = shadow_folder(folder)
    if as_json:
        console.print_json({check.name: check.difference or "same" for check in checks})
    else:
        for check in checks:
            console.say(f"{'same' if check.same else 'DIFFERS':8}{check.name} ({check.count:,})")
    if differing := [f"{check.name}: {check.difference}" for check in checks if not check.same]:
        raise RunFolderError(f"{folder} differs from its shadow ({'; '.join(differing)}).")


@app.command()
def status(folder: WatchedFolder, as_json: AsJson = False) -> None:
    """How a watch stands, from its folder alone, also while it runs.

    Example: btllm watch status reports/day-watch-1a2b3c4d
    """
    from simulator.watch.status import status_of

    found = status_of(folder)
    if as_json:
        console.print_json(found.as_dict())
        return
    for line in found.lines():
        console.say(line)


@contextmanager
def _ending() -> Iterator[threading.Event]:
    """An event that the first interruption sets, so that the close in hand is committed; the second one breaks off."""
    stop = threading.Event()

    def end(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        console.note("Ending after this close; interrupt once more to break off.")

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
