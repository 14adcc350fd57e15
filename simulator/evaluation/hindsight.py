"""How labels fit the phases that are dated afterwards, and how long after a turn they follow.

All of this is known only when the prices that came later are: it is told of a run that is over, and shown to no model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import pandas as pd

from llm_strategy.market.regimes import Regimes
from llm_strategy.types import ActionType, RegimeLabel
from simulator.evaluation.labelled import Codes, LabelledCloses
from simulator.evaluation.pairs import kappa_estimate
from simulator.evaluation.phases import Turn, directions, lunde_timmermann, pagan_sossounov
from simulator.evaluation.resampling import Estimate, Resampling

FEWEST_TURNS = 5
"""Turns below which a kappa has no interval: the phases between them are a few cases, however many closes they have."""


@dataclass(frozen=True, slots=True)
class PhaseFit:
    """How labels that point up or down fit phases that are known only afterwards."""

    turns: int
    kappa: Estimate


@dataclass(frozen=True, slots=True)
class Lags:
    """Decisions from a turn that is known only afterwards to the first label in its direction."""

    turns: int
    missed: int
    """Turns that no label followed before the next one."""
    median: float | None


def label_directions(regimes: Regimes) -> dict[str, int]:
    """1 for a label that points up, -1 for one that points down; the others point nowhere.

    Of the usual labels these are ``bull`` and ``bear``. A person's own point up where entering long agrees with them
    and leaving does not, and down where leaving or entering short agrees and entering long does not.
    """
    if regimes.are_usual:
        return {RegimeLabel.BULL.value: 1, RegimeLabel.BEAR.value: -1}
    found = {}
    for name, kind in regimes.kinds.items():
        up = ActionType.ENTER_LONG in kind.actions
        down = bool({ActionType.EXIT, ActionType.ENTER_SHORT} & {*kind.actions})
        if up is not down:
            found[name] = 1 if up else -1
    return found


def pointing_share(closes: LabelledCloses, pointing: Mapping[str, int]) -> float | None:
    """Share of the labels that point up or down (fraction)."""
    labelled = closes.label >= 0
    return float((_pointing(closes, pointing)[labelled] != 0).mean()) if labelled.any() else None


def turns_of(closes: LabelledCloses, prices: Mapping[str, pd.DataFrame], year: float) -> dict[str, list[list[Turn]]]:
    """By the name of the method, the turns of each symbol that was decided on; ``year`` bars are a year."""
    tables = [prices[symbol]["close"].to_numpy(dtype=np.float64) for symbol in closes.symbols]
    month = max(1, round(year / 12))
    return {
        "lunde_timmermann": [lunde_timmermann(table) for table in tables],
        "pagan_sossounov": [pagan_sossounov(table, month) for table in tables],
    }


def phase_fit(
    closes: LabelledCloses, pointing: Mapping[str, int], turns: Sequence[list[Turn]], how: Resampling
) -> PhaseFit:
    """Kappa of the labels that point up or down with the phases between the turns of each symbol."""
    ours = _pointing(closes, pointing)
    theirs = np.zeros(len(ours), dtype=np.int64)
    for symbol, dated in enumerate(turns):
        here = (closes.symbol == symbol) & (closes.place >= 0)
        bars = int(closes.place[here].max(initial=-1)) + 1
        theirs[here] = directions(dated, bars)[closes.place[here]]
    known = np.flatnonzero((ours != 0) & (theirs != 0))
    count = sum(map(len, turns))
    if not len(known):
        return PhaseFit(count, Estimate(None))
    first, second = ([str(way) for way in side[known]] for side in (ours, theirs))
    found = kappa_estimate(how, closes.row[known], closes.rows, [*first], [*second])
    return PhaseFit(count, found if count >= FEWEST_TURNS else Estimate(found.value))


def lags_after(closes: LabelledCloses, pointing: Mapping[str, int], turns: Sequence[list[Turn]]) -> Lags:
    """How long after the turns of each symbol the labels follow: 0 where one stood there already."""
    ours, lags, missed = _pointing(closes, pointing), list[int](), 0
    for symbol, dated in enumerate(turns):
        here = np.flatnonzero((closes.symbol == symbol) & (closes.place >= 0))
        if not len(here):
            continue
        places, ways = closes.place[here], ours[here]
        for number, turn in enumerate(dated):
            end = dated[number + 1].bar if number + 1 < len(dated) else int(places[-1])
            inside = (places > turn.bar) & (places <= end)
            if turn.bar < places[0] or not inside.any():
                continue
            found = np.flatnonzero(ways[inside] == (-1 if turn.is_peak else 1))
            lags += [int(found[0])] if len(found) else []
            missed += not len(found)
    return Lags(len(lags) + missed, missed, float(median(lags)) if lags else None)


def _pointing(closes: LabelledCloses, pointing: Mapping[str, int]) -> Codes:
    ways = np.array([*(pointing.get(name, 0) for name in closes.names), 0], dtype=np.int64)
    return ways[closes.label]  # NO_LABEL is the last one
