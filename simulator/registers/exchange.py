"""A register as lines of JSON, for a copy or another machine, and the way back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, TypeAlias

from llm_strategy.errors import ConfigurationError
from llm_strategy.support.schemas import require
from llm_strategy.support.strict_json import parse_json
from simulator.registers.chain import Chain, Entry
from simulator.registers.data import DataWindow

MOST_LINES = 1_000_000
"""Lines of a file that is brought in."""
Line: TypeAlias = tuple[Entry, Mapping[str, Any] | None]
"""An entry, and the document of its window."""


def export_lines(chain: Chain) -> Iterator[str]:
    """The entries of a register: of each all that it holds, with its window."""
    for entry in chain.entries():
        name = entry.content.get("window")
        data = None if name is None else chain.window(name)
        yield json.dumps(line_of(entry) | {"data": data}, sort_keys=True)


def line_of(entry: Entry) -> dict[str, Any]:
    """An entry as a line of an exported register, without its window."""
    return asdict(entry) | {"data": None}


def append_lines(
    chain: Chain, brought: Iterable[Line], is_known: Callable[[Entry, list[Entry]], bool] = lambda entry, known: False
) -> int:
    """Append the entries that are not there, in their order, and return how many.

    Into an empty register they come as they were. Beside others each keeps its time and names its hash there as
    ``origin``. One that ``is_known`` among the entries that are there is left out, too.
    """
    with chain.writing() as appender:
        known = {entry.content.get("origin", entry.hash) for entry in appender.entries}
        known |= {entry.hash for entry in appender.entries}
        count = 0
        for entry, window in brought:
            origin = entry.content.get("origin", entry.hash)
            if origin in known or entry.hash in known or is_known(entry, appender.entries):
                continue
            last = appender.entries[-1].hash if appender.entries else ""
            follows = entry.earlier == last and entry.number == len(appender.entries) + 1
            content = dict(entry.content) if follows else {**entry.content, "origin": origin}
            appender.add(entry.kind, entry.statement, content, window, at=entry.at)
            count += 1
    return count


def read_lines(
    lines: Iterable[str], where: str, schema: str, is_itself: Callable[[Entry, str], bool], noun: str = "register"
) -> list[Line]:
    """The entries of an exported register; nothing in them is looked up or run.

    Raises ``ConfigurationError``, which begins with ``where``, for lines that are no register, by the ``schema`` or
    because one is not what ``is_itself`` expects, and for lines that were changed or do not follow each other.
    """
    found: list[Line] = []
    earlier = ""
    for number, text in enumerate(lines, 1):
        if number > MOST_LINES:
            raise ConfigurationError(f"{where} has more than {MOST_LINES:,} lines: bring in a smaller one.")
        entry, window = _read_line(text, f"{where}, line {number}", schema, is_itself, noun)
        if entry.number != number or entry.earlier != earlier:
            raise ConfigurationError(f"{where}, line {number} does not follow the one before: export it again.")
        found.append((entry, window))
        earlier = entry.hash
    return found


def _read_line(text: str, where: str, schema: str, is_itself: Callable[[Entry, str], bool], noun: str) -> Line:
    try:
        line = parse_json(text)
        require(schema, line, where)
        entry = Entry(*(line[key] for key in ("number", "kind", "statement", "at", "content", "earlier", "hash")))
        window = None if line["data"] is None else DataWindow.from_document(line["data"])
        is_whole = entry.content["window"] == (None if window is None else window.id) and is_itself(entry, where)
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        raise ConfigurationError(f"{where} is no entry of a {noun}: export one with its command.") from None
    if not is_whole or entry.hash != entry.digest:
        raise ConfigurationError(f"{where} was changed: export it again.")
    return entry, line["data"]
