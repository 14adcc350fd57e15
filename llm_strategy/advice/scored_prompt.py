"""The prompt of choice scoring: a layout, examples in it, and the beginning of the answer up to the
next choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files

from llm_strategy.advice.layout import LayoutText
from llm_strategy.advice.options import Example, Layout
from llm_strategy.llm.requests import Message, Request, Slot
from llm_strategy.market.view import market_view
from llm_strategy.support.strict_yaml import parse_yaml
from llm_strategy.types import ActionType, RegimeLabel

CONTENT_FREE = "unknown"
"""A market that says nothing (Zhao et al. 2021): what a model answers to it, it would answer to anything."""

RATIONALE_TOKENS = 28


class ChoiceLayout(LayoutText):
    """A layout that words the questions."""

    __slots__ = ()

    def messages(self, market: str, examples: Sequence[Example], *, with_reason: bool) -> tuple[Message, ...]:
        """The conversation up to the question about this market."""
        shown = [(self._question(example.market), self._answer(example, with_reason)) for example in examples]
        names = market_view(examples[0].market if market == CONTENT_FREE and examples else market).names
        system = Message("system", self.system.replace("{features}", " ".join(names)))
        asked = self._question(market)
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
    view = market_view(market)
    said = {"market": market, "facts": view.rule_facts, "values": view.row(), "telling": view.rule_values}
    for name, value in (said | values).items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _parted(written: str, words: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    # Most vocabularies write a space as the beginning of the word behind it.
    begun = written.rstrip(" ")
    return begun, tuple(written[len(begun) :] + word for word in words)


def load_layout(layout: Layout | LayoutText) -> ChoiceLayout:
    """A layout of ``prompts/`` by its name, or a person's own."""
    text = layout if isinstance(layout, LayoutText) else _of_package(layout)
    return ChoiceLayout(text.system, text.shape, text.question, text.answer, text.reason, text.words)


@cache
def _of_package(name: Layout) -> LayoutText:
    file = f"choose_{name}.yaml"
    text = (files("llm_strategy.prompts") / file).read_text(encoding="utf-8")
    return LayoutText.from_document(parse_yaml(text, file), file)
