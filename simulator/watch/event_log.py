"""``events.jsonl``: every event of a watch once, in the order in which they were told first."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from llm_strategy.support.read_regular import open_regular
from llm_strategy.support.strict_json import parse_json
from simulator.watch.events import Sink, WatchEvent, WatchState

log = logging.getLogger(__name__)


class EventLog:
    """Appends events to a file, and gives those that are new there to the ``sinks``; a sink that fails is told of and
    left alone, and the watch goes on. Keys that stand in the file already are no news."""

    def __init__(self, path: Path, sinks: Sequence[Sink]) -> None:
        self._path = path
        self._sinks = list(sinks)
        self._keys = {event.key for event in read_events(path)}

    def take(self, event: WatchEvent) -> None:
        """Take an event; its key decides whether it is new. Sinks are told of old ones, too: they may have missed
        them."""
        if event.key not in self._keys:
            self._keys.add(event.key)
            with self._path.open("a", encoding="utf-8") as file:  # a line that a kill cut short stays one of its own
                file.write("\n" + json.dumps(event.as_dict(), sort_keys=True) + "\n")
        self._each(lambda sink: sink.take(event))

    def show(self, state: WatchState) -> None:
        """Show how things stand."""
        self._each(lambda sink: sink.show(state))

    def close(self) -> None:
        """End."""
        self._each(lambda sink: sink.close())

    def _each(self, tell: Callable[[Sink], None]) -> None:
        for sink in list(self._sinks):
            try:
                tell(sink)
            except Exception as problem:  # whatever it is, decisions matter more
                self._sinks.remove(sink)
                log.warning("%s has failed and is told nothing more: %s", type(sink).__name__, problem)


def read_events(path: Path) -> list[WatchEvent]:
    """The events of a file, in order; a line that a kill cut short is none."""
    found = []
    try:
        with open_regular(path) as file:
            for line in file.read().splitlines():
                if (event := event_of(line)) is not None:
                    found.append(event)
    except FileNotFoundError:
        pass
    return found


def event_of(line: str | bytes) -> WatchEvent | None:
    """The event of a line; None where a kill cut it short."""
    try:
        return WatchEvent.from_record(parse_json(line if isinstance(line, str) else line.decode(errors="replace")))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
