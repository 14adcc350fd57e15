"""Labels of axes: numbers and times of which no two read alike and none must be guessed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from matplotlib.axis import Axis
from matplotlib.dates import AutoDateLocator, num2date
from matplotlib.ticker import Formatter

MOST_DECIMALS = 12
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class PlainNumbers(Formatter):
    """Numbers without powers of ten, with as many decimals as all ticks of the axis need to be exact; ``alone`` gives
    each tick its own number of decimals, as on a logarithmic axis. ``unit`` stands behind each."""

    def __init__(self, unit: str = "", *, alone: bool = False) -> None:
        self._unit = unit
        self._alone = alone

    def __call__(self, value: float, pos: int | None = None) -> str:
        return self._spelled(value, _decimals([value]))

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        """The labels of all ticks together."""
        together = _decimals(values) if len(values) else 0
        return [self._spelled(value, _decimals([value]) if self._alone else together) for value in values]

    def _spelled(self, value: float, decimals: int) -> str:
        return f"{round(value, decimals) + 0.0:,.{decimals}f}{self._unit}"  # + 0.0: no minus before a zero


def _decimals(ticks: Sequence[float]) -> int:
    """The fewest decimals that change no tick by more than a thousandth of the distance between two of them."""
    ordered = sorted(set(ticks))
    step = min((b - a for a, b in pairwise(ordered) if b - a > abs(b) * 1e-12), default=0.0)
    allowed = (step or abs(ordered[0])) / 1000
    return next((n for n in range(MOST_DECIMALS) if all(abs(round(t, n) - t) <= allowed for t in ticks)), MOST_DECIMALS)


class DatesInContext(Formatter):
    """Each tick at its own grain (year, month, day, clock time); below the first tick, and below each one where it
    changes, stands what the label leaves out: the year, the month and year, or the day."""

    def __call__(self, value: float, pos: int | None = None) -> str:
        return self.format_ticks([value])[0]

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        """The labels of all ticks together."""
        times = [_to_the_second(value) for value in values]
        if any(time.time() != datetime.min.time() for time in times):
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


def _to_the_second(day_number: float) -> datetime:
    time: datetime = num2date(day_number) + timedelta(milliseconds=500)  # type: ignore[no-untyped-call]
    return time.replace(microsecond=0)


def _below(context: tuple[str, int], last: tuple[str, int] | None) -> str:
    """The second line of a label, empty where the tick before it says the same."""
    if context == last:
        return ""
    words, year = context
    told = words if last is not None and last[1] == year else f"{words} {year}".strip()
    return f"\n{told}"


def name_dates(axis: Axis) -> None:
    """Ticks at round times, four to nine of them."""
    locator: Any = AutoDateLocator(minticks=4, maxticks=9)  # type: ignore[no-untyped-call]
    axis.set_major_locator(locator)
    axis.set_major_formatter(DatesInContext())
