"""Advice from probabilities: the label is scored and corrected, the action behind it, and the rationale asked where it
is wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from llm_strategy.advice.calibration import BatchPrior, LabelPrior, corrected
from llm_strategy.advice.options import Example, PromptOptions
from llm_strategy.advice.scored_prompt import CONTENT_FREE, load_layout
from llm_strategy.errors import ContractError
from llm_strategy.llm.requests import Message, Request
from llm_strategy.llm.structured.probabilities import probabilities_of
from llm_strategy.support.outside_text import encodable
from llm_strategy.types import Action, ActionType, Advice, Purpose, Regime, RegimeLabel, Snapshot

LONGEST_RATIONALE = 600
"""Characters, as in the contract."""

_Read = TypeVar("_Read")


class Ask(Protocol):
    """Asks the model and records the exchange; gives what ``read`` makes of the answer's text, and raises what it
    raises."""

    def __call__(self, request: Request, purpose: Purpose, read: Callable[[str], _Read]) -> _Read: ...


class ChoiceReader:
    """Scores the decisions of one market in their order.

    What it keeps from one decision to the next, the mean probabilities and the last answer, follows from the market and
    the recorded answers alone.
    """

    def __init__(self, reading: PromptOptions) -> None:
        self._reading = reading
        self._layout = load_layout(reading.layout)
        self._batch = BatchPrior()
        self._last: tuple[RegimeLabel, ActionType] | None = None

    def question(self, market: str, examples: Sequence[Example], defaults: Request) -> Request:
        """The request for the label, its choices among it."""
        request, choices = self._layout.ask_label(self._about(market, examples, defaults), market)
        return _choosing(request, choices)

    def known_questions(self, market: str, examples: Sequence[Example], defaults: Request) -> tuple[Request, ...]:
        """The requests that depend on no answer: for the label and, where it corrects the label, for the prior."""
        lines = [market] + [CONTENT_FREE] * (self._reading.calibration == "content_free")
        return tuple(self.question(line, examples, defaults) for line in lines)

    def possible_actions(self, market: str, examples: Sequence[Example], defaults: Request) -> Iterator[Request]:
        """The requests for the action, one for each label: the answers before decide which of them is made."""
        conversation = self._about(market, examples, defaults)
        for label in RegimeLabel:
            yield _choosing(*self._layout.ask_action(conversation, market, label))

    def advice(
        self, snapshot: Snapshot, market: str, examples: Sequence[Example], defaults: Request, ask: Ask
    ) -> Advice:
        """The advice for a market line; raises what ``ask`` raises, and ``ContractError`` for answers that are none."""
        conversation = self._about(market, examples, defaults)
        labels = self._labels(market, examples, defaults, ask)
        label = RegimeLabel(max(labels, key=labels.__getitem__))
        actions = _score(*self._layout.ask_action(conversation, market, label), tuple(ActionType), ask, "action")
        action = ActionType(max(actions, key=actions.__getitem__))
        rationale = f"The likeliest of the labels is {label}, of the actions {action}."
        changed = (label, action) != self._last
        if self._reading.rationale == "always" or (self._reading.rationale == "changes" and changed):
            asked = self._layout.ask_rationale(conversation, market, label, action)
            rationale = ask(asked, "rationale", _rationale) or rationale
        self._last = label, action
        return Advice(
            snapshot.symbol,
            snapshot.timeframe,
            Regime(label, round(labels[label], 4)),
            rationale,
            Action(action, round(actions[action], 4)),
        )

    def _about(self, market: str, examples: Sequence[Example], defaults: Request) -> Request:
        return _with_messages(
            defaults, self._layout.messages(market, examples, with_reason=self._reading.rationale != "never")
        )

    def _labels(self, market: str, examples: Sequence[Example], defaults: Request, ask: Ask) -> dict[str, float]:
        def scored(line: str, purpose: Purpose) -> dict[str, float]:
            request, choices = self._layout.ask_label(self._about(line, examples, defaults), line)
            return _score(request, choices, tuple(RegimeLabel), ask, purpose)

        raw = scored(market, "label")
        if isinstance(self._reading.calibration, LabelPrior):
            return corrected(raw, self._reading.calibration.labels)
        if self._reading.calibration == "content_free":
            return corrected(raw, scored(CONTENT_FREE, "prior"))
        if self._reading.calibration == "batch":
            prior = self._batch.prior()
            self._batch.take(market, raw)
            return corrected(raw, prior) if prior else raw
        return raw


def label_scores(reading: PromptOptions, market: str, answer: str) -> dict[str, float]:
    """The probability of each label, as the model gave it to a market line; raises ``ContractError``."""
    _, choices = load_layout(reading.layout).ask_label(Request(()), market)
    return _by_name(answer, choices, tuple(RegimeLabel))


def _with_messages(defaults: Request, messages: tuple[Message, ...]) -> Request:
    return replace(defaults, messages=messages, form=(), json_mode=False, json_schema="")


def _choosing(request: Request, choices: tuple[str, ...]) -> Request:
    # No sampler plays a part in a score: its settings must not make it another request.
    return replace(request, choices=choices, temperature=0.0, seed=None, max_tokens=1)


def _score(
    request: Request, choices: tuple[str, ...], names: tuple[str, ...], ask: Ask, purpose: Purpose
) -> dict[str, float]:
    return ask(_choosing(request, choices), purpose, lambda answer: _by_name(answer, choices, names))


def _by_name(answer: str, choices: tuple[str, ...], names: tuple[str, ...]) -> dict[str, float]:
    found = probabilities_of(choices, answer)
    return {name: found[choice] for name, choice in zip(names, choices, strict=True)}


def _rationale(answer: str) -> str:
    said = answer.strip()
    if len(said) > LONGEST_RATIONALE:
        raise ContractError("rationale", f"has {len(said)} characters, at most {LONGEST_RATIONALE} are read")
    if said != encodable(said):
        raise ContractError("rationale", "holds half a surrogate pair, which is no character")
    return said
