"""The prompt of choice scoring: a layout of ``prompts/``, examples in it, and the beginning of the answer up to the
next choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files

import yaml

from llm_strategy.llm.exchange import Message, Request, Slot
from llm_strategy.reading import Example, Layout, telling_facts
from llm_strategy.types import ActionType, RegimeLabel

CONTENT_FREE = "unknown"
"""A market that says nothing (Zhao et al. 2021): what a model answers to it, it would answer to anything."""

RATIONALE_TOKENS = 28


@dataclass(frozen=True, slots=True)
class ChoiceLayout:
    """How question, examples and answer are worded; ``{market}``, its ``{facts}``, ``{label}``, ``{action}`` and
    ``{rationale}`` are filled in. ``reason`` follows the answer where a rationale is wanted; ``words`` are how a label
    is written where it is more than its name."""

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
        return _begun(request, _filled(self.answer.partition("{label}")[0], market=market), words)

    def ask_action(self, request: Request, market: str, label: str) -> tuple[Request, tuple[str, ...]]:
        """The same up to the action, behind this label."""
        written = _filled(self.answer.partition("{action}")[0], market=market, label=self.words.get(label, label))
        return _begun(request, written, tuple(ActionType))

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
    for name, value in ({"market": market, "facts": telling_facts(market)} | values).items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _begun(request: Request, written: str, words: tuple[str, ...]) -> tuple[Request, tuple[str, ...]]:
    # Most vocabularies write a space as the beginning of the word behind it.
    opening = written.rstrip(" ")
    return replace(request, opening=opening), tuple(written[len(opening) :] + word for word in words)


@cache
def load_layout(name: Layout) -> ChoiceLayout:
    """A layout of ``prompts/``."""
    text = (files("llm_strategy.prompts") / f"choose_{name}.yaml").read_text(encoding="utf-8")
    return ChoiceLayout(**yaml.safe_load(text))
