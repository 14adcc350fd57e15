"""What followed events: the mean change of the close after them against that after all closes, with interval and p.

Changes over a horizon overlap, and events come in runs. So the interval is drawn in blocks of whole closes no shorter
than the horizon (``evaluation/resampling.py``), and p comes from other times for the events: their own order is cut
into a few long segments, which are put together in another order from another beginning on, the same for all symbols,
so that runs, gaps and what symbols share stay as they are. Three traits keep p honest where conditions are made of the
past, as all are:

- An event is held against the closes after its horizon alone. The mean over all closes knows what came before, and
  would make a fall of the past look like a rise of the future (Stambaugh 1999); a reference of later closes does not
  (forward demeaning, Arellano and Bover 1995).
- What is compared is studentised by a variance of blocks (Chung and Romano 2013), because events may choose times that
  move more than others.
- Events are not moved to times just before their own, where they would meet the changes that they were made of.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from llm_strategy.errors import MarketDataError
from simulator.evaluation.blocks import FEWEST_BLOCKS
from simulator.evaluation.metrics import NOTHING, Floats
from simulator.evaluation.resampling import Estimate, Resampling, ratio
from simulator.evaluation.sharpe import FEWEST_BARS

Verdict: TypeAlias = Literal["confirmed", "refuted", "open", "too few events"]
FEWEST_RUNS = 10
"""Separate runs of events below which nothing is tested."""
PATH_POINTS = 20
"""Points of the mean path after events at the most."""
_SEGMENTS = 4
"""Long pieces into which the order of the events is cut."""
_LATER = 0.2
"""Share of the closes of a window that must come after an event for it to be held against them."""
_TRIES = 40
"""Arrangements tried for one in which no event meets a change that it looks back on."""
_AT_ONCE = 2_000_000
"""Numbers that are gathered at once."""
_Times: TypeAlias = NDArray[np.datetime64]
_Marks: TypeAlias = NDArray[np.bool_]
_Places: TypeAlias = NDArray[np.intp]


class EventSeries(NamedTuple):
    """One symbol in a window: ``times`` (datetime64, increasing), ``closes`` (currency) and ``events`` (bool)."""

    times: _Times
    closes: Floats
    events: _Marks


class PathPoint(NamedTuple):
    """The mean change of the close so many ``bars`` after events, its interval, and that after all closes; fractions,
    None for what cannot be measured."""

    bars: int
    mean: float | None
    low: float | None
    high: float | None
    usual: float | None


@dataclass(frozen=True, slots=True)
class EventStudy:
    """What followed the events of a window; changes are fractions, None for what cannot be measured."""

    closes: int
    """Closes whose change over the horizon is known, over all symbols."""
    events: int
    """Those among them at which the conditions held."""
    runs: int
    """Separate runs of events: their beginnings are at least the horizon apart, those of all symbols together."""
    usual: float | None
    """Mean change after all closes."""
    effect: float | None
    """Mean change after events less the usual one, times -1 where the claim is down."""
    low: float | None
    high: float | None
    p_value: float | None
    """One-sided, of no effect in the claimed direction; plus-one rule, so never 0."""
    block: int | None
    """Length of the resampled blocks in closes."""
    path: tuple[PathPoint, ...] = ()


def fewest_closes(horizon: int) -> int:
    """Closes that a window needs for a horizon (bars): enough blocks of its length to be drawn from."""
    return max(FEWEST_BARS, FEWEST_BLOCKS * horizon) + horizon


def study(
    series: Mapping[str, EventSeries],
    horizon: int,
    direction: Literal["up", "down"],
    *,
    memory: int = 0,
    samples: int = 999,
    seed: int = 0,
    confidence_level: float = 0.9,
) -> EventStudy:
    """Measure what followed the events of one window, symbol by symbol.

    ``memory`` is how many bars the conditions look back, ``samples`` how often interval and p are drawn. Closes after
    the window are not looked at, so that the last ``horizon`` of them have no change. With fewer than ``FEWEST_RUNS``
    separate runs of events, effect and path are told without interval and p. Raises ``MarketDataError`` for a window
    that is empty or too short for the horizon.
    """
    table = _Table.of(series, horizon)
    if (there := len(table.times)) < (needed := fewest_closes(horizon)):
        raise MarketDataError(
            f"The window has {there} closes, and a horizon of {horizon} bars needs {needed}: take a longer window or a "
            "shorter horizon."
        )
    sign = 1.0 if direction == "up" else -1.0
    known = table.known & table.events
    runs = _separate(table.begins, horizon)
    usual = float(table.changes[table.known].mean())
    drawn = Resampling(samples, seed, confidence_level) if runs >= FEWEST_RUNS else None
    effect = _difference(series, table.times, sign, drawn, horizon)
    block = max(horizon, effect.block or 1)
    return EventStudy(
        closes=int(table.known.sum()),
        events=int(known.sum()),
        runs=runs,
        usual=usual,
        effect=effect.value,
        low=effect.low,
        high=effect.high,
        p_value=None if drawn is None else _p_value(table, sign, block, horizon, memory, samples, seed),
        block=effect.block,
        path=tuple(_path(series, table.times, horizon, drawn)),
    )


def adjust(p_values: Sequence[float]) -> list[float]:
    """p values, adjusted so that those at most a rate are false in that share (Benjamini and Hochberg 1995)."""
    number = len(p_values)
    order = np.argsort(p_values)[::-1]
    raised = np.asarray(p_values, dtype=np.float64)[order] * number / np.arange(number, 0, -1)
    adjusted = np.empty(number)
    adjusted[order] = np.minimum(np.minimum.accumulate(raised), 1.0)
    return [float(p) for p in adjusted]


def judge(found: EventStudy, adjusted: float | None, *, rate: float, effect: float) -> Verdict:
    """The word for a study.

    ``adjusted`` is its p value, adjusted for all that were ever tested on these data. *Confirmed* is an effect in the
    claimed direction: p at most the ``rate`` and the interval above 0. *Refuted* is one below the smallest ``effect``
    worth having: the whole interval is, whatever p says. *Open* is what is neither.
    """
    if found.runs < FEWEST_RUNS:
        return "too few events"
    if found.low is None or found.high is None or adjusted is None:
        return "open"
    if found.high < effect:
        return "refuted"
    return "confirmed" if adjusted <= rate and found.low > 0 else "open"


@dataclass(frozen=True, slots=True)
class _Table:
    """All symbols on one row of times: shape (times, symbols)."""

    times: _Times
    changes: Floats
    """Over the horizon, 0 where not known."""
    known: _Marks
    events: _Marks
    begins: _Marks
    """Times (times,) at which a run of events that can be measured begins, in any symbol."""

    @classmethod
    def of(cls, series: Mapping[str, EventSeries], horizon: int) -> _Table:
        """The changes over so many bars of each symbol."""
        markets = [series[symbol] for symbol in sorted(series)]
        times = (
            np.unique(np.concatenate([each.times for each in markets])) if markets else np.empty(0, "datetime64[us]")
        )
        shape = len(times), len(markets)
        changes, known, events = np.zeros(shape), np.zeros(shape, bool), np.zeros(shape, bool)
        begins = np.zeros(len(times), bool)
        for column, (own, closes, marks) in enumerate(markets):
            rows = np.searchsorted(times, own)
            measured = rows[: max(0, len(rows) - horizon)]
            changes[measured, column] = closes[horizon:] / closes[: len(measured)] - 1
            known[measured, column] = True
            events[rows, column] = marks
            first = marks & ~np.concatenate(([False], marks[:-1]))
            begins[measured[first[: len(measured)]]] = True
        return cls(times, changes, known, events, begins)


def _difference(
    series: Mapping[str, EventSeries], times: _Times, sign: float, drawn: Resampling | None, horizon: int
) -> Estimate:
    """The difference of means with its interval, where one is drawn."""
    after = _by_close(series, times, horizon, horizon, at_events=True)
    usual = _by_close(series, times, horizon, horizon, at_events=False)
    sums = np.column_stack([after, usual])
    changes, events, all_changes, closes = sums.sum(axis=0)
    if not events:
        return Estimate(None)

    def statistic(totals: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            found: Floats = sign * (totals[..., 0] / totals[..., 1] - totals[..., 2] / totals[..., 3])
        return found

    if drawn is None:
        return Estimate(float(statistic(sums.sum(axis=0))))
    weights = np.array([1 / events, -changes / events**2, -1 / closes, all_changes / closes**2])
    return drawn.estimate(sums, statistic, weights, least_block=horizon)


def _by_close(series: Mapping[str, EventSeries], times: _Times, horizon: int, bars: int, *, at_events: bool) -> Floats:
    """What each close has of the changes over so many ``bars`` after events, or after all closes whose change over the
    horizon is known, and of their number: shape (times, 2).

    A change is the sum of the changes from close to close, over the first one. Those of overlapping changes are one
    row, so that the rows of a market without memory have none either, and blocks of the horizon are long enough.
    """
    found = np.zeros((len(times), 2))
    for own, closes, events in series.values():
        marks = np.where(np.arange(len(closes)) < len(closes) - horizon, events if at_events else True, False)
        rows = np.searchsorted(times, own)
        steps = np.diff(closes, prepend=closes[:1])
        found[rows, 0] += steps * _of_last(marks / closes, bars)
        found[rows, 1] += _of_last(marks.astype(np.float64), bars) / bars
    return found


def _of_last(values: Floats, bars: int) -> Floats:
    """The sum over so many values before each one."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    places = np.arange(len(values))
    found: Floats = total[places] - total[np.maximum(places - bars, 0)]
    return found


