"""What became of the market's return on the way to an account, bar by bar, so that it can be summed over any years or
regimes.

Held against the market, an account earned two things: what its mean exposure to the market would have earned, held all
the time, the rest in cash; and what it earned beyond that, by holding more at some moments than at others. That second
part is taken apart by accounts behind the same gate: of a holder it is what limits and stops alone do, of the causal
rule what its moments are worth besides, of the account itself what the advice adds to the rule. At each bar these parts
add up to the account's return exactly. (Policy and what is beyond it as in Brinson, Hood and Beebower 1986, the policy
being the account's own mean exposure.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.evaluation.metrics import Floats

STEPS = ("exposure", "gate", "rule", "advice")
"""The parts in their order."""


@dataclass(frozen=True, slots=True)
class Moves:
    """An account over the bars of a run, of shape (bars,) each."""

    returns: Floats
    """Simple returns a bar, after costs."""
    exposure: Floats
    """Value of its positions, short ones below zero, over equity, at the close before each bar."""

    def beyond_exposure(self, market: Floats, cash: Floats) -> Floats:
        """What it earned at each bar beyond its mean exposure to the market."""
        return self.returns - cash - float(self.exposure.mean()) * (market - cash)


@dataclass(frozen=True, slots=True)
class Sums:
    """Some bars of a run together: fractions. ``steps`` holds the sum of each part, those alone that are told apart,
    and with ``compounding`` they add up to ``total_return``."""

    bars: int
    steps: Mapping[str, float]
    compounding: float
    """What is left: returns follow upon each other, and do not only add."""
    total_return: float
    market: float
    """Total return of the market over the same bars."""


def split_moves(
    own: Moves, market: Floats, cash: Floats, *, holder: Moves | None, rule: Moves | None
) -> dict[str, Floats]:
    """The parts of an account's return at each bar. Without a ``holder`` what the gate does is in the next part, and
    without a ``rule`` all choices are in the last one; an account that is one of the two leaves it out."""
    beyond = own.beyond_exposure(market, cash)
    parts = {"exposure": own.returns - beyond}
    before: Floats = np.zeros(len(market))
    for name, account in (("gate", holder), ("rule", rule)):
        if account is not None:
            after = account.beyond_exposure(market, cash)
            parts[name] = after - before
            before = after
    return parts | {"advice": beyond - before}


def sum_over(parts: Mapping[str, Floats], own: Floats, market: Floats, chosen: NDArray[np.bool_]) -> Sums:
    """The parts over the ``chosen`` bars, which need not follow upon each other."""
    steps = {name: float(part[chosen].sum()) for name, part in parts.items()}
    total = float(np.prod(1 + own[chosen]) - 1)
    return Sums(
        bars=int(chosen.sum()),
        steps=steps,
        compounding=total - sum(steps.values()),
        total_return=total,
        market=float(np.prod(1 + market[chosen]) - 1),
    )
