"""What an audit of a model's memory found, and the document that keeps it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from simulator.evaluation.memory import Judgement, Mirage, Probe, Recall, Recognition
from simulator.folder.evidence import round_digits


@dataclass(frozen=True)
class Twins:
    """The advisor as it is configured and its twin under the mask, which differ in nothing else."""

    named_sharpe: float | None
    """Annual, of the account of the advisor as it is; None where the twins did not trade, as the others."""
    masked_sharpe: float | None
    difference: float | None
    low: float | None
    high: float | None
    changed: float
    """Share of decisions that the mask changes."""
    noise: float
    """Share of decisions that asking the same question again changes."""


@dataclass(frozen=True)
class Audit:
    """The answer to: does the model of this advisor remember what came after a date?

    ``shows`` is what the advisor shows of symbol, date and price; ``dose`` is the share of the dates that a model must
    remember to be found in four of five such audits; ``singled_out`` is the share of closes whose masked text stands at
    no other close; ``notes`` are sentences on what could not be measured.
    """

    experiment: str
    advisor: str
    model: str
    shows: tuple[str, ...]
    knowledge_until: str | None
    symbols: tuple[str, ...]
    first: str
    last: str
    dates: int
    windows: int
    horizon: int
    seed: int
    judgement: Judgement
    probes: tuple[Probe, ...]
    dose: float | None
    dead: bool
    twins: Twins | None
    recall: Recall
    mirage: Mirage | None
    recognitions: tuple[Recognition, ...]
    singled_out: float
    false_identity: str
    questions: int
    unanswered: int
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain data for ``memory.json``, figures to twelve digits."""
        document: dict[str, Any] = _plain(asdict(self))
        return document


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return round_digits(value) if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int) else str(value)
