"""How a watch stands, from its folder alone: the last close, decisions and accounts, and whether it is running."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filelock import Timeout

from llm_strategy.errors import RunFolderError
from llm_strategy.support.strict_json import parse_json
from llm_strategy.trading.decision_lines import Entry
from simulator.folder.manifest import lock_of
from simulator.watch.event_log import event_of
from simulator.watch.events import WatchEvent, WatchState
from simulator.watch.folder import BARS, DECISIONS, EVENTS, WatchFolder
from simulator.watch.left_out import read_left_out, told_left_out
from simulator.watch.tail import Tail

LAST_EVENTS = 10
"""Events that a status tells."""
_MOST_PARSED = 1000
"""Lines of bars and events of which what they say is read: of more, those at the end."""
_OF_DECISION = b'"line":"'
"""Stands in a line of the chain where it holds a decision, and nowhere else: within a text quotes are escaped."""


@dataclass(frozen=True)
class Status:
    """``arms`` has of each arm its account (``equity``, ``cash``, money) and under ``symbols`` its last decision on
    each: label, action, confidence and what the gate left. ``head`` is the hash of the last line of the chain;
    ``left_out`` counts ticks and bars that are part of no bar, by reason."""

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
    left_out: Mapping[str, int] = field(default_factory=dict)

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
        if told := told_left_out(self.left_out):
            yield told
        for event in self.events:
            yield f"{event.time} {event.text}"


class StatusReader:
    """Reads the status of the folder at ``path`` again and again: of what has grown, only what is new. Raises
    ``RunFolderError`` where it is no folder of a watch."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._begin()

    def _begin(self) -> None:
        path = self._path
        self._folder = WatchFolder(path)
        self._arms: dict[str, dict[str, Any]] = {name: {"symbols": {}} for name in self._folder.about["arms"]}
        self._prices: dict[str, float] = {}
        self._events: deque[WatchEvent] = deque(maxlen=LAST_EVENTS)
        self._closes = self._decisions = 0
        self._last, self._head = "", self._folder.root
        self._tails = tuple(Tail(path / name) for name in (BARS, DECISIONS, EVENTS))

    def read(self) -> Status:
        """The status as it is now."""
        grown = [tail.read() for tail in self._tails]
        if None in grown:
            self._begin()  # another file
            grown = [tail.read() for tail in self._tails]
        bars, decisions, events = (lines or [] for lines in grown)
        try:
            self._take_bars(bars)
            self._take_decisions(decisions)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as problem:
            raise RunFolderError(
                f"{self._path} holds a line that btllm watch did not write ({problem}): 'btllm watch verify' names it."
            ) from None
        self._events.extend(event for event in map(event_of, events[-_MOST_PARSED:]) if event is not None)
        about = self._folder.about
        return Status(
            str(self._path),
            about["name"],
            _is_running(self._path),
            about["started"],
            self._folder.experiment.watch.feed,
            self._closes,
            self._last,
            self._decisions,
            self._head,
            dict(self._prices),
            {name: {**arm, "symbols": dict(arm["symbols"])} for name, arm in self._arms.items()},
            tuple(self._events),
            read_left_out(self._path),
        )

    def _take_bars(self, lines: list[bytes]) -> None:
        self._closes += len(lines)
        for document in _documents(lines[-_MOST_PARSED:]):
            self._last = str(document["end"])
            self._prices |= {symbol: float(values[3]) for symbol, values in document["bars"].items()}

    def _take_decisions(self, lines: list[bytes]) -> None:
        """Count all, and read from the end what no later line says of the same arm and symbol."""
        self._decisions += sum(1 for line in lines if _OF_DECISION in line)
        symbols = set(self._folder.about["symbols"])
        last = next(_documents(reversed(lines)), None)
        self._head = str(last["hash"]) if last else self._head
        due = {name: {"", *symbols} for name in self._arms}
        for document in _documents(reversed(lines)):
            line = self._folder.line_of(document)
            missing = due.setdefault(line.arm, {"", *symbols})
            if line.account and "" in missing:
                missing.discard("")
                _, equity, cash = line.account[:3]
                self._arm(line.arm).update(equity=float(equity), cash=float(cash))
            elif line.line and missing - {""}:
                said = _said(line.entry)
                if said["symbol"] in missing:
                    missing.discard(said["symbol"])
                    self._arm(line.arm)["symbols"][said.pop("symbol")] = said
            if not any(due.values()):
                return

    def _arm(self, name: str) -> dict[str, Any]:
        return self._arms.setdefault(name, {"symbols": {}})


def status_of(path: Path) -> Status:
    """The status of a folder; raises ``RunFolderError`` where it is none of a watch."""
    return StatusReader(path).read()


def _documents(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The lines of a chain as they stand, unchecked; what is no JSON object is left out."""
    for line in lines:
        try:
            found = parse_json(line.decode())
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            yield found


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


def _said(entry: Entry) -> dict[str, Any]:
    decision, verdict = entry.decision, entry.verdict
    advice = decision.advice
    return {
        "symbol": decision.snapshot.symbol,
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
