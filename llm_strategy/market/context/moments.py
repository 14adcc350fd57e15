"""Moments in microseconds since 1970 (UTC): when something became available, and until when a close can see it."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from llm_strategy.errors import ConfigurationError
from llm_strategy.types import Snapshot

DAY = 86_400_000_000
"""Microseconds."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAILY = re.compile(r"\d+(?:d|w|mo)")
_CLOSE = re.compile(r"(\d{1,2}:\d\d(?::\d\d)?) +(\S+)")


def parse_zoned(value: object) -> int:
    """Microseconds since 1970 of a time in ISO 8601 with a zone, or of a ``datetime`` with one; ``ValueError`` is the
    end of a sentence about the value."""
    moment = value
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment.strip())
        except ValueError:
            raise ValueError("is no time: write it as 2008-10-10T09:30:00-04:00, or with Z for UTC") from None
    if not isinstance(moment, datetime):
        raise ValueError("is no time in ISO 8601: write it as 2008-10-10T09:30:00-04:00, or with Z for UTC")
    if moment.utcoffset() is None:
        raise ValueError(
            "has no zone, and nobody can tell when that was: write it as 2008-10-10T09:30:00-04:00, or with Z for UTC"
        )
    try:
        moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is no time between the years 1 and 9999 (UTC): correct it") from None
    return (moment - _EPOCH) // timedelta(microseconds=1)


def iso_zoned(microseconds: int) -> str:
    """A time as ISO 8601 in UTC."""
    return (_EPOCH + timedelta(microseconds=microseconds)).isoformat().replace("+00:00", "Z")


class SessionClose(NamedTuple):
    """When a day's session closes: the time of day in a zone."""

    at: time
    zone: ZoneInfo

    @classmethod
    def parse(cls, text: str) -> SessionClose:
        """From ``16:00 America/New_York``; raises ``ConfigurationError``."""
        found = _CLOSE.fullmatch(text.strip())
        try:
            if found is None:
                raise ValueError(text)
            clock = found[1] if found[1][2] == ":" else f"0{found[1]}"
            return cls(time.fromisoformat(clock), ZoneInfo(found[2]))
        except (ValueError, ZoneInfoNotFoundError, OSError):
            raise ConfigurationError(
                f"close is {text!r:.60}: write the time of day and the zone of the session's close, such as "
                "16:00 America/New_York."
            ) from None


def lasts_days(timeframe: str) -> bool:
    """Whether bars of this length (``1d``, ``1w``, ``1mo``) are stamped with a date alone."""
    return _DAILY.fullmatch(timeframe) is not None


def known_until(snapshot: Snapshot, close: SessionClose | None) -> int:
    """The moment of a close, in microseconds since 1970: what was available then can be seen.

    An intraday bar has its own. A bar of a day or longer is stamped with its date alone, and stands for the first
    moment of that date in UTC, which lies before the close of every session; with ``close`` for the close of that day.
    Raises ``ConfigurationError`` where ``close`` is set and the bars are shorter.
    """
    if not lasts_days(snapshot.timeframe):
        if close is not None:
            raise ConfigurationError(
                f"close is set, and bars of {snapshot.timeframe} have a close of their own: leave close out."
            )
        return parse_zoned(datetime.fromisoformat(snapshot.time).replace(tzinfo=UTC))
    day = date.fromisoformat(snapshot.time[:10])
    at = datetime.combine(day, time(), UTC) if close is None else datetime.combine(day, close.at, close.zone)
    return parse_zoned(at)
