"""Mode choices: label and action are scored, not written, and the label's scores corrected by what a model says to
anything. A rationale is asked for where it is wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TypeVar

from llm_strategy.advice.checks import AskedItem, ask_field, ask_item
from llm_strategy.advice.contract import ParsedAnswer, Repairs
from llm_strategy.advice.examples import Example
from llm_strategy.advice.layout import CONTENT_FREE, LayoutText, load_layout
from llm_strategy.advice.modes.mode import Abilities, Ask, Defaults, Mode, Question, Recorded
from llm_strategy.advice.options import LabelPrior, PromptOptions
from llm_strategy.advice.plain_prompt import actions_text, explain_labels, labels_text, scored_form_text
from llm_strategy.advice.written_prompt import fixed_examples
from llm_strategy.errors import ConfigurationError, ContractError
from llm_strategy.llm.requests import Request
from llm_strategy.llm.structured.probabilities import probabilities_of
from llm_strategy.market.view import market_view
from llm_strategy.support.outside_text import encodable
from llm_strategy.types import Action, ActionType, Advice, CheckAnswer, Purpose, Regime

LONGEST_RATIONALE = 600
"""Characters, as in the contract."""
FEWEST_STATES = 20
"""Distinct states from which their mean is taken for what a model would say to anything."""
_YES_NO = ("yes", "no")
_NOTHING = 1e-12
"""Far less than the mean of probabilities that are written with six places."""


def correct_scores(probabilities: Mapping[str, float], prior: Mapping[str, float]) -> dict[str, float]:
    """Each probability divided by the prior's, scaled to sum to 1 (contextual calibration: Zhao et al. 2021).

    A prior of 0, or next to it, leaves a probability as it is.
    """
    divided = {name: share / (prior[name] if prior[name] > _NOTHING else 1.0) for name, share in probabilities.items()}
    total = sum(divided.values())
    return {name: share / total for name, share in divided.items()}


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


_Read = TypeVar("_Read")


class Choices(Mode):
    """Scores the decisions of one market in their order.

    What it keeps from one decision to the next, the mean probabilities and the last answer, follows from the market and
    the recorded answers alone. Raises ``ConfigurationError`` for ``lenient`` repairs: a score has none.
    """

    name = "choices"
    manner = "Its labels and actions were scored, not written"
    needs = "choices"
    auto = Defaults("nearest", "never", "never", calibration="batch")
    scores = True
    keeps_answers = True
    rationales = ("always", "changes", "never")

    def __init__(self, options: PromptOptions, repairs: Repairs = "strict") -> None:
        if repairs == "lenient":
            raise ConfigurationError(
                "advisor.repairs is lenient, and with mode choices there is no answer to repair: leave it out, or "
                "choose another mode."
            )
        super().__init__(options, repairs)
        self._layout = load_layout(options.layout) if options.prompt is None else options.prompt.layout
        self._words = {"labels": labels_text(options.regimes), "actions": actions_text()}
        self._batch = BatchPrior()
        self._last: tuple[str, ActionType] | None = None

    @classmethod
    def complete(cls, options: PromptOptions, able: Abilities) -> PromptOptions:
        """As of every mode; where nothing is set, or just the adapter's layout, the adapter of the model answers
        without examples and correction."""
        options = replace(options, adapter="")
        if able.adapter and _suits(options, layout := able.adapter.partition("@")[0]):
            options = replace(
                options,
                mode=cls.name,
                layout=layout,
                examples="none",
                calibration="none",
                rationale="never",
                adapter=able.adapter,
            )
        return super().complete(options, able)

    @property
    def stateless(self) -> bool:
        """Whether neither the correction nor a rationale depends on what was answered before."""
        return self.options.calibration != "batch" and self.options.rationale != "changes"

    @property
    def unforeseen(self) -> str:
        """Rationales, where they are wanted, and what was looked at for an item of a checklist that applies."""
        reasons = [] if self.options.rationale == "never" else ["reasons"]
        return " and ".join(reasons + ["what was looked at for the checklist"] * bool(self.options.checks))

    def requests(self, question: Question, defaults: Request) -> tuple[Request, ...]:
        """The requests for the label, where it corrects the label for the prior, and for each item of a checklist."""
        lines = [question.market] + [CONTENT_FREE] * (self.options.calibration == "content_free")
        labels = tuple(_choosing(*self._ask_label(question, line, defaults)) for line in lines)
        if not self.options.checks:
            return labels
        conversation = self._about(question, question.market, defaults)
        return (*labels, *(_choosing(*ask_item(conversation, item)) for item in self.options.checks))

    def follow_ups(self, question: Question, defaults: Request) -> Iterator[Request]:
        """The requests for the action, one for each label."""
        conversation = self._about(question, question.market, defaults)
        for label in self.options.regimes.names:
            yield _choosing(*self._ask_action(conversation, question.market, label))

    def decide(self, question: Question, defaults: Request, ask: Ask) -> ParsedAnswer:
        """The likeliest label, the likeliest action behind it, and a rationale."""
        conversation, market = self._about(question, question.market, defaults), question.market
        labels = self._labels(question, defaults, ask)
        label = max(labels, key=labels.__getitem__)
        actions = _score(*self._ask_action(conversation, market, label), tuple(ActionType), ask, "action")
        action = ActionType(max(actions, key=actions.__getitem__))
        rationale = f"The likeliest of the labels is {label}, of the actions {action}."
        changed = (label, action) != self._last
        if self.options.rationale == "always" or (self.options.rationale == "changes" and changed):
            request = self._layout.ask_rationale(conversation, market, label, action)
            rationale = _ask_twice(ask, request, "rationale", _rationale) or rationale
        self._last = label, action
        regime, proposal = Regime(label, round(labels[label], 4)), Action(action, round(actions[action], 4))
        checks = [self._check(item, question, conversation, ask) for item in self.options.checks]
        checks.sort(key=lambda check: check.item)
        advice = Advice(question.symbol, question.timeframe, regime, rationale, proposal, checks=tuple(checks))
        return ParsedAnswer(advice, ())

    def _check(self, item: AskedItem, question: Question, conversation: Request, ask: Ask) -> CheckAnswer:
        """Whether an item of a checklist is likelier to apply than not, and where it is, what the model goes by."""
        applies = _score(*ask_item(conversation, item), _YES_NO, ask, "check")
        if applies["yes"] <= applies["no"]:
            return CheckAnswer(item.name, applies=False, field="")
        fields = self.fields(question)
        likely = {fields[0]: 1.0}
        if len(fields) > 1:
            likely = _score(*ask_field(conversation, item, fields), fields, ask, "check")
        return CheckAnswer(item.name, applies=True, field=max(likely, key=likely.__getitem__))

    def unusable(self, question: Question, defaults: Request, recorded: Recorded) -> Iterator[Request]:
        """Those of ``requests`` whose answers on record are no probabilities of their choices."""
        for request in self.requests(question, defaults):
            if recorded(request, partial(probabilities_of, request.choices))[1]:
                yield request

    def label_scores(self, market: str, answer: str) -> dict[str, float]:
        """The probability of each label, as the model gave it to a market line; raises ``ContractError``."""
        _, choices = self._layout.ask_label(Request(()), market, self.options.regimes)
        return _by_name(choices, self.options.regimes.names, answer)

    def _about(self, question: Question, line: str, defaults: Request) -> Request:
        """The request with the conversation up to the question about this line of a market."""
        if (prompt := self.options.prompt) is not None:
            form = scored_form_text(self._layout.form(question.market), self.options.regimes)
            messages = self.own_messages(prompt, question, form, market=None if line == question.market else line)
            return replace(defaults, messages=messages, form=(), json_mode=False, json_schema="")
        examples: tuple[Example, ...] = ()
        words = self._words
        if self.shows_examples(question):
            examples = question.examples or fixed_examples(question.market)
        else:
            words = words | {"features": " ".join(market_view(question.market).names)}
        messages = self._layout.messages(
            line,
            examples,
            with_reason=self.options.rationale != "never",
            context=() if line == CONTENT_FREE else self.context_of(question),
            words=words,
        )
        request = replace(
            defaults, messages=messages, form=(), json_mode=False, json_schema="", adapter=self.options.adapter
        )
        if isinstance(self.options.layout, LayoutText) or "{labels}" in self._layout.system:
            return request
        return explain_labels(request, self.options.regimes)

    def _ask_label(self, question: Question, line: str, defaults: Request) -> tuple[Request, tuple[str, ...]]:
        return self._layout.ask_label(self._about(question, line, defaults), line, self.options.regimes)

    def _ask_action(self, conversation: Request, line: str, label: str) -> tuple[Request, tuple[str, ...]]:
        return self._layout.ask_action(conversation, line, label, self.options.regimes)

    def _labels(self, question: Question, defaults: Request, ask: Ask) -> dict[str, float]:
        """The probability of each label, corrected."""

        def scored(line: str, purpose: Purpose) -> dict[str, float]:
            return _score(*self._ask_label(question, line, defaults), self.options.regimes.names, ask, purpose)

        raw, calibration = scored(question.market, "label"), self.options.calibration
        if isinstance(calibration, LabelPrior):
            return correct_scores(raw, calibration.labels)
        if calibration == "content_free":
            return correct_scores(raw, scored(CONTENT_FREE, "prior"))
        if calibration == "batch":
            prior = self._batch.prior()
            self._batch.take(question.state, raw)
            return correct_scores(raw, prior) if prior else raw
        return raw


def _suits(options: PromptOptions, layout: str) -> bool:
    """Whether a question with these options is one that an adapter for this layout was trained on: nothing is set, or
    just this layout without examples."""
    usual = PromptOptions()
    chosen = replace(options, mode="auto", layout="auto", examples="auto", calibration="auto", rationale="auto")
    unset = options == usual
    asked = options.layout == layout and options.examples in ("auto", "none")
    left = options.calibration in ("auto", "none") and options.rationale in ("auto", "never")
    return unset or (asked and left and replace(chosen, count=usual.count) == usual)


def _choosing(request: Request, choices: tuple[str, ...]) -> Request:
    # No sampler plays a part in a score: its settings must not make it another request.
    return replace(request, choices=choices, temperature=0.0, seed=None, max_tokens=1)


def _score(
    request: Request, choices: tuple[str, ...], names: tuple[str, ...], ask: Ask, purpose: Purpose
) -> dict[str, float]:
    return _ask_twice(ask, _choosing(request, choices), purpose, partial(_by_name, choices, names))


def _ask_twice(ask: Ask, request: Request, purpose: Purpose, read: Callable[[str], _Read]) -> _Read:
    """What is read in the answer, or where an earlier command was given one that breaks the contract, in a new one."""
    try:
        return ask(request, purpose, read)
    except ContractError:
        if not ask.disregard([request]):
            raise
    return ask(request, purpose, read)


def _by_name(choices: tuple[str, ...], names: tuple[str, ...], answer: str) -> dict[str, float]:
    probabilities = probabilities_of(choices, answer)
    return {name: probabilities[choice] for name, choice in zip(names, choices, strict=True)}


def _rationale(answer: str) -> str:
    text = answer.strip()
    if len(text) > LONGEST_RATIONALE:
        raise ContractError("rationale", f"has {len(text)} characters, at most {LONGEST_RATIONALE} are read")
    if text != encodable(text):
        raise ContractError("rationale", "holds half a surrogate pair, which is no character")
    return text
