"""The labels of an arm in columns, beside what the market did after each of them, and other times for the same labels:
in another order, or moved round the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from simulator.evaluation.metrics import Floats
from simulator.evaluation.regimes import JournalEntries, by_symbol

HORIZONS = (1, 5, 20)
"""Bars over which what followed a label is measured."""
NO_LABEL = -1
_AT_ONCE = 20_000
"""Numbers that are placed at once."""

Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LabelledCloses:
    """The decisions of an arm, one element each, sorted by symbol, then time."""

    names: tuple[str, ...]
    """The labels; ``label`` and ``rule`` are places in them and in ``rule_names``."""
    rule_names: tuple[str, ...]
    symbols: tuple[str, ...]
    """Those decided on, sorted; ``symbol`` is a place in them."""
    symbol: Codes
    row: Codes
    """The place of its time among all times, from 0."""
    place: Codes
    """The bar of its symbol's prices, -1 for none."""
    label: Codes
    """``NO_LABEL`` for an abstention."""
    rule: Codes
    """What the causal rule says there."""
    ahead: Mapping[int, Floats]
    """By horizon, the return over so many bars of prices (fraction); NaN where these end before."""
    swing: Mapping[int, Floats]
    """The mean square of the one-bar returns in them."""
    until_next: Floats
    """The return until the next decision on the symbol."""

    @property
    def rows(self) -> int:
        """Times in all."""
        return int(self.row.max()) + 1 if len(self.row) else 0


def labelled_closes(
    decisions: JournalEntries, prices: Mapping[str, pd.DataFrame], names: Sequence[str], rule_names: Sequence[str]
) -> LabelledCloses:
    """The labels of one arm, which are of these ``names``, and what followed in ``prices``."""
    code = {name: number for number, name in enumerate(names)}
    rule_code = {name: number for number, name in enumerate(rule_names)}
    made = by_symbol(decisions)
    times = [time for one in made.values() for time in one.times]
    row = np.unique(np.array(times, dtype=str), return_inverse=True)[1] if times else np.empty(0)
    parts: dict[str, list[np.ndarray]] = {name: [] for name in ("symbol", "place", "label", "rule", "next")}
    ahead: dict[int, list[Floats]] = {horizon: [] for horizon in HORIZONS}
    swing: dict[int, list[Floats]] = {horizon: [] for horizon in HORIZONS}
    for number, (symbol, one) in enumerate(made.items()):
        table = prices[symbol]
        place = table.index.get_indexer(pd.DatetimeIndex(one.times))
        closes = np.array(one.closes, dtype=np.float64)
        parts["symbol"].append(np.full(len(one), number))
        parts["place"].append(place)
        parts["label"].append(np.array([NO_LABEL if label is None else code[label] for label in one.labels]))
        parts["rule"].append(np.array([rule_code[label] for label in one.rule_labels]))
        parts["next"].append(np.append(closes[1:] / closes[:-1] - 1, np.nan))
        values = table["close"].to_numpy(dtype=np.float64)
        for horizon in HORIZONS:
            for found, all_bars in zip((ahead, swing), followed(values, horizon), strict=True):
                found[horizon].append(np.where(place >= 0, all_bars[place], np.nan))
    joined = {name: np.concatenate([np.empty(0), *found]) for name, found in parts.items()}
    return LabelledCloses(
        tuple(names),
        tuple(rule_names),
        tuple(made),
        joined["symbol"].astype(np.int64),
        row.astype(np.int64),
        joined["place"].astype(np.int64),
        joined["label"].astype(np.int64),
        joined["rule"].astype(np.int64),
        {horizon: np.concatenate([np.empty(0), *found]) for horizon, found in ahead.items()},
        {horizon: np.concatenate([np.empty(0), *found]) for horizon, found in swing.items()},
        joined["next"],
    )


def followed(closes: Floats, horizon: int) -> tuple[Floats, Floats]:
    """Return over the next bars, and the mean square of their one-bar returns; NaN at the end."""
    returns, swings = np.full(len(closes), np.nan), np.full(len(closes), np.nan)
    if len(closes) > horizon:
        returns[:-horizon] = closes[horizon:] / closes[:-horizon] - 1
        squares = np.concatenate([[0.0], np.cumsum(np.square(closes[1:] / closes[:-1] - 1))])
        swings[:-horizon] = (squares[horizon:] - squares[:-horizon]) / horizon
    return returns, swings


def shuffled_sums(codes: Codes, values: Floats, kinds: int, count: int, rng: np.random.Generator) -> Floats:
    """Sums of the ``values`` (closes, columns) by code, with the runs of equal ``codes`` in another order each time;
    shape (count, kinds, columns).

    Runs keep their lengths. Codes below 0 are placed with the others and counted nowhere.
    """
    starts = np.flatnonzero(np.concatenate([[True], codes[1:] != codes[:-1]]))
    lengths = np.diff(np.append(starts, len(codes)))
    of_run = codes[starts]
    totals = np.vstack([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    found = np.empty((count, kinds, values.shape[1]))
    step = max(1, _AT_ONCE // max(1, len(starts) * values.shape[1]))
    for first in range(0, count, step):
        here = min(step, count - first)
        order = rng.permuted(np.tile(np.arange(len(starts)), (here, 1)), axis=1)
        ends = np.cumsum(lengths[order], axis=1)
        begins = ends - lengths[order]
        found[first : first + here] = _by_code(of_run[order], totals[ends] - totals[begins], kinds)
    return found


def rotated_sums(closes: LabelledCloses, codes: Codes, values: Floats, kinds: int, moves: Codes) -> Floats:
    """The same with all symbols' codes moved round the run together by each of these ``moves`` (times), so that what
    symbols share at one time they share at another."""
    rows, columns = closes.rows, values.shape[1]
    found = np.zeros((len(moves), kinds, columns))
    for symbol in range(len(closes.symbols)):
        here = closes.symbol == symbol
        on_grid = np.full(rows, NO_LABEL)
        on_grid[closes.row[here]] = codes[here]
        grid = np.zeros((rows, columns))
        grid[closes.row[here]] = values[here]
        totals = np.vstack([np.zeros((1, columns)), np.cumsum(np.vstack([grid, grid]), axis=0)])
        starts = np.flatnonzero(np.concatenate([[True], on_grid[1:] != on_grid[:-1]]))
        ends = np.append(starts[1:], rows)
        step = max(1, _AT_ONCE // max(1, len(starts) * columns))
        for first in range(0, len(moves), step):
            moved = moves[first : first + step, None]
            sums = totals[ends[None, :] + moved] - totals[starts[None, :] + moved]
            of_run = np.broadcast_to(on_grid[starts], sums.shape[:2])
            found[first : first + step] += _by_code(of_run, sums, kinds)
    return found


def _by_code(codes: Codes, sums: Floats, kinds: int) -> Floats:
    """Sums of runs (placements, runs, columns) by the code of each run (placements, runs)."""
    placements, columns = len(codes), sums.shape[-1]
    cells = (np.arange(placements)[:, None] * (kinds + 1) + np.where(codes < 0, kinds, codes)).ravel()
    found = np.zeros((placements * (kinds + 1), columns))
    for at in range(columns):
        found[:, at] = np.bincount(cells, sums[..., at].ravel(), len(found))
    return found.reshape(placements, kinds + 1, columns)[:, :kinds]
