"""Ready items of a checklist: brakes on losses, volatility and changing labels, data that are stale, advisors that
disagree, and hours around scheduled events."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import accumulate
from typing import Any, ClassVar

from llm_strategy.errors import ConfigurationError
from llm_strategy.risk.checklist.item import Effect, Lookup, Preset, tell

BAR_TIME, BAR_LENGTH = "bar.time", "bar.length"
"""What a lookup knows beside the fields that conditions may speak of: the close (ISO 8601, UTC) and the time frame."""
_LENGTH = re.compile(r"(\d+)(s|m|h|d|w|mo)")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400, "mo": 30 * 86_400}
"""Seconds."""
_DAY, _WEEK_DAYS, _SATURDAY = timedelta(days=1), 7, 5


@dataclass(frozen=True, slots=True)
class DrawdownBrake(Preset):
    """Fires from a drawdown of the account on (``at``, a fraction)."""

    name: ClassVar[str] = "drawdown_brake"
    usual: ClassVar[Effect] = "block"
    looks_at: ClassVar[tuple[str, ...]] = ("account.drawdown",)

    at: float = 0.1

    def seen(self, value: Lookup) -> str | None:
        """The drawdown, where it is so large."""
        return _from(value, self.looks_at[0], self.at)


@dataclass(frozen=True, slots=True)
class VolatilityBrake(Preset):
    """Fires where the volatility of the last bars is higher than in this share of the bars before (``at``, a
    fraction)."""

    name: ClassVar[str] = "volatility_brake"
    usual: ClassVar[Effect] = "halve"
    looks_at: ClassVar[tuple[str, ...]] = ("market.volatility_rank",)

    at: float = 0.9

    def seen(self, value: Lookup) -> str | None:
        """The rank of the volatility, where it is so high."""
        return _from(value, self.looks_at[0], self.at)


@dataclass(frozen=True, slots=True)
class LabelChanges(Preset):
    """Fires where the label has changed more often than ``most`` times over the last 20 labels."""

    name: ClassVar[str] = "label_changes"
    usual: ClassVar[Effect] = "block"
    looks_at: ClassVar[tuple[str, ...]] = ("advice.label_changes_20",)

    most: int = 5

    def seen(self, value: Lookup) -> str | None:
        """How often the label has changed, where that is too often."""
        return _from(value, self.looks_at[0], self.most + 1)


@dataclass(frozen=True, slots=True)
class StaleData(Preset):
    """Fires where the bar before lies more than ``gap_days`` days back or is not known, where ``same_close`` bars in a
    row have the same close, and where nothing was traded in a market that has volume."""

    name: ClassVar[str] = "stale_data"
    usual: ClassVar[Effect] = "block"
    looks_at: ClassVar[tuple[str, ...]] = ("data.gap_days", "data.same_close_bars", "data.volume_missing")

    gap_days: float = 5.0
    same_close: int = 5

    def seen(self, value: Lookup) -> str | None:
        """The first thing that is wrong with the data."""
        gap, same, volume = map(value, self.looks_at)
        if gap is None or isinstance(gap, str) or gap > self.gap_days:
            return tell("data.gap_days", gap)
        if same is None or isinstance(same, str) or same >= self.same_close:
            return tell("data.same_close_bars", same)
        return tell("data.volume_missing", volume) if volume == "yes" else None


@dataclass(frozen=True, slots=True)
class Disagreement(Preset):
    """Fires where the members of an ensemble were of different minds from this share on (``at``, a fraction)."""

    name: ClassVar[str] = "disagreement"
    usual: ClassVar[Effect] = "halve"
    looks_at: ClassVar[tuple[str, ...]] = ("advice.disagreement",)

    at: float = 0.5

    def seen(self, value: Lookup) -> str | None:
        """The disagreement, where it is so large."""
        return _from(value, self.looks_at[0], self.at)


@dataclass(frozen=True, slots=True)
class EventBlackout(Preset):
    """Fires around scheduled events.

    ``events`` are their times: ISO 8601, UTC where no zone is given; a date alone stands for its whole day. It fires
    from ``bars_before`` bars and ``hours_before`` hours before an event until as much after it. Bars of a day or longer
    are stamped with a date, so that an event is the whole of its day to them. Which bars are still to come is not known
    at a close: a bar counts as the length of its time frame, in which Saturdays and Sundays are no days, so that Friday
    is the bar before Monday.
    """

    name: ClassVar[str] = "event_blackout"
    usual: ClassVar[Effect] = "block"
    looks_at: ClassVar[tuple[str, ...]] = ()

    events: tuple[str, ...]
    bars_before: int = 1
    bars_after: int = 0
    hours_before: float = 0.0
    hours_after: float = 0.0

    def seen(self, value: Lookup) -> str | None:
        """The event that is near."""
        now, timeframe = _utc(str(value(BAR_TIME))), str(value(BAR_LENGTH))
        bar = bar_length(timeframe)
        until = _moved(now, self.bars_before, bar) + timedelta(hours=self.hours_before)
        since = _moved(now, -self.bars_after, bar) - timedelta(hours=self.hours_after)
        begins, ends = _spans(self.events, whole_days=bar >= _DAY)
        place = bisect_left(ends, since)
        return f"event {begins[place].isoformat()}" if place < len(begins) and begins[place] <= until else None


PRESETS: dict[str, Any] = {
    preset.name: preset
    for preset in (DrawdownBrake, VolatilityBrake, LabelChanges, StaleData, Disagreement, EventBlackout)
}
"""The presets by name."""


def event_span(text: str) -> tuple[datetime, datetime]:
    """The first and last moment (UTC) of a scheduled event, the same for a time and a day long for a date; raises
    ``ValueError`` for what is neither."""
    begin = _utc(text)
    whole_day = len(text.strip()) <= len("2024-01-31")
    return begin, begin + timedelta(days=1, microseconds=-1) if whole_day else begin


def bar_length(timeframe: str) -> timedelta:
    """How long a bar of a time frame such as ``5m``, ``1d`` or ``1mo`` lasts, a month as 30 days."""
    found = _LENGTH.fullmatch(timeframe)
    if found is None:
        raise ConfigurationError(f"The time frame {timeframe!r:.40} is not known: write one such as 5m, 1h or 1d.")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


@lru_cache(maxsize=16)
def _spans(events: tuple[str, ...], *, whole_days: bool) -> tuple[list[datetime], list[datetime]]:
    """Ends of events in their order, and for each the earliest beginning of those that have not ended before it: a
    whole day may begin before a moment of it, and end after that."""
    texts = (_utc(event).date().isoformat() if whole_days else event for event in events)
    spans = sorted((end, begin) for begin, end in map(event_span, texts))
    begins = list(accumulate((begin for _, begin in reversed(spans)), min))[::-1]
    return begins, [end for end, _ in spans]


def _moved(now: datetime, bars: int, bar: timedelta) -> datetime:
    """So many bars later, or earlier where they are negative."""
    days = bar // _DAY
    if bar < _DAY or days >= _WEEK_DAYS:
        return now + bars * bar
    step = timedelta(days=1 if bars > 0 else -1)
    for _ in range(abs(bars) * days):
        now += step
        while now.weekday() >= _SATURDAY:
            now += step
    return now


def _utc(text: str) -> datetime:
    moment = datetime.fromisoformat(text.strip())
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text!r:.40} is no year from 1 to 9999 in UTC") from None


def _from(value: Lookup, name: str, least: float) -> str | None:
    seen = value(name)
    return tell(name, seen) if isinstance(seen, float) and seen >= least else None
