"""Whether prices can be true: each problem names the first row that has it and says how to cure it.

Nothing is repaired. Where several rows are wrong, the earliest is named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from llm_strategy.errors import MarketDataError
from simulator.market_sources.table import COLUMNS, PRICE_COLUMNS, RawTable
from simulator.market_sources.timeframe import Timeframe

ROUNDING = 1e-9
"""Relative slack of the range checks: adjusted prices written by other programs exceed the high by a rounding."""

FEWEST_FOR_SPACING = 10
"""Bars from which their usual distance can be told."""

_Check = tuple[npt.NDArray[np.bool_], Callable[[int], str]]


def validate_prices(raw: RawTable, source: str, timeframe: Timeframe, minimum_bars: int = 1) -> None:
    """Raise ``MarketDataError`` unless times increase strictly, fit ``timeframe``, and every bar is possible.

    Possible is: four finite prices above zero, low <= open, close <= high, a finite volume of at least zero.
    ``minimum_bars`` is what the caller needs for its longest indicator and at least one decision.
    """
    found = [(int(bad.argmax()), problem) for bad, problem in (*_times(raw), *_values(raw)) if bad.any()]
    if found:
        row, problem = min(found, key=lambda item: item[0])
        raise MarketDataError(f"{_place(raw, source, row)}: {problem(row)}.")
    _check_spacing(raw, source, timeframe)
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


def _times(raw: RawTable) -> Iterator[_Check]:
    times = raw.table.index
    steps = np.ones(len(times), dtype=np.int64)
    steps[1:] = np.diff(times.to_numpy().astype(np.int64))
    yield steps == 0, lambda row: "this time stands twice, remove one of the two rows"
    yield (
        steps < 0,
        lambda row: f"this time comes after {show_time(times[row - 1])}, sort the rows by time with the oldest first",
    )


def _values(raw: RawTable) -> Iterator[_Check]:
    values = {name: raw.table[name].to_numpy() for name in COLUMNS}

    def check(bad: npt.NDArray[np.bool_], sentence: str) -> _Check:
        return bad, lambda row: sentence.format(**{name: float(column[row]) for name, column in values.items()})

    cure = "correct the row or remove it"
    for name in COLUMNS:
        yield check(np.isnan(values[name]), f"{name} is missing, {cure}")
        yield check(np.isinf(values[name]), f"{name} is infinite, {cure}")
    for name in PRICE_COLUMNS:
        wrong = f"{name} is {{{name}!r}}, a price must be above zero, {cure}"
        yield check(values[name] <= 0, wrong)
    yield check(values["volume"] < 0, f"volume is {{volume!r}}, it must not be negative, {cure}")
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
