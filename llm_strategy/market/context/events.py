"""Dated series of numbers beside the market's line: what each said last at the close, measured by its own past."""

from __future__ import annotations

import math
import random
import re
from bisect import bisect_right
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from llm_strategy.errors import ConfigurationError, MarketDataError, nearest, shown
from llm_strategy.market.context.documents import Paths
from llm_strategy.market.context.event_samples import read_sample
from llm_strategy.market.context.moments import DAY, SessionClose, known_until, parse_zoned
from llm_strategy.market.context.source import ContextSource
from llm_strategy.market.context.texts.corpus import read_rows
from llm_strategy.market.context.texts.entity_mask import mask_text
from llm_strategy.shown import Shown
from llm_strategy.support.outside_text import as_quotation
from llm_strategy.support.read_regular import at_home
from llm_strategy.types import Snapshot

_DELAY = re.compile(r"(\d{1,4})(d|h|m)")
_UNITS = {"d": DAY, "h": DAY // 24, "m": DAY // 1440}
_SEED = "events"
_LONGEST_NAME = 40
_MOST_VALUES = 2_000_000


class Series:
    """The values of one series by the moment from which they are known."""

    def __init__(self, name: str, values: list[tuple[int, float]]) -> None:
        self.name = name
        self.times = [moment for moment, _ in values]
        self.values = np.array([value for _, value in values])

    def tell(self, until: int, oldest: int | None, *, levels: bool) -> str:
        """What the series said last at a moment: how many of 100 of its earlier values were lower, its last change in
        standard deviations of the changes before, its age in days, and with ``levels`` the value. Empty where nothing
        was known, or nothing younger than ``oldest`` (microseconds)."""
        known = bisect_right(self.times, until)
        if not known or (oldest is not None and until - self.times[known - 1] > oldest):
            return ""
        values = self.values[:known]
        facts = [f"value {values[-1]:g}"] if levels else []
        if known > 1:
            facts.append(f"rank {round(100 * float(np.mean(values[:-1] < values[-1])))} of 100")
        if known > 3 and (usual := float(np.std(np.diff(values[:-1])))) > 0:
            change = round(float(values[-1] - values[-2]) / usual, 1) + 0.0
            facts.append(f"change {change:+.1f} deviations")
        days = (until - self.times[known - 1]) // DAY
        facts.append(f"{days} day{'' if days == 1 else 's'} old")
        return f"{self.name}: {', '.join(facts)}"


class Events(ContextSource):
    """Dated series of numbers: what each said last at the close, measured by its own past.

    ``path``: one series or several, each a file (JSONL, CSV, Parquet) with ``available_at`` (ISO 8601 with a zone) and
    ``value``, which is shown under the file's name, or one of the samples ``sample:vix``, ``sample:wti``,
    ``sample:core_cpi`` and ``sample:french``. ``column`` holds the values where that is not ``value``. ``delay`` is
    added to the time of every value, such as ``1d``, ``6h`` or ``15m``. ``max_age_days``: older values are left out.
    ``close`` as with documents. ``null``: ``shuffled`` shows the same values at wrong times.

    A level is shown where the advisor's ``unmasked`` lists ``price``: that of a known series tells the date. Raises
    ``ConfigurationError`` for wrong options; ``open`` reads the series.
    """

    name = "events"
    nulls = ("shuffled",)
    from_prices = False

    def __init__(
        self,
        path: Paths,
        column: str | None = None,
        delay: str | None = None,
        max_age_days: Annotated[float, Field(gt=0, le=36525)] | None = None,
        close: str | None = None,
        null: Literal["shuffled"] | None = None,
    ) -> None:
        self._paths = (path,) if isinstance(path, str) else tuple(path)
        if not all(self._paths) or not self._paths:
            raise ConfigurationError("events names no series: set path to a file of dated values, or to sample:vix.")
        self._delay = 0 if delay is None else _microseconds(delay)
        self._oldest = None if max_age_days is None else int(max_age_days * DAY)
        self._close = None if close is None else SessionClose.parse(close)
        self._column, self._null = column, null

    def open(self) -> None:
        """Read the series."""
        self._series = [self._read(path) for path in self._paths]
        names = [series.name for series in self._series]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ConfigurationError(f"events has two series of the name {twice!r}: rename one of the files.")

    def show(self, snapshot: Snapshot) -> Shown:
        """A line for each series of which something is known."""
        until = known_until(snapshot, self._close)
        told = (each.tell(until, self._oldest, levels="price" in self.unmasked) for each in self._series)
        lines = [mask_text(line, snapshot.symbol, {}, (*self.unmasked, "price", "date")) for line in told if line]
        return Shown(self.name, "\n".join(lines))

    def _read(self, path: str) -> Series:
        sample = path.removeprefix("sample:") if path.startswith("sample:") else ""
        name = as_quotation(sample or Path(path).stem)[:_LONGEST_NAME].strip() or self.name
        values = read_sample(sample, self._column) if sample else _read_values(at_home(path), self._column or "value")
        if self._null == "shuffled":
            mixed = [value for _, value in values]
            random.Random(f"{_SEED} {name}").shuffle(mixed)  # noqa: S311 - no secret
            values = [(moment, value) for (moment, _), value in zip(values, mixed, strict=True)]
        return Series(name, [(moment + self._delay, value) for moment, value in values])


def _microseconds(delay: str) -> int:
    found = _DELAY.fullmatch(delay)
    if found is None:
        raise ConfigurationError(f"delay is {delay!r:.60}: write a number with d, h or m behind it, such as 1d.")
    return int(found[1]) * _UNITS[found[2]]


def _read_values(path: Path, column: str) -> list[tuple[int, float]]:
    """The values of a file in the order of time; raises ``MarketDataError`` with file and line."""
    found: dict[int, tuple[str, float]] = {}
    for place, row in read_rows(path):
        for name in ("available_at", column):
            if row.get(name) in (None, ""):
                others = [other for other in row if other not in ("available_at", column)]
                raise MarketDataError(f"{place}: it has no {name}{nearest(name, others) or ': every value needs one.'}")
        try:
            moment = parse_zoned(row["available_at"])
        except (ValueError, OverflowError) as problem:
            raise MarketDataError(f"{place}: available_at {shown(row['available_at'])!r} {problem}.") from None
        try:
            given = row[column]
            if isinstance(given, bool):
                raise ValueError(given)
            value = float(given)
            if not math.isfinite(value):
                raise ValueError(given)
        except (TypeError, ValueError, OverflowError):
            raise MarketDataError(f"{place}: {column} is {shown(row[column])!r}, and no number: correct it.") from None
        if moment in found:
            raise MarketDataError(
                f"{place}: there is a value of the same time in {found[moment][0]}: keep one of them."
            )
        found[moment] = place, value
        if len(found) > _MOST_VALUES:
            raise MarketDataError(f"{place}: there are more than {_MOST_VALUES:,} values: keep those that you test.")
    if not found:
        raise MarketDataError(f"{path} holds no value: write rows with available_at and {column}.")
    return [(moment, found[moment][1]) for moment in sorted(found)]
