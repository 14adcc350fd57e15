"""Which bar a moment belongs to: by an exchange's calendar of sessions, half days and breaks, or by the clock alone."""

from __future__ import annotations

import bisect
import datetime
import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

import pandas as pd

from llm_strategy.errors import ConfigurationError, did_you_mean
from simulator.prices.sessions import Timeframe, TradingCalendar

if TYPE_CHECKING:
    from exchange_calendars import ExchangeCalendar

INSTALL = 'pip install "backtrader-llm[watch]"'


class Period(NamedTuple):
    """The time of one bar, aware, UTC: from ``start`` on and before ``end``. ``time`` is what the bar bears in tables,
    without zone: its start in UTC, or for a bar of a day the date of its session."""

    start: datetime.datetime
    end: datetime.datetime
    time: datetime.datetime


class Periods(Protocol):
    """The bars that a market can have."""

    def at(self, moment: datetime.datetime) -> Period | None:
        """The period that a moment (aware) lies in; None where the market is closed."""

    def of_bar(self, start: datetime.datetime) -> Period | None:
        """The period of a bar that a feed gives whole, by its start (aware); that of a day may be its midnight."""

    def is_open(self, moment: datetime.datetime) -> bool:
        """Whether the market trades at that moment, so that silence means something."""


@dataclass(frozen=True)
class ClockPeriods:
    """Periods by the clock: of days in UTC, or within the session of ``calendar`` in its zone, from whose opening they
    are counted."""

    calendar: TradingCalendar
    timeframe: Timeframe

    def at(self, moment: datetime.datetime) -> Period | None:
        """As of ``Periods``."""
        plain = moment.astimezone(datetime.UTC).replace(tzinfo=None)
        if self.timeframe.unit == "d":
            day = plain.replace(hour=0, minute=0, second=0, microsecond=0)
            start = day.replace(tzinfo=datetime.UTC)
            return Period(start, start + datetime.timedelta(days=1), day)
        times = pd.DatetimeIndex([plain])
        if not self.calendar.is_open(times)[0]:
            return None
        first = self.calendar.periods(times)[0].to_pydatetime()
        start = first.replace(tzinfo=datetime.UTC)
        return Period(start, start + self.timeframe.duration, first)

    def of_bar(self, start: datetime.datetime) -> Period | None:
        """As of ``Periods``."""
        return self.at(start)

    def is_open(self, moment: datetime.datetime) -> bool:
        """As of ``Periods``."""
        return self.at(moment) is not None


class ExchangePeriods:
    """Periods within the sessions of an exchange (``exchange_calendars``): counted from each opening and, where there
    is a break for lunch, from its end; the last one before a close or a break may be shorter. A bar of a day lasts
    from the opening to the close, and bears the date of the session."""

    def __init__(self, calendar: ExchangeCalendar, timeframe: Timeframe) -> None:
        self._calendar = calendar
        self._timeframe = timeframe
        self._parts_of = lru_cache(maxsize=64)(self._parts)

    def at(self, moment: datetime.datetime) -> Period | None:
        """As of ``Periods``."""
        for opening, close, session in self._near(moment):
            if opening <= moment < close:
                if self._timeframe.unit == "d":
                    begin, end = self._whole(session)
                    return Period(begin, end, session)
                step = self._timeframe.duration
                start = opening + (moment - opening) // step * step
                return Period(start, min(start + step, close), start.replace(tzinfo=None))
        return None

    def of_bar(self, start: datetime.datetime) -> Period | None:
        """As of ``Periods``."""
        if (period := self.at(start)) is not None or self._timeframe.unit != "d":
            return period
        day = pd.Timestamp(start.astimezone(datetime.UTC).date())
        for session in self._sessions(day, day):
            begin, end = self._whole(session.to_pydatetime())
            return Period(begin, end, session.to_pydatetime().replace(tzinfo=None))
        return None

    def is_open(self, moment: datetime.datetime) -> bool:
        """As of ``Periods``; a break for lunch is closed."""
        return any(opening <= moment < close for opening, close, _ in self._near(moment))

    def _whole(self, session: datetime.datetime) -> tuple[datetime.datetime, datetime.datetime]:
        parts = self._parts_of(pd.Timestamp(session))
        return parts[0][0], parts[-1][1]

    def _near(self, moment: datetime.datetime) -> list[tuple[datetime.datetime, datetime.datetime, datetime.datetime]]:
        """The parts of the sessions on the days around a moment: one may open the evening before its date."""
        day = pd.Timestamp(moment.astimezone(datetime.UTC).date())
        found = []
        for session in self._sessions(day - pd.Timedelta(days=1), day + pd.Timedelta(days=1)):
            found += self._parts_of(session)
        return found

    def _sessions(self, first: pd.Timestamp, last: pd.Timestamp) -> list[pd.Timestamp]:
        sessions = self._calendar.sessions
        begin, end = bisect.bisect_left(sessions, first), bisect.bisect_right(sessions, last)
        return list(sessions[begin:end])

    def _parts(self, session: pd.Timestamp) -> list[tuple[datetime.datetime, datetime.datetime, datetime.datetime]]:
        opening, close = self._calendar.session_open_close(session)
        moments = [opening, close]
        if self._calendar.session_has_break(session):
            moments[1:1] = self._calendar.session_break_start_end(session)
        times = [moment.to_pydatetime().astimezone(datetime.UTC) for moment in moments]
        date = session.to_pydatetime().replace(tzinfo=None)
        return [(begin, end, date) for begin, end in zip(times[::2], times[1::2], strict=True)]


def periods_of(calendar: str | None, timeframe: Timeframe, session: TradingCalendar) -> Periods:
    """The periods of bars of this length: by the exchange ``calendar`` of this name (such as ``XNYS``), or without one
    by the clock, in the ``session`` of the prices. Raises ``ConfigurationError`` for an unknown name, for bars longer
    than a day, and where the package is not installed."""
    if timeframe.unit in ("w", "mo") or (timeframe.unit == "d" and timeframe.count > 1):
        raise ConfigurationError(
            f"data.timeframe is {timeframe}, and a watch closes bars of at most a day: set 1d or shorter."
        )
    if calendar is None:
        return ClockPeriods(session, timeframe)
    try:
        import exchange_calendars
    except ModuleNotFoundError:
        raise ConfigurationError(
            f"watch.calendar is {calendar!r:.60}, and exchange-calendars is not installed: {INSTALL}"
        ) from None
    names = exchange_calendars.get_calendar_names(include_aliases=True)
    if calendar not in names:
        raise ConfigurationError(f"watch.calendar {calendar!r:.60} is unknown{did_you_mean(calendar, names)}")
    last = pd.Timestamp.now().normalize() + pd.Timedelta(days=366)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of pandas, about what that package does with it
        return ExchangePeriods(exchange_calendars.get_calendar(calendar, end=last), timeframe)
