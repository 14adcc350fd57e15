"""Examples of a prompt: past states of one market with a label each, and the choice among them. Pure.

Snapshots of all bars are taken in order, decided on or not, and only what was taken is known: asked before the snapshot
of bar t is taken, the library is a function of the prices before t. It needs no storing; whoever has the prices can
build it again.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from itertools import chain
from operator import itemgetter
from typing import Any, Literal, NamedTuple, cast

from llm_strategy.advice.own_labels import OwnLabels, same_time
from llm_strategy.market.features import scaled_momentum
from llm_strategy.market.regimes import USUAL_REGIMES, Regimes
from llm_strategy.market.view import ACTION_FOR_LABEL, HIGH_VOLATILITY, View, causal_label, market_view, renderer
from llm_strategy.types import ActionType, RegimeLabel, Snapshot

ExampleKind = Literal["auto", "none", "fixed", "balanced", "nearest"]
LabelSource = Literal["rule", "followed", "shuffled", "shuffled_followed"]
SHUFFLED: Mapping[str, LabelSource] = {"rule": "shuffled", "followed": "shuffled_followed"}
"""The labels of a source, exchanged among the states."""

CLEAR_MOVE = 0.5
"""A return over those bars counts as a rise or fall from this many times what their volatility makes."""


class Example(NamedTuple):
    """A market as a model reads it, with the label it is shown for it."""

    market: str
    label: RegimeLabel
    own_action: ActionType | None = None
    """What is done about a label that the causal rule does not know."""

    @property
    def action(self) -> ActionType:
        """What the causal rule does about the label."""
        return self.own_action or ACTION_FOR_LABEL[self.label]

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


class _CodedWords:
    """Rows of words as numbers, so that many are compared at once."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._rows: Any = None
        self._count = 0

    def add(self, words: tuple[str, ...]) -> None:
        """Add a row, which has as many words as those before it."""
        import numpy as np  # the command line starts without it

        if self._rows is None:
            self._rows = np.empty((64, len(words)), dtype=np.uint32)
        elif self._count == len(self._rows):
            self._rows = np.concatenate((self._rows, np.empty_like(self._rows)))
        self._rows[self._count] = self._code(words)
        self._count += 1

    def common(self, words: tuple[str, ...], first: int) -> Any:
        """How many words each row from the ``first`` on has in common with these, place by place."""
        return (self._rows[first : self._count] == self._code(words)).sum(axis=1)

    def _code(self, words: tuple[str, ...]) -> list[int]:
        numbers = self._numbers
        return [numbers.setdefault(word, len(numbers)) for word in words]


def _labelled_as(example: Example, other: Example) -> Example:
    return example._replace(label=other.label, own_action=other.own_action)


def cyclic_partner(partners: list[int]) -> None:
    """Add one more to a permutation that is a single cycle, so that it stays one (Sattolo 1986, grown by one at a
    time): none stands for itself once there are two, and which stands for which follows from their number alone."""
    number = len(partners)
    if not number:
        partners.append(0)
        return
    drawn = int.from_bytes(hashlib.sha256(f"shuffled labels {number}".encode()).digest()[:8]) % number
    partners.append(partners[drawn])
    partners[drawn] = number


