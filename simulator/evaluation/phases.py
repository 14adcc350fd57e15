"""Bull and bear phases as they are dated afterwards, from prices that came later: never shown to a model, and no
baseline. Labels that were given at the time are held against them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from simulator.evaluation.metrics import Floats

Directions = NDArray[np.int8]
"""1 for a bar in a rising phase, -1 in a falling one, 0 where none is known."""

RISE, FALL = 0.20, 0.15
"""Moves from the last low and from the last high that begin a phase (Lunde and Timmermann 2004)."""
WINDOW, CENSORED, SHORTEST_PHASE, SHORTEST_CYCLE = 8, 6, 4, 16
"""Months on either side that an extreme must stand out from, at either end without a turn, of a phase, and of a rising
and a falling phase together (Pagan and Sossounov 2003)."""
LARGE_MOVE = 0.20
"""Move by which a phase may be shorter."""


class Turn(NamedTuple):
    """The last bar of a phase: a peak ends a rising one, a trough a falling one."""

    bar: int
    is_peak: bool


def lunde_timmermann(prices: Floats, rise: float = RISE, fall: float = FALL) -> list[Turn]:
    """The turns by thresholds: a rise from the lowest price since the last peak, a fall from the highest price since
    the last trough."""
    turns: list[Turn] = []
    high = low = 0
    rising: bool | None = None
    for bar, price in enumerate(prices):
        high = bar if price > prices[high] else high
        low = bar if price < prices[low] else low
        if rising is not False and price <= (1 - fall) * prices[high]:
            turns.append(Turn(high, is_peak=True))
            rising, low = False, bar
        elif rising is not True and price >= (1 + rise) * prices[low]:
            turns.append(Turn(low, is_peak=False))
            rising, high = True, bar
    return turns


def pagan_sossounov(prices: Floats, month: int = 1) -> list[Turn]:
    """The turns by the shape of the curve, a month having so many bars: extremes of a window that alternate, without
    those near the ends, in short cycles, and in short phases with a small move."""
    turns = _alternate(prices, _extremes(prices, WINDOW * month, CENSORED * month))
    turns = _without_false_ends(prices, turns)
    while (whole := _without_short_cycle(prices, turns, SHORTEST_CYCLE * month)) != turns:
        turns = whole
    while (whole := _without_short_phase(prices, turns, SHORTEST_PHASE * month)) != turns:
        turns = whole
    return _without_false_ends(prices, turns)


def directions(turns: list[Turn], bars: int) -> Directions:
    """The direction of the phase of each bar; none is known where nothing turned."""
    found = np.zeros(bars, dtype=np.int8)
    begin = 0
    for turn in turns:
        found[begin : turn.bar + 1] = 1 if turn.is_peak else -1
        begin = turn.bar + 1
    if turns:
        found[begin:] = -1 if turns[-1].is_peak else 1
    return found


def _extremes(prices: Floats, window: int, censored: int) -> list[Turn]:
    """Highest and lowest bars of the windows around them, the first of equal ones, in order."""
    found: list[Turn] = []
    if not len(prices):
        return found
    for sign, is_peak in ((1, True), (-1, False)):
        values = sign * prices
        around = pd.Series(np.pad(values, window, mode="edge")).rolling(2 * window + 1)
        highest = around.max().to_numpy()[2 * window :]
        for bar in np.flatnonzero(values == highest):
            before = values[max(0, bar - window) : bar]
            if censored <= bar < len(prices) - censored and not (before == values[bar]).any():
                found.append(Turn(int(bar), is_peak))
    return sorted(found)


def _alternate(prices: Floats, turns: list[Turn]) -> list[Turn]:
    """Of peaks in a row the highest alone, of troughs the lowest."""
    kept: list[Turn] = []
    for turn in turns:
        if not kept or kept[-1].is_peak is not turn.is_peak:
            kept.append(turn)
        elif _is_further(prices, turn, kept[-1]):
            kept[-1] = turn
    return kept


def _is_further(prices: Floats, one: Turn, other: Turn) -> bool:
    """Whether one of two peaks is higher, or of two troughs lower."""
    ours, theirs = float(prices[one.bar]), float(prices[other.bar])
    return ours > theirs if one.is_peak else ours < theirs


def _without_false_ends(prices: Floats, turns: list[Turn]) -> list[Turn]:
    """Without first and last turns that are exceeded between them and the end."""
    turns = list(turns)
    while turns and _is_exceeded(prices[: turns[0].bar], prices, turns[0]):
        turns.pop(0)
    while turns and _is_exceeded(prices[turns[-1].bar + 1 :], prices, turns[-1]):
        turns.pop()
    return turns


def _is_exceeded(outside: Floats, prices: Floats, turn: Turn) -> bool:
    if not len(outside):
        return False
    return bool(outside.max() > prices[turn.bar] if turn.is_peak else outside.min() < prices[turn.bar])


def _without_short_cycle(prices: Floats, turns: list[Turn], shortest: int) -> list[Turn]:
    """Without the lesser of the first two peaks, or troughs, that are too near to each other."""
    for number in range(len(turns) - 2):
        first, second = turns[number], turns[number + 2]
        if second.bar - first.bar < shortest:
            lesser = number if _is_further(prices, second, first) else number + 2
            return _alternate(prices, [*turns[:lesser], *turns[lesser + 1 :]])
    return turns


def _without_short_phase(prices: Floats, turns: list[Turn], shortest: int) -> list[Turn]:
    """Without the first phase that is too short and moved too little."""
    for number in range(len(turns) - 1):
        first, second = turns[number], turns[number + 1]
        move = abs(float(prices[second.bar] / prices[first.bar]) - 1)
        if second.bar - first.bar < shortest and move < LARGE_MOVE:
            return _alternate(prices, [*turns[:number], *turns[number + 2 :]])
    return turns
