"""Probabilities of labels, corrected for what a model would say to anything. Pure."""

from __future__ import annotations

from collections.abc import Mapping

FEWEST_STATES = 20
"""Distinct states from which their mean is taken for what a model would say to anything."""


def corrected(probabilities: Mapping[str, float], prior: Mapping[str, float]) -> dict[str, float]:
    """Each probability divided by the prior's, scaled to sum to 1 (contextual calibration: Zhao et al. 2021).

    A prior of 0 leaves a probability as it is.
    """
    divided = {name: share / (prior[name] or 1.0) for name, share in probabilities.items()}
    total = sum(divided.values())
    return {name: share / total for name, share in divided.items()}


class BatchPrior:
    """The mean probabilities over the distinct states that were scored so far (batch calibration: Zhou et al. 2024)."""

    def __init__(self) -> None:
        self._scored: dict[str, Mapping[str, float]] = {}

    def prior(self) -> dict[str, float] | None:
        """The mean, or None while there are too few states."""
        if len(self._scored) < FEWEST_STATES:
            return None
        rows = list(self._scored.values())
        return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}

    def take(self, state: str, probabilities: Mapping[str, float]) -> None:
        """Take what was scored for a state, as the model gave it; a state counts once, as it was scored last."""
        self._scored[state] = probabilities
