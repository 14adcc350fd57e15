"""Whether the bars of a backtrader feed can be true: of each bar is asked what ``csv:`` asks of the rows of a file.

Nothing is repaired. A bar is possible with four finite prices above zero, low <= open, close <= high, a finite volume
of at least zero (or none at all: a feed without volumes has NaN in every bar), and a time after that of the bar before.
"""

from __future__ import annotations

import math
from typing import Any, Literal, TypeAlias

import backtrader as bt
import numpy as np
import numpy.typing as npt

from llm_strategy.errors import ConfigurationError, MarketDataError
from llm_strategy.market.snapshot import iso_time

ROUNDING = 1e-9
"""Relative slack of the range checks: adjusted prices written by other programs exceed the high by a rounding."""
LEAST_PRICE, MOST_PRICE, MOST_VOLUME = 1e-18, 1e15, 1e24
"""Beyond these no market's figures lie, and those of a run lose their last digits."""
SPACING_BARS = 250
"""Bars at the beginning of a feed whose usual distance is held against its time frame."""
FEWEST_FOR_SPACING = 10
"""Bars from which their usual distance can be told."""

BadBars: TypeAlias = Literal["refuse", "abstain"]
"""What becomes of a run whose feed has a bar that cannot be true."""

_COLUMNS = ("open", "high", "low", "close", "volume")
_DAYS = {
    bt.TimeFrame.Seconds: 1 / 86_400,
    bt.TimeFrame.Minutes: 1 / 1_440,
    bt.TimeFrame.Days: 1.0,
    bt.TimeFrame.Weeks: 7.0,
    bt.TimeFrame.Months: 30.0,
}
_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


