"""The wording of a prompt of scored choices as data: of the package, or of a person's own file, checked. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from llm_strategy.errors import ConfigurationError, did_you_mean, nearest
from llm_strategy.support.read_regular import read_text
from llm_strategy.support.schemas import require
from llm_strategy.support.strict_yaml import parse_yaml
from llm_strategy.types import RegimeLabel

_MARKET = ("market", "values", "facts", "telling")
_ANSWER = ("label", "action")
_PLACEHOLDER = re.compile(r"\{([A-Za-z_]+)\}")


@dataclass(frozen=True, slots=True)
class LayoutText:
    """How question, examples and answer are worded.

    Filled in are ``{features}`` (their names) in the system message, ``{market}`` (its line), ``{values}`` (the row of
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
        try:
            text = read_text(path)
        except FileNotFoundError:
            others = sorted(file.name for file in path.parent.glob("*.yaml"))
            meant = nearest(path.name, others) or ": correct the path of the layout."
            raise ConfigurationError(f"There is no file {path}{meant}") from None
        except OSError as problem:
            raise ConfigurationError(f"{path} cannot be read: {problem}.") from None
        return cls.from_document(parse_yaml(text, str(path)), str(path))

    def _problems(self) -> list[str]:
        """What is wrong with the placeholders and words."""
        allowed = {
            "system": ("features",),
            "question": _MARKET,
            "answer": (*_MARKET, *_ANSWER),
            "reason": ("rationale",),
            **{f"words.{label}": () for label in self.words},
        }
        texts = {key: getattr(self, key) for key in ("system", "question", "answer", "reason")}
        texts |= {f"words.{label}": word for label, word in self.words.items()}
        found = []
        for key, text in texts.items():
            for name in _PLACEHOLDER.findall(text):
                if name not in allowed[key]:
                    known = did_you_mean(name, allowed[key]) if allowed[key] else "; it may hold none."
                    found.append(f"{key} has the unknown placeholder {{{name}}}{known}")
        if not set(_PLACEHOLDER.findall(self.question)) & set(_MARKET):
            found.append("question shows no market: put {market}, {values}, {facts} or {telling} into it.")
        for key, name in (("answer", "label"), ("answer", "action"), ("reason", "rationale")):
            if (times := texts[key].count(f"{{{name}}}")) != 1:
                found.append(f"{key} has the placeholder {{{name}}} {times} times: put it there once.")
        if self.answer.find("{label}") > self.answer.find("{action}"):
            found.append("answer has {action} before {label}: the action is asked behind the label, swap them.")
        words = {label: self.words.get(label, label) for label in RegimeLabel}
        for label, word in words.items():
            for other in words:
                if other != label and words[other].startswith(word):
                    found.append(f"words.{label} {word!r} is the beginning of that of {other}: word one differently.")
        return found
