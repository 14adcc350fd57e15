"""The commands of ``btllm watch``: a market watched forward on paper, what its record proves, and who is told.

What a command needs is imported when it runs, so that help comes at once and an interruption is met.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from llm_strategy.errors import ConfigurationError, RunFolderError, nearest
from simulator.cli import console
from simulator.cli.console import AsJson
from simulator.cli.folders import sign_of_life

if TYPE_CHECKING:
    from simulator.watch.events import Sink

Port = Annotated[int, typer.Option(help="Port of the page on 127.0.0.1; any free one if absent.", min=0, max=65535)]
WatchedFolder = Annotated[Path, typer.Argument(help="A folder that btllm watch wrote.", show_default=False)]


class _RunByDefault(TyperGroup):
    """``btllm watch experiment.yaml`` is ``btllm watch run experiment.yaml``."""

    usual = "run"
    """The command of words that name none."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command in front of what names none."""
        word = args[0] if args else ""
        misspelt = bool(nearest(word, self.commands)) and not Path(word).exists()  # told as an unknown command
        if word not in (*self.commands, "--help") and not misspelt:
            args = [self.usual, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_RunByDefault,
    help="Watch a market forward on paper: decisions are committed before their outcome. No real order exists.",
)


alerts_app = typer.Typer(help="Who is told of a watch: try the channels, and see what was delivered.")
app.add_typer(alerts_app, name="alerts")
ExperimentFile = Annotated[
    Path, typer.Argument(help="The experiment; write a starter with: btllm init", show_default=False)
]


@app.command()
def run(
    experiment: ExperimentFile = Path("experiment.yaml"),
    feed: Annotated[
        str,
        typer.Option(
            help="Where bars come from: replay:, follow:PATH, websocket:URL, yfinance:SYMBOL, ccxt:EXCHANGE/SYMBOL, "
            "alpaca:SYMBOL; as under watch if absent."
        ),
    ] = "",
    speed: Annotated[
        float | None, typer.Option(help="Seconds of the market in a second of a replay; 0 is as fast as it goes.")
    ] = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="Show it on a page of this machine, too; its address is told.")
    ] = False,
    port: Port = 0,
    as_json: AsJson = False,
) -> None:
    """Watch until the feed ends or you interrupt; the same command goes on from there, also after a kill.

    Example: btllm watch experiment.yaml --feed replay: --speed 3600
    """
    from simulator.watch.left_out import told_left_out
    from simulator.watch.watch import watch

    if port and not serve:
        raise ConfigurationError("--port is that of the page: add --serve, or leave it out.")

    def sinks_of(folder: Path) -> list[Sink]:
        return [*_page_of(folder, port if serve else None), _view_of(folder)]

    with _ending() as stop:
        result = watch(experiment, feed=feed or None, speed=speed, sinks_of=sinks_of, stop=stop)
    if as_json:
        console.print_json(
            {
                "folder": str(result.folder),
                "closes": result.closes,
                "decisions": result.decisions,
                "ended": result.ended,
                "left_out": dict(result.left_out),
            }
        )
        return
    how = "The feed has ended" if result.ended else "Ended; the same command goes on from here"
    console.say(f"{how}: {result.closes:,} closes, {result.decisions:,} decisions.")
    if told := told_left_out(result.left_out):
        console.say(told)
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


@app.command()
def page(folder: WatchedFolder, port: Port = 0) -> None:
    """Show how a watch stands on a page of this machine, from its folder alone, until you interrupt.

    Example: btllm watch page reports/day-watch-1a2b3c4d
    """
    from simulator.watch.status import status_of

    status_of(folder)  # what is no folder of a watch is told now
    (server,) = _page_of(folder, port)
    with _ending("The page ends.") as stop:
        stop.wait()
    server.close()


@alerts_app.command("test")
def try_channels(experiment: ExperimentFile = Path("experiment.yaml"), as_json: AsJson = False) -> None:
    """Send one alert to every channel of an experiment, at any hour, and tell which were accepted.

    Example: btllm watch alerts test experiment.yaml
    """
    from simulator.experiment.configuration import Experiment
    from simulator.watch.alerts.channels import open_channels

    read = Experiment.from_file(experiment)
    if read.alerts is None:
        raise ConfigurationError(f"{experiment} has no alerts: write channels and rules under alerts.")
    text = "This is a test: btllm watch tells of this experiment here.\nOn paper: no real order exists."
    problems = {one.name: one.send(f"{read.name}: test", text) for one in open_channels(read)}
    if as_json:
        console.print_json({name: problem or "accepted" for name, problem in problems.items()})
    else:
        for name, problem in problems.items():
            console.say(f"{name}: {problem or 'accepted'}")
    if failed := [name for name, problem in problems.items() if problem]:
        raise ConfigurationError(
            f"alerts.channels: {', '.join(failed)} did not accept the alert: correct the address and its variables, or "
            "see that the service can be reached."
        )


@alerts_app.command("list")
def list_alerts(folder: WatchedFolder, last: Annotated[int, typer.Option(help="How many.", min=1)] = 20) -> None:
    """The last alerts of a watch, and how each channel stands.

    Example: btllm watch alerts list reports/day-watch-1a2b3c4d
    """
    from simulator.watch.alerts.outbox import read_outbox
    from simulator.watch.folder import WatchFolder

    _ = WatchFolder(folder).about  # what is no folder of a watch is told as such
    channels, alerts = read_outbox(folder, last)
    for one in alerts:
        console.say(f"{one['time']} {one['channel']} {one['state']}: {one['text']}")
        if one["explanation"]:
            console.say(f"  {one['explanation']}")
    for channel in channels:
        console.say(channel.told)
    if not channels:
        console.note("There are no alerts.")


def _view_of(folder: Path) -> Sink:
    """What shows a watch here: a view on a terminal, and else a line an event."""
    if console.err.is_terminal and not console.err.is_dumb_terminal:
        from simulator.cli.watch_view import TerminalView

        return TerminalView(console.err, folder)
    from simulator.watch.status import EventLines

    return EventLines(console.note)


def _page_of(folder: Path, port: int | None) -> Sequence[Sink]:
    """The server of the page on this port, whose address is told, where one is wanted."""
    if port is None:
        return ()
    from simulator.watch.page import StatusServer

    server = StatusServer(folder, port)
    console.note(f"Page: {server.address}")
    return (server,)


@contextmanager
def _ending(told: str = "Ending after this close; interrupt once more to break off.") -> Iterator[threading.Event]:
    """An event that the first interruption sets, so that the close in hand is committed; the second one breaks off."""
    stop = threading.Event()

    def end(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        console.note(told)

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
