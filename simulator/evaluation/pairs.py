"""Where two advisors decide alike, where they part, and what followed.

Decisions are compared on the same close of the same symbol. A decision that one of them did not make, because it
abstained or a rule stood in for it, is counted as that: it is no disagreement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from llm_strategy.types import ActionType
from simulator.evaluation.metrics import Floats
from simulator.evaluation.regimes import BySymbol
from simulator.evaluation.resampling import Estimate, Resampling, ratio

HORIZON = 20
"""Bars over which what followed is measured, beside the time until the next decision."""
FEWEST_SPELLS = 10
"""Times that one side alone went long below which what followed has no interval: too few to test anything."""
PARTINGS = 5
"""Closes at which two advisors part that are told one by one."""
_LONG = {ActionType.ENTER_LONG.value: True, ActionType.ENTER_SHORT.value: False, ActionType.EXIT.value: False}

T = TypeVar("T")
_Numbers: TypeAlias = NDArray[np.int64]
_Marks: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Parting:
    """A close at which two advisors answered differently: label and action of the first, then of the second."""

    time: str
    symbol: str
    labels: tuple[str, str]
    actions: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Followed:
    """What the market did after the closes at which one advisor alone stood long."""

    bars: int
    spells: int
    """Unbroken runs of such closes on a symbol."""
    next_return: Estimate
    """Mean return until the next decision (fraction)."""
    later_return: Estimate
    """Mean return over the next ``HORIZON`` bars (fraction)."""


@dataclass(frozen=True, slots=True)
class PairedDecisions:
    """Two advisors on the closes that both were asked at; shares are fractions of the ``both`` that both decided."""

    bars: int
    both: int
    first_alone: int
    """Closes that only the first decided: the second abstained."""
    second_alone: int
    same: int
    """Closes with the same label and the same action."""
    label_agreement: Estimate
    label_kappa: Estimate
    """Cohen's kappa (1960): agreement beyond chance."""
    action_agreement: Estimate
    action_kappa: Estimate
    partings: tuple[Parting, ...]
    """The first ones, in order of time."""
    first_long: Followed
    second_long: Followed
    next_difference: Estimate
    """Mean return until the next decision where only the first was long, minus that where only the second was."""
    later_difference: Estimate
    """The same over the next ``HORIZON`` bars."""


@dataclass(frozen=True, slots=True)
class _Closes:
    """The closes that both were asked at, in order of time: an element each."""

    times: list[str]
    symbols: list[str]
    row: _Numbers
    """The place of the time among all times."""
    labels: tuple[list[str | None], list[str | None]]
    actions: tuple[list[str | None], list[str | None]]
    long: tuple[_Marks, _Marks]
    starts: tuple[_Marks, _Marks]
    """Where a run begins in which the first alone, the second alone, stands long."""
    next_return: Floats
    later_return: Floats


def compare_decisions(
    first: BySymbol, second: BySymbol, prices: Mapping[str, pd.DataFrame], resampling: Resampling
) -> PairedDecisions:
    """Compare the decisions of two advisors; ``prices`` hold a table with ``close`` for each symbol.

    An advisor stands long from its ``enter_long`` until its ``exit`` or ``enter_short``, as it proposed, whatever the
    gate made of that.
    """
    closes = _common_closes(first, second, prices)
    decided = [np.array([action is not None for action in side], dtype=bool) for side in closes.actions]
    both = decided[0] & decided[1]
    at = np.flatnonzero(both)
    labels, actions = ([_chosen(side, at) for side in sides] for sides in (closes.labels, closes.actions))
    same_label, same_action = (
        np.array([one == other for one, other in zip(*sides, strict=True)], dtype=bool) for sides in (labels, actions)
    )
    apart = at[~(same_label & same_action)]
    rows = closes.row[at]
    count = int(closes.row.max()) + 1 if len(closes.row) else 0
    sides = [closes.long[0] & ~closes.long[1], closes.long[1] & ~closes.long[0]]
    next_sums, later_sums = (
        [_sums(closes.row, count, where, returns) for where in sides]
        for returns in (closes.next_return, closes.later_return)
    )
    spells = [int(starts.sum()) for starts in closes.starts]
    followed = [
        Followed(
            int(where.sum()),
            run,
            _mean(resampling, soon, run),
            _mean(resampling, late, run, least_block=HORIZON),
        )
        for where, run, soon, late in zip(sides, spells, next_sums, later_sums, strict=True)
    ]
    return PairedDecisions(
        bars=len(closes.times),
        both=len(at),
        first_alone=int((decided[0] & ~decided[1]).sum()),
        second_alone=int((decided[1] & ~decided[0]).sum()),
        same=len(at) - len(apart),
        label_agreement=_share(resampling, rows, count, same_label),
        label_kappa=kappa_estimate(resampling, rows, count, labels[0], labels[1]),
        action_agreement=_share(resampling, rows, count, same_action),
        action_kappa=kappa_estimate(resampling, rows, count, actions[0], actions[1]),
        partings=tuple(_parting(closes, int(where)) for where in apart[:PARTINGS]),
        first_long=followed[0],
        second_long=followed[1],
        next_difference=_difference(resampling, next_sums, spells),
        later_difference=_difference(resampling, later_sums, spells, least_block=HORIZON),
    )


