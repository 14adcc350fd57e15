"""Whether prices can be true: each problem names the first row that has it and says how to cure it.

Nothing is repaired. Where several rows are wrong, the earliest is named.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from llm_strategy.errors import MarketDataError
from llm_strategy.trading.bar_check import (
    FEWEST_FOR_SPACING,
    impossible_bars,
    is_length,
    problem_of_bar,
    usual_step,
)
from simulator.prices.sessions import Timeframe
from simulator.prices.source import or_option
from simulator.prices.table import COLUMNS, RawTable, show_time

_DOWNLOAD_CURE = "set end before this day or start after it, or take the prices from a csv: file"
_NO_VOLUMES = ", or leave volumes out with data.volume: none"
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
    values = [raw.table[name].to_numpy() for name in COLUMNS]
    cure = _DOWNLOAD_CURE if source.startswith("yfinance:") else "correct the row or remove it"
    if raw.scaled and raw.adjusted_close is not None:
        cures = "correct the row, remove it, or leave adjusted=yes out"
        for bad, words in (
            (np.isnan(raw.adjusted_close), "missing"),
            (raw.adjusted_close <= 0, "not above zero"),
            (np.isinf(raw.adjusted_close), "infinite"),
        ):
            yield bad, partial(_of_any_row, f"adjusted close is {words}, {cures}")

    def impossible(row: int) -> str:
        bar = [float(column[row]) for column in values]
        if all(map(math.isnan, bar[:4])):
            words = "open, high, low and close are missing"
            if row == len(raw.table) - 1 > 0 and not source.startswith("yfinance:"):
                return (
                    f"{words} in the last row, as in a download made before its last day was over, remove the row or "
                    f"set end: {show_time(raw.table.index[row - 1])}"
                )
            return f"{words}, {cure}"
        words = problem_of_bar(*bar, has_volume=True)
        return f"{words}, {cure}{_NO_VOLUMES if words == 'volume is missing' else ''}"

    yield impossible_bars(*values) | np.isnan(values[4]), impossible


def _of_any_row(sentence: str, row: int) -> str:
    return sentence


def _check_spacing(raw: RawTable, source: str, timeframe: Timeframe) -> None:
    """A wrong timeframe would put every figure per year out by its factor: the bars themselves must bear it out."""
    if len(raw.table) < FEWEST_FOR_SPACING:
        return
    usual = pd.Timedelta(usual_step(np.diff(raw.table.index.to_numpy()))).to_pytimedelta()
    if not is_length(usual / timeframe.duration):
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
