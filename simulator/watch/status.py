"""How a watch stands, from its folder alone: the last close, decisions and accounts, and whether it is running."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filelock import Timeout

from simulator.folder.manifest import lock_of
from simulator.watch.event_log import read_events
from simulator.watch.events import WatchEvent, WatchState
from simulator.watch.folder import EVENTS, RecordedLine, WatchFolder

LAST_EVENTS = 10
"""Events that a status tells."""


@dataclass(frozen=True)
class Status:
    """``arms`` has of each arm its account (``equity``, ``cash``, money) and under ``symbols`` its last decision on
    each: label, action, confidence and what the gate left. ``head`` is the hash of the last line of the chain."""

    folder: str
    name: str
    running: bool
    started: str
    feed: str
    closes: int
    last: str
    decisions: int
    head: str
    prices: Mapping[str, float]
    arms: Mapping[str, Mapping[str, Any]]
    events: tuple[WatchEvent, ...] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self) | {"events": [event.as_dict() for event in self.events]}

    def lines(self) -> Iterator[str]:
        """The same for a person."""
        how = "is running" if self.running else "is not running"
        last = self.last or "none yet"
        yield f"{self.name} {how}: {self.closes:,} closes up to {last}, {self.decisions:,} decisions."
        yield f"Feed {self.feed}, begun {self.started}; head of the chain {self.head}."
        for name, arm in self.arms.items():
            if "equity" in arm:
                yield f"{name}: equity {arm['equity']:,.2f}, cash {arm['cash']:,.2f}"
            for symbol, said in arm["symbols"].items():
                price = self.prices.get(symbol)
                at = f" at {price:g}" if price is not None else ""
                yield f"  {symbol}{at}: {said['label'] or 'no advice'} {said['action']} ({said['intent']})"
        for event in self.events:
            yield f"{event.time} {event.text}"


def status_of(path: Path) -> Status:
    """The status of a folder; raises ``RunFolderError`` where it is none of a watch."""
    folder = WatchFolder(path)
    about = folder.about
    closes, lines = folder.bars.read(), folder.decisions.read()
    arms: dict[str, dict[str, Any]] = {name: {"symbols": {}} for name in about["arms"]}
    made = 0
    for line in map(folder.line_of, lines):
        made += bool(line.line)
        _note(arms.setdefault(line.arm, {"symbols": {}}), line)
    prices: dict[str, float] = {}
    for close in closes[-1000:]:
        prices |= {symbol: values[3] for symbol, values in close["bars"].items()}
    return Status(
        str(path),
        about["name"],
        _is_running(path),
        about["started"],
        folder.experiment.watch.feed,
        len(closes),
        closes[-1]["end"] if closes else "",
        made,
        lines[-1]["hash"] if lines else folder.root,
        prices,
        arms,
        tuple(read_events(path / EVENTS)[-LAST_EVENTS:]),
    )


class EventLines:
    """A sink that writes each event of a new close as a line, for a terminal or a log."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._is_new = False

    def take(self, event: WatchEvent) -> None:
        """Write it."""
        if self._is_new:
            self._write(f"{event.time} {event.text}")

    def show(self, state: WatchState) -> None:
        """Where a watch goes on, from where; a line a close would be too many."""
        if not self._is_new and state.bars:
            self._write(f"Going on behind {state.bars:,} recorded closes, the last of {state.time}.")
        self._is_new = True

    def close(self) -> None:
        """Nothing is held."""


def _note(arm: dict[str, Any], line: RecordedLine) -> None:
    if line.account:
        arm["equity"], arm["cash"] = line.account[1], line.account[2]
        return
    decision, verdict = line.entry.decision, line.entry.verdict
    advice = decision.advice
    arm["symbols"][decision.snapshot.symbol] = {
        "time": decision.snapshot.time,
        "label": "" if advice is None else str(advice.regime.label),
        "action": "" if advice is None else str(advice.action.type),
        "confidence": None if advice is None else advice.action.confidence,
        "intent": str(verdict.intent),
    }


def _is_running(path: Path) -> bool:
    """Whether a process writes the folder now."""
    lock = lock_of(path)
    if not Path(lock.lock_file).exists():
        return False
    try:
        with lock:
            return False
    except Timeout:
        return True
    except OSError:  # a folder that may only be read
        return False
