"""What a server that speaks like OpenAI sends back: whole answers, streams and refusals, read with suspicion."""

from __future__ import annotations

import datetime
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import openai

from llm_strategy.errors import BackendFailure, BackendRefused, ModelError, PromptTooLong
from llm_strategy.llm.backends import openai_cures as cures
from llm_strategy.llm.backends.server_words import brief, refuse_beyond, retry_after

PASSING_STATUS = frozenset({408, 409, 425, 429})
"""Statuses below 500 that another attempt may not meet."""

NOT_SERVED = frozenset({401, 402, 403, 404})
"""Statuses that are about the server, its key and its models, and not about the question."""

OnText = Callable[[str], bool]


class NotServed(BackendRefused):
    """This server answers nobody with this key or model; another one may."""


class CutOff(BackendRefused):
    """The bound of the answer was used up before the model wrote a word of it."""


@dataclass(slots=True)
class Reply:
    """An answer as the server gave it, or what has come of it so far. ``model`` and ``fingerprint`` are empty where it
    names none; ``refusal`` are the words of a model that will not answer. ``tokens_thought`` are those of
    ``tokens_out`` that nobody sees."""

    text: str = ""
    finish: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_thought: int = 0
    model: str = ""
    fingerprint: str = ""
    refusal: str = ""

    @property
    def cut_short_by_thinking(self) -> bool:
        """Whether the answer has no end, and thoughts took up a part of its bound."""
        return self.finish == "length" and self.tokens_thought > 0

    def take(self, document: Mapping[str, Any], part: str) -> str:
        """Add an answer (``part`` is ``message``) or a piece of one (``delta``); returns the text that it brought."""
        if isinstance(error := document.get("error"), dict | str):
            said = error.get("message", "") if isinstance(error, dict) else error
            raise BackendFailure(f"reported an error ({brief(str(said))}): {cures.UNSTEADY}")
        self.model = self.model or base_name(_text(document, "model"))
        self.fingerprint = self.fingerprint or brief(_text(document, "system_fingerprint"))
        if isinstance(usage := document.get("usage"), dict):
            self.tokens_in = _count(usage, "prompt_tokens")
            self.tokens_out = _count(usage, "completion_tokens")
            details = usage.get("completion_tokens_details")
            self.tokens_thought = _count(details, "reasoning_tokens") if isinstance(details, dict) else 0
        choices = document.get("choices")
        if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
            raise BackendFailure(f"sent JSON that is no chat completion: {cures.NO_COMPLETION}")
        if not choices:
            return ""
        written = choices[0].get(part) or {}
        if not isinstance(written, dict):
            raise BackendFailure(f"sent JSON that is no chat completion: {cures.NO_COMPLETION}")
        self.finish = _text(choices[0], "finish_reason") or self.finish
        self.refusal += _text(written, "refusal")
        text = _text(written, "content")
        self.text += text
        return text

    def check(self) -> None:
        """Raise ``BackendFailure`` where this is no answer to work with."""
        if self.finish == "content_filter":
            raise BackendFailure(f"withheld the answer (content filter): {cures.WITHHELD}")
        if not self.text and self.refusal:
            raise BackendFailure(f"was refused by the model ({brief(self.refusal)}): {cures.WITHHELD}")
        if not self.text and self.finish == "length":
            raise CutOff("was cut off while thinking: raise LLM_MAX_TOKENS, or lower openai.reasoning_effort")
        if not self.text:
            raise BackendFailure(f"answered with nothing: {cures.NO_ANSWER}")


async def read_whole(pieces: AsyncIterator[bytes], longest: int) -> Reply:
    """The answer in a body of at most ``longest`` bytes."""
    body = bytearray()
    async for piece in pieces:
        body += piece
        refuse_beyond(longest, len(body), cures.TOO_MUCH)
    reply = Reply()
    reply.take(read_object(bytes(body)), "message")
    reply.check()
    return reply


