"""Series that ship inside the dependency ``arch``, each value with the moment from which it could be read.

The values are those of today's files: what an office revised since (the core CPI is seasonally adjusted, and the
factors are computed anew) stands there as revised, not as it was first read. The delay is right and the vintage is not.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from llm_strategy.errors import ConfigurationError, did_you_mean
from llm_strategy.market.context.moments import parse_zoned
from llm_strategy.support.arch_data import load_arch_data

_NEW_YORK = ZoneInfo("America/New_York")


class Sample(NamedTuple):
    """A series of ``arch.data``: its module, its columns (the first is the usual one), and when a value of a day, or of
    the month that begins with this day, was published."""

    module: str
    columns: tuple[str, ...]
    published: Callable[[date], datetime]


def _at(day: date, hour: int, minute: int) -> datetime:
    return datetime.combine(day, time(hour, minute), _NEW_YORK)


def _next_month(day: date, months: int = 1) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, 1)


SAMPLES = {
    # Cboe's index is computed until 16:15 New York.
    "vix": Sample("vix", ("vix",), lambda day: _at(day, 16, 15)),
    # The futures that the spot price follows settle at 14:30 New York; the EIA's own table of it follows days later.
    "wti": Sample("wti", ("DCOILWTICO",), lambda day: _at(day, 14, 30)),
    # The Bureau of Labor Statistics publishes a month's CPI at 8:30 New York about the middle of the next one; the 20th
    # is later than the usual release, so that nothing is seen early.
    "core_cpi": Sample("core_cpi", ("CPILFESL",), lambda day: _at(_next_month(day) + timedelta(days=19), 8, 30)),
    # Kenneth French's library adds a month after the stock database has it, about a month after its end.
    "french": Sample("frenchdata", ("Mkt-RF", "SMB", "HML", "RF"), lambda day: _at(_next_month(day, 2), 0, 0)),
}
"""By the name behind ``sample:``."""


def read_sample(name: str, column: str | None) -> list[tuple[int, float]]:
    """The values of a sample with the moment at which each was available, in the order of time; raises
    ``ConfigurationError`` for a name or column that is not there."""
    if name not in SAMPLES:
        raise ConfigurationError(f"There is no sample of events {name!r:.60}{did_you_mean(name, SAMPLES)}")
    sample = SAMPLES[name]
    chosen = sample.columns[0] if column is None else column
    if chosen not in sample.columns:
        raise ConfigurationError(f"sample:{name} has no column {chosen!r:.60}{did_you_mean(chosen, sample.columns)}")
    frame: Any = load_arch_data(sample.module)
    values = frame[chosen].dropna()
    return [
        (parse_zoned(sample.published(_day(moment))), float(value))
        for moment, value in zip(values.index, values, strict=True)
    ]


def _day(moment: Any) -> date:
    """The day of an index; the factors' months (192607) are kept there as nanoseconds since 1970."""
    if 100_000 < moment.value < 10**6:
        year, month = divmod(int(moment.value), 100)
        return date(year, month, 1)
    return date(moment.year, moment.month, moment.day)
