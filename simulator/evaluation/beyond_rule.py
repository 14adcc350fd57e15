"""What an advice did beyond the causal rule: its deviations from the rule, kept together, at other moments.

The rule's own actions stay where they are. An advice that only repeats the rule has nothing to be moved.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from llm_strategy.market.view import ACTION_FOR_LABEL, causal_label
from llm_strategy.types import Action, ActionType, Advice, Decision, Regime
from simulator.evaluation.placebo import (
    STANCES,
    Choices,
    Made,
    Moments,
    Placebos,
    Placement,
    Stances,
    count_runs,
)

_ACTIONS = {stance: action for action, stance in STANCES.items()}
_NUMBERS = {action: number for number, action in enumerate(ActionType, start=1)}
_TURNS = np.array([_NUMBERS[_ACTIONS[stance]] for stance in (0, 1, -1)])
"""The number of the action that brings about a stance, which is -1 for the last of them."""


class DeviationPlacebos(Placebos):
    """Accounts that follow the rule but where the advice deviated from it, and do so at other moments.

    Where a deviation falls, a long-only account does the opposite of the rule; with shorts it is as far from the rule's
    stance as it was, on the other side where that is no stance.
    """

    @property
    def runs(self) -> int:
        """Stretches in which the advice wants something else than the rule."""
        return count_runs(self.deviations)

    def series(self, number: int) -> Made:
        """The decisions of a placebo from 1 on; 0 is where the advice itself deviated."""
        wanted = self._wanted(self._moments(number))
        return {
            symbol: list(
                _decisions(made, self._actions[symbol], wanted[:, column].tolist(), self._rule[:, column].tolist())
            )
            for column, (symbol, made) in enumerate(self.history.decisions.items())
        }

    def choices(self, numbers: Sequence[int]) -> Choices:
        """The same of several placebos, in a run of one symbol."""
        ((symbol, made),) = self.history.decisions.items()
        there = np.array([one is not None for one in made], dtype=np.bool_)
        actions, rule = self._actions[symbol], self._rule[there, 0]
        usual = np.array([_NUMBERS[action] for action in actions if action is not None], dtype=np.int64)
        places = np.zeros((len(numbers), len(made)), dtype=np.int64)
        for row, number in enumerate(numbers):
            wanted = self._wanted(self._moments(number))[there, 0]
            held = np.concatenate([[0], wanted[:-1]])
            places[row, there] = np.where((wanted == rule) & (wanted == held), usual, _TURNS[wanted])
        actions_of = [None, *(Action(action, confidence=1.0) for action in _NUMBERS)]
        return Choices(actions_of, [False, *[True] * len(_NUMBERS)], places)

    def _moments(self, number: int) -> Moments:
        return self._placement.moments(number) if number else np.arange(len(self.history.times))

    @cached_property
    def deviations(self) -> Stances:
        """How far the advised stance is from the rule's."""
        return np.asarray(self.history.stances - self._rule, np.int8)

    @cached_property
    def _placement(self) -> Placement:
        return Placement(self.deviations, self.seed, f"{self.name} beyond the rule", self.history.breaks)

    @cached_property
    def _actions(self) -> dict[str, list[ActionType | None]]:
        """What the rule does at each close; None where nothing was decided."""
        return {
            symbol: [None if one is None else ACTION_FOR_LABEL[causal_label(one.snapshot)] for one in made]
            for symbol, made in self.history.decisions.items()
        }

    @cached_property
    def _rule(self) -> Stances:
        return self.history.stances_after(self._actions.values())

    @cached_property
    def _lowest(self) -> int:
        """-1 where the advice wants a short position somewhere, else 0."""
        return min(0, int(self.history.stances.min(initial=0)))

    def _wanted(self, moments: Moments) -> Stances:
        """What is wanted at each close where the deviations of these closes are moved there."""
        moved = self.deviations[moments]
        wanted = self._rule + moved
        outside = (wanted < self._lowest) | (wanted > 1)
        return np.clip(np.where(outside, self._rule - moved, wanted), self._lowest, 1)


def _decisions(
    made: Sequence[Decision | None], rule: Sequence[ActionType | None], wanted: Sequence[int], followed: Sequence[int]
) -> Iterator[Decision | None]:
    """The rule's action, or the one that brings about what is wanted where that is another, or is not held yet."""
    held = 0
    for there, action, stance, of_rule in zip(made, rule, wanted, followed, strict=True):
        if there is None or action is None:
            yield None
            continue
        yield _decision(there, action if stance == of_rule and stance == held else _ACTIONS[stance])
        held = stance


def _decision(there: Decision, action: ActionType) -> Decision:
    snapshot = there.snapshot
    label = Regime(causal_label(snapshot))
    advice = Advice(snapshot.symbol, snapshot.timeframe, label, "Follows the rule.", Action(action, confidence=1.0))
    return replace(there, advice=advice, abstention=None)
