"""Getting to know servers by short questions: how each can be spoken to, and whether all can be spoken to alike."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeAlias, get_args

from llm_strategy.errors import BackendFailure, BackendRefused, ConfigurationError, ModelError
from llm_strategy.llm.backends.openai.capabilities import (
    THINKING_TOKENS,
    TRIAL,
    AnswerFormat,
    Capabilities,
    keeps_format,
)
from llm_strategy.llm.backends.openai.replies import CutOff, NotServed, Reply
from llm_strategy.llm.requests import Request
from llm_strategy.llm.settings import SETTINGS_FILE

Ask: TypeAlias = Callable[[Request, Capabilities], Awaitable[Reply]]
"""Asks one server."""


_SYSTEM = re.compile(
    r"\b(?:system|developer)['\"`]? (?:role|message|prompt|instruction)"
    r"|\brole:? ?(?:of |is )?['\"`]?system\b|['\"`]system['\"`]"
)
_NOT_TAKEN = re.compile(
    r"not (?:be )?(?:support|allow|permit|accept|enabled|available|valid)|n't (?:support|allow|accept)|unsupported"
    r"|disabled|invalid|unexpected|unknown|\bonly\b|(?:must|should) be|expected"
)


async def find_out(ask: Ask, pinned: Capabilities) -> Capabilities:
    """The strictest dialect that a server takes and keeps, what is ``pinned`` taken as given."""
    formats = get_args(AnswerFormat) if pinned.answer_format is None else (pinned.answer_format,)
    spoken = pinned
    for answer_format in formats:
        spoken = replace(spoken, answer_format=answer_format)
        try:
            reply, spoken = await _heard(ask, spoken)
        except (NotServed, CutOff):
            raise
        except BackendRefused:
            if answer_format == formats[-1]:
                raise
            continue
        if len(formats) == 1 or keeps_format(answer_format, reply.text):
            break
    model = reply.model if pinned.reported_model is None else pinned.reported_model
    return replace(
        spoken,
        reported_model=model,
        omit_temperature=bool(spoken.omit_temperature),
        merge_system=bool(spoken.merge_system),
    )


async def _heard(ask: Ask, dialect: Capabilities) -> tuple[Reply, Capabilities]:
    """The answer to a trial, and the dialect in which it was got: what a server says that it does not take is left
    out."""
    try:
        return await _tried(ask, dialect), dialect
    except BackendFailure as problem:  # a template that breaks on a message is an error of the server to some
        said = str(problem)
        if dialect.merge_system is None and _takes_no_system(said):
            dialect = replace(dialect, merge_system=True)
        elif dialect.omit_temperature is None and _takes_no_temperature(said) and isinstance(problem, BackendRefused):
            dialect = replace(dialect, omit_temperature=True)
        else:
            raise
    return await _heard(ask, dialect)


async def _tried(ask: Ask, dialect: Capabilities) -> Reply:
    """The answer to a trial, which a model that thinks has the room to end."""
    try:
        reply = await ask(TRIAL, dialect)
    except CutOff:
        pass
    else:
        if not reply.cut_short_by_thinking:
            return reply
    return await ask(replace(TRIAL, max_tokens=THINKING_TOKENS), dialect)


def _takes_no_system(said: str) -> bool:
    """Whether a refusal is about the system message: the model's template has no place for one."""
    words = said.lower()
    if "must alternate" in words:
        return True
    others_alone = "user" in words and "assistant" in words and "tool" not in words
    about = _SYSTEM.search(words) or (others_alone and ("role" in words or "input should be" in words))
    return bool(about and _NOT_TAKEN.search(words))


def _takes_no_temperature(said: str) -> bool:
    """Whether a refusal is about the temperature itself, and not about a value out of its range."""
    words = said.lower()
    return "temperature" in words and any(sign in words for sign in ("support", "only the default", "deprecated"))


async def refuse_unlike(ask: Ask, dialect: Capabilities, name: str) -> None:
    """Raise ``NotServed`` where the server of this name cannot be spoken to in the dialect of a run."""
    try:
        reply = await _tried(ask, dialect)
    except (NotServed, CutOff):
        raise
    except BackendRefused as problem:
        raise NotServed(f"{str(problem).rstrip('.')}; the other servers take this question.") from None
    if not keeps_format(dialect.answer_format, reply.text):
        raise NotServed(
            f"The {name} does not keep to {dialect.answer_format} as the others do: set openai.answer_format in "
            f"{SETTINGS_FILE} to what all keep to, or leave it out of LLM_BASE_URL."
        )


def common(found: Sequence[tuple[str, Capabilities]]) -> Capabilities:
    """The dialect that all these servers, given by name, have in common.

    Raises ``ConfigurationError`` where two differ: which of them answers is chance, and must not change an answer.
    """
    first, dialect = found[0]
    for name, other in found[1:]:
        if other.answer_format != dialect.answer_format:
            lesser = max(dialect.answer_format, other.answer_format, key=get_args(AnswerFormat).index)
            raise ConfigurationError(
                f"The {first} keeps to {dialect.answer_format} and the {name} to {other.answer_format}, so that an "
                f"answer would depend on which is asked: set openai.answer_format in {SETTINGS_FILE} to {lesser}, "
                "which both understand, or leave one out of LLM_BASE_URL."
            )
        if other.omit_temperature != dialect.omit_temperature:
            with_it, without = (name, first) if dialect.omit_temperature else (first, name)
            raise ConfigurationError(
                f"The {with_it} takes a temperature and the {without} takes none, so that an answer would depend on "
                "which is asked: leave one out of LLM_BASE_URL, or set openai.omit_temperature to true."
            )
        if other.merge_system != dialect.merge_system:
            with_it, without = (name, first) if dialect.merge_system else (first, name)
            raise ConfigurationError(
                f"The {with_it} takes a system message and the {without} takes none, so that an answer would depend on "
                "which is asked: leave one out of LLM_BASE_URL, or set openai.merge_system to true."
            )
        if dialect.reported_model and other.reported_model and other.reported_model != dialect.reported_model:
            raise ConfigurationError(
                f"The {first} answers as {dialect.reported_model!r} and the {name} as {other.reported_model!r}, and "
                "answers of two models are not mixed: leave one out of LLM_BASE_URL, or let both serve one model."
            )
        if not dialect.reported_model:
            dialect = other
    return dialect


def with_cure_for_a_fallback(problem: ModelError, dialect: Capabilities, fallbacks: Sequence[str]) -> ModelError:
    """The failure of a server that is not known, with what must be known of it for another backend to begin a run."""
    if not fallbacks:
        return problem
    needed = ("answer_format", "reported_model")
    unset = [f"openai.{name}" for name in needed if getattr(dialect, name) is None]
    told = (
        f"{str(problem).rstrip('.')}; for {fallbacks[0]} to begin in its place, set {' and '.join(unset)} in "
        f"{SETTINGS_FILE}, which an answer would have told."
    )
    return problem.reworded(told)
