"""The two by two of an audit: the true path or a resampled one, under the true identity or a false one.

A snapshot has features, which are functions of the path, and symbol, time and close, which name it. To exchange the one
and leave the other shows a model a path under a name that it does not belong to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from llm_strategy.types import Snapshot
from simulator.memory.closes import Close, Closes
from simulator.prices.load import Prices
from simulator.prices.universe import Universe

BLOCK = 20
"""Bars of a resampled block: what dependence there is over a month is kept."""
NO_NAME = "ANOTHER"
"""A false name where there is no other symbol: nobody remembers what it did."""

Path = Mapping[str, Sequence[Snapshot]]
"""Snapshots by symbol, in order."""


def resampled(universe: Universe, seed: int) -> Universe:
    """The same symbols and times with the bars dealt out anew in circular blocks, for all symbols alike."""
    return replace(universe, markets=tuple(_resampled(prices, seed) for prices in universe.markets))


def _resampled(prices: Prices, seed: int) -> Prices:
    table = prices.table
    bars = len(table) - 1
    random = np.random.default_rng(seed)
    starts = random.integers(0, bars, -(-bars // BLOCK))
    drawn = 1 + (starts[:, None] + np.arange(BLOCK)).ravel()[:bars] % bars
    before = table["close"].to_numpy()[drawn - 1]
    moves = {name: table[name].to_numpy()[drawn] / before for name in ("open", "high", "low", "close")}
    last = table["close"].iloc[0] * np.concatenate([[1.0], np.cumprod(moves["close"])])
    columns = {name: np.append(table[name].iloc[0], last[:-1] * move) for name, move in moves.items()}
    columns["close"] = last
    columns["high"] = np.maximum.reduce([columns[name] for name in ("open", "high", "close")])
    columns["low"] = np.minimum.reduce([columns[name] for name in ("open", "low", "close")])
    columns["volume"] = np.append(table["volume"].iloc[0], table["volume"].to_numpy()[drawn])
    return replace(prices, table=pd.DataFrame(columns, index=table.index)[list(table.columns)], true_regimes=None)


def under(path: Path, identity: Path) -> dict[str, tuple[Snapshot, ...]]:
    """The snapshots of a path under the symbol, time and close that stand at the same place of another."""
    return {
        symbol: tuple(_named(one, other) for one, other in zip(each, identity[symbol], strict=False))
        for symbol, each in path.items()
    }


@dataclass(frozen=True)
class FalseIdentity:
    """For each snapshot another one whose name it is given, the returns that followed that one, and in words what it
    is; ``closes`` are those at which it is tried."""

    snapshots: Mapping[str, tuple[Snapshot, ...]]
    outcomes: Mapping[Close, float]
    words: str
    closes: Closes


def false_identity(closes: Closes, unmasked: Sequence[str]) -> FalseIdentity:
    """Another symbol of the experiment at the same time, else the same symbol half the window away, else a name of no
    market. Half the window away it is tried at dates of the first half alone: those of the second have lent their
    names, and would be counted twice."""
    symbols = closes.symbols
    if "symbol" in unmasked and len(symbols) > 1:
        others = dict(zip(symbols, (*symbols[1:], symbols[0]), strict=True))
        names = {symbol: _at_times(closes, symbol, other) for symbol, other in others.items()}
        return _false(closes, names, "another symbol at the same date")
    if set(unmasked) & {"date", "price"}:
        halves = {symbol: len(each) // 2 for symbol, each in closes.snapshots.items()}
        names = {
            symbol: (*each[halves[symbol] :], *each[: halves[symbol]]) for symbol, each in closes.snapshots.items()
        }
        middle = min(each[halves[symbol]].time for symbol, each in closes.snapshots.items())
        first = replace(closes, times=tuple(time for time in closes.times if time < middle))
        return _false(first, names, "another date, half the window away")
    names = {symbol: tuple(replace(one, symbol=NO_NAME) for one in each) for symbol, each in closes.snapshots.items()}
    return _false(closes, names, "a name of no market")


def _false(closes: Closes, names: Mapping[str, tuple[Snapshot, ...]], words: str) -> FalseIdentity:
    outcomes = {
        (symbol, one.time): closes.outcomes.get((name.symbol, name.time), np.nan)
        for symbol, each in closes.snapshots.items()
        for one, name in zip(each, names[symbol], strict=True)
    }
    return FalseIdentity(names, outcomes, words, closes)


def _at_times(closes: Closes, symbol: str, other: str) -> tuple[Snapshot, ...]:
    """The snapshots of the other symbol at the times of this one, or the last one before."""
    of_other = closes.snapshots[other]
    times = [one.time for one in of_other]
    places = np.searchsorted(times, [one.time for one in closes.snapshots[symbol]], side="right") - 1
    return tuple(of_other[max(0, int(place))] for place in places)


def _named(path: Snapshot, identity: Snapshot) -> Snapshot:
    window = path.window
    if window is not None and identity.window is not None and len(identity.window) == len(window):
        window = replace(window, time=identity.window.time)
    return replace(path, symbol=identity.symbol, time=identity.time, close=identity.close, window=window)
