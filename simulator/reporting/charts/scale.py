"""Scales of an axis: from values to places between its ends, and the ticks that a reader sees."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Protocol

import numpy as np
import pandas as pd

MOST_DECIMALS = 12
MOST_TICKS = 7
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
LOG_SPAN = 3.0
"""Ratio of highest to lowest value from which an axis is logarithmic."""
_MARGIN = 0.04
"""Room beyond the highest and the lowest value, a fraction of what lies between them."""


class Scale(Protocol):
    """An axis: where values lie on it as fractions of its length, and its ticks as places with their labels."""

    def places(self, values: np.ndarray) -> np.ndarray:
        """The places of values, 0 at the low end and 1 at the high one."""
        ...

    def ticks(self) -> list[tuple[float, str]]:
        """The place of each tick and what stands at it."""
        ...


@dataclass(frozen=True, slots=True)
class Numbers:
    """Numbers from ``low`` to ``high``, with a ``unit`` behind each tick; ``log`` for ratios."""

    low: float
    high: float
    unit: str = ""
    log: bool = False

    def places(self, values: np.ndarray) -> np.ndarray:
        """The places of values as fractions of the axis."""
        low, high = self._bent(np.array([self.low, self.high]))
        bent = self._bent(np.asarray(values, float))
        places: np.ndarray = (bent - low) / ((high - low) or 1.0)
        return places

    def ticks(self) -> list[tuple[float, str]]:
        """Three to seven round numbers, each with as many decimals as tell it from the others."""
        values = _powers(self.low, self.high) if self.log else []
        alone = len(values) >= 3
        if not alone:
            values = _round_numbers(self.low, self.high)
        labels = spell_numbers(values, self.unit, alone=alone)
        return list(zip(self.places(np.array(values)).tolist(), labels, strict=True))

    def _bent(self, values: np.ndarray) -> np.ndarray:
        return np.log(values) if self.log else values


@dataclass(frozen=True, slots=True)
class Times:
    """Times from ``low`` to ``high``, in milliseconds since 1970 (UTC)."""

    low: float
    high: float

    def places(self, values: np.ndarray) -> np.ndarray:
        """The places of times in milliseconds as fractions of the axis."""
        return (np.asarray(values, float) - self.low) / ((self.high - self.low) or 1.0)

    def ticks(self) -> list[tuple[float, str]]:
        """Round times, each at its own grain (year, month, day, clock time); a second line says what the label leaves
        out where it changes."""
        times = _round_times(self.low, self.high)
        places = self.places(np.array([time.timestamp() * 1000 for time in times]))
        return list(zip(places.tolist(), name_times(times), strict=True))


def numbers_around(values: Sequence[float] | np.ndarray, unit: str = "", *, ratios: bool = False) -> Numbers:
    """A scale over all finite ``values`` with room at both ends; for ``ratios`` it is logarithmic where they span more
    than ``LOG_SPAN``."""
    shown = np.asarray(values, float)
    shown = shown[np.isfinite(shown)]
    if not len(shown):
        return Numbers(0.0, 1.0, unit)
    low, high = float(shown.min()), float(shown.max())
    if ratios and low > 0 and high / low > LOG_SPAN:
        room = (high / low) ** _MARGIN
        return Numbers(low / room, high * room, unit, log=True)
    room = (high - low) * _MARGIN or abs(high) * _MARGIN or 1.0
    return Numbers(low - room, high + room, unit)


def milliseconds(times: Sequence[object] | pd.Index) -> np.ndarray:
    """Times as milliseconds since 1970; those without a zone are taken for UTC."""
    index = pd.DatetimeIndex(pd.Index(times))
    if index.tz is not None:
        index = index.tz_convert("UTC").tz_localize(None)
    return index.as_unit("ms").asi8.astype(float)


def spell_numbers(values: Sequence[float], unit: str = "", *, alone: bool = False) -> list[str]:
    """Numbers without powers of ten, with as many decimals as all need together to be exact, or each ``alone``."""
    together = _decimals(values)

    def spelled(value: float) -> str:
        decimals = _decimals([value]) if alone else together
        return f"{round(value, decimals) + 0.0:,.{decimals}f}{unit}"  # + 0.0: no minus before a zero

    return [spelled(value) for value in values]


def _decimals(ticks: Sequence[float]) -> int:
    """The fewest decimals that change no tick by more than a thousandth of the distance between two of them."""
    if not len(ticks):
        return 0
    ordered = sorted(set(ticks))
    step = min((b - a for a, b in pairwise(ordered) if b - a > abs(b) * 1e-12), default=0.0)
    allowed = (step or abs(ordered[0])) / 1000
    return next((n for n in range(MOST_DECIMALS) if all(abs(round(t, n) - t) <= allowed for t in ticks)), MOST_DECIMALS)


def _round_numbers(low: float, high: float) -> list[float]:
    """Multiples of 1, 2, 2.5 or 5 times a power of ten, as many as fit without crowding."""
    span = (high - low) or abs(high) or 1.0
    size = 10.0 ** math.floor(math.log10(span))
    for part in (0.1, 0.2, 0.25, 0.5, 1.0, 2.0):
        step = part * size
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first + 1 <= MOST_TICKS:
            return [number * step for number in range(first, last + 1)]
    return [low, high]


def _powers(low: float, high: float) -> list[float]:
    """1, 2 and 5 times the powers of ten, or the powers alone where those are too many."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for parts in ((1, 2, 5), (1, 3), (1,)):
        found = [part * 10.0**power for power in powers for part in parts if low <= part * 10.0**power <= high]
        if len(found) <= MOST_TICKS:
            return found
    return found[:: math.ceil(len(found) / MOST_TICKS)]


