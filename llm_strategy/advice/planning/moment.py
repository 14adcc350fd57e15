"""The state of a market that a plan is made for: its line at the last moment at which a plan was due."""

from __future__ import annotations

from typing import NamedTuple

from llm_strategy.advice.planning.options import When
from llm_strategy.market.context.menu import Offer
from llm_strategy.market.view import View, causal_label, render_snapshot
from llm_strategy.types import Snapshot


class Planning(NamedTuple):
    """What a plan is made of at a close: the market's line that it is for, and what can be chosen."""

    line: str
    offer: Offer


class PlanMoment:
    """Keeps of one market the line at the last moment at which a plan was due, told every close in order.

    It follows from the closes alone, decided on or not. Between two such moments the question about a plan is the same,
    so that its answer is remembered.
    """

    def __init__(self, when: When, view: View) -> None:
        self._when, self._view = when, view
        self._kept: tuple[str, str] | None = None
        """The causal label and the line at the last moment."""

    def line(self, snapshot: Snapshot) -> str:
        """The line that the plan at this close is made for."""
        return self._at(snapshot)[1]

    def take(self, snapshot: Snapshot) -> None:
        """Take a close into the past."""
        if self._when != "bar":
            self._kept = self._at(snapshot)

    def _at(self, snapshot: Snapshot) -> tuple[str, str]:
        label = str(causal_label(snapshot)) if self._when == "regime" else ""
        if self._when == "bar" or self._kept is None or self._kept[0] != label:
            return label, render_snapshot(snapshot, self._view)
        return self._kept