class BarCheck:
    """The bars of one feed as they come; ``name`` is what the feed is called in sentences.

    ``bad_bars`` of ``refuse`` raises ``MarketDataError`` at the first bar that cannot be true; ``abstain`` keeps it in
    ``why`` and ``bars_since``. Times that do not increase, and bars much shorter or longer than the feed's time frame
    says, raise in both. ``may_abstain`` is whether the caller could abstain, which the refusal then names as a cure.
    """

    def __init__(
        self, data: bt.AbstractDataBase, name: str, bad_bars: BadBars = "refuse", *, may_abstain: bool = True
    ) -> None:
        self.data = data
        self.name = name
        self.why = ""
        """What is wrong with the last bad bar, with its time; empty while there was none."""
        self._may_abstain = may_abstain
        self._abstains = bad_bars == "abstain"
        self._clock = data.lines.datetime
        self._seen = self._bad_at = 0
        self._time = -math.inf
        self._has_volume = False
        self.spacing_at = SPACING_BARS
        """Bars after which their distance is looked at, where they come one by one."""

    @property
    def bars_since(self) -> int | None:
        """Bars since the last bad one, 0 at it; ``None`` while there was none."""
        return len(self._clock) - self._bad_at if self._bad_at else None

    def check_all(self) -> bool:
        """Look at every bar of a preloaded feed at once, before any is traded; whether all of them are possible."""
        times, values = np.array(self.data.lines.datetime.array[: self.data.buflen()]), _columns(self.data)
        late = np.flatnonzero(np.diff(times) <= 0) + 1
        bad = np.flatnonzero(impossible_bars(*values))
        if len(bad) and not self._abstains and not (len(late) and late[0] <= bad[0]):
            row = int(bad[0])
            problem = problem_of_bar(*(float(column[row]) for column in values), has_volume=True)
            raise MarketDataError(self._refusal(times[row], problem))
        if len(late):
            raise self._out_of_order(times[late[0] - 1], times[late[0]])
        self._check_spacing(times[:SPACING_BARS])
        return not len(bad)

    def new_bar(self) -> None:
        """Look at the bar that has closed, where there is a new one."""
        bars = len(self._clock)
        if bars == self._seen:
            return
        lines = self.data.lines
        time, volume = lines.datetime[0], lines.volume[0]
        before = self._time if self._seen == bars - 1 else self._time_before()
        self._seen, self._time = bars, time
        if before >= time:
            raise self._out_of_order(before, time)
        bar = lines.open[0], lines.high[0], lines.low[0], lines.close[0], volume
        if problem := problem_of_bar(*map(float, bar), has_volume=self._has_volume):
            if not self._abstains:
                raise MarketDataError(self._refusal(time, problem))
            self._bad_at, self.why = bars, f"the bar of {time_text(time)} has no true prices ({problem})"
        self._has_volume = self._has_volume or not math.isnan(volume)
        if bars == self.spacing_at and len(lines.datetime.array) >= bars:
            self._check_spacing(np.array(lines.datetime.get(size=bars)))

    def check_now(self) -> None:
        """Look at the bar that has closed, for callers that do not look at every bar: its length is taken as said."""
        self._seen, self.spacing_at = -1, 0
        self.new_bar()

    def _time_before(self) -> float:
        """Of the bar before this one, where it is still in memory."""
        times = self.data.lines.datetime
        return float(times[-1]) if len(self._clock) > 1 and len(times.array) > 1 else -math.inf

    def _refusal(self, time: float, problem: str) -> str:
        other = ', or let AdvisedStrategy pass it by with bad_bars="abstain"' if self._may_abstain else ""
        return (
            f"Feed {self.name}, {time_text(time)}: {problem}; correct the bar or take it out of the data before the "
            f"feed is made{other}."
        )

    def _out_of_order(self, before: float, time: float) -> MarketDataError:
        if before == time:
            return MarketDataError(
                f"Feed {self.name}, {time_text(time)}: this time stands twice, keep one of the two bars."
            )
        return MarketDataError(
            f"Feed {self.name}, {time_text(time)}: this bar comes after that of {time_text(before)}, sort the bars "
            "by time with the oldest first (a DataFrame: frame.sort_index())."
        )

    def _check_spacing(self, times: npt.NDArray[np.float64]) -> None:
        """A wrong time frame puts volatility targets, days and the advice itself out: the bars must bear it out.

        Nights, weekends, holidays and short last bars of a session leave the most common step as it is.
        """
        unit = _DAYS.get(self.data._timeframe)
        if len(times) < FEWEST_FOR_SPACING or unit is None:
            return
        usual = float(usual_step(np.rint(np.diff(times) * 86_400)))
        if is_length(usual / 86_400 / (unit * self.data._compression)):
            return
        said = bt.TimeFrame.getname(self.data._timeframe, 1)
        length = f"1 {said.lower()}" if self.data._compression == 1 else f"{self.data._compression} {said.lower()}s"
        raise MarketDataError(
            f"Feed {self.name} is said to have bars of {length} and they are {_duration(usual)} apart: give the feed "
            f"its time frame, as in timeframe=bt.TimeFrame.{_time_frame(usual)}."
        )


def check_choice(bad_bars: str) -> None:
    """Raise ``ConfigurationError`` for a word that is no ``BadBars``."""
    if bad_bars not in ("refuse", "abstain"):
        raise ConfigurationError(f'bad_bars is {bad_bars!r}: it must be "refuse" or "abstain".')


def possible(data: bt.AbstractDataBase, ago: int = 0) -> bool:
    """Whether prices and volume of a bar can be true; its time is not looked at."""
    lines = data.lines
    bar = lines.open[ago], lines.high[ago], lines.low[ago], lines.close[ago], lines.volume[ago]
    return not problem_of_bar(*bar, has_volume=False)


def all_possible(data: bt.AbstractDataBase) -> bool:
    """The same of every bar of a preloaded feed."""
    return not impossible_bars(*_columns(data)).any()


def last_close(data: bt.AbstractDataBase) -> float:
    """The last close that is a price: that of this bar, unless it cannot be true; NaN where there was none yet."""
    closes = data.lines.close
    price = closes[0]
    if 0 < price < math.inf:
        return float(price)
    for ago in range(1, min(len(data), len(closes.array))):
        if 0 < closes[-ago] < math.inf:
            return float(closes[-ago])
    return math.nan


