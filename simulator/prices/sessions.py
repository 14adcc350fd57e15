"""How long a bar is (``5m``, ``1h``, ``1d``), when a market trades, and which bars one decision bar covers.

Times come and go without zone. Those of bars shorter than a day are UTC (``simulator.prices.load``); here they are
turned into clock times of ``timezone`` to find their session, so that daylight saving moves the session and not the
bars.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import numpy.typing as npt
import pandas as pd

from llm_strategy.errors import ConfigurationError, nearest

DURATIONS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
    "mo": timedelta(days=30),
}


@dataclass(frozen=True, slots=True)
class Timeframe:
    """``count`` times ``unit``: s seconds, m minutes, h hours, d days, w weeks, mo months."""

    count: int
    unit: str

    @property
    def intraday(self) -> bool:
        """Whether bars are shorter than a day, so that their clock times matter."""
        return self.unit in ("s", "m", "h")

    @property
    def duration(self) -> timedelta:
        """Length of a bar; a month counts as 30 days."""
        return self.count * DURATIONS[self.unit]

    def __str__(self) -> str:
        return f"{self.count}{self.unit}"


def parse_timeframe(text: str, setting: str = "timeframe") -> Timeframe:
    """Read ``5m``, ``1h`` or ``1d``; ``ConfigurationError`` naming ``setting`` for anything else."""
    match = re.fullmatch(r"([1-9]\d{0,3})(s|mo|m|h|d|w)", text)
    if match is None:
        raise ConfigurationError(
            f"{setting} {text!r} is unknown: write a number and s, m, h, d, w or mo, such as 5m, 1h or 1d."
        )
    return Timeframe(int(match[1]), match[2])


DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Session:
    """Opening hours of a day: a bar belongs to it whose time lies in [start, end), as time since local midnight.

    With ``end`` before ``start`` the session runs over midnight and belongs to the day on which it ends.
    """

    start: timedelta = timedelta(0)
    end: timedelta = DAY

    @property
    def over_midnight(self) -> bool:
        """Whether it opens on the day before the one it belongs to."""
        return self.end < self.start


@dataclass(frozen=True, slots=True)
class TradingCalendar:
    """The bars of a run and the decisions on them. Raises ``ConfigurationError`` for settings that contradict.

    ``timeframe`` is the length of a trading bar, ``decide_on`` that of a decision bar (``None``: every trading bar is
    one). ``session`` such as ``09:30-16:00`` holds clock times in ``timezone``, an IANA name, by default UTC.
    """

    timeframe: str = "1d"
    decide_on: str | None = None
    session: str | None = None
    timezone: str | None = None

    def __post_init__(self) -> None:
        bar = parse_timeframe(self.timeframe)
        if self.decide_on is not None:
            _check_decisions(parse_timeframe(self.decide_on, "decide_on"), bar)
        if self.session is not None:
            parse_session(self.session)
        if self.timezone is not None:
            zone_of(self.timezone)
        for setting, value in (("session", self.session), ("timezone", self.timezone)):
            if value is not None and not bar.intraday:
                raise ConfigurationError(
                    f"{setting} is {value!r} while bars of {bar} have no clock time: leave it out, or set a timeframe "
                    "shorter than a day."
                )

    def is_open(self, times: pd.DatetimeIndex) -> npt.NDArray[np.bool_]:
        """Which times lie inside the session."""
        if self.session is None:
            return np.ones(len(times), dtype=np.bool_)
        session, wall = parse_session(self.session), self._wall(times)
        clock = (wall - wall.normalize()).to_numpy()
        after, before = clock >= np.timedelta64(session.start), clock < np.timedelta64(session.end)
        return np.asarray(after | before if session.over_midnight else after & before)

    def periods(self, times: pd.DatetimeIndex) -> pd.DatetimeIndex:
        """The start of the decision period of each time (inside the session): equal starts, one decision bar.

        Hours and minutes are counted from the session's opening, in elapsed time: an hour that daylight saving
        repeats is a period of its own. Weeks begin on Monday.
        """
        step, days = parse_timeframe(self.decide_on or self.timeframe), self._days(times)
        if not step.intraday:
            return _first_days(days, step.unit)
        opening = self._opening(days)
        return opening + (times - opening) // step.duration * step.duration

    def warm_up_start(self, times: pd.DatetimeIndex, start: pd.Timestamp, bars: int) -> pd.Timestamp:
        """The first trading bar of the last ``bars`` decision bars that end before ``start``, or of as many as there
        are; the beginning of the decision bar that ``start`` lies in where there are none."""
        known = times[self.is_open(times)].unique().sort_values()
        if not len(known):
            return start
        periods = (known if self.decide_on is None else self.periods(known)).to_numpy()
        changes = np.flatnonzero(periods[1:] != periods[:-1]) + 1
        firsts, ends = np.concatenate(([0], changes)), known[np.concatenate((changes, [len(known)])) - 1]
        before = int(ends.searchsorted(start))
        return known[firsts[max(0, before - bars)]] if before < len(firsts) else start

    def ends_period(self, last: pd.Timestamp) -> bool:
        """Whether the trading bar at ``last`` is the last one that its period can have, judged by the clock alone."""
        bar = pd.DatetimeIndex([last])
        following = bar + parse_timeframe(self.timeframe).duration
        if self.is_open(following)[0]:
            return bool(self.periods(following)[0] != self.periods(bar)[0])
        day, unit = self._days(bar), parse_timeframe(self.decide_on or self.timeframe).unit
        return bool(_first_days(day + DAY, unit)[0] != _first_days(day, unit)[0])

    def _wall(self, times: pd.DatetimeIndex) -> pd.DatetimeIndex:
        if self.timezone is None:
            return times
        return times.tz_localize("UTC").tz_convert(zone_of(self.timezone)).tz_localize(None)

    def _days(self, times: pd.DatetimeIndex) -> pd.DatetimeIndex:
        wall = self._wall(times)
        days = wall.normalize()
        session = parse_session(self.session)
        if not session.over_midnight:
            return days
        return days.where((wall - days).to_numpy() < np.timedelta64(session.start), days + DAY)

    def _opening(self, days: pd.DatetimeIndex) -> pd.DatetimeIndex:
        session = parse_session(self.session)
        wall = days + session.start - (DAY if session.over_midnight else timedelta(0))
        if self.timezone is None:
            return wall
        first = np.ones(len(wall), dtype=np.bool_)  # of two equal clock times, the one in daylight saving
        local = wall.tz_localize(zone_of(self.timezone), ambiguous=first, nonexistent="shift_forward")
        return local.tz_convert("UTC").tz_localize(None)


def parse_session(text: str | None) -> Session:
    """Read ``09:30-16:00``; ``None`` is the whole day. ``ConfigurationError`` for anything else."""
    if text is None:
        return Session()
    match = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)", text)
    if match is None:
        raise ConfigurationError(f"session is {text!r}: write its opening and its end as in 09:30-16:00.")
    start = timedelta(hours=int(match[1]), minutes=int(match[2]))
    end = DAY if match[3] is None else timedelta(hours=int(match[3]), minutes=int(match[4]))
    if start == end:
        raise ConfigurationError(f"session {text} opens when it ends: leave session out to trade around the clock.")
    return Session(start, end)


def _first_days(days: pd.DatetimeIndex, unit: str) -> pd.DatetimeIndex:
    if unit == "w":
        return days - pd.to_timedelta(days.day_of_week, unit="D")
    return days - pd.to_timedelta(days.day - 1, unit="D") if unit == "mo" else days


def _check_decisions(step: Timeframe, bar: Timeframe) -> None:
    if step.duration <= bar.duration:
        raise ConfigurationError(
            f"decide_on {step} is not longer than timeframe {bar}: leave decide_on out to decide on every bar."
        )
    if (step.intraday and step.duration >= DAY) or (not step.intraday and step.count > 1):
        raise ConfigurationError(f"decide_on {step} is unknown: above hours and minutes there are 1d, 1w and 1mo.")
    if (step.duration if step.intraday else DAY) % bar.duration:
        raise ConfigurationError(f"decide_on {step} is not filled by whole bars of {bar}: choose a multiple of it.")


def zone_of(name: str, setting: str = "timezone") -> ZoneInfo:
    """The zone of an IANA name; ``ConfigurationError`` naming ``setting`` for any other."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # OSError: the name of a folder of zones, such as America
        cure = nearest(name, sorted(available_timezones())) or ": write an IANA name such as America/New_York."
        raise ConfigurationError(f"{setting} {name!r:.60} is unknown{cure}") from None
