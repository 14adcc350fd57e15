"""The last closed bars of a feed, read at each close so that all snapshots of a run share their storage."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, overload

import backtrader as bt
import numpy as np

from llm_strategy.market.feature import COLUMNS
from llm_strategy.types import Window

_ROOM = 1024
"""Bars for which a store has room beside a window; a full one is followed by another."""


class WindowReader:
    """Reads the ``Window`` of the last ``bars`` closed bars of one feed, created in a strategy's ``__init__``.

    Creating it makes backtrader wait for so many bars before the first ``next``. A window with a bar in it whose
    prices are none is not ``known``.
    """

    def __init__(self, data: bt.AbstractDataBase, bars: int, as_text: Callable[[float], str]) -> None:
        waits: Any = _Waits
        waits(data, bars=bars)
        self._data, self._bars, self._as_text = data, bars, as_text
        self._store = np.empty((1 + len(COLUMNS), 0))
        self._end = 0  # of what the store holds
        self._read = 0  # bars of the feed that were read
        self._bad = -bars  # the last bar of the feed whose prices are none

    def read(self) -> Window:
        """The window of the bar that has just closed."""
        self._take(len(self._data))
        rows = self._store[:, self._end - self._bars : self._end]
        rows.setflags(write=False)
        known = self._read - self._bad >= self._bars
        opens, highs, lows, closes, volumes = rows[1:]
        return Window(opens, highs, lows, closes, volumes, _Times(rows[0], self._as_text), known)

    def _take(self, bars: int) -> None:
        """Put the bars that closed since the last window behind those of the store."""
        new = min(bars - self._read, self._bars)
        if not new:
            return
        if self._end + new > self._store.shape[1]:
            kept = min(self._end, self._bars)
            store = np.empty((self._store.shape[0], kept + new + self._bars + _ROOM))
            store[:, :kept] = self._store[:, self._end - kept : self._end]
            self._store, self._end = store, kept
        fresh = self._store[:, self._end : self._end + new]
        for row, name in zip(fresh, ("datetime", *COLUMNS), strict=True):
            row[:] = getattr(self._data.lines, name).get(size=new)
        prices = fresh[1 : len(COLUMNS)]
        bad = np.flatnonzero(~((prices > 0) & (prices < math.inf)).all(axis=0))
        if len(bad):
            self._bad = bars - new + 1 + int(bad[-1])
        self._end, self._read = self._end + new, bars


class _Waits(bt.Indicator):
    """Has a value once there are so many ``bars``."""

    lines: Any = ("there",)
    params = (("bars", 1),)

    def __init__(self) -> None:
        self.addminperiod(self.p.bars)

    def next(self) -> None:
        """One bar."""
        self.lines.there[0] = 1.0

    def once(self, start: int, end: int) -> None:
        """All bars."""
        for bar in range(start, end):
            self.lines.there.array[bar] = 1.0


class _Times(Sequence[str]):
    """Times of closes as text, made when they are looked at."""

    __slots__ = ("_as_text", "_days")

    def __init__(self, days: Any, as_text: Callable[[float], str]) -> None:
        self._days, self._as_text = days, as_text

    def __len__(self) -> int:
        return len(self._days)

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[str]: ...

    def __getitem__(self, place: int | slice) -> str | Sequence[str]:
        if isinstance(place, slice):
            return _Times(self._days[place], self._as_text)
        return self._as_text(float(self._days[place]))