def find_partings(
    first: BySymbol, second: BySymbol, prices: Mapping[str, pd.DataFrame], most: int = PARTINGS
) -> tuple[Parting, ...]:
    """The first closes at which both decided and label or action differ, in order of time."""
    closes = _common_closes(first, second, prices)
    found = []
    for at, (labels, actions) in enumerate(
        zip(zip(*closes.labels, strict=True), zip(*closes.actions, strict=True), strict=True)
    ):
        if None not in actions and (labels[0] != labels[1] or actions[0] != actions[1]):
            found.append(_parting(closes, at))
            if len(found) == most:
                break
    return tuple(found)


def _common_closes(first: BySymbol, second: BySymbol, prices: Mapping[str, pd.DataFrame]) -> _Closes:
    times, symbols = list[str](), list[str]()
    labels: tuple[list[str | None], list[str | None]] = ([], [])
    actions: tuple[list[str | None], list[str | None]] = ([], [])
    long: list[list[_Marks]] = [[], []]
    starts: list[list[_Marks]] = [[], []]
    returns: list[list[Floats]] = [[np.empty(0)], [np.empty(0)]]
    for symbol in sorted(first.keys() & second.keys()):
        sides = first[symbol], second[symbol]
        bars = [np.array(side.bars, dtype=np.int64) for side in sides]
        _, *found = np.intersect1d(bars[0], bars[1], return_indices=True)
        if not len(found[0]):
            continue
        here = _chosen(sides[0].times, found[0])
        times += here
        symbols += [symbol] * len(here)
        stances = [_stance(side.actions)[at] for side, at in zip(sides, found, strict=True)]
        for number, (side, at) in enumerate(zip(sides, found, strict=True)):
            labels[number].extend(_chosen(side.labels, at))
            actions[number].extend(_chosen(side.actions, at))
            alone = stances[number] & ~stances[1 - number]
            long[number].append(stances[number])
            starts[number].append(alone & ~np.concatenate([[False], alone[:-1]]))
        closes = np.array(_chosen(sides[0].closes, found[0]), dtype=np.float64)
        returns[0].append(np.append(closes[1:] / closes[:-1] - 1, np.nan))
        returns[1].append(_later(prices[symbol]["close"], here))
    _, row = np.unique(np.array(times, dtype=str), return_inverse=True)
    order = np.lexsort((np.array(symbols, dtype=str), row)) if times else np.empty(0, dtype=np.int64)
    marks = [[_ordered(side, order) for side in kind] for kind in (long, starts)]
    return _Closes(
        _chosen(times, order),
        _chosen(symbols, order),
        row[order].astype(np.int64),
        (_chosen(labels[0], order), _chosen(labels[1], order)),
        (_chosen(actions[0], order), _chosen(actions[1], order)),
        (marks[0][0], marks[0][1]),
        (marks[1][0], marks[1][1]),
        np.concatenate(returns[0])[order],
        np.concatenate(returns[1])[order],
    )


def _stance(actions: list[str | None]) -> _Marks:
    """Whether an advisor stands long after each of its decisions; an abstention changes nothing, as a hold does."""
    found, held = np.zeros(len(actions), dtype=bool), False
    for number, action in enumerate(actions):
        held = held if action is None else _LONG.get(action, held)
        found[number] = held
    return found


def _later(closes: pd.Series, times: list[str]) -> Floats:
    """Returns over the next ``HORIZON`` bars of the prices; NaN where these end before."""
    values = closes.to_numpy(dtype=np.float64)
    ahead = np.full(len(values), np.nan)
    ahead[:-HORIZON] = values[HORIZON:] / values[:-HORIZON] - 1
    place = closes.index.get_indexer(pd.DatetimeIndex(times))
    found: Floats = np.where(place >= 0, ahead[place], np.nan)
    return found


