"""Probabilities of labels, corrected for what a model would say to anything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_strategy.errors import ConfigurationError
from llm_strategy.llm.structured.probabilities import problem_with
from llm_strategy.support.read_regular import read_text
from llm_strategy.support.schemas import require
from llm_strategy.types import RegimeLabel

FEWEST_STATES = 20
"""Distinct states from which their mean is taken for what a model would say to anything."""
_NOTHING = 1e-12
"""Far less than the mean of probabilities that are written with six places."""


def corrected(probabilities: Mapping[str, float], prior: Mapping[str, float]) -> dict[str, float]:
    """Each probability divided by the prior's, scaled to sum to 1 (contextual calibration: Zhao et al. 2021).

    A prior of 0, or next to it, leaves a probability as it is.
    """
    divided = {name: share / (prior[name] if prior[name] > _NOTHING else 1.0) for name, share in probabilities.items()}
    total = sum(divided.values())
    return {name: share / total for name, share in divided.items()}


@dataclass(frozen=True, slots=True)
class LabelPrior:
    """What a model says to anything: the mean probability of each label over so many distinct ``states``, as a run
    with scored choices leaves it in ``calibration.json``. Raises ``ConfigurationError`` for what no run leaves."""

    states: int
    labels: Mapping[str, float]

    def __post_init__(self) -> None:
        problem = problem_with(self.labels) if self.labels.keys() == set(RegimeLabel) else "is not of each label"
        if problem:
            raise ConfigurationError(f"the probability {problem}: name the calibration.json of a run as it left it.")

    @classmethod
    def from_document(cls, document: Any, where: str) -> LabelPrior:
        """A prior from plain data; ``ConfigurationError`` begins with ``where`` and names what is wrong."""
        require("calibration", document, where)
        try:
            return cls(**document)
        except ConfigurationError as problem:
            raise ConfigurationError(f"{where}: {problem}") from None

    @classmethod
    def from_file(cls, path: Path) -> LabelPrior:
        """A prior from the ``calibration.json`` of a run; raises ``ConfigurationError``."""
        try:
            document = json.loads(read_text(path), object_pairs_hook=_unique)
        except FileNotFoundError:
            raise ConfigurationError(
                f"There is no file {path}: name the calibration.json in the folder of a run with scored choices."
            ) from None
        except (OSError, ValueError, RecursionError) as problem:
            raise ConfigurationError(f"{path} cannot be read: {problem}.") from None
        return cls.from_document(document, str(path))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        raise ValueError(f"one of {', '.join(document)} stands twice")
    return document


class BatchPrior:
    """The mean probabilities over the distinct states that were scored so far (batch calibration: Zhou et al. 2024)."""

    def __init__(self) -> None:
        self._scored: dict[str, Mapping[str, float]] = {}

    def prior(self) -> dict[str, float] | None:
        """The mean, or None while there are too few states."""
        return self._mean() if len(self._scored) >= FEWEST_STATES else None

    def whole(self) -> LabelPrior | None:
        """The mean over all states so far, however few; None where there are none."""
        if not self._scored:
            return None
        return LabelPrior(len(self._scored), {name: round(share, 6) for name, share in self._mean().items()})

    def _mean(self) -> dict[str, float]:
        rows = list(self._scored.values())
        return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}

    def take(self, state: str, probabilities: Mapping[str, float]) -> None:
        """Take what was scored for a state, as the model gave it; a state counts once, as it was scored last."""
        self._scored[state] = probabilities
