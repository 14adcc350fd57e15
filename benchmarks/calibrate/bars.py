"""Bars to trade on: paths that nobody can foretell, and windows of two real indexes.

Synthetic closes follow a GJR-GARCH(1,1) with t innovations around a constant drift, a factor of the market common to
several symbols. A part of each day's return comes overnight, so that opens are no closes. Real ones are windows of
NASDAQ and S&P 500 (1999 to 2018) with dates of their own; eight symbols are eight windows.
"""

from __future__ import annotations

import importlib
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]

A_YEAR = 252
BEFORE = 270
"""Bars before the first decision, for the indicators."""
DRIFT = 0.0003
OVERNIGHT = 0.3
"""Part of the variance of a day that comes before the open."""
_ALPHA, _LEVERAGE, _BETA, _DAILY = 0.03, 0.08, 0.91, 0.011
_FREEDOM = 6
_COMMON = 0.6
"""Part of the variance of a symbol that is the market's."""


class Cell(NamedTuple):
    """One kind of run: real or synthetic bars, years from the first decision on, and symbols."""

    bars: Literal["synthetic", "real"]
    years: int
    symbols: int

    @property
    def length(self) -> int:
        """Bars of each symbol, those before the first decision included."""
        return BEFORE + self.years * A_YEAR


def make_bars(cell: Cell, random: np.random.Generator) -> dict[str, pd.DataFrame]:
    """A table of daily bars for each symbol."""
    paths = _synthetic(cell, random) if cell.bars == "synthetic" else _real(cell, random)
    times = pd.bdate_range("2000-01-03", periods=cell.length)
    return {f"S{number}": table.set_axis(times, axis="index") for number, table in enumerate(paths, 1)}


def _synthetic(cell: Cell, random: np.random.Generator) -> list[pd.DataFrame]:
    market = _shocks(cell.length, random)
    own = [_shocks(cell.length, random) for _ in range(cell.symbols)]
    shared = _COMMON if cell.symbols > 1 else 0.0
    return [_table(DRIFT + np.sqrt(shared) * market + np.sqrt(1 - shared) * each, random) for each in own]


def _shocks(length: int, random: np.random.Generator) -> Floats:
    """Returns of a GJR-GARCH(1,1) with unit t innovations and mean 0."""
    innovations = random.standard_t(_FREEDOM, length) * np.sqrt((_FREEDOM - 2) / _FREEDOM)
    found = np.empty(length)
    usual = _DAILY**2
    variance = usual
    for bar in range(length):
        found[bar] = np.sqrt(variance) * innovations[bar]
        square = found[bar] ** 2
        weight = _ALPHA + (_LEVERAGE if found[bar] < 0 else 0.0)
        variance = usual * (1 - _ALPHA - _LEVERAGE / 2 - _BETA) + weight * square + _BETA * variance
    return found


def _table(returns: Floats, random: np.random.Generator) -> pd.DataFrame:
    log_close = np.cumsum(returns) + np.log(100.0)
    spread = np.full(len(returns), returns.std())
    bridge = np.sqrt(OVERNIGHT * (1 - OVERNIGHT)) * spread * random.standard_normal(len(returns))
    log_open = np.concatenate(([log_close[0]], log_close[:-1])) + OVERNIGHT * returns + bridge
    log_high = np.maximum(log_open, log_close) + 0.4 * spread * np.abs(random.standard_normal(len(returns)))
    log_low = np.minimum(log_open, log_close) - 0.4 * spread * np.abs(random.standard_normal(len(returns)))
    columns = {"open": log_open, "high": log_high, "low": log_low, "close": log_close}
    return pd.DataFrame({name: np.round(np.exp(column), 4) for name, column in columns.items()} | {"volume": 1e6})


def _real(cell: Cell, random: np.random.Generator) -> list[pd.DataFrame]:
    found = []
    for number in range(cell.symbols):
        whole = _index(("nasdaq", "sp500")[number % 2])
        first = int(random.integers(0, len(whole) - cell.length, endpoint=True))
        found.append(whole.iloc[first : first + cell.length])
    return found


@lru_cache(maxsize=2)
def _index(name: str) -> pd.DataFrame:
    frame = importlib.import_module(f"arch.data.{name}").load()
    columns = ["Open", "High", "Low", "Close", "Volume"]
    return frame[columns].rename(columns=str.lower).astype(float)
