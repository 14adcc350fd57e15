"""Layouts: how the prompt of scored choices is worded, as checked data of the package or of a person's own file.

A layout shows examples, and begins the answer up to the choice that is scored next. Each ``choose_NAME.yaml`` of
``prompts/`` is one, under that name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from llm_strategy.advice.examples import Example
from llm_strategy.errors import ConfigurationError, did_you_mean
from llm_strategy.llm.requests import Message, Request, Slot
from llm_strategy.market.context.features import FEATURES
from llm_strategy.market.regimes import USUAL_REGIMES, Regimes
from llm_strategy.market.view import market_view
from llm_strategy.shown import Image, Shown
from llm_strategy.support.read_regular import read_text, require_file
from llm_strategy.support.schemas import require
from llm_strategy.support.strict_yaml import parse_yaml
from llm_strategy.types import ActionType

_PROMPTS = files("llm_strategy.prompts")

LAYOUT_NAMES = tuple(
    sorted(
        entry.name.removeprefix("choose_").removesuffix(".yaml")
        for entry in _PROMPTS.iterdir()
        if entry.name.startswith("choose_") and entry.name.endswith(".yaml")
    )
)
"""The layouts of the package."""

CONTENT_FREE = "unknown"
"""A market that says nothing (Zhao et al. 2021): what a model answers to it, it would answer to anything."""

RATIONALE_TOKENS = 28

_MARKET = ("market", "values", "facts", "telling")
_ANSWER = ("label", "action")
_PLACEHOLDER = re.compile(r"\{([A-Za-z_]+)\}")


@dataclass(frozen=True, slots=True)
class LayoutText:
    """How question, examples and answer are worded.

    Filled in are ``{features}`` (their names), ``{labels}`` and ``{actions}`` (a line for each, with what it means) in
    the system message, ``{market}`` (its line), ``{values}`` (the row of
    its values), ``{facts}`` and ``{telling}`` (names and values, or values alone, of what the causal rule goes by) in
    question and answer, ``{label}`` and ``{action}``
    in the answer and ``{rationale}`` in the reason. ``shape``: examples as ``turns`` of the conversation, or all on one
    ``page`` in the message that asks. ``reason`` follows the answer where a rationale is wanted; ``words`` are how a
    label is written where it is more than its name.
    """

    system: str
    shape: Literal["turns", "page"]
    question: str
    answer: str
    reason: str
    words: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_document(cls, document: Any, where: str) -> LayoutText:
        """A layout from plain data; ``ConfigurationError`` begins with ``where`` and names the key that is wrong."""
        if not isinstance(document, dict):
            raise ConfigurationError(
                f"{where} is no mapping: write the keys system, shape, question, answer and reason, as in "
                "prompts/choose_turns.yaml."
            )
        require("layout", document, where)
        layout = cls(**document)
        for problem in layout._problems():
            raise ConfigurationError(f"{where}: {problem}")
        return layout

    @classmethod
    def from_file(cls, path: Path) -> LayoutText:
        """A layout from a person's YAML file; raises ``ConfigurationError``."""
        with require_file(path, (".yaml",), " of the layout"):
            text = read_text(path)
        return cls.from_document(parse_yaml(text, str(path)), str(path))

    def messages(
        self,
        market: str,
        examples: Sequence[Example],
        *,
        with_reason: bool,
        context: Sequence[Shown] = (),
        words: Mapping[str, str] = MappingProxyType({}),
    ) -> tuple[Message, ...]:
        """The conversation up to the question about this market, which is shown among its ``context``; ``words`` are
        what else stands in the system message by its placeholder."""
        shown = [(self._question(example.market), self._answer(example, with_reason)) for example in examples]
        names = market_view(examples[0].market if market == CONTENT_FREE and examples else market).names
        filled = {"features": " ".join(names), **words}
        system = Message("system", _PLACEHOLDER.sub(lambda found: filled.get(found[1], found[0]), self.system))
        asked = in_context(self._question(market), context)
        images = images_of(context)
        if self.shape == "page":
            return system, Message("user", "\n\n".join([*(f"{q}\n{a}" for q, a in shown), asked]), images)
        turns = [turn for q, a in shown for turn in (Message("user", q), Message("assistant", a))]
        return (system, *turns, Message("user", asked, images))

    def check_labels(self, regimes: Regimes) -> None:
        """Raise ``ConfigurationError`` where these labels, as they are written, cannot be told apart, or one of the
        words is for none of them."""
        for label in self.words:
            if label not in regimes.kinds:
                raise ConfigurationError(
                    f"advisor.layout: words.{label} is an unknown key{did_you_mean(label, regimes)}"
                )
        words = {label: self.words.get(label, label) for label in regimes}
        for label, word in words.items():
            for other in words:
                if other != label and words[other].startswith(word):
                    raise ConfigurationError(
                        f"advisor.layout: words.{label} {word!r} is the beginning of that of {other}: word one "
                        "differently."
                    )

    def ask_label(
        self, request: Request, market: str, regimes: Regimes = USUAL_REGIMES
    ) -> tuple[Request, tuple[str, ...]]:
        """The request with the answer begun up to the label, and the labels as they stand there."""
        words = tuple(self.words.get(label, label) for label in regimes.names)
        opening, labels = _before_space(_fill(self.answer.partition("{label}")[0], market=market), words)
        return replace(request, opening=opening), labels

    def ask_action(
        self, request: Request, market: str, label: str, regimes: Regimes = USUAL_REGIMES
    ) -> tuple[Request, tuple[str, ...]]:
        """The same up to the action, behind this label."""
        begun, labels = self.ask_label(request, market, regimes)
        before_action = self.answer.partition("{label}")[2].partition("{action}")[0]
        chosen = labels[regimes.names.index(label)] + _fill(before_action, market=market)
        behind, actions = _before_space(chosen, tuple(ActionType))
        return replace(begun, chosen=behind), actions

    def ask_rationale(self, request: Request, market: str, label: str, action: str) -> Request:
        """The request for a rationale behind this answer; the answer's text is the rationale."""
        before, _, after = self.reason.partition("{rationale}")
        written = self.words.get(label, label)
        opening = _fill(self.answer, market=market, label=written, action=action) + before
        slot = Slot("rationale", RATIONALE_TOKENS, stop=after[:1] or "\n")
        return replace(request, opening=opening, form=(slot,))

    def form(self, market: str) -> str:
        """How an answer is worded, with LABEL and ACTION in the places of both."""
        return _fill(self.answer, market=market, label="LABEL", action="ACTION")

    def _question(self, market: str) -> str:
        return _fill(self.question, market=market)

    def _answer(self, example: Example, with_reason: bool) -> str:
        text = self.answer + self.reason if with_reason else self.answer
        label = self.words.get(example.label, example.label)
        return _fill(text, market=example.market, label=label, action=example.action, rationale=example.rationale)

    def _problems(self) -> list[str]:
        """What is wrong with the placeholders and words."""
        allowed = {
            "system": ("features", "labels", "actions"),
            "question": _MARKET,
            "answer": (*_MARKET, *_ANSWER),
            "reason": ("rationale",),
            **{f"words.{label}": () for label in self.words},
        }
        texts = {key: getattr(self, key) for key in ("system", "question", "answer", "reason")}
        texts |= {f"words.{label}": word for label, word in self.words.items()}
        wrong: list[str] = []
        for key, text in texts.items():
            for name in _PLACEHOLDER.findall(text):
                if name not in allowed[key]:
                    known = did_you_mean(name, allowed[key]) if allowed[key] else "; it may hold none."
                    wrong.append(f"{key} has the unknown placeholder {{{name}}}{known}")
        if not set(_PLACEHOLDER.findall(self.question)) & set(_MARKET):
            wrong.append("question shows no market: put {market}, {values}, {facts} or {telling} into it.")
        for key, name in (("answer", "label"), ("answer", "action"), ("reason", "rationale")):
            if (times := texts[key].count(f"{{{name}}}")) != 1:
                wrong.append(f"{key} has the placeholder {{{name}}} {times} times: put it there once.")
        if self.answer.find("{label}") > self.answer.find("{action}"):
            wrong.append("answer has {action} before {label}: the action is asked behind the label, swap them.")
        return wrong


