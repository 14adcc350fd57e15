"""How little memory an audit would have found: a planted one, in the very stances, dates and outcomes of the audit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulator.evaluation.memory import SIZE, moved_places, timing_p
from simulator.evaluation.metrics import Floats

DOSES = (0.05, 0.1, 0.25, 0.5, 1.0)
"""Shares of the dates that a planted memory knows the outcome of."""
POWER = 0.8
"""An audit that finds a dose in so many of its runs is said to find it: four of five."""
_RUNS = 60
_MOVES = 199


@dataclass(frozen=True)
class Planted:
    """What the memory is planted into: honest stances and outcomes, a row a time and a column a symbol, at the closes
    at which the twins decide, and at the dates of the two by two, where ``false`` are the outcomes of the false
    identity."""

    stances: Floats
    outcomes: Floats
    at_dates: Floats
    true: Floats
    false: Floats


def smallest_dose(planted: Planted, tests: int, seed: int) -> float | None:
    """The smallest of ``DOSES`` that one of so many tests finds in ``POWER`` of the audits, where the model uses its
    memory for its advice and gives it away in nothing else; None where the largest is not found so often.

    Only the comparison of the twins' advice and the two by two are run again, so that the audit, which asks more, finds
    no less.
    """
    random = np.random.default_rng(seed)
    twins, dates = (moved_places(len(each), _MOVES, seed) for each in (planted.stances, planted.at_dates))
    for dose in DOSES:
        found = 0
        for _ in range(_RUNS):
            advised = _remembering(planted.stances, planted.outcomes, dose, random)
            p_value = timing_p(advised - planted.stances, planted.outcomes, twins)[1]
            if p_value > SIZE / tests:
                named = _remembering(planted.at_dates, planted.true, dose, random)
                misnamed = _remembering(planted.at_dates, planted.false, dose, random)
                p_value = timing_p(named - misnamed, planted.true - planted.false, dates)[1]
            found += p_value <= SIZE / tests
        if found >= POWER * _RUNS:
            return dose
    return None


def _remembering(stances: Floats, outcomes: Floats, dose: float, random: np.random.Generator) -> Floats:
    """The stances with the sign of the outcome at a share of the closes."""
    knows = (random.random(stances.shape) < dose) & np.isfinite(outcomes)
    remembering: Floats = np.where(knows, np.sign(outcomes), stances)
    return remembering