async def read_stream(
    pieces: AsyncIterator[bytes], longest: int, check: Callable[[Reply], None], on_text: OnText
) -> Reply:
    """The answer in a stream of server-sent events; ``check`` sees it before ``on_text`` gets each piece and may raise;
    ``on_text`` may end it by returning False."""
    reply, rest, read = Reply(), b"", 0
    async for piece in pieces:
        read += len(piece)
        refuse_beyond(longest, read, cures.TOO_MUCH)
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            field, _, data = line.partition(b":")
            data = data.strip()
            if field.strip() != b"data" or not data or data == b"[DONE]":
                continue
            text = reply.take(read_object(data), "delta")
            check(reply)
            if text and not on_text(text):
                return reply
    if not reply.finish:
        if not read:
            raise BackendFailure(f"answered with nothing: {cures.NO_ANSWER}")
        raise BackendFailure(f"broke off in the middle of a stream: {cures.UNSTEADY}")
    reply.check()
    return reply


def read_object(body: bytes) -> dict[str, Any]:
    """One JSON object in UTF-8, a byte order mark before it forgiven; ``BackendFailure`` says what else it is."""
    if not body.strip():
        raise BackendFailure(f"answered with nothing: {cures.NO_ANSWER}")
    try:
        document = json.loads(body.decode("utf-8-sig"), object_pairs_hook=_unique, parse_constant=_refuse)
    except UnicodeDecodeError:
        raise BackendFailure(f"sent bytes that are no UTF-8 text: {cures.NO_COMPLETION}") from None
    except RecursionError:
        raise BackendFailure(f"sent JSON that is nested without end: {cures.NO_COMPLETION}") from None
    except ValueError as problem:
        if body.lstrip()[:1] == b"<":
            raise BackendFailure(f"sent an HTML page in place of an answer: {cures.WRONG_ADDRESS}") from None
        raise BackendFailure(f"sent something that is no JSON ({problem}): {cures.NO_COMPLETION}") from None
    if not isinstance(document, dict):
        raise BackendFailure(f"sent JSON that is no object: {cures.NO_COMPLETION}")
    return document


def refusal(problem: openai.APIStatusError, now: datetime.datetime) -> ModelError:
    """The error behind an HTTP status that is no success; a date in ``Retry-After`` is compared with ``now``."""
    status = problem.status_code
    words = problem.message.removeprefix(f"Error code: {status}").removeprefix(" - ")
    said = brief(words).removesuffix(".")
    message = f"answered with HTTP status {status}{f' ({said})' if said else ''}"
    if status in PASSING_STATUS or status >= 500:
        wait = retry_after(problem.response.headers, now)
        return BackendFailure(f"{message}: {cures.cure(status, said)}", retry_after_s=wait)
    if status in (400, 413, 422) and _is_about_length(problem):
        return PromptTooLong(f"{message}: {cures.TOO_LONG}")
    kind = NotServed if status in NOT_SERVED else BackendRefused
    return kind(f"{message}: {cures.cure(status, said)}")


def takes_no_temperature(said: str) -> bool:
    """Whether a refusal is about the temperature itself, and not about a value out of its range."""
    words = said.lower()
    return "temperature" in words and any(sign in words for sign in ("support", "only the default", "deprecated"))


def base_name(model: str) -> str:
    """The model's name as a server reports it; of a file's path only the file, for the path is the machine's own."""
    is_path = model.startswith(("/", "\\", "~", ".")) or model[1:3] == ":\\"
    return brief(model.replace("\\", "/").rsplit("/", 1)[-1] if is_path else model)


def _is_about_length(problem: openai.APIStatusError) -> bool:
    told = f"{problem.code} {problem.type} {problem.message}".lower()
    return "context_length" in told or "context_size" in told or "context length" in told or "context size" in told


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BackendFailure(f"sent a {name} that is no text: {cures.NO_COMPLETION}")
    return value


def _count(usage: Mapping[str, Any], name: str) -> int:
    value = usage.get(name)
    return value if isinstance(value, int) and value >= 0 else 0


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        raise ValueError("a key appears twice")
    return document


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
