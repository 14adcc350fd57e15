"""The past states of a market, found once for all who go through the same closes: estimate, questions asked ahead,
draws, arms. What is chosen at a close is a function of the closes before it, whoever asks."""

from __future__ import annotations

import threading
from typing import TypeAlias

from llm_strategy.advice.examples import Analogues, Example, ExampleKind, LabelSource
from llm_strategy.advice.own_labels import OwnLabels
from llm_strategy.market.regimes import USUAL_REGIMES, Regimes
from llm_strategy.market.view import View
from llm_strategy.types import Snapshot

MOST_KNOWN = 65_536
"""Closes that are remembered with what was chosen at them; of a longer history each finds its own past."""

_Settings: TypeAlias = tuple[View, LabelSource | OwnLabels, Regimes]
_Chosen: TypeAlias = tuple[Snapshot, tuple[Example, ...]]


class _Trail:
    """Closes in their order, and what was chosen where so many had been taken."""

    def __init__(self) -> None:
        self.closes: list[Snapshot] = []
        self.chosen: dict[tuple[int, ExampleKind, int], _Chosen] = {}


_trails: dict[tuple[_Settings, int], _Trail] = {}
_growing = threading.Lock()


class KnownPast:
    """``Analogues`` that look a close up which somebody with the same settings has gone through after the same closes.

    The same close is the same object. As soon as a history is another one, or too long, it goes on alone.
    """

    def __init__(self, view: View, labels: LabelSource | OwnLabels = "rule", regimes: Regimes = USUAL_REGIMES) -> None:
        self._settings: _Settings = (view, labels, regimes)
        self._states = Analogues(view, labels, regimes)
        self._found = 0
        """Closes that ``_states`` has taken."""
        self._taken = 0
        self._trail: _Trail | None = None

    def take(self, snapshot: Snapshot) -> None:
        """Take the next bar."""
        if not self._taken:
            self._trail = _trail_from(self._settings, snapshot)
        elif self._trail is not None and not _goes_on(self._trail, self._taken, snapshot):
            self._catch_up()
            self._trail = None
        self._taken += 1
        if self._trail is None:
            self._found += 1
            self._states.take(snapshot)

    def choose(self, snapshot: Snapshot, kind: ExampleKind, count: int) -> tuple[Example, ...]:
        """The ``count`` examples for a snapshot, the most telling one last; none while there are too few states."""
        if kind not in ("nearest", "balanced"):
            return ()
        trail = self._trail
        if trail is None:
            return self._states.choose(snapshot, kind, count)
        known = trail.chosen.get((self._taken, kind, count))
        if known is None or known[0] is not snapshot:
            self._catch_up()
            known = snapshot, self._states.choose(snapshot, kind, count)
            trail.chosen[self._taken, kind, count] = known
        return known[1]

    def _catch_up(self) -> None:
        """Take what was passed over, because what is chosen behind it was known."""
        if self._trail is not None:
            for snapshot in self._trail.closes[self._found : self._taken]:
                self._states.take(snapshot)
            self._found = self._taken


def _trail_from(settings: _Settings, first: Snapshot) -> _Trail:
    with _growing:
        if sum(len(trail.closes) for trail in _trails.values()) >= MOST_KNOWN:
            _trails.clear()
        trail = _trails.setdefault((settings, id(first)), _Trail())
        if not trail.closes:
            trail.closes.append(first)
    return trail


def _goes_on(trail: _Trail, place: int, snapshot: Snapshot) -> bool:
    """Whether this is the close at a place of a trail, or can be put there."""
    closes = trail.closes
    if place < len(closes):
        return closes[place] is snapshot
    with _growing:
        if place == len(closes) < MOST_KNOWN:
            closes.append(snapshot)
        return place < len(closes) and closes[place] is snapshot
