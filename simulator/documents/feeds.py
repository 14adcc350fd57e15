"""News feeds as they are saved: RSS 2.0, whose ``pubDate`` has a zone, and Atom.

An entry that was updated says what it says now, so that it counts from its update on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from xml.parsers import expat

from llm_strategy.errors import MarketDataError, shown
from simulator.documents.plain_text import words_of_page

_DEEPEST = 200
_ENTRIES = ("item", "entry")


@dataclass
class _Element:
    name: str
    line: int
    attributes: dict[str, str] = field(default_factory=dict)
    parts: list[str] = field(default_factory=list)
    children: list[_Element] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What it says, the marks within it included for a text of XHTML."""
        return "".join([*self.parts, *(f" {child.text}" for child in self.children)]).strip()

    def first(self, *names: str) -> str:
        """The text of the first child of one of these names that says something."""
        found = (child.text for name in names for child in self.children if child.name == name)
        return next(filter(None, found), "")


def read_feed(path: Path, content: bytes, longest: int) -> Iterator[dict[str, Any]]:
    """A row for each entry of a feed; raises ``MarketDataError`` with file and line for what is no feed, and for an
    entry without a time or a zone."""
    root = _parse(path, content)
    channel = next((child for child in root.children if child.name == "channel"), root)
    places = [channel] if channel is root else [channel, root]  # RSS 1.0 has its items beside the channel
    entries = [each for place in places for each in place.children if each.name in _ENTRIES]
    if not entries:
        raise MarketDataError(f"{path} holds no item of RSS and no entry of Atom: save the feed itself.")
    for entry in entries:
        place = f"{path}, line {entry.line}"
        title = words_of_page(entry.first("title"), 500)
        text = words_of_page(entry.first("encoded", "description", "content", "summary"), longest) or title
        if not text:
            raise MarketDataError(f"{place}: the entry has neither title nor text: take it out.")
        row = {"available_at": _time_of(place, entry).isoformat(), "text": text}
        row["title"] = title if title != text else ""
        given = entry.first("guid", "id")
        row["id"] = given if len(given) <= 80 else hashlib.sha256(given.encode()).hexdigest()[:16]
        row["source"] = words_of_page(entry.first("source") or channel.first("title"), 200)
        yield {name: value for name, value in row.items() if value}


def _time_of(place: str, entry: _Element) -> datetime:
    """The later of publication and update."""
    times = []
    for name in ("pubDate", "date", "published", "updated", "modified"):
        for child in entry.children:
            if child.name == name and child.text:
                times.append(_zoned(place, name, child.text))
    if not times:
        raise MarketDataError(
            f"{place}: the entry has no pubDate, published or updated, and nobody can tell when it was there: take it "
            "out."
        )
    return max(times)


def _zoned(place: str, name: str, text: str) -> datetime:
    try:
        moment = parsedate_to_datetime(text) if name == "pubDate" else datetime.fromisoformat(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        raise MarketDataError(f"{place}: {name} is {shown(text)!r}, which is no time of a feed: correct it.") from None
    if moment.utcoffset() is None:
        raise MarketDataError(f"{place}: {name} is {shown(text)!r}, which has no zone: write one behind it, as GMT.")
    return moment


def _parse(path: Path, content: bytes) -> _Element:
    """The elements by their names without namespaces. A feed needs no entities of its own, so one that declares some
    is refused: they can grow without end, and name files."""
    root = _Element("", 0)
    stack = [root]
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True

    def begin(name: str, attributes: dict[str, str]) -> None:
        if len(stack) > _DEEPEST:
            raise MarketDataError(f"{path}, line {parser.CurrentLineNumber}: elements stand too deep in each other.")
        element = _Element(name.rpartition(" ")[2], parser.CurrentLineNumber, attributes)
        stack[-1].children.append(element)
        stack.append(element)

    def end(_: str) -> None:
        stack.pop()

    def refuse(*_: Any) -> None:
        raise MarketDataError(
            f"{path}, line {parser.CurrentLineNumber}: it declares a document type, which no feed needs: take that out."
        )

    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    parser.CharacterDataHandler = lambda data: stack[-1].parts.append(data)
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except expat.ExpatError as problem:
        raise MarketDataError(
            f"{path}, line {problem.lineno}: this is no XML ({problem}): save the feed itself."
        ) from None
    except (ValueError, LookupError) as problem:
        raise MarketDataError(f"{path} is no XML that can be read ({shown(problem)}): save the feed itself.") from None
    return root.children[0]
