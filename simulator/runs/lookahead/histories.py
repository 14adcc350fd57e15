"""The same prices up to a bar and otherwise after it: cut there, or turned upside down."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

import pandas as pd

from simulator.prices.universe import Universe

AFTERWARDS = 100
"""Bars of a rewritten history after the time: enough for whoever looks ahead from bar to bar, and quicker than all."""


def cut(universe: Universe, time: pd.Timestamp) -> Universe:
    """The bars of all symbols up to a time, as if the data ended there."""
    return _changed(universe, time, lambda table, _: table.iloc[:0])


def rewritten(universe: Universe, time: pd.Timestamp) -> Universe:
    """The bars up to a time, and ``AFTERWARDS`` of those behind it, mirrored at the last close before: what rises falls
    by the same factor, and volumes come in the opposite order."""
    return _changed(universe, time, _mirrored)


def _changed(universe: Universe, time: pd.Timestamp, change: Callable[[pd.DataFrame, float], pd.DataFrame]) -> Universe:
    markets = []
    for prices in universe.markets:
        known = int(prices.table.index.searchsorted(time, side="right"))
        before, after = prices.table.iloc[:known], prices.table.iloc[known:]
        if known and len(after):
            later = change(after, float(before["close"].iloc[-1]))
            prices = replace(prices, table=pd.concat([before, later]) if len(later) else before, true_regimes=None)
        markets.append(prices)
    return replace(universe, markets=tuple(markets))


def _mirrored(table: pd.DataFrame, close: float) -> pd.DataFrame:
    table, square = table.iloc[:AFTERWARDS], close * close
    turned = {"open": "open", "high": "low", "low": "high", "close": "close"}
    columns = {name: square / table[source] for name, source in turned.items()}
    return pd.DataFrame(columns | {"volume": table["volume"].to_numpy()[::-1]}, index=table.index)


def begun(universe: Universe, warm_up: int) -> pd.Timestamp:
    """The first close at which every symbol that has one may be decided on."""
    firsts = [universe.decisions(symbol).table.index for symbol in universe.symbols]
    return pd.Timestamp(max(times[warm_up - 1] for times in firsts if len(times) >= warm_up))


def cut_points(times: Sequence[str], acts: Iterable[str], count: int, seed: int) -> list[str]:
    """So many of the times (sorted, ISO 8601) of a run to cut it at, the last of them left out: half of them where
    something was done, the others spread evenly, each at a random place of its stretch."""
    source, usual = random.Random(seed), list(times[:-1])  # noqa: S311 - no secret
    done = sorted(set(acts) & set(usual))
    chosen = set(_spread(done, min(count // 2, len(done)), source))
    rest = [time for time in usual if time not in chosen]
    chosen.update(_spread(rest, min(count - len(chosen), len(rest)), source))
    return sorted(chosen)


def _spread(times: Sequence[str], count: int, source: random.Random) -> list[str]:
    edges = [round(place * len(times) / count) for place in range(count + 1)] if count else [0]
    return [times[source.randrange(first, last)] for first, last in pairwise(edges)]
