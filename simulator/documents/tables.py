"""Tables of news with columns of their own names, and times whose zone a person knows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from llm_strategy.errors import ConfigurationError, MarketDataError, did_you_mean, shown
from llm_strategy.market.context.texts.corpus import read_rows


class Columns(NamedTuple):
    """Which column of a table is what; ``zone`` is that of times without one."""

    time: str = "available_at"
    text: str = "text"
    title: str = ""
    symbols: str = ""
    source: str = ""
    id: str = ""
    zone: str = ""


def read_table(path: Path, columns: Columns, longest: int) -> Iterator[dict[str, Any]]:
    """A row for each one of a CSV, JSONL or Parquet file, in our names.

    A date without a clock counts from the end of its day on; a clock that comes twice in a night, from the second time
    on. Raises ``MarketDataError`` with file and line.
    """
    zone = _zone(columns.zone)
    known: set[str] = set()
    rows = 0
    for place, row in read_rows(path):
        known |= row.keys()
        rows += 1
        for name in (columns.time, columns.text):
            if row.get(name) in (None, ""):
                raise MarketDataError(f"{place}: it has no {name!r:.60}{did_you_mean(name, row)}")
        made: dict[str, Any] = {
            "available_at": _moment(place, columns.time, row[columns.time], zone).isoformat(),
            "text": str(row[columns.text])[:longest],
        }
        for name, column in (("title", columns.title), ("source", columns.source), ("id", columns.id)):
            if column and row.get(column):
                made[name] = str(row[column])
        if columns.symbols and row.get(columns.symbols):
            made["symbols"] = row[columns.symbols]
        yield made
    for option, name in columns._asdict().items():
        if rows and option != "zone" and name and name not in known:
            raise MarketDataError(f"{path} has no column {name!r:.60}{did_you_mean(name, known)}")


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ValueError, ZoneInfoNotFoundError, OSError):
        raise ConfigurationError(f"The zone {name!r:.60} is unknown: write it as America/New_York, or UTC.") from None


def _moment(place: str, column: str, value: object, zone: ZoneInfo | None) -> datetime:
    moment = value
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value.strip())
            if len(value.strip()) <= 10:
                moment = moment.date()
        except ValueError:
            raise MarketDataError(
                f"{place}: {column} is {shown(value)!r}, and no time: write it as 2008-10-10T09:30:00."
            ) from None
    if not isinstance(moment, date):
        raise MarketDataError(f"{place}: {column} is {shown(value)!r}, and no time: write it as 2008-10-10T09:30:00.")
    if isinstance(moment, datetime) and moment.utcoffset() is not None:
        return moment
    if zone is None:
        raise MarketDataError(f"{place}: {column} is {shown(value)!r}, which has no zone: name it with --zone.")
    if isinstance(moment, datetime):
        return moment.replace(tzinfo=zone, fold=1)
    return datetime.combine(moment + timedelta(days=1), time(), zone)
