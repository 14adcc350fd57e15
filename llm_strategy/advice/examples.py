"""Examples of a prompt: past states of one market with a label each, and the choice among them. Pure.

Snapshots of all bars are taken in order, decided on or not, and only what was taken is known: asked before the snapshot
of bar t is taken, the library is a function of the prices before t. It needs no storing; whoever has the prices can
build it again.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from itertools import chain
from operator import eq, itemgetter
from typing import Literal, NamedTuple

from llm_strategy.market.features import scaled_momentum
from llm_strategy.market.view import ACTION_FOR_LABEL, HIGH_VOLATILITY, View, causal_label, market_view, render_snapshot
from llm_strategy.types import ActionType, RegimeLabel, Snapshot

ExampleKind = Literal["auto", "none", "fixed", "balanced", "nearest"]
LabelSource = Literal["rule", "followed"]

CLEAR_MOVE = 0.5
"""A return over those bars counts as a rise or fall from this many times what their volatility makes."""


class Example(NamedTuple):
    """A market as a model reads it, with the label it is shown for it."""

    market: str
    label: RegimeLabel

    @property
    def action(self) -> ActionType:
        """What the causal rule does about the label."""
        return ACTION_FOR_LABEL[self.label]

    @property
    def rationale(self) -> str:
        """The facts that the rule goes by."""
        return f"{market_view(self.market).rule_facts}."


def label_of_what_followed(later: Snapshot) -> RegimeLabel:
    """The label that a state has earned, from the snapshot ``momentum_bars`` after it, whose momentum spans just the
    bars between."""
    move = scaled_momentum(later)
    if later.volatility_rank >= HIGH_VOLATILITY and move < CLEAR_MOVE:
        return RegimeLabel.TURBULENT
    if abs(move) < CLEAR_MOVE:
        return RegimeLabel.SIDEWAYS
    return RegimeLabel.BULL if move > 0 else RegimeLabel.BEAR


class _Search(NamedTuple):
    """How many states were searched, and the nearest of them: words in common and the state, the nearest first."""

    searched: int = 0
    nearest: tuple[tuple[int, str], ...] = ()


class Analogues:
    """The distinct past states of one market, as a model reads them, each with the label of its last occurrence."""

    def __init__(self, view: View, labels: LabelSource = "rule") -> None:
        self._view = replace(view, unmasked=())
        self._in_words = view.in_words
        self._labels = labels
        self._waiting: deque[Snapshot] = deque()
        self._states: dict[str, Example] = {}
        self._words: list[tuple[str, tuple[str, ...]]] = []  # of each state, in the order in which they were first seen
        self._searches: dict[tuple[tuple[str, ...], int], _Search] = {}
        self._first: dict[RegimeLabel, list[Example]] = {label: [] for label in RegimeLabel}

    def take(self, snapshot: Snapshot) -> None:
        """Take the next bar. With ``followed`` a state is known once its following bars are."""
        if self._labels == "rule":
            self._keep(snapshot, causal_label(snapshot))
            return
        self._waiting.append(snapshot)
        if len(self._waiting) > snapshot.momentum_bars:
            self._keep(self._waiting.popleft(), label_of_what_followed(snapshot))

    def choose(self, snapshot: Snapshot, kind: ExampleKind, count: int) -> tuple[Example, ...]:
        """The ``count`` examples for a snapshot, the most telling one last; none while there are too few states."""
        if kind == "nearest":
            return self._nearest(snapshot, count)
        return self._balanced(count) if kind == "balanced" else ()

    def _keep(self, snapshot: Snapshot, label: RegimeLabel) -> None:
        market = render_snapshot(snapshot, self._view)
        example = Example(market, label)
        if market not in self._states:
            self._words.append((market, self._words_of(snapshot)))
            self._first[label].append(example)
        self._states[market] = example

    def _nearest(self, snapshot: Snapshot, count: int) -> tuple[Example, ...]:
        """The states with the most words in common, the first seen among equals, so that equal markets keep their
        examples until a nearer state comes up and few questions differ. States are only ever added, so a search for
        the same words goes on where the last one ended."""
        if len(self._states) < count:
            return ()
        words = self._words_of(snapshot)
        search = self._searches.get((words, count), _Search())
        if search.searched < len(self._words):
            later = [(sum(map(eq, words, theirs)), market) for market, theirs in self._words[search.searched :]]
            nearest = sorted((*search.nearest, *later), key=itemgetter(0), reverse=True)[:count]
            search = self._searches[words, count] = _Search(len(self._words), tuple(nearest))
        return tuple(self._states[market] for _, market in reversed(search.nearest))

    def _balanced(self, count: int) -> tuple[Example, ...]:
        """The first states of each label, as many of each, so that the choice stays once it can be made."""
        each = count // len(self._first)
        if any(len(examples) < each for examples in self._first.values()):
            return ()
        return tuple(chain.from_iterable(zip(*(examples[:each] for examples in self._first.values()), strict=True)))

    def _words_of(self, snapshot: Snapshot) -> tuple[str, ...]:
        return tuple(render_snapshot(snapshot, self._in_words).split("; "))
