"""What an analytic sees at a close: the last bars, every earlier close of the symbol, and those of other symbols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llm_strategy.types import Snapshot, Window

Floats = NDArray[np.float64]
Times = NDArray[np.datetime64]


class Closes(NamedTuple):
    """Closes of one symbol, the oldest first: ``times`` (datetime64, UTC) and ``prices``, of equal length."""

    times: Times
    prices: Floats


class Past:
    """The past of one symbol at a close, which is over by then, whenever it is looked at.

    ``snapshot`` has the features of the market's line. ``bars`` are the last closed bars, as many as the analytic looks
    back on: ``open``, ``high``, ``low``, ``close`` and ``volume`` (zero where the feed has none) are read-only numpy
    arrays, the oldest bar first. ``closes`` are all closes of the symbol from the first decision on, this one the last.
    ``others`` are those of each other symbol of the run that had closed strictly before this close.
    """

    def __init__(self, snapshot: Snapshot, before: Closes, others: Mapping[str, Closes]) -> None:
        self.snapshot = snapshot
        self.others = others
        self._before = before
        self._bars = 0

    @property
    def symbol(self) -> str:
        """The symbol that is looked at."""
        return self.snapshot.symbol

    @property
    def time(self) -> np.datetime64:
        """The close (UTC)."""
        return np.datetime64(self.snapshot.time, "us")

    @property
    def has_volume(self) -> bool:
        """Whether anything was traded in the last bars; a feed without volume has zeros."""
        return bool(np.any(np.asarray(self.bars.volume) > 0))

    @cached_property
    def bars(self) -> Any:
        """The last closed bars (``Window``)."""
        window = self.snapshot.window
        if window is None or len(window) < self._bars:
            raise ValueError(f"the snapshot holds fewer than {self._bars} bars")
        tail = slice(len(window) - self._bars, None)

        def cut(column: Sequence[float]) -> Any:
            bars = np.array(column[tail])  # a copy, behind which no later bar can be found
            bars.setflags(write=False)
            return bars

        first, high, low, close = map(cut, (window.open, window.high, window.low, window.close))
        known = window.known or all(bool(np.all((each > 0) & (each < np.inf))) for each in (first, high, low, close))
        volume = cut(window.volume)
        if np.isnan(volume).any():
            volume = np.nan_to_num(volume)
            volume.setflags(write=False)
        return Window(first, high, low, close, volume, window.time[tail], known)

    @cached_property
    def closes(self) -> Closes:
        """All closes of the symbol, this one the last."""
        times, prices = self._before
        return Closes(np.append(times, self.time), np.append(prices, self.snapshot.close))

    @property
    def is_known(self) -> bool:
        """Whether each of the last bars has true prices."""
        return not self._bars or bool(self.bars.known)

    def last(self, bars: int) -> Past:
        """The same with so many ``bars``."""
        other = Past(self.snapshot, self._before, self.others)
        other._bars = bars
        return other


class PastReader:
    """Keeps the closes of all symbols as they are told, each symbol's in order, and gives the past at a close."""

    def __init__(self) -> None:
        self._symbols: dict[str, _Store] = {}

    def take(self, snapshot: Snapshot) -> None:
        """Take a close into the past; it is not yet there where ``at`` is asked about it."""
        self._symbols.setdefault(snapshot.symbol, _Store()).add(_time(snapshot), snapshot.close)

    def forget(self, symbol: str) -> None:
        """Begin the past of a symbol anew."""
        self._symbols.pop(symbol, None)

    def at(self, snapshot: Snapshot) -> Past:
        """The past at this close; what is told afterwards does not change it."""
        now = _time(snapshot)
        known = {symbol: store.before(now) for symbol, store in sorted(self._symbols.items())}
        own = known.pop(snapshot.symbol, Closes(_NO_TIMES, _NO_PRICES))
        return Past(snapshot, own, {symbol: closes for symbol, closes in known.items() if len(closes.times)})


_NO_TIMES: Times = np.empty(0, "datetime64[us]")
_NO_PRICES: Floats = np.empty(0)


class _Store:
    """Closes in arrays that grow; what was given away of them stays as it was."""

    def __init__(self) -> None:
        self._times: Times = np.empty(256, "datetime64[us]")
        self._prices: Floats = np.empty(256)
        self._count = 0

    def add(self, time: np.datetime64, price: float) -> None:
        if self._count == len(self._times):
            self._times = np.concatenate([self._times, np.empty_like(self._times)])
            self._prices = np.concatenate([self._prices, np.empty_like(self._prices)])
        self._times[self._count], self._prices[self._count] = time, price
        self._count += 1

    def before(self, now: np.datetime64) -> Closes:
        end = int(np.searchsorted(self._times[: self._count], now, "left"))
        times, prices = self._times[:end].view(), self._prices[:end].view()
        times.setflags(write=False)
        prices.setflags(write=False)
        return Closes(times, prices)


def _time(snapshot: Snapshot) -> np.datetime64:
    return np.datetime64(snapshot.time, "us")
