"""What a model could copy: the examples that stood in its prompt at each close, and an advisor that answers the nearest
of them without a model."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from operator import eq
from typing import Any, Self

from llm_strategy.advice.examples import Example
from llm_strategy.advice.known_past import KnownPast
from llm_strategy.advice.options import PromptOptions
from llm_strategy.advice.outcome import assess
from llm_strategy.advice.written_prompt import fixed_examples
from llm_strategy.market.regimes import Regimes
from llm_strategy.market.view import View, render_snapshot
from llm_strategy.types import Action, ActionType, Advice, Decision, PolicyOutcome, Regime, Snapshot, Status

RATIONALE = "Copies the nearest example of the prompt."
NOTHING_TO_COPY = "No example stood in the prompt."


class PromptExamples:
    """The examples in the prompts of one market, found again from its snapshots, which come in order from the first
    one on. ``options`` say which examples, with nothing left to be ``auto``."""

    def __init__(self, view: View, options: PromptOptions) -> None:
        self._options, self._masked = options, replace(view, unmasked=())
        self._past = KnownPast(view, options.labels, options.regimes)
        self.chosen: tuple[Example, ...] = ()
        """Past states that stood in the last prompt; none where it showed the fixed examples, or nothing."""

    def line(self, snapshot: Snapshot) -> str:
        """The market at a close as an example would show it."""
        return render_snapshot(snapshot, self._masked)

    def at(self, snapshot: Snapshot) -> tuple[Example, ...]:
        """Those at a close, the nearest one last where they are chosen so; the close then belongs to the past."""
        options = self._options
        if options.examples == "none":
            return ()
        self.chosen = self._past.choose(snapshot, options.examples, options.count)
        self.take(snapshot)
        falls_back = options.examples == "fixed" or (options.prompt is None and options.falls_back_to_fixed)
        return self.chosen or (fixed_examples(self.line(snapshot)) if falls_back else ())

    def nearest(self, snapshot: Snapshot, examples: Sequence[Example]) -> Example | None:
        """The one of them that says most like this close: the last one where they are chosen so, else the first of
        those with the most facts in common; None where there is none."""
        if self.chosen and self._options.examples == "nearest":
            return examples[-1]
        facts = self.line(snapshot).split("; ")
        return max(examples, key=lambda one: sum(map(eq, one.market.split("; "), facts)), default=None)

    def take(self, snapshot: Snapshot) -> None:
        """Take a close without a decision into the past."""
        if self._options.chosen_from_past:
            self._past.take(snapshot)


class CopyNearest:
    """An advisor without a model: at each close the label and action of the nearest example that stands in the prompt.

    It is as certain of itself as a rule is. Where no example stands in the prompt yet, it holds what it has.
    """

    def __init__(self, view: View, options: PromptOptions) -> None:
        self.view, self._options = view, options
        self._examples = PromptExamples(view, options)
        self._said: dict[tuple[str, str, str, ActionType, str], tuple[Advice, PolicyOutcome]] = {}
        """Kept, because the same few things are said at thousands of bars; copies share it."""

    def attach(self, data: Any) -> Self:
        """A copy with an empty past, for one feed."""
        bound = copy(self)
        bound._examples = PromptExamples(self.view, self._options)
        return bound

    def decide(self, snapshot: Snapshot) -> Decision:
        """The nearest example's answer."""
        example = self._examples.nearest(snapshot, self._examples.at(snapshot))
        label, action, rationale = _hold(self._options.regimes), ActionType.HOLD, NOTHING_TO_COPY
        if example is not None:
            label, action, rationale = example.label, example.action, RATIONALE
        key = snapshot.symbol, snapshot.timeframe, label, action, rationale
        if key not in self._said:
            advice = Advice(*key[:2], Regime(label), rationale, Action(action, confidence=1.0))
            self._said[key] = advice, assess(advice, self._options.regimes)
        advice, policy = self._said[key]
        return Decision(snapshot, Status.ADVISED, advice, None, policy)

    def witness(self, snapshot: Snapshot) -> None:
        """Take a bar without a decision into the past."""
        self._examples.take(snapshot)


def _hold(regimes: Regimes) -> str:
    """The first label with which holding what one has agrees, or else the first one."""
    return next((name for name, kind in regimes.kinds.items() if ActionType.HOLD in kind.actions), regimes.names[0])