def _p_value(table: _Table, sign: float, block: int, horizon: int, memory: int, samples: int, seed: int) -> float:
    """Share of the arrangements of the events in time whose studentised difference is at least as large."""
    rows = np.flatnonzero(table.known.any(axis=1))
    known, events = table.known[rows], table.events[rows]
    changes = np.where(known, sign * (table.changes[rows] - table.changes[table.known].mean()), 0.0)
    later = known.sum(axis=1)[::-1].cumsum()[::-1]  # closes from each row on
    after = np.append(later, np.zeros(horizon))[horizon : horizon + len(rows)]
    weights = np.where(after >= max(_LATER * later[0], 1), 1 / np.maximum(after, 1), 0.0)

    def studentised(orders: _Places) -> Floats:
        return _studentised(events[orders] & known, changes, weights, horizon, block)

    observed = studentised(np.arange(len(rows))[None])[0]
    random = np.random.default_rng((seed, 1))
    arrangements = _arrangements(np.any(events, axis=1), memory + block, samples, random)
    step = max(1, _AT_ONCE // events.size)
    reached = 0
    for first in range(0, samples, step):
        orders = np.array([next(arrangements) for _ in range(min(step, samples - first))])
        reached += int((studentised(orders) >= observed - NOTHING).sum())
    return (reached + 1) / (samples + 1)


def _studentised(events: _Marks, changes: Floats, weights: Floats, horizon: int, block: int) -> Floats:
    """The changes after events less the mean of all later ones, over the standard error of their sum, for each
    arrangement of the events: shape (arrangements, rows, symbols). ``weights`` (rows,) is 1 over the number of the
    closes that come after the horizon of a row; 0 where they are too few, and its events are left out."""
    at_rows = events * (weights > 0)[:, None]
    against = np.cumsum(at_rows.sum(axis=2) * weights, axis=1)[:, : max(0, len(weights) - horizon)]
    held = np.concatenate([np.zeros((len(events), len(weights) - against.shape[1])), against], axis=1)
    terms = (at_rows * changes).sum(axis=2) - held * changes.sum(axis=1)
    centred = terms - terms.mean(axis=1, keepdims=True)
    wrapped = np.cumsum(np.concatenate([np.zeros((len(terms), 1)), centred, centred[:, : block - 1]], axis=1), axis=1)
    variance = ((wrapped[:, block:] - wrapped[:, :-block]) ** 2).sum(axis=1) / block
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.where(variance > NOTHING**2, terms.sum(axis=1) / np.sqrt(variance), 0.0)
    return found


def _arrangements(busy: _Marks, reach: int, count: int, random: np.random.Generator) -> Iterator[_Places]:
    """Orders of the rows: which row's events stand at each row. Segments are cut where nothing happens, if anything is
    near; an event is not put up to ``reach`` rows before its own time, where it would meet what it was made of."""
    rows = len(busy)
    quiet = np.flatnonzero(~busy)
    reach = min(reach, rows // 4)
    places = np.arange(rows)
    for _ in range(count):
        best, fewest = places, rows + 1
        for _ in range(_TRIES):
            cuts = np.sort(random.choice(rows, _SEGMENTS, replace=False))
            if len(quiet):
                near = quiet[np.minimum(np.searchsorted(quiet, cuts), len(quiet) - 1)]
                cuts = np.unique(np.where(np.abs(near - cuts) <= rows // (4 * _SEGMENTS), near, cuts))
            pieces = np.split(np.roll(places, -cuts[0]), cuts[1:] - cuts[0])
            order = np.concatenate([pieces[piece] for piece in random.permutation(len(pieces))])
            order = np.roll(order, random.integers(rows))
            ahead = order - places
            met = int(((ahead > 0) & (ahead < reach)).sum())
            if met < fewest:
                best, fewest = order, met
            if not met:
                break
        yield best


def _separate(begins: _Marks, horizon: int) -> int:
    """How many beginnings are at least so many closes apart, from the first one on."""
    count, last = 0, -math.inf
    for row in np.flatnonzero(begins):
        if row >= last + horizon:
            count, last = count + 1, float(row)
    return count


def _path(
    series: Mapping[str, EventSeries], times: _Times, horizon: int, drawn: Resampling | None
) -> Iterator[PathPoint]:
    """The mean change at some of the bars up to the horizon, after the events whose change over all of it is known."""
    for bars in sorted({math.ceil(horizon * part / PATH_POINTS) for part in range(1, PATH_POINTS + 1)}):
        usual = float(ratio(_by_close(series, times, horizon, bars, at_events=False).sum(axis=0)))
        sums = _by_close(series, times, horizon, bars, at_events=True)
        changes, events = sums.sum(axis=0)
        if not events:
            yield PathPoint(bars, None, None, None, usual)
            continue
        estimate = Estimate(float(changes / events))
        if drawn is not None:
            weights = np.array([1.0, -changes / events])
            estimate = drawn.estimate(sums, ratio, weights, least_block=horizon)
        yield PathPoint(bars, estimate.value, estimate.low, estimate.high, usual)
