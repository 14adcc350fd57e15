"""A backend that answers from a script: for tests, and for trying the machinery without a model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from llm_strategy.errors import BackendFailure, ConfigurationError
from llm_strategy.llm.backend import Backend, OnText
from llm_strategy.llm.backends import sections
from llm_strategy.llm.backends.sections import read_section
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.requests import Generation, Health, ModelIdentity, Request, Slot, fill
from llm_strategy.llm.settings import LlmSettings
from llm_strategy.support.read_regular import read_text

MOST_SCRIPT = 100_000_000
"""Bytes of a script."""
Answer: TypeAlias = str | Mapping[str, Any] | Exception
"""Text as written; an object (values of the form's slots, or without a form the JSON answer); or what to raise."""


class ScriptedBackend(Backend):
    """Answers in the given order, or as the given function says; ``requests`` keeps what was asked."""

    supports_images = True
    """A script answers whatever is shown."""

    def __init__(
        self,
        answers: Iterable[Answer] | Callable[[Request], Answer],
        *,
        supports_forms: bool = True,
        supports_choices: bool = False,
        name: str = "scripted",
    ) -> None:
        self.identity = ModelIdentity(
            "scripted", name, "scripted", "1", supports_forms=supports_forms, supports_choices=supports_choices
        )
        self.requests: list[Request] = []
        self._script: Callable[[Request], Answer] = answers if callable(answers) else _InOrder(iter(answers))

    def answer(self, request: Request, on_text: OnText | None = None) -> Generation:
        """The next answer of the script, word by word."""
        if request.form and not self.supports_forms:
            raise BackendFailure("The scripted client was made without form support: send the request without a form.")
        self.requests.append(request)
        answer = self._script(request)
        if isinstance(answer, Exception):
            raise answer
        values: dict[str, str] = {}
        if isinstance(answer, str):
            text = answer
        elif request.form:
            values = {part.name: _value(answer, part.name) for part in request.form if isinstance(part, Slot)}
            text = fill(request.form, values)
        else:
            text = json.dumps(answer)
        for word in text.split(" ") if on_text else ():
            if on_text is not None and not on_text(word + " "):
                break
        asked = sum(len(message.content.split()) for message in request.messages)
        return Generation(text, asked, len(text.split()), 0.0, values=values)

    def healthcheck(self) -> Health:
        """Always well, and uses up no answer."""
        return Health(True, "The script answers.", 0.0)


class ScriptedClient(LLMClient):
    """A client over a ``ScriptedBackend``, for tests."""

    def __init__(self, answers: Iterable[Answer] | Callable[[Request], Answer], **options: Any) -> None:
        script = ScriptedBackend(answers, **options)
        super().__init__(script)
        self.requests = script.requests


def connect(settings: LlmSettings) -> ScriptedBackend:
    """A backend that reads its answers from the file that ``LLM_SCRIPT`` names: one JSON text or object a line."""
    read_section(settings, "scripted", sections.Scripted)
    if settings.script is None:
        raise ConfigurationError(
            "LLM_BACKEND is scripted and LLM_SCRIPT is not set: name a file with one JSON answer a line."
        )
    try:
        answers = [json.loads(line) for line in read_text(settings.script, MOST_SCRIPT).splitlines() if line.strip()]
        if not all(isinstance(answer, str | dict) for answer in answers):
            raise ValueError("a line is neither a text nor an object")
    except (OSError, ValueError, RecursionError) as problem:
        raise ConfigurationError(
            f"LLM_SCRIPT names {settings.script}, which cannot be read ({problem}): give one JSON answer a line."
        ) from None
    return ScriptedBackend(answers, name=settings.script.name)


class _InOrder:
    """The next answer at each call; a class, because an optimisation over processes sends its advisor along."""

    def __init__(self, answers: Iterator[Answer]) -> None:
        self._answers = answers
        self._given = 0

    def __call__(self, request: Request) -> Answer:
        for answer in self._answers:
            self._given += 1
            return answer
        raise BackendFailure(f"The script ran out after {self._given} answers: add answers, or ask less.")


def _value(answer: Mapping[str, Any], name: str) -> str:
    if name not in answer:
        raise BackendFailure(
            f"The script's answer has no value for slot {name!r}: it has {', '.join(answer) or 'none'}."
        )
    return str(answer[name])
