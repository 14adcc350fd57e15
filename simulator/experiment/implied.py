"""The arms that a comparison has by itself, beside those that an experiment names: what any result is held against."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from simulator.experiment import COPY_ARM, HOLDER_ARM, MARKET_ARM
from simulator.experiment.arms import Arm

MARKET = Arm(MARKET_ARM, "ungated", rule=HOLDER_ARM)
"""What the market itself did: all cash in its symbols from the first decision on, without the gate."""

COPY = Arm(COPY_ARM, "copy")
"""The answer of the nearest example in the prompt of the primary advisor. Whether it is shown any may hang on its
model, so that a run adds this arm once it knows that (``simulator.runs.copied``)."""


def is_market(arm: Arm) -> bool:
    """Whether an arm is the market itself, by whatever name."""
    return arm.kind == "ungated" and arm.rule == HOLDER_ARM


def _market(plan: Sequence[Arm]) -> Arm | None:
    """The market, where two arms are compared or one is advised, and no arm is the market already."""
    compared = len(plan) > 1 or any(arm.kind == "advisor" for arm in plan)
    return MARKET if compared and not any(map(is_market, plan)) else None


IMPLIED: tuple[Callable[[Sequence[Arm]], Arm | None], ...] = (_market,)
"""From the arms of an experiment, those that came by themselves before included, to one more; None for none."""


def with_implied(plan: Sequence[Arm]) -> tuple[Arm, ...]:
    """The arms of a comparison: those that are named, and behind them those that come by themselves."""
    whole = tuple(plan)
    for implied in IMPLIED:
        if (arm := implied(whole)) is not None:
            whole = (*whole, arm)
    return whole


def implied_arm(name: str) -> Arm | None:
    """The arm of this name that needs no entry in an experiment, whatever else is compared; None where there is
    none."""
    return {MARKET_ARM: MARKET, COPY_ARM: COPY}.get(name)