def _sums(row: _Numbers, count: int, where: _Marks, returns: Floats) -> Floats:
    """Sum and number of the known returns at each time, shape (count, 2)."""
    known = where & np.isfinite(returns)
    sums = np.zeros((count, 2))
    np.add.at(sums[:, 0], row[known], returns[known])
    np.add.at(sums[:, 1], row[known], 1.0)
    return sums


def _mean(resampling: Resampling, sums: Floats, spells: int, *, least_block: int = 1) -> Estimate:
    total, number = sums.sum(axis=0)
    if not number:
        return Estimate(None)
    if spells < FEWEST_SPELLS:
        return Estimate(float(total / number))
    return resampling.estimate(sums, ratio, np.array([1.0, -total / number]), least_block=least_block)


def _difference(resampling: Resampling, sums: list[Floats], spells: list[int], *, least_block: int = 1) -> Estimate:
    (total, number), (other_total, other_number) = (side.sum(axis=0) for side in sums)
    if min(spells) < FEWEST_SPELLS or not number or not other_number:
        return Estimate(None)
    mean, other = total / number, other_total / other_number
    weights = np.array([1 / number, -mean / number, -1 / other_number, other / other_number])
    return resampling.estimate(
        np.hstack(sums), lambda drawn: ratio(drawn) - ratio(drawn[..., 2:]), weights, least_block=least_block
    )


def _share(resampling: Resampling, rows: _Numbers, count: int, same: _Marks) -> Estimate:
    if not len(rows):
        return Estimate(None)
    sums = np.zeros((count, 2))
    np.add.at(sums[:, 0], rows, same)
    np.add.at(sums[:, 1], rows, 1.0)
    return resampling.estimate(sums, ratio, np.array([1.0, -float(same.mean())]))


def kappa_estimate(
    resampling: Resampling, rows: _Numbers, count: int, first: list[str | None], second: list[str | None]
) -> Estimate:
    """Kappa over the outcomes that came; its influence at (i, j) is, up to a factor, ``([i = j] - o)(1 - e) - (1 - o)
    (s_i + f_j - 2e)`` with agreement o, chance e, and shares f of the first, s of the second."""
    names = sorted({str(one) for side in (first, second) for one in side})
    if len(names) < 2:
        return Estimate(None)
    place = {name: number for number, name in enumerate(names)}
    kinds = len(names)
    cell = np.array([place[str(a)] * kinds + place[str(b)] for a, b in zip(first, second, strict=True)])
    sums = np.zeros((count, kinds * kinds))
    np.add.at(sums, (rows, cell), 1.0)

    def statistic(drawn: Floats) -> Floats:
        table = drawn.reshape(*drawn.shape[:-1], kinds, kinds)
        total = table.sum(axis=(-2, -1))
        with np.errstate(divide="ignore", invalid="ignore"):
            same = np.trace(table, axis1=-2, axis2=-1) / total
            chance = (table.sum(axis=-1) * table.sum(axis=-2)).sum(axis=-1) / total**2
            found: Floats = np.where(1 - chance > _CERTAIN, (same - chance) / (1 - chance), np.nan)
        return found

    shares = sums.sum(axis=0).reshape(kinds, kinds) / len(rows)
    ours, theirs = shares.sum(axis=1), shares.sum(axis=0)
    same, chance = float(np.trace(shares)), float(ours @ theirs)
    weights = (np.eye(kinds) - same) * (1 - chance) - (1 - same) * (theirs[:, None] + ours[None, :] - 2 * chance)
    return resampling.estimate(sums, statistic, weights.ravel())


_CERTAIN = 1e-12
"""From here on agreement by chance is certain: one outcome is all there is on both sides."""


def _parting(closes: _Closes, at: int) -> Parting:
    labels, actions = ((str(side[0][at]), str(side[1][at])) for side in (closes.labels, closes.actions))
    return Parting(closes.times[at], closes.symbols[at], labels, actions)


def _chosen(values: Sequence[T], at: _Numbers) -> list[T]:
    return [values[number] for number in at]


def _ordered(parts: list[_Marks], order: _Numbers) -> _Marks:
    marks: _Marks = np.concatenate([np.empty(0, dtype=bool), *parts])[order]
    return marks
