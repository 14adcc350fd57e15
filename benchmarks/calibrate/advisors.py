"""Advisors of known skill: what each of them wants to hold at every close, 1 long and 0 nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.calibrate.bars import BEFORE, Cell, make_bars

Stances = NDArray[np.int64]

SHORTEST_RUN, LONGEST_RUN = 6, 60
"""Mean bars of a holding run, drawn evenly on a logarithmic scale."""
_SPREAD = 0.7
"""Standard deviation of the logarithm of a run's length."""
FALL = 0.05
"""A fall by so much from a high is one that is worth being out of."""


def without_skill(cell: Cell, random: np.random.Generator) -> dict[str, Stances]:
    """Stances that know nothing of the bars they are traded on: holding runs of drawn lengths, or those of a moving
    average on other bars of the same kind; several symbols apart, or with a stance that they share."""
    if random.random() < 0.5:
        other = make_bars(cell, random)
        window = int(random.choice([20, 50, 100]))
        found = {symbol: _above_average(table["close"], window) for symbol, table in other.items()}
    else:
        found = {f"S{number}": _runs(cell.length, random) for number in range(1, cell.symbols + 1)}
    if cell.symbols > 1 and random.random() < 0.5:
        shared = _runs(cell.length, random)
        kept = random.random(cell.symbols) < 0.7
        found = {symbol: shared if keeps else own for (symbol, own), keeps in zip(found.items(), kept, strict=True)}
    return found


def reads_prices(bars: dict[str, pd.DataFrame], random: np.random.Generator, *, follows: bool) -> dict[str, Stances]:
    """Long above the mean of its last closes, or below it: on paths that nobody can foretell that is no skill, and yet
    what it holds depends on the bars that it trades."""
    window = round(float(np.exp(random.uniform(np.log(20), np.log(150)))))
    above = {symbol: _above_average(table["close"], window) for symbol, table in bars.items()}
    return {symbol: stances if follows else 1 - stances for symbol, stances in above.items()}


def knows_signs(
    bars: dict[str, pd.DataFrame], horizon: int, share: float, random: np.random.Generator
) -> dict[str, Stances]:
    """Long for so many bars wherever it believes that they will rise; right in this ``share`` of the cases."""
    found = {}
    for symbol, table in bars.items():
        opens = table["open"].to_numpy(dtype=np.float64)
        stances = np.zeros(len(opens), dtype=np.int64)
        for first in range(BEFORE, len(opens), horizon):
            fill, end = min(first + 1, len(opens) - 1), min(first + 1 + horizon, len(opens) - 1)
            rises = opens[end] > opens[fill]
            stances[first : first + horizon] = rises if random.random() < share else not rises
        found[symbol] = stances
    return found


def avoids_falls(bars: dict[str, pd.DataFrame], share: float, random: np.random.Generator) -> dict[str, Stances]:
    """Long but in a ``share`` of the falls, and in as many stretches of the same lengths, at any moment, as it misses
    of them."""
    found = {}
    for symbol, table in bars.items():
        closes = table["close"].to_numpy(dtype=np.float64)
        stances = np.ones(len(closes), dtype=np.int64)
        for first, last in falls(closes):
            start, length = first, last - first
            if random.random() >= share:
                start = int(random.integers(BEFORE, max(BEFORE + 1, len(closes) - length)))
            stances[start : start + length] = 0
        found[symbol] = stances
    return found


def falls(closes: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Every fall by ``FALL`` and more, from its high to its low (places of closes); it ends where the close has risen
    by as much from the low, so that a long decline with recoveries is told as several falls."""
    found: list[tuple[int, int]] = []
    high = low = BEFORE
    falling = False
    for bar in range(BEFORE, len(closes)):
        if falling:
            if closes[bar] < closes[low]:
                low = bar
            elif closes[bar] >= closes[low] * (1 + FALL):
                found.append((high, low))
                falling, high = False, bar
        elif closes[bar] > closes[high]:
            high = bar
        elif closes[bar] <= closes[high] * (1 - FALL):
            falling, low = True, bar
    return [*found, (high, low)] if falling else found


def _above_average(closes: pd.Series, window: int) -> Stances:
    return np.asarray(closes > closes.rolling(window, min_periods=1).mean(), dtype=np.int64)


def _runs(length: int, random: np.random.Generator) -> Stances:
    held = float(np.exp(random.uniform(np.log(SHORTEST_RUN), np.log(LONGEST_RUN))))
    share = float(random.uniform(0.2, 0.8))
    means = (held * (1 - share) / share, held)
    stances: list[int] = []
    stance = int(random.random() < share)
    while len(stances) < length:
        scale = np.log(max(1.0, means[stance])) - _SPREAD**2 / 2
        stances += [stance] * max(1, round(float(random.lognormal(scale, _SPREAD))))
        stance = 1 - stance
    return np.array(stances[:length], dtype=np.int64)
