"""How often the label of one market has changed, from the decisions so far."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

from llm_strategy.risk.checklist.fields import CHANGES_OVER


class LabelHistory:
    """The last labels of one market. A decision without a label changes nothing: what is not known is no change."""

    def __init__(self) -> None:
        self._labels: deque[str] = deque(maxlen=CHANGES_OVER)
        self._age = 0

    def take(self, label: str) -> None:
        """Take the label of a decision."""
        self._age = self._age + 1 if self._labels and self._labels[-1] == label else 0
        self._labels.append(label)

    @property
    def changes(self) -> float | None:
        """Changes from one label to the next among the last 20; None before the first label."""
        labels = list(self._labels)
        return float(sum(one != other for one, other in pairwise(labels))) if labels else None

    @property
    def age(self) -> float | None:
        """Decisions since the label last changed, or since the first; None before the first label."""
        return float(self._age) if self._labels else None
