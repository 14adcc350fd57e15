"""Lines of a journal read in parts: what a line has in common with earlier ones is parsed and checked once."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO, TypeAlias

from llm_strategy.risk import Verdict
from llm_strategy.trading.decision_lines import Entry, entry_of
from llm_strategy.types import Decision, Snapshot
from simulator.folder.record_check import check_decision

_PLACED = frozenset({"bar", "snapshot", "time"})
"""What differs from close to close; all else of a line repeats that of most others."""
_BAR, _MARKET, _STATUS, _TIME = ',"bar":', ',"snapshot":{', '},"status":', ',"time":"'
_PLAIN = re.compile("[0-9T:.+-]+")
"""A text that JSON reads as it stands."""
_LONGEST_BAR = 15
"""Digits of a bar's number."""
_MOST_COMMON, _MOST_MARKETS, _MOST_FILES = 2_048, 8_192, 1_024
"""Some 30 MB of the first where every decision has a rationale of its own, 25 MB of the second: the closes of thirty
years. Of more closes than are kept, none would be found again by the next arm."""
_State: TypeAlias = tuple[int, int, int, int]
"""Device and number of a file, its length in bytes, and when it was changed (nanoseconds)."""


class Common:
    """What a decision says but its bar, its market and its time: ``row`` is that of its line.

    Lines that say the same have the same object where their reader still knew it.
    """

    __slots__ = ("row", "said")

    def __init__(self, row: dict[str, Any]) -> None:
        self.row = row
        self.said: tuple[Decision, Verdict] | None = None
        """The same as a decision, on the market of the first line that was made an entry, with the gate's verdict."""


class Market:
    """What a decision is about: a symbol, its close in currency, and in ``row``, as JSON has it, all of its
    snapshot."""

    __slots__ = ("_row", "_snapshot", "close", "symbol")

    def __init__(self, row: dict[str, Any]) -> None:
        self.symbol: str = row["symbol"]
        self.close: float = row["close"]
        self._row = row
        self._snapshot: Snapshot | None = None

    def snapshot(self) -> Snapshot:
        """The snapshot, made once."""
        if self._snapshot is None:
            self._snapshot, self._row = Snapshot.from_record(self._row), {}
        return self._snapshot


class Line(NamedTuple):
    """A line of a journal: its bar and its time, its market, and what others say as well."""

    bar: int
    time: str
    market: Market
    common: Common
    text: str

    def row(self) -> dict[str, Any]:
        """The whole line as JSON."""
        read: dict[str, Any] = json.loads(self.text)
        return read

    def entry(self) -> Entry:
        """The line as an entry; entries that say the same hold the same advice and the same verdict."""
        if self.common.said is None:
            entry = entry_of(self.row())
            self.common.said = entry.decision, entry.verdict
            return entry
        one, verdict = self.common.said
        decision = Decision(
            self.market.snapshot(),
            one.status,
            one.advice,
            one.abstention,
            one.policy,
            one.prompt,
            one.exchanges,
            one.repairs,
            one.instead_of,
            one.context,
            one.plan,
        )
        return Entry(self.bar, decision, verdict)


class LineReader:
    """Reads lines of journals; of those that go through the same closes it parses the market of a close once.

    A line of other parts than ``write_decision`` makes is parsed whole, so that every line comes out as JSON has it.
    """

    def __init__(self) -> None:
        self._common: dict[tuple[str, ...], Common] = {}
        self._markets: dict[tuple[str, str], Market] = {}
        self._sound: set[_State] = set()

    def read_all(self, lines: TextIO, path: Path) -> Iterator[Line]:
        """The lines of the journal at ``path``, of which ``lines`` is the open file; raises as ``read`` does. A file
        that was sound to its end, and is the same since, is not checked again."""
        state = _state_of(lines)
        checked = state in self._sound
        for number, text in enumerate(lines, 1):
            yield self.read(text, path, number, checked=checked)
        if len(self._sound) >= _MOST_FILES:
            self._sound.clear()
        self._sound.add(state)

    def read(self, text: str, path: Path, number: int, *, checked: bool = False) -> Line:
        """Line ``number`` of the journal at ``path``; raises ``RunFolderError`` or ``ValueError`` where it is no
        decision, unless it was ``checked`` before."""
        try:
            at_bar = text.index(_BAR)
            behind = text.index(",", at_bar + len(_BAR))
            at_market = text.index(_MARKET, behind)
            at_status = text.index(_STATUS, at_market)
            at_time = text.index(_TIME, at_status)
            end = text.index('",', at_time + len(_TIME))
            digits = text[at_bar + len(_BAR) : behind]
            bar = int(digits)
        except ValueError:  # parts that nobody finds, or too many digits
            return self._read_whole(text, path, number)
        time, market = text[at_time + len(_TIME) : end], text[at_market + len(_MARKET) : at_status]
        parts = text[:at_bar], text[behind + 1 : at_market], text[at_status + 2 : at_time], text[end + 2 :]
        common, about = self._common.get(parts), self._markets.get((market, time))
        if str(bar) != digits or len(digits) > _LONGEST_BAR:
            return self._read_whole(text, path, number)
        if common is not None and about is not None:
            return Line(bar, time, about, common, text)
        row, snapshot = common.row if common else _read_parts(parts), _read_object(f"{{{market}}}")
        if not row or not snapshot or row.keys() & _PLACED or not _PLAIN.fullmatch(time):
            return self._read_whole(text, path, number)
        if not checked:
            check_decision({**row, "bar": bar, "snapshot": snapshot, "time": time}, path, number)
        common = common or self._keep_common(parts, row)
        return Line(bar, time, about or self._keep_market(market, time, snapshot), common, text)

    def _read_whole(self, text: str, path: Path, number: int) -> Line:
        row = json.loads(text)
        check_decision(row, path, number)
        common = Common({name: value for name, value in row.items() if name not in _PLACED})
        return Line(row["bar"], row["time"], Market(row["snapshot"]), common, text)

    def _keep_common(self, parts: tuple[str, ...], row: dict[str, Any]) -> Common:
        if len(self._common) >= _MOST_COMMON:
            self._common.clear()
        return self._common.setdefault(parts, Common(row))

    def _keep_market(self, text: str, time: str, snapshot: dict[str, Any]) -> Market:
        if len(self._markets) >= _MOST_MARKETS:
            self._markets.clear()
        return self._markets.setdefault((text, time), Market(snapshot))


READER = LineReader()
"""That of this process: arms of a run, and what is loaded of it again, go through the same closes."""


def _state_of(file: TextIO) -> _State:
    found = os.fstat(file.fileno())
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _read_parts(parts: tuple[str, ...]) -> dict[str, Any]:
    """The members of four parts of an object, the first with its opening brace and the last with its closing one;
    nothing where one of them is not whole by itself."""
    head, middle, status, tail = parts
    read = [*map(_read_object, (f"{head}}}", f"{{{middle}}}", f"{{{status}}}", f"{{{tail}"))]
    return {name: value for members in read for name, value in members.items()} if all(read) else {}


def _read_object(text: str) -> dict[str, Any]:
    """An object of JSON; nothing where it is none."""
    try:
        read: dict[str, Any] = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return read