class Analogues:
    """The distinct past states of one market, as a model reads them, each with the label of its last occurrence.

    ``labels`` are by the causal rule, by what ``followed``, or a person's own, of which only the states that have one
    are known. With ``shuffled`` ones (of the rule, of what followed, or a person's) each state is shown with the label
    of another past state: the labels are exchanged among all states so far along one random cycle (among those that are
    shown, where they are balanced), so that the labels are as frequent as without, and say nothing of the state beside
    them.
    """

    def __init__(self, view: View, labels: LabelSource | OwnLabels = "rule", regimes: Regimes = USUAL_REGIMES) -> None:
        self._render, self._in_words = renderer(replace(view, unmasked=())), renderer(view.in_words)
        self._labels = labels
        self._shuffled = labels.shuffled if isinstance(labels, OwnLabels) else labels in SHUFFLED.values()
        self._regimes = regimes
        self._own: Mapping[str, str] | None = None
        self._partners: list[int] = []
        self._numbers: dict[str, int] = {}
        self._waiting: deque[Snapshot] = deque()
        self._states: dict[str, Example] = {}
        self._markets: list[str] = []  # the states, in the order in which they were first seen
        self._coded = _CodedWords()
        self._split: dict[str, tuple[str, ...]] = {}
        self._changes = 0  # of states and labels
        self._chosen: dict[tuple[tuple[str, ...], int], tuple[int, tuple[Example, ...]]] = {}
        self._searches: dict[tuple[tuple[str, ...], int], _Search] = {}
        self._first: dict[str, list[Example]] = {label: [] for label in regimes.names}

    def take(self, snapshot: Snapshot) -> None:
        """Take the next bar. With those that followed a state is known once its following bars are."""
        if isinstance(self._labels, OwnLabels):
            self._own = self._labels.of(snapshot.symbol) if self._own is None else self._own
            if label := self._own.get(same_time(snapshot.time)):
                self._keep(snapshot, cast(RegimeLabel, label))
            return
        if self._labels not in ("followed", SHUFFLED["followed"]):
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
        market = self._render(snapshot)
        unknown = label not in ACTION_FOR_LABEL
        example = Example(market, label, self._regimes.kinds[label].actions[0] if unknown else None)
        if market not in self._states:
            self._numbers[market] = len(self._markets)
            cyclic_partner(self._partners)
            self._markets.append(market)
            self._coded.add(self._words_of(snapshot))
            self._first[label].append(example)
        elif self._states[market] == example:
            return
        self._states[market] = example
        self._changes += 1

    def _nearest(self, snapshot: Snapshot, count: int) -> tuple[Example, ...]:
        """The states with the most words in common, the first seen among equals, so that equal markets keep their
        examples until a nearer state comes up and few questions differ. States are only ever added, so a search for
        the same words goes on where the last one ended."""
        if len(self._states) < max(count, 2 if self._shuffled else 1):
            return ()
        words = self._words_of(snapshot)
        changes, chosen = self._chosen.get((words, count), (-1, ()))
        if changes < self._changes:
            chosen = tuple(self._shown(market) for _, market in reversed(self._search(words, count).nearest))
            self._chosen[words, count] = self._changes, chosen
        return chosen

    def _search(self, words: tuple[str, ...], count: int) -> _Search:
        search = self._searches.get((words, count), _Search())
        if search.searched < len(self._markets):
            nearest = search.nearest
            least = nearest[-1][0] if len(nearest) == count else -1
            common = self._coded.common(words, search.searched)
            places = (common > least).nonzero()[0].tolist()  # among equals the first stays
            if places:
                later = [(int(common[place]), self._markets[search.searched + place]) for place in places]
                nearest = tuple(sorted((*nearest, *later), key=itemgetter(0), reverse=True)[:count])
            search = self._searches[words, count] = _Search(len(self._markets), nearest)
        return search

    def _balanced(self, count: int) -> tuple[Example, ...]:
        """The first states of each label, as many of each, so that the choice stays once it can be made."""
        each = count // len(self._first)
        if any(len(examples) < each for examples in self._first.values()):
            return ()
        chosen = tuple(chain.from_iterable(zip(*(examples[:each] for examples in self._first.values()), strict=True)))
        if not self._shuffled:
            return chosen
        partners: list[int] = []
        for _ in chosen:
            cyclic_partner(partners)
        return tuple(_labelled_as(example, chosen[partner]) for example, partner in zip(chosen, partners, strict=True))

    def _shown(self, market: str) -> Example:
        """A state with the label that it is shown with."""
        example = self._states[market]
        if not self._shuffled:
            return example
        other = self._markets[self._partners[self._numbers[market]]]
        return _labelled_as(example, self._states[other])

    def _words_of(self, snapshot: Snapshot) -> tuple[str, ...]:
        text = self._in_words(snapshot)
        if (words := self._split.get(text)) is None:
            words = self._split[text] = tuple(text.split("; "))
        return words