_Grain = tuple[Callable[[datetime], datetime], Callable[[datetime], datetime]]


def _clock(seconds: int) -> _Grain:
    def begin(time: datetime) -> datetime:
        day = time.replace(hour=0, minute=0, second=0, microsecond=0)
        return day + timedelta(seconds=int((time - day).total_seconds()) // seconds * seconds)

    return begin, lambda time: time + timedelta(seconds=seconds)


def _days(step: int) -> _Grain:
    """Days of the month counted from the first one, so that each month begins anew; none just before its end."""

    def begin(time: datetime) -> datetime:
        day = time.replace(hour=0, minute=0, second=0, microsecond=0)
        return day.replace(day=(day.day - 1) // step * step + 1)

    def after(time: datetime) -> datetime:
        later = time + timedelta(days=step)
        month = (time.replace(day=1) + timedelta(days=32)).replace(day=1)
        return month if step > 1 and later > month - timedelta(days=step / 2) else later

    return begin, after


def _months(step: int) -> _Grain:
    def begin(time: datetime) -> datetime:
        return time.replace(month=(time.month - 1) // step * step + 1, day=1, hour=0, minute=0, second=0, microsecond=0)

    def after(time: datetime) -> datetime:
        months = time.year * 12 + time.month - 1 + step
        return time.replace(year=months // 12, month=months % 12 + 1)

    return begin, after


def _years(step: int) -> _Grain:
    def begin(time: datetime) -> datetime:
        year = max(time.year // step * step, 1)
        return datetime(year, 1, 1, tzinfo=UTC)

    return begin, lambda time: time.replace(year=time.year // step * step + step)


_GRAINS: tuple[tuple[float, _Grain], ...] = (
    *((seconds, _clock(seconds)) for seconds in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800)),
    *((seconds, _clock(seconds)) for seconds in (14400, 21600, 43200)),
    *((86400.0 * days, _days(days)) for days in (1, 2, 3, 7, 14)),
    *((86400.0 * 30 * months, _months(months)) for months in (1, 2, 3, 4, 6)),
    *((86400.0 * 365 * years, _years(years)) for years in (1, 2, 5, 10, 20, 50, 100, 200, 500)),
)
"""About how many seconds lie between two ticks, and how they are found, from fine to coarse."""


def _round_times(low: float, high: float) -> list[datetime]:
    """The finest round times of which no more than ``MOST_TICKS`` lie between both ends."""
    first, last = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=end) for end in (low, high))
    for seconds, (begin, after) in _GRAINS:
        if (high - low) / 1000 / seconds > MOST_TICKS + 1:
            continue
        times, time = [], begin(first)
        while time <= last:
            if time >= first:
                times.append(time)
            time = after(time)
        if len(times) <= MOST_TICKS:
            return times or [first]
    return [first]


def name_times(times: Sequence[datetime]) -> list[str]:
    """Each time at its own grain; below the first label, and below each one where it changes, stands the year, the
    month and year, or the day."""
    if any((time.hour, time.minute, time.second) != (0, 0, 0) for time in times):
        clock = "%H:%M:%S" if any(time.second for time in times) else "%H:%M"
        labels = [time.strftime(clock) for time in times]
        contexts = [(f"{time.day} {MONTHS[time.month - 1]}", time.year) for time in times]
    elif any(time.day != 1 for time in times):
        labels = [str(time.day) for time in times]
        contexts = [(MONTHS[time.month - 1], time.year) for time in times]
    elif any(time.month != 1 for time in times):
        labels = [MONTHS[time.month - 1] for time in times]
        contexts = [("", time.year) for time in times]
    else:
        return [str(time.year) for time in times]
    before: list[tuple[str, int] | None] = [None, *contexts[:-1]]
    return [label + _below(context, last) for label, context, last in zip(labels, contexts, before, strict=True)]


def _below(context: tuple[str, int], last: tuple[str, int] | None) -> str:
    """The second line of a label, empty where the tick before it says the same."""
    if context == last:
        return ""
    words, year = context
    label = words if last is not None and last[1] == year else f"{words} {year}".strip()
    return f"\n{label}"


@dataclass(frozen=True, slots=True)
class Rows:
    """Places 0, 1, 2... from the top to the bottom, such as those of lying bars; without ticks."""

    count: int

    def places(self, values: np.ndarray) -> np.ndarray:
        """The places of row numbers, the first row at the high end."""
        return 1 - (np.asarray(values, float) + 0.5) / max(self.count, 1)

    def ticks(self) -> list[tuple[float, str]]:
        """None: what a row is stands in it."""
        return []


@dataclass(frozen=True, slots=True)
class Steps:
    """Numbers from ``low`` to ``high`` with a tick at each of ``at`` alone."""

    low: float
    high: float
    at: tuple[float, ...]
    unit: str = ""

    def places(self, values: np.ndarray) -> np.ndarray:
        """The places of values as fractions of the axis."""
        return Numbers(self.low, self.high).places(values)

    def ticks(self) -> list[tuple[float, str]]:
        """The ticks that were named."""
        return list(zip(self.places(np.array(self.at)).tolist(), spell_numbers(self.at, self.unit), strict=True))


_LONGEST_NAME = 12
"""Letters of a name at an axis: as many as have room beside a panel."""
_LAST_WORD = re.compile(r"[\w.-]*\Z")


@dataclass(frozen=True, slots=True)
class Names:
    """Kinds in a row, each as wide as the others: the first from 0 to 1, the next from 1 to 2; ``down`` from the top to
    the bottom."""

    names: tuple[str, ...]
    down: bool = False

    def places(self, values: np.ndarray) -> np.ndarray:
        """The places of values as fractions of the axis."""
        places = np.asarray(values, float) / max(len(self.names), 1)
        return 1 - places if self.down else places

    def ticks(self) -> list[tuple[float, str]]:
        """The middle of each kind with its name, long ones cut; of more than ``MOST_TICKS`` every second, third..."""
        chosen = range(0, len(self.names), math.ceil(len(self.names) / MOST_TICKS) or 1)
        places = self.places(np.array(chosen) + 0.5)
        return list(zip(places.tolist(), cut_names([self.names[at] for at in chosen]), strict=True))


def cut_names(names: Sequence[str]) -> list[str]:
    """Names in few characters. Long ones lose their end; those that would then read alike, as paths of one folder do,
    lose what they have in common before it."""
    short = [_cut(name) for name in names]
    alike: dict[str, list[str]] = {}
    for name, cut in zip(names, short, strict=True):
        alike.setdefault(cut, []).append(name)
    for group in alike.values():
        told = {name: name for name in group}
        common = common_beginning(list(told))
        for begin in (_LAST_WORD.sub("", common), common):
            told = {name: _cut(f"\u2026{name[len(begin) :]}") for name in told}
            if len(set(told.values())) == len(told):
                break
        if len(told) > 1:
            short = [told.get(name, cut) for name, cut in zip(names, short, strict=True)]
    return short


def common_beginning(texts: Sequence[str]) -> str:
    """What all of these texts begin with."""
    first, last = min(texts), max(texts)
    return first[: next((at for at, pair in enumerate(zip(first, last, strict=False)) if len({*pair}) > 1), len(first))]


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}\u2026"
