"""Where the accounts of advisors stand among their placebos, with as few of these as it takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from simulator.evaluation.metrics import Floats
from simulator.evaluation.placebo_record import why_unmeasured
from simulator.evaluation.timing import Timing, annual_sharpe, is_decided, timing
from simulator.runs.placebos.accounts import trade_accounts
from simulator.runs.placebos.measure import Work

_AT_FIRST = 5
"""Placebos of the first pass; each further one has twice as many."""


class Standing(NamedTuple):
    """An account (currency, at its closes) and where it stands among its placebos; None where they are too few."""

    equity: Floats
    timing: Timing | None


def stand(works: Sequence[Work], number: int, bars_per_year: float) -> list[Standing]:
    """Where the accounts of several advisors on the same bars, under the same conditions, stand among so many placebos
    each.

    The placebos of an advisor end as soon as further ones could not bring the p-value down to 0.05: then fewer are
    counted, and their p-value is above 0.05 as that of all of them would be. The accounts of a batch are
    traded together.
    """
    most = [_most(work, number) for work in works]
    owns = _trade(works, [(place, 0) for place in range(len(works))])
    found = [[annual_sharpe(own, bars_per_year)] for own in owns]
    waiting, first, end = [place for place in range(len(works)) if most[place]], 1, 1 + _AT_FIRST
    while waiting:
        batch = [(place, one) for place in waiting for one in range(first, min(end, 1 + most[place]))]
        for (place, _), equity in zip(batch, _trade(works, batch), strict=True):
            found[place].append(annual_sharpe(equity, bars_per_year))
        first, end = end, 2 * end
        waiting = [
            place
            for place in waiting
            if first <= most[place] and not is_decided(found[place][0], np.array(found[place][1:]), most[place])
        ]
    return [
        Standing(own, timing(ratios[0], ratios[1:], work.placebos.runs) if ratios[1:] else None)
        for own, ratios, work in zip(owns, found, works, strict=True)
    ]


def _trade(works: Sequence[Work], accounts: Sequence[tuple[int, int]]) -> list[Floats]:
    """The accounts of these advisors (place) and placebos (number)."""
    conditions, times = works[0].conditions, works[0].placebos.history.times
    series = (works[place].placebos.series(number) for place, number in accounts)
    return [np.array(equity) for equity in trade_accounts(conditions, times, series).equities]


def _most(work: Work, number: int) -> int:
    """How many placebos there may be, up to a number; none where nothing may be said of timing."""
    closes, runs = len(work.placebos.history.times), work.placebos.runs
    if why_unmeasured(number=number, failed=False, closes=closes, runs=runs):
        return 0
    return work.placebos.most(number)
