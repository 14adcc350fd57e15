"""A prompt of a person's own: what it may hold, and the messages that it makes of a question, in every mode."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from llm_strategy.advice.examples import Example
from llm_strategy.advice.layout import LayoutText, images_of
from llm_strategy.advice.plain_prompt import meaning_of_actions, plain_system
from llm_strategy.advice.planning.options import PLAN
from llm_strategy.errors import ConfigurationError, did_you_mean
from llm_strategy.llm.requests import Message
from llm_strategy.market.context.features import FEATURES
from llm_strategy.market.context.registry import SOURCES
from llm_strategy.market.regimes import USUAL_REGIMES, Regimes
from llm_strategy.shown import Shown
from llm_strategy.support.prompt_template import (
    Entries,
    Entry,
    Known,
    Paragraphs,
    fill_template,
    placeholders,
    split_blocks,
)
from llm_strategy.support.read_regular import read_text, require_file
from llm_strategy.support.schemas import require
from llm_strategy.support.strict_yaml import parse_yaml

PROMPT_FILES = (".j2", ".yaml")
"""Endings of the files that a prompt may be."""
ANSWER = "Regime: {label}\nAction: {action}"
"""How a scored answer is worded where the prompt does not say it."""
EXAMPLE = "Market: {{ market }}\nRegime: {{ label }}\nAction: {{ action }}"
"""How an example is written where the prompt does not say it."""

CHECKLIST = "checklist"
"""The placeholder of the items of a checklist."""

_REASON = "\nReason: {rationale}"
_LISTS = {
    "examples": ("market", "label", "action"),
    "labels": ("name", "meaning"),
    "actions": ("name", "meaning"),
}
_OF_EXAMPLE = Known(("market", "label", "action", "facts"))
_USUAL_SOURCES = tuple(name for name in SOURCES if name != FEATURES)


@dataclass(frozen=True)
class PromptText:
    """The texts of a prompt: ``user`` is the message that asks, ``system`` stands before it (without one, what labels
    and actions mean), ``example`` is how one example is written, and ``answer`` how a scored answer is worded up to
    ``{label}`` and ``{action}``.

    Placeholders of ``system`` and ``user``, in Jinja: ``{{ features }}`` is the market's line, ``{{ examples }}`` the
    examples, ``{{ form }}`` how the answer is to be written, ``{{ labels }}`` and ``{{ actions }}`` what they mean,
    ``{{ checklist }}`` the items of a checklist that the model is asked about, each further source of context stands
    under its name, and the results of a plan as ``{{ plan }}``. Those of ``example`` are ``{{ market }}``,
    ``{{ label }}``, ``{{ action }}`` and ``{{ facts }}`` (what the causal rule goes by). Raises ``ConfigurationError``
    for a text that holds anything else than placeholders, ``if`` and ``for``.
    """

    user: str
    system: str | None = None
    answer: str | None = None
    example: str | None = None

    def __post_init__(self) -> None:
        for key, text in (("user", self.user), ("system", self.system)):
            if text is not None:
                _checked(key, text)
        if self.example is not None:
            shown = _checked("example", self.example, _OF_EXAMPLE)
            for name in {"market", "label"} - shown:
                raise ConfigurationError(f"prompt.example never shows {{{{ {name} }}}}: put it in.")
            if "examples" not in self.shown:
                raise ConfigurationError(
                    "prompt.example is set, and the prompt never shows {{ examples }}: put it in, or leave example out."
                )
        if self.answer is not None:
            _ = self.layout  # which says what is wrong with the answer

    @classmethod
    def from_document(cls, document: Any, where: str) -> PromptText:
        """A prompt from plain data; ``ConfigurationError`` begins with ``where`` and names what is wrong."""
        if not isinstance(document, dict):
            raise ConfigurationError(f"{where} is no mapping: write the keys user, and system, answer and example.")
        require("prompt", document, where)
        try:
            return cls(**document)
        except ConfigurationError as problem:
            told = str(problem).removeprefix("prompt").removeprefix(".").removeprefix(": ")
            raise ConfigurationError(f"{where}: {told}") from None

    @classmethod
    def from_template(cls, text: str, where: str) -> PromptText:
        """A prompt from one template: all of it asks, or its blocks ``system`` and ``user``."""
        try:
            blocks = split_blocks(text)
        except ConfigurationError as problem:
            raise ConfigurationError(f"{where}: {problem}") from None
        for name in blocks:
            if name not in ("system", "user"):
                raise ConfigurationError(f"{where} has a block {name!r:.60}{did_you_mean(name, ('system', 'user'))}")
        if blocks and len(blocks) < 2:
            raise ConfigurationError(
                f"{where} has the block {next(iter(blocks))} alone: give system and user, or none."
            )
        return cls.from_document(blocks or {"user": text}, where)

    @classmethod
    def from_file(cls, path: Path) -> PromptText:
        """A prompt from a person's file, a template (``.j2``) or YAML; raises ``ConfigurationError``."""
        with require_file(path, PROMPT_FILES, " of the prompt"):
            text = read_text(path)
        if path.suffix == ".j2":
            return cls.from_template(text, str(path))
        return cls.from_document(parse_yaml(text, str(path)), str(path))

    def as_document(self) -> dict[str, str]:
        """The plain data that ``from_document`` reads."""
        texts = {"system": self.system, "user": self.user, "answer": self.answer, "example": self.example}
        return {key: text for key, text in texts.items() if text is not None}

    @cached_property
    def shown(self) -> frozenset[str]:
        """The placeholders that system and user message show."""
        return placeholders(self.user) | placeholders(self.system or "")

    @cached_property
    def layout(self) -> LayoutText:
        """The layout that words the answer of scored choices."""
        document = {"system": "", "shape": "turns", "question": "{market}", "answer": self.answer or ANSWER}
        return LayoutText.from_document(document | {"reason": _REASON}, "prompt")

    def problems(self, context: Sequence[str], *, asks_items: bool = False) -> Iterator[str]:
        """What is wrong with the placeholders where these sources of context are chosen, a sentence each;
        ``asks_items`` where a checklist has items that the model is asked about."""
        shows_items = CHECKLIST in self.shown and CHECKLIST not in context  # a source of one's own may be called so
        known = Known((*context, "form", *[CHECKLIST] * (asks_items or shows_items)), _LISTS)
        if asks_items and not shows_items:
            yield (
                "advisor.prompt never shows {{ checklist }}, and risk.checklist has items that are asked of the model: "
                "put it into the prompt, or leave those items out."
            )
        if shows_items and not asks_items:
            yield (
                "advisor.prompt shows {{ checklist }}, and risk.checklist has no item that is asked of the model: "
                "leave it out of the prompt, or write an item with ask."
            )
        for name in _USUAL_SOURCES:
            if name in self.shown and name not in context:
                yield (
                    f"advisor.prompt shows {{{{ {name} }}}}, and advisor.context does not choose it: add {name} to "
                    "context, or leave it out of the prompt."
                )
        if FEATURES in self.shown and FEATURES not in context:
            yield (
                "advisor.prompt shows {{ features }}, and advisor.context leaves them out: add features to context, or "
                "leave them out of the prompt."
            )
        for key, text in (("system", self.system or ""), ("user", self.user)):
            try:
                placeholders(text, known)
            except ConfigurationError as problem:
                yield f"advisor.prompt: {key}, {problem}"
        for name in context:
            if name == PLAN and PLAN not in self.shown:
                yield (
                    "advisor.prompt never shows {{ plan }}, the results of advisor.plan: put it into the prompt, or "
                    "leave plan out."
                )
            elif name not in self.shown:
                yield (
                    f"advisor.prompt never shows {{{{ {name} }}}}, which advisor.context chooses: put it into the "
                    "prompt, or leave it out of context."
                )

    def messages(
        self,
        market: str,
        examples: Iterable[Example],
        *,
        form: str,
        regimes: Regimes = USUAL_REGIMES,
        sources: Sequence[str] = (FEATURES,),
        context: Iterable[Shown] = (),
        checklist: str = "",
    ) -> tuple[Message, ...]:
        """The conversation that asks about a market, with its line, the examples, how the answer is written, the items
        of a ``checklist``, and the texts of the chosen ``sources`` (empty for one that shows nothing this time)."""
        values: dict[str, str | Entries] = dict.fromkeys(sources, "")
        blocks = tuple(context)
        values |= {block.source: block.text for block in blocks if block.source in values}
        if PLAN in values:
            values[PLAN] = "\n".join(block.text for block in blocks if block.source not in values)
        values |= {FEATURES: market, "form": form, "examples": self._examples(examples)}
        values |= {CHECKLIST: checklist} if checklist else {}
        values |= {
            "labels": _entries({name: kind.meaning for name, kind in regimes.kinds.items()}),
            "actions": _entries(meaning_of_actions()),
        }
        system = plain_system(regimes) if self.system is None else _filled("system", self.system, values)
        return Message("system", system), Message("user", _filled("user", self.user, values), images_of(blocks))

    def _examples(self, examples: Iterable[Example]) -> Paragraphs:
        return Paragraphs(_written(self.example or EXAMPLE, example) for example in examples)


@lru_cache(maxsize=2048)
def _written(text: str, example: Example) -> Entry:
    """An example as the prompt writes it; kept, because examples come again and again."""
    parts = {"market": example.market, "label": str(example.label), "action": str(example.action)}
    facts = example.rationale.removesuffix(".")
    return Entry(_filled("example", text, parts | {"facts": facts}), parts)


def _entries(meanings: Mapping[Any, str]) -> Entries:
    return Entries(
        Entry(f"- {name}: {meaning}", {"name": str(name), "meaning": meaning}) for name, meaning in meanings.items()
    )


def _checked(key: str, text: str, known: Known | None = None) -> frozenset[str]:
    try:
        return placeholders(text, known)
    except ConfigurationError as problem:
        raise ConfigurationError(f"prompt.{key}, {problem}") from None


def _filled(key: str, text: str, values: Mapping[str, str | Entries]) -> str:
    try:
        return fill_template(text, values)
    except ConfigurationError as problem:
        raise ConfigurationError(f"advisor.prompt: {key}: {problem}") from None
