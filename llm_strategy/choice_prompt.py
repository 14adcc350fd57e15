"""The prompt of choice scoring: a layout of ``prompts/``, examples in it, and the beginning of the answer up to the
next choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import get_args

import yaml

from llm_strategy.llm.exchange import Message, Request, Slot
from llm_strategy.reading import TELLING, Example, Layout, telling_facts
from llm_strategy.rendering import Unmasked
from llm_strategy.types import ActionType, RegimeLabel

CONTENT_FREE = "unknown"
"""A market that says nothing (Zhao et al. 2021): what a model answers to it, it would answer to anything."""

RATIONALE_TOKENS = 28


@dataclass(frozen=True, slots=True)
class ChoiceLayout:
    """How question, examples and answer are worded.

    Filled in are ``{market}`` (its line), ``{values}`` (the row of its values), ``{facts}`` and ``{telling}`` (names
    and values, or values alone, of what the causal rule goes by), ``{label}``, ``{action}`` and ``{rationale}``.
    ``shape``: examples as ``turns`` of the conversation, or all on one ``page`` in the message that asks. ``reason``
    follows the answer where a rationale is wanted; ``words`` are how a label is written where it is more than its name.
    """

    system: str
    shape: str
    question: str
    answer: str
    reason: str
    words: Mapping[str, str] = field(default_factory=dict)

    def messages(self, market: str, examples: Sequence[Example], *, with_reason: bool) -> tuple[Message, ...]:
        """The conversation up to the question about this market."""
        shown = [(self._question(example.market), self._answer(example, with_reason)) for example in examples]
        system, asked = Message("system", self.system), self._question(market)
        if self.shape == "page":
            return system, Message("user", "\n\n".join([*(f"{q}\n{a}" for q, a in shown), asked]))
        turns = [turn for q, a in shown for turn in (Message("user", q), Message("assistant", a))]
        return (system, *turns, Message("user", asked))

    def ask_label(self, request: Request, market: str) -> tuple[Request, tuple[str, ...]]:
        """The request with the answer begun up to the label, and the labels as they stand there."""
        words = tuple(self.words.get(label, label) for label in RegimeLabel)
        opening, labels = _parted(_filled(self.answer.partition("{label}")[0], market=market), words)
        return replace(request, opening=opening), labels

    def ask_action(self, request: Request, market: str, label: str) -> tuple[Request, tuple[str, ...]]:
        """The same up to the action, behind this label."""
        begun, labels = self.ask_label(request, market)
        before_action = self.answer.partition("{label}")[2].partition("{action}")[0]
        chosen = labels[tuple(RegimeLabel).index(RegimeLabel(label))] + _filled(before_action, market=market)
        behind, actions = _parted(chosen, tuple(ActionType))
        return replace(begun, chosen=behind), actions

    def ask_rationale(self, request: Request, market: str, label: str, action: str) -> Request:
        """The request for a rationale behind this answer; the answer's text is the rationale."""
        before, _, after = self.reason.partition("{rationale}")
        written = self.words.get(label, label)
        opening = _filled(self.answer, market=market, label=written, action=action) + before
        slot = Slot("rationale", RATIONALE_TOKENS, stop=after[:1] or "\n")
        return replace(request, opening=opening, form=(slot,))

    def _question(self, market: str) -> str:
        return _filled(self.question, market=market)

    def _answer(self, example: Example, with_reason: bool) -> str:
        text = self.answer + self.reason if with_reason else self.answer
        label = self.words.get(example.label, example.label)
        return _filled(text, market=example.market, label=label, action=example.action, rationale=example.rationale)


def _filled(text: str, *, market: str, **values: str) -> str:
    said = {"market": market, "facts": telling_facts(market)}
    said |= {"values": _values(market), "telling": _telling_values(market)}
    for name, value in (said | values).items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _values(market: str) -> str:
    """A market line as the row of its values; symbol, date and price, where they are shown, keep their names."""
    facts = (fact.partition(": ") for fact in market.split("; "))
    return " ".join(
        f"{name} {value}" if name in get_args(Unmasked) else _brief(value or name) for name, _, value in facts
    )


def _telling_values(market: str) -> str:
    facts = dict(fact.partition(": ")[::2] for fact in market.split("; "))
    return " ".join(_brief(facts[name]) for name in TELLING if name in facts)


def _brief(value: str) -> str:
    for unit in (" long average", " from", " of its range", " of its mean"):
        value = value.removesuffix(unit)
    return value


def _parted(written: str, words: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    # Most vocabularies write a space as the beginning of the word behind it.
    begun = written.rstrip(" ")
    return begun, tuple(written[len(begun) :] + word for word in words)


@cache
def load_layout(name: Layout) -> ChoiceLayout:
    """A layout of ``prompts/``."""
    text = (files("llm_strategy.prompts") / f"choose_{name}.yaml").read_text(encoding="utf-8")
    return ChoiceLayout(**yaml.safe_load(text))