def in_context(market: str, context: Sequence[Shown]) -> str:
    """The text about a market where the mark ``features`` stands among what else is shown at its close, an empty line
    between each two. Without a context it stands alone; in a context without the mark it is left out."""
    if not context:
        return market
    texts = [market if block.source == FEATURES else block.text for block in context]
    return "\n\n".join(text for text in texts if text)


def images_of(context: Iterable[Shown]) -> tuple[Image, ...]:
    """The images of what is shown at a close, in its order; they stand behind the text of the question."""
    return tuple(shown.image for shown in context if shown.image is not None)


def _fill(text: str, *, market: str, **values: str) -> str:
    view = market_view(market)
    shown = {"market": market, "facts": view.rule_facts, "values": view.row(), "telling": view.rule_values}
    for name, value in (shown | values).items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _before_space(written: str, words: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    # Most vocabularies write a space as the beginning of the word behind it.
    begun = written.rstrip(" ")
    return begun, tuple(written[len(begun) :] + word for word in words)


def load_layout(layout: str | LayoutText) -> LayoutText:
    """A layout of ``prompts/`` by its name, or a person's own; raises ``ConfigurationError`` for an unknown name."""
    return layout if isinstance(layout, LayoutText) else _of_package(layout)


@cache
def _of_package(name: str) -> LayoutText:
    if name not in LAYOUT_NAMES:
        raise ConfigurationError(f"There is no layout {name!r}{did_you_mean(name, LAYOUT_NAMES)}")
    file = f"choose_{name}.yaml"
    return LayoutText.from_document(parse_yaml((_PROMPTS / file).read_text(encoding="utf-8"), file), file)