def time_text(time: float) -> str:
    """A time of backtrader's as an ISO date, with the clock where it is not midnight."""
    return iso_time(float(time)).removesuffix("T00:00:00")


def _columns(data: bt.AbstractDataBase) -> list[npt.NDArray[np.float64]]:
    """Prices and volumes of a preloaded feed, in the order of ``_COLUMNS``."""
    bars = data.buflen()
    return [np.array(getattr(data.lines, name).array[:bars]) for name in _COLUMNS]


def impossible_bars(*values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Which of many bars are not possible; ``values`` are columns of open, high, low, close and volume. A volume may be
    missing up to the first one that is there."""
    opens, high, low, close, volume = values
    with np.errstate(invalid="ignore"):
        prices = (low >= LEAST_PRICE) & (high <= MOST_PRICE) & (high >= low)
        for price in (opens, close):
            prices &= (price <= high * (1 + ROUNDING)) & (price >= low * (1 - ROUNDING)) & (price >= LEAST_PRICE)
            prices &= price <= MOST_PRICE
        known = np.maximum.accumulate(~np.isnan(volume)) if len(volume) else np.isnan(volume)
        volumes = np.where(np.isnan(volume), ~known, (volume >= 0) & (volume <= MOST_VOLUME))
    return np.asarray(~(prices & volumes))


def problem_of_bar(opens: float, high: float, low: float, close: float, volume: float, *, has_volume: bool) -> str:
    """What is wrong with one bar, in words without a cure; empty for nothing."""
    if LEAST_PRICE <= low <= opens <= high <= MOST_PRICE and low <= close <= high and 0 <= volume <= MOST_VOLUME:
        return ""
    prices = {"open": opens, "high": high, "low": low, "close": close}
    for name, value in prices.items():
        if math.isnan(value):
            return f"{name} is missing"
        if math.isinf(value):
            return f"{name} is infinite"
    if math.isnan(volume) and has_volume:
        return "volume is missing"
    if math.isinf(volume):
        return "volume is infinite"
    for name, value in prices.items():
        if value <= 0:
            return f"{name} is {value!r}, a price must be above zero"
        if not LEAST_PRICE <= value <= MOST_PRICE:
            return f"{name} is {value!r}, a price lies between {LEAST_PRICE:g} and {MOST_PRICE:g}"
    if volume < 0:
        return f"volume is {volume!r}, it must not be negative"
    if volume > MOST_VOLUME:
        return f"volume is {volume!r}, it must be at most {MOST_VOLUME:g}"
    if high < low:
        return f"high {high!r} is below low {low!r}"
    for name, value in (("open", opens), ("close", close)):
        if value > high * (1 + ROUNDING) or value < low * (1 - ROUNDING):
            return f"{name} {value!r} lies outside low {low!r} to high {high!r}"
    return ""


def usual_step(steps: npt.NDArray[Any]) -> Any:
    """The commonest of the distances between bars: nights, weekends, holidays and short sessions leave it as it is."""
    values, counts = np.unique(steps, return_counts=True)
    return values[counts.argmax()]


def is_length(ratio: float) -> bool:
    """Whether the usual distance of bars bears out their length, as its multiple."""
    return 0.75 <= ratio < 2


def _duration(seconds: float) -> str:
    for length, unit in _UNITS:
        if seconds >= length or length == 1:
            count = seconds / length
            return f"{count:g} {unit}{'' if count == 1 else 's'}"
    raise AssertionError("the last unit takes everything")


def _time_frame(seconds: float) -> str:
    """How a feed of these bars is told its time frame."""
    if seconds < 60:
        return f"Seconds, compression={seconds:g}"
    if seconds < 86_400:
        return f"Minutes, compression={seconds / 60:g}"
    days = round(seconds / 86_400)
    names = {1: "Days", 7: "Weeks", 30: "Months", 31: "Months"}
    return names.get(days, f"Days, compression={days}")
