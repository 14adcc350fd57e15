"""The causal regime rule that a model should beat: which side of the long average, and how restless. Pure."""

from __future__ import annotations

from llm_strategy.types import ActionType, RegimeLabel, Snapshot

NEAR_AVERAGE = 0.02
"""Distance from the long mean (fraction) within which a market goes nowhere, where it moves like a day of shares; as
much more or less elsewhere as ``Snapshot.trend_scale`` says."""
HIGH_VOLATILITY = 2 / 3
"""Rank from which volatility counts as high: the top third of the last bars."""

ACTION_FOR_LABEL = {
    RegimeLabel.BULL: ActionType.ENTER_LONG,
    RegimeLabel.BEAR: ActionType.EXIT,
    RegimeLabel.SIDEWAYS: ActionType.HOLD,
    RegimeLabel.TURBULENT: ActionType.EXIT,
}


def causal_label(snapshot: Snapshot) -> RegimeLabel:
    """Restless and not clearly above the average is turbulent, close to it sideways, above bull, below bear.

    Side of the long mean times tercile of realised volatility, from closed bars alone.
    """
    trend = snapshot.trend / snapshot.trend_scale
    if snapshot.volatility_rank >= HIGH_VOLATILITY and trend < NEAR_AVERAGE:
        return RegimeLabel.TURBULENT
    if abs(trend) < NEAR_AVERAGE:
        return RegimeLabel.SIDEWAYS
    return RegimeLabel.BULL if trend > 0 else RegimeLabel.BEAR
