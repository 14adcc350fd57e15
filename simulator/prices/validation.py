"""Whether prices can be true: each problem names the first row that has it and says how to cure it.

Nothing is repaired. Where several rows are wrong, the earliest is named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from llm_strategy.errors import MarketDataError
from llm_strategy.trading.bar_check import LEAST_PRICE, MOST_PRICE, MOST_VOLUME
from simulator.prices.sessions import Timeframe
from simulator.prices.source import or_option
from simulator.prices.table import COLUMNS, PRICE_COLUMNS, RawTable

ROUNDING = 1e-9
"""Relative slack of the range checks: adjusted prices written by other programs exceed the high by a rounding."""

FEWEST_FOR_SPACING = 10
"""Bars from which their usual distance can be told."""

_DOWNLOAD_CURE = "set end before this day or start after it, or take the prices from a csv: file"
STRETCH = 12
"""Bars in a row at another distance that are no accident of holidays or of a market that trades now and then."""
ALIKE = 0.25
"""How far the distances of such a stretch lie from their median at most (share of it): months have 28 to 31 days."""
HOLE = timedelta(days=30)
HOLE_BARS = 10
"""A gap of more days and more bars than these is told."""

_Check = tuple[npt.NDArray[np.bool_], Callable[[int], str]]


def validate_prices(raw: RawTable, source: str, timeframe: Timeframe, minimum_bars: int = 1) -> None:
    """Raise ``MarketDataError`` unless times increase strictly, fit ``timeframe``, and every bar is possible.

    Possible is: four finite prices above zero, low <= open, close <= high, a finite volume of at least zero.
    ``minimum_bars`` is what the caller needs for its longest indicator and at least one decision.
    """
    checks = (*_times(raw, source, timeframe), *_values(raw, source))
    found = [(int(bad.argmax()), problem) for bad, problem in checks if bad.any()]
    if found:
        row, problem = min(found, key=lambda item: item[0])
        raise MarketDataError(f"{_place(raw, source, row)}: {problem(row)}.")
    _check_spacing(raw, source, timeframe)
    _check_change_of_spacing(raw, source, timeframe)
    bars = len(raw.table)
    if bars < minimum_bars:
        raise MarketDataError(
            f"{source} has {bars} bars, at least {minimum_bars} are needed for the longest indicator and the decisions "
            "after it: take a longer range or another source."
        )


def show_time(time: pd.Timestamp) -> str:
    """ISO date, with the clock where it is not midnight."""
    return time.isoformat() if time != time.normalize() else str(time.date())


def _place(raw: RawTable, source: str, row: int) -> str:
    when = show_time(raw.table.index[row])
    return f"{source}, {when}" if raw.lines is None else f"{source}, line {raw.lines[row]} ({when})"


def _times(raw: RawTable, source: str, timeframe: Timeframe) -> Iterator[_Check]:
    times = pd.DatetimeIndex(raw.table.index)
    steps = np.ones(len(times), dtype=np.int64)
    steps[1:] = np.diff(times.to_numpy().astype(np.int64))
    twice = "this time stands twice"

    def stands_twice(row: int) -> str:
        if timeframe.intraday and (times == times.normalize()).all():
            return f"{twice}: all times are dates, bars of {timeframe} need clocks, keep the column that holds them"
        if cause := _autumn(raw, row):
            return f"{twice}, {cause}"
        if source.startswith("yfinance:"):
            return f"{twice} in what Yahoo sent, {_DOWNLOAD_CURE}"
        if row == len(times) - 1 > 1:
            return (
                f"{twice}, remove one of the two rows (a download made before its last day was over ends so), or set "
                f"end: {show_time(times[row - 2])}"
            )
        return f"{twice}, remove one of the two rows"

    def comes_after(row: int) -> str:
        if cause := _autumn(raw, row):
            return f"this time comes after {show_time(times[row - 1])}, {cause}"
        turned = or_option(source, "order=newest_first", "read them backwards") if (steps[1:] < 0).all() else ""
        if source.startswith("frame:"):
            turned = ", as frame.sort_index() does for times in the index"
        return f"this time comes after {show_time(times[row - 1])}, sort the rows by time with the oldest first{turned}"

    yield steps == 0, stands_twice
    yield steps < 0, comes_after


def _autumn(raw: RawTable, row: int) -> str | None:
    """What to say where a local hour comes twice: on a Sunday on which clocks are put back somewhere, before four."""
    time, before = raw.table.index[row], raw.table.index[row - 1]
    first_week, last_week = time.day <= 7, time.day >= 25
    backwards = (time.month == 10 and last_week) or (time.month in (4, 11) and first_week)
    if not (raw.naive and backwards and time.day_of_week == 6 and time.hour < 4):
        return None
    if before - time > pd.Timedelta(hours=1):
        return None
    return (
        "on a Sunday on which clocks are put back: the times are local and this hour comes twice, name their zone, as "
        "in data.clock: America/New_York, or convert them to UTC"
    )


def _values(raw: RawTable, source: str) -> Iterator[_Check]:
    values = {name: raw.table[name].to_numpy() for name in COLUMNS}
    times = pd.DatetimeIndex(raw.table.index)

    def check(bad: npt.NDArray[np.bool_], sentence: str) -> _Check:
        return bad, lambda row: sentence.format(**{name: float(column[row]) for name, column in values.items()})

    cure = _DOWNLOAD_CURE if source.startswith("yfinance:") else "correct the row or remove it"
    if raw.scaled and raw.adjusted_close is not None:
        cures = "correct the row, remove it, or leave adjusted=yes out"
        yield check(np.isnan(raw.adjusted_close), f"adjusted close is missing, {cures}")
        yield check(~(np.nan_to_num(raw.adjusted_close, nan=1.0) > 0), f"adjusted close is not above zero, {cures}")
        yield check(np.isinf(raw.adjusted_close), f"adjusted close is infinite, {cures}")
    empty = np.all([np.isnan(values[name]) for name in PRICE_COLUMNS], axis=0)

    def is_empty(row: int) -> str:
        words = "open, high, low and close are missing"
        if row == len(times) - 1 > 0 and not source.startswith("yfinance:"):
            return (
                f"{words} in the last row, as in a download made before its last day was over, remove the row or set "
                f"end: {show_time(times[row - 1])}"
            )
        return f"{words}, {cure}"

    yield empty, is_empty
    for name in COLUMNS:
        other = ", or leave volumes out with data.volume: none" if name == "volume" else ""
        yield check(np.isnan(values[name]), f"{name} is missing, {cure}{other}")
        yield check(np.isinf(values[name]), f"{name} is infinite, {cure}")
    for name in PRICE_COLUMNS:
        wrong = f"{name} is {{{name}!r}}, a price must be above zero, {cure}"
        yield check(values[name] <= 0, wrong)
        beyond = f"{name} is {{{name}!r}}, a price lies between {LEAST_PRICE:g} and {MOST_PRICE:g}, {cure}"
        yield check((values[name] > 0) & ((values[name] < LEAST_PRICE) | (values[name] > MOST_PRICE)), beyond)
    yield check(values["volume"] < 0, f"volume is {{volume!r}}, it must not be negative, {cure}")
    yield check(values["volume"] > MOST_VOLUME, f"volume is {{volume!r}}, it must be at most {MOST_VOLUME:g}, {cure}")
    high, low = values["high"], values["low"]
    yield check(high < low, f"high {{high!r}} is below low {{low!r}}, {cure}")
    for name in ("open", "close"):
        outside = (values[name] > high * (1 + ROUNDING)) | (values[name] < low * (1 - ROUNDING))
        yield check(outside, f"{name} {{{name}!r}} lies outside low {{low!r}} to high {{high!r}}, {cure}")


def _check_spacing(raw: RawTable, source: str, timeframe: Timeframe) -> None:
    """A wrong timeframe would put every figure per year out by its factor: the bars themselves must bear it out.

    Nights, weekends, holidays and short last bars of a session leave the most common step as it is.
    """
    if len(raw.table) < FEWEST_FOR_SPACING:
        return
    steps, counts = np.unique(np.diff(raw.table.index.to_numpy()), return_counts=True)
    usual = pd.Timedelta(steps[counts.argmax()]).to_pytimedelta()
    if not 0.75 <= usual / timeframe.duration < 2:
        raise MarketDataError(
            f"{source} has bars {usual} apart while timeframe is {timeframe}: set the timeframe that the bars have."
        )


def _check_change_of_spacing(raw: RawTable, source: str, timeframe: Timeframe) -> None:
    """Weeks and then days in one file: every figure, and every look back over bars, would mix the two."""
    if len(raw.table) < FEWEST_FOR_SPACING + STRETCH:
        return
    steps = np.diff(raw.table.index.to_numpy()) / np.timedelta64(timeframe.duration)
    windows = np.lib.stride_tricks.sliding_window_view(steps, STRETCH)
    lows, highs = windows.min(axis=1), windows.max(axis=1)
    other = (lows >= 2) | (highs < 0.75)
    alike = np.flatnonzero(other & (highs <= lows * (1 + ALIKE) / (1 - ALIKE)))
    if not len(alike):
        return
    first = int(alike[0])
    usual = float(np.median(windows[first]))
    differs = np.flatnonzero(np.abs(steps[first:] / usual - 1) > ALIKE)
    last = first + (int(differs[0]) if len(differs) else len(steps) - first)
    index = raw.table.index
    apart = str(pd.Timedelta(usual * timeframe.duration).round("s").to_pytimedelta()).removesuffix(", 0:00:00")
    if first:
        where, cure = f"from {show_time(index[first])} on", f"the bars from {show_time(index[first])} on"
        if last < len(steps):
            where += f" to {show_time(index[last])}"
            cure = "these bars"
    else:
        where, cure = f"up to {show_time(index[last])}", f"the bars before {show_time(index[last])}"
    raise MarketDataError(
        f"{source} changes the distance of its bars while timeframe is {timeframe}: {where} they stand {apart} apart: "
        f"take {cure} out of the file, or bring all bars to one length."
    )


def hole_note(raw: RawTable, file: str, timeframe: Timeframe) -> str | None:
    """One sentence on the longest hole in the times, where there is one that no holiday makes."""
    index = raw.table.index
    if len(index) < 2:
        return None
    steps = np.diff(index.to_numpy())
    long = np.flatnonzero(steps > np.timedelta64(max(HOLE, HOLE_BARS * timeframe.duration)))
    if not len(long):
        return None
    at = int(long[steps[long].argmax()])
    days = int(steps[at] / np.timedelta64(1, "D"))
    more = f", the longest of {len(long)} holes" if len(long) > 1 else ""
    return (
        f"{file}: no bars for {days:,} days between {show_time(index[at])} and {show_time(index[at + 1])}{more}: the "
        "indicators look across it, and years count it as time that passed."
    )
