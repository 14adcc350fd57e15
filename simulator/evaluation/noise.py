"""How far a run changes when its model is asked everything again.

An arm is drawn K times, each time through the same gate, broker and costs. What differs between the draws is the
sampler's doing or, where nothing is sampled, the engine's; the mean over the draws has an error that falls with K.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean, stdev
from sys import intern
from typing import TypeAlias

from llm_strategy.trading.decision_lines import Entry
from llm_strategy.types import Decision

NO_ANSWER = "no answer"
"""The outcome of a decision that the model failed at, whoever decided in its place: neither a label nor a hold."""

Draw: TypeAlias = Iterable[Entry]
"""The journal of one draw."""


@dataclass(frozen=True, slots=True)
class FlipRate:
    """Probability that two draws differ on a decision (fraction); ``None`` where no decision is common to all draws."""

    states: float | None
    """Over distinct requests, each with the weight 1."""
    bars: float | None
    """Over all decisions: a request that stands behind many of them weighs as many."""


@dataclass(frozen=True, slots=True)
class Flips:
    """How often draws disagree: ``states`` distinct requests behind ``decisions``."""

    states: int
    decisions: int
    label: FlipRate
    action: FlipRate


@dataclass(frozen=True, slots=True)
class Spread:
    """One figure over the draws of an arm."""

    lowest: float
    highest: float
    mean: float
    deviation: float
    """Standard deviation, one degree of freedom taken."""
    error: float
    """Standard error of the mean, which falls with the number of draws."""


def count_flips(draws: Sequence[Draw]) -> Flips:
    """Compare the decisions of at least two draws, those on the same bar of the same symbol with each other.

    A decision whose K draws came to the outcomes o, n_o times each, differs in the share
    ``1 - sum n_o (n_o - 1) / (K (K - 1))`` of all pairs of draws. A distinct request of the first draw is measured
    where it stands first.
    """
    others = [{_place(entry): _drawn(entry.decision) for entry in draw} for draw in draws[1:]]
    first: set[str] = set()
    labels, actions = _Shares(), _Shares()
    decisions = 0
    for entry in draws[0]:
        place = _place(entry)
        if all(place in other for other in others):
            drawn = [_drawn(entry.decision), *(other[place] for other in others)]
            request = entry.decision.exchanges[0].request_hash if entry.decision.exchanges else ""
            new = request not in first
            first.add(request)
            decisions += 1
            labels.take([label for label, _ in drawn], new=new)
            actions.take([action for _, action in drawn], new=new)
    return Flips(len(first), decisions, labels.rate(), actions.rate())


class _Shares:
    """The shares of differing pairs of one outcome, decision after decision."""

    def __init__(self) -> None:
        self._all, self._of_states = array("d"), array("d")

    def take(self, outcomes: Sequence[str], *, new: bool) -> None:
        share = differing_pairs(outcomes)
        self._all.append(share)
        if new:
            self._of_states.append(share)

    def rate(self) -> FlipRate:
        return FlipRate(_mean(self._of_states), _mean(self._all))


def differing_pairs(outcomes: Sequence[str]) -> float:
    """The share of the pairs of these outcomes that differ (fraction)."""
    count = len(outcomes)
    alike = sum(times * (times - 1) for times in Counter(outcomes).values())
    return 1 - alike / (count * (count - 1))


def spread(values: Sequence[float | None]) -> Spread | None:
    """The spread of a figure over at least two draws; ``None`` where a draw has no such figure."""
    known = [value for value in values if value is not None]
    if not 1 < len(known) == len(values):
        return None
    deviation = stdev(known)
    return Spread(min(known), max(known), fmean(known), deviation, deviation / math.sqrt(len(known)))


def _place(entry: Entry) -> tuple[str, int]:
    return intern(entry.decision.snapshot.symbol), entry.bar


def _drawn(decision: Decision) -> tuple[str, str]:
    """The model's label and action."""
    if decision.advice is None or decision.instead_of is not None:
        return _NOT_DRAWN
    return _pair(decision.advice.regime.label, decision.advice.action.type)


_NOT_DRAWN = NO_ANSWER, NO_ANSWER


@lru_cache(maxsize=256)
def _pair(label: str, action: str) -> tuple[str, str]:
    """Equal pairs are one object: a draw may have a million of them."""
    return label, action


def _mean(shares: Sequence[float]) -> float | None:
    return fmean(shares) if shares else None
