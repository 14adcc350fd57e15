"""Which prices a hypothesis was proposed from, or tested on: so that the same ones are found again by their bars.

A file has a hash, and another file of the same market has another one. So a window keeps, for each day, a mark of how
far the close moved: where most of the days that two windows share have equal marks they are the same prices, whatever
they are called, however far each file goes, and whether or not one of them is scaled for dividends or splits.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from llm_strategy.errors import ConfigurationError

Floats: TypeAlias = NDArray[np.float64]
Times: TypeAlias = NDArray[np.datetime64]
_ALIKE = 0.5
"""Share of the days of both windows that must have equal marks for them to be the same prices."""
_MOVES_PER_UNIT = 10_000
"""A move is kept in hundredths of a percent, so that another file's last decimal does not show."""
_MOST_DAYS = 400_000
"""Days of a mark that is read."""


@dataclass(frozen=True)
class SymbolWindow:
    """The bars of one symbol in a window: ``first`` and ``last`` are closes (ISO 8601, UTC), ``prices`` is the sha256
    of all prices they were cut from, ``closes`` that of the times and closes in the window, and ``marks`` a number of
    32 bits for each day whose move is known."""

    symbol: str
    prices: str
    first: str
    last: str
    bars: int
    closes: str
    marks: tuple[int, ...]

    @classmethod
    def of(cls, symbol: str, prices: str, times: Times, closes: Floats, part: slice) -> SymbolWindow:
        """The window of these bars: ``times`` (datetime64, UTC, increasing) and ``closes`` are all that there are."""
        own_times, own_closes = times[part].astype("datetime64[us]"), np.asarray(closes[part], np.float64)
        content = own_times.astype(np.int64).tobytes() + own_closes.tobytes()
        return cls(
            symbol,
            prices,
            str(own_times[0]),
            str(own_times[-1]),
            len(own_times),
            hashlib.sha256(content).hexdigest(),
            _marks(times, closes, part),
        )

    def overlaps(self, other: SymbolWindow) -> bool:
        """Whether both hold the same prices of some time."""
        first, last = (np.datetime64(text) for text in (max(self.first, other.first), min(self.last, other.last)))
        if last < first:
            return False
        if self.prices == other.prices:
            return True
        shared = min(len(each.marks) * each._share(first, last) for each in (self, other))
        equal = len(set(self.marks) & set(other.marks))
        return equal > 0 and equal >= _ALIKE * shared

    def as_document(self) -> dict[str, Any]:
        """The window as plain data."""
        packed = zlib.compress(np.asarray(self.marks, "<u4").tobytes(), 9)
        return {
            "symbol": self.symbol,
            "prices": self.prices,
            "first": self.first,
            "last": self.last,
            "bars": self.bars,
            "closes": self.closes,
            "marks": base64.b64encode(packed).decode("ascii"),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> SymbolWindow:
        """The window of plain data; raises ``ValueError``, ``KeyError`` or ``TypeError`` for what is none."""
        texts = [document[key] for key in ("symbol", "prices", "first", "last", "closes", "marks")]
        bars = document["bars"]
        if not all(isinstance(text, str) for text in texts) or isinstance(bars, bool) or not isinstance(bars, int):
            raise TypeError("a window has a value of another type")
        symbol, prices, first, last, closes, marks = texts
        unpacking = zlib.decompressobj()
        try:
            raw = unpacking.decompress(base64.b64decode(marks, validate=True), 4 * _MOST_DAYS)
        except zlib.error:
            raise ValueError("the marks of a window cannot be unpacked") from None
        if not unpacking.eof or not np.datetime64(first) <= np.datetime64(last):
            raise ValueError("a window ends before it begins, or goes on for ever")
        return cls(symbol, prices, first, last, bars, closes, tuple(np.frombuffer(raw, "<u4").tolist()))

    def _share(self, first: Any, last: Any) -> float:
        """The part of this window that lies between two times within it."""
        begin, end = np.datetime64(self.first), np.datetime64(self.last)
        return float((last - first) / (end - begin)) if end > begin else 1.0


@dataclass(frozen=True)
class DataWindow:
    """The bars of some symbols from the close ``first`` to the close ``last``, as a register keeps them.

    Made by ``of`` it can be ``widened``; made of a document it cannot.
    """

    symbols: tuple[SymbolWindow, ...]
    source: _Source | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DataWindow) and self.symbols == other.symbols

    def __hash__(self) -> int:
        return hash(self.symbols)

    @classmethod
    def of(
        cls,
        series: Mapping[str, tuple[Times, Floats]],
        first: str | np.datetime64,
        last: str | np.datetime64,
        prices: Mapping[str, str],
    ) -> DataWindow:
        """The window from ``first`` to ``last`` (ISO 8601, UTC, both included) of all ``series`` (times and closes by
        symbol), whose ``prices`` have these hashes. Raises ``ConfigurationError`` for one without a close."""
        return _cut(_Source(dict(series), dict(prices), _time(first), _time(last)), 0)

    @property
    def first(self) -> str:
        """The earliest close of any symbol (ISO 8601, UTC)."""
        return min(each.first for each in self.symbols)

    @property
    def last(self) -> str:
        """The latest close of any symbol (ISO 8601, UTC)."""
        return max(each.last for each in self.symbols)

    @cached_property
    def id(self) -> str:
        """The sha256 of its document."""
        text = json.dumps(self.as_document(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def overlaps(self, other: DataWindow) -> bool:
        """Whether any symbol of the one is the same prices as one of the other at some time."""
        return any(one.overlaps(another) for one in self.symbols for another in other.symbols)

    def widened(self, bars: int) -> DataWindow:
        """The same with so many more bars of each symbol before and behind, or as many as there are."""
        return self if self.source is None else _cut(self.source, bars)

    def as_document(self) -> dict[str, Any]:
        """The window as plain data."""
        return {"symbols": [each.as_document() for each in self.symbols]}

    @classmethod
    def from_document(cls, document: Any) -> DataWindow:
        """The window of plain data; raises ``ValueError``, ``KeyError`` or ``TypeError`` for what is none."""
        symbols = tuple(SymbolWindow.from_document(each) for each in document["symbols"])
        if not symbols:
            raise ValueError("a window has no symbols")
        return cls(symbols)


@dataclass(frozen=True)
class _Source:
    """What a window was cut from."""

    series: dict[str, tuple[Times, Floats]]
    prices: dict[str, str]
    first: np.datetime64
    last: np.datetime64


def _time(given: str | np.datetime64) -> np.datetime64:
    return np.datetime64(given).astype("datetime64[us]")  # type: ignore[no-any-return]


def _cut(source: _Source, more: int) -> DataWindow:
    found = []
    for symbol, (times, closes) in sorted(source.series.items()):
        begin = int(np.searchsorted(times, source.first, "left"))
        end = int(np.searchsorted(times, source.last, "right"))
        if begin < end:
            part = slice(max(0, begin - more), min(len(times), end + more))
            found.append(SymbolWindow.of(symbol, source.prices[symbol], times, closes, part))
    if not found:
        raise ConfigurationError(
            f"The window from {source.first} to {source.last} holds no close: choose another, or more prices."
        )
    return DataWindow(tuple(found), source)


def _marks(times: Times, closes: Floats, part: slice) -> tuple[int, ...]:
    """A number for each day of the window: of the day, and of the move from the last close of the day before."""
    days = times[: part.stop].astype("datetime64[D]").astype(np.int64)
    ends = np.flatnonzero(np.append(np.diff(days) != 0, True))
    ends_from = np.searchsorted(ends, part.start, "left")
    last = np.log(np.asarray(closes, np.float64)[ends])
    moves = np.rint(_MOVES_PER_UNIT * np.diff(last, prepend=np.nan))
    kept = [(days[end], move) for end, move in zip(ends[ends_from:], moves[ends_from:], strict=True) if move == move]
    return tuple(_mark(int(day), int(move)) for day, move in kept)


def _mark(day: int, move: int) -> int:
    return int.from_bytes(hashlib.blake2b(f"{day}:{move}".encode(), digest_size=4).digest(), "little")
