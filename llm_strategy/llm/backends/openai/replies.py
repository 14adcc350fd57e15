"""What a server that speaks like OpenAI sends back: whole answers, streams and refusals, read with suspicion."""

from __future__ import annotations

import datetime
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
import openai

from llm_strategy.errors import BackendFailure, BackendRefused, ModelError, ModelLoading, PromptTooLong
from llm_strategy.llm.backends.http import (
    MOST_READ,
    brief,
    count_of,
    is_loading,
    refuse_beyond,
    retry_after,
    words_of,
)
from llm_strategy.llm.backends.openai import hints as cures
from llm_strategy.llm.backends.openai.transport import DONE, EventStream, looks_like_events
from llm_strategy.llm.requests import Generation, Request
from llm_strategy.llm.structured.schema_form import form_values
from llm_strategy.support.secrets import redact
from llm_strategy.types import Event, EventKind

PASSING_STATUS = frozenset({408, 409, 425, 429})
"""Statuses below 500 that another attempt may not meet."""

NOT_SERVED = frozenset({401, 402, 403, 404})
"""Statuses that are about the server, its key and its models, and not about the question."""

LOADING_STATUS = 503
ANSWER_REFUSED = frozenset({"json_validate_failed", "tool_use_failed"})
"""Codes of a 400 that is about the answer and not about the question."""
_LENGTH_SIGNS = (
    "context_length", "context_size", "context length", "context size", "context window", "max_new_tokens` must be",
    "prompt is too long", "input is too long",
)  # fmt: skip

OnText = Callable[[str], bool]


class NotServed(BackendRefused):
    """This server answers nobody with this key or model; another one may."""


class CutOff(BackendRefused):
    """The bound of the answer was used up before the model wrote a word of it."""


@dataclass(slots=True)
class Reply:
    """An answer as the server gave it, or what has come of it so far. ``model`` and ``fingerprint`` are empty where it
    names none; ``refusal`` are the words of a model that will not answer. ``tokens_thought`` are those of
    ``tokens_out`` that nobody sees, ``thought`` says whether thoughts came beside the answer, and ``tool`` which tool
    was called in its place. ``logprobs`` are as the server sent them. A stream is ``done`` where the server says so."""

    text: str = ""
    finish: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_thought: int = 0
    model: str = ""
    fingerprint: str = ""
    refusal: str = ""
    thought: bool = False
    tool: str = ""
    logprobs: Any = None
    done: bool = False

    @property
    def events(self) -> tuple[Event, ...]:
        """What is kept beside the answer: the build that the server named with it."""
        return (Event(EventKind.FINGERPRINT, self.fingerprint),) if self.fingerprint else ()

    def generation(self, request: Request, latency_ms: float = 0.0) -> Generation:
        """The answer to a request, as the record keeps it."""
        return Generation(
            text=self.text,
            tokens_in=self.tokens_in,
            tokens_out=self.tokens_out,
            latency_ms=latency_ms,
            finish="length" if self.finish == "length" else "stop",
            values=form_values(request.form, self.text) if request.form else {},
            events=self.events,
        )

    @property
    def cut_short_by_thinking(self) -> bool:
        """Whether the answer has no end, and thoughts took up a part of its bound."""
        return self.finish == "length" and self.tokens_thought > 0

    def take(self, document: Mapping[str, Any], part: str) -> str:
        """Add an answer (``part`` is ``message``) or a piece of one (``delta``); returns the text that it brought."""
        if (error := _reported(document)) is not None:
            said = brief(words_of(error))
            if is_loading(said):
                raise ModelLoading(f"is loading its model ({said}): {cures.LOADING}")
            raise BackendFailure(f"reported an error{f' ({said})' if said else ''}: {cures.UNSTEADY}")
        self.model = self.model or base_name(_text(document, "model"))
        self.fingerprint = self.fingerprint or brief(_text(document, "system_fingerprint"))
        if isinstance(usage := document.get("usage"), dict):
            self.tokens_in = count_of(usage, "prompt_tokens")
            self.tokens_out = count_of(usage, "completion_tokens")
            details = usage.get("completion_tokens_details")
            self.tokens_thought = count_of(details, "reasoning_tokens") if isinstance(details, dict) else 0
        choices = document.get("choices")
        if choices is None and part == "delta":
            return ""  # usage alone, or a sign of life
        if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
            raise BackendFailure(f"sent JSON that is no chat completion: {cures.NO_COMPLETION}")
        if not choices:
            return ""
        written = choices[0].get(part) or {}
        if not isinstance(written, dict):
            raise BackendFailure(f"sent JSON that is no chat completion: {cures.NO_COMPLETION}")
        self.finish = _text(choices[0], "finish_reason") or self.finish
        self.logprobs = self.logprobs or choices[0].get("logprobs")
        self.refusal += _text(written, "refusal")
        self.thought = self.thought or any(written.get(name) for name in ("reasoning_content", "reasoning", "thinking"))
        self.tool = self.tool or _tool(written)
        text = self._content(written.get("content"))
        self.text += text
        return text

    def _content(self, content: Any) -> str:
        """Text of an answer, which some servers send in parts: those that are text, thoughts left out."""
        if content is None or isinstance(content, str):
            return content or ""
        parts = [part for part in content if part is not None] if isinstance(content, list) else [content]
        if not all(isinstance(part, str | dict) for part in parts):
            raise BackendFailure(f"sent a content that is no text: {cures.NO_COMPLETION}")
        written = ""
        for part in parts:
            kind = "text" if isinstance(part, str) else _text(part, "type")
            if "think" in kind or "reason" in kind:
                self.thought = True
            elif kind == "refusal":
                self.refusal += _text(part, "refusal")
            else:
                written += part if isinstance(part, str) else _text(part, "text")
        return written

    def check(self) -> None:
        """Raise ``BackendFailure`` where this is no answer to work with."""
        if self.finish == "content_filter":
            raise BackendFailure(f"withheld the answer (content filter): {cures.WITHHELD}")
        if not self.text and self.refusal:
            raise BackendFailure(f"was refused by the model ({brief(self.refusal)}): {cures.WITHHELD}")
        if not self.text and self.finish == "length":
            raise CutOff("was cut off while thinking: raise LLM_MAX_TOKENS, or lower openai.reasoning_effort")
        if not self.text and self.tool:
            raise BackendFailure(f"called the tool {self.tool!r} and wrote no answer: {cures.TOOL_CALLED}")
        if not self.text and self.thought:
            raise BackendFailure(f"thought and did not answer: {cures.THOUGHT_ALONE}")
        if not self.text:
            raise BackendFailure(f"answered with nothing: {cures.NO_ANSWER}")


async def read_whole(pieces: AsyncIterator[bytes], longest: int) -> Reply:
    """The answer in a body of at most ``longest`` bytes; of one that holds a stream, what it comes to."""
    body = bytearray()
    async for piece in pieces:
        body += piece
        refuse_beyond(longest, len(body), cures.TOO_MUCH)
    reply = Reply()
    whole = bytes(body)
    if looks_like_events(whole):
        events = EventStream()
        for data in (*events.feed(whole), *events.end()):
            _take_event(reply, data)
        _refuse_broken_off(reply)
    else:
        reply.take(read_object(whole), "message")
    reply.check()
    return reply


async def read_stream(
    pieces: AsyncIterator[bytes], longest: int, check: Callable[[Reply], None], on_text: OnText
) -> Reply:
    """The answer in a stream of server-sent events, or in the whole body that a server sends in its place; ``check``
    sees it before ``on_text`` gets each piece and may raise; ``on_text`` may end it by returning False."""
    reply, events, read = Reply(), EventStream(), 0
    whole, begun = bytearray(), False

    def wants_more(text: str) -> bool:
        check(reply)
        return not text or on_text(text)

    async for piece in pieces:
        read += len(piece)
        refuse_beyond(longest, read, cures.TOO_MUCH)
        if whole or (not begun and _begins_document(piece)):
            whole += piece
            continue
        begun = begun or bool(piece.strip())
        for data in events.feed(piece):
            if not wants_more(_take_event(reply, data)):
                return reply
        if reply.done:  # whether or not the server ends the body too
            break
    if whole:
        wants_more(reply.take(read_object(bytes(whole)), "message"))
    else:
        for data in events.end():
            if not wants_more(_take_event(reply, data)):
                return reply
        if not read:
            raise BackendFailure(f"answered with nothing: {cures.NO_ANSWER}")
        _refuse_broken_off(reply)
    reply.check()
    return reply


def _take_event(reply: Reply, data: bytes) -> str:
    """Add an event of a stream; returns the text that it brought."""
    if data == DONE:
        reply.done = True
        return ""
    return reply.take(read_object(data), "delta")


def _refuse_broken_off(reply: Reply) -> None:
    if not (reply.finish or reply.done):
        raise BackendFailure(f"broke off in the middle of a stream: {cures.UNSTEADY}")


def _begins_document(piece: bytes) -> bool:
    """Whether a body that begins so is one document, and no stream."""
    return piece.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[", b"<")


def read_object(body: bytes) -> dict[str, Any]:
    """One JSON object in UTF-8, a byte order mark before it forgiven; ``BackendFailure`` says what else it is. What
    some write for numbers that are none (``-Infinity`` as the logarithm of a probability) is null."""
    if not body.strip():
        raise BackendFailure(f"answered with nothing: {cures.NO_ANSWER}")
    try:
        document = json.loads(body.decode("utf-8-sig"), object_pairs_hook=_unique, parse_constant=lambda _: None)
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
    said = brief(words_of(problem.body)).removesuffix(".")
    message = f"answered with HTTP status {status}{f' ({said})' if said else ''}"
    if target := problem.response.headers.get("location") if 300 <= status < 400 else None:
        return NotServed(f"sends questions on with HTTP status {status} {_elsewhere(problem.request.url, target)}")
    if status in PASSING_STATUS or status >= 500:
        wait = retry_after(problem.response.headers, now)
        if status == LOADING_STATUS and is_loading(said):
            return ModelLoading(f"is loading its model ({said}): {cures.LOADING}", retry_after_s=wait)
        return BackendFailure(f"{message}: {cures.cure(status, said)}", retry_after_s=wait)
    if status in (400, 413, 422) and _is_about_length(problem, said):
        return PromptTooLong(f"{message}: {cures.TOO_LONG}")
    if problem.code == "content_filter":
        return BackendRefused(f"{message}: {cures.WITHHELD}")
    kind = NotServed if status in NOT_SERVED else BackendRefused
    return kind(f"{message}: {cures.cure(status, said)}")


def _elsewhere(asked: httpx2.URL, target: str) -> str:
    """Where a redirect leads, in words, and what to do about it."""
    try:
        whole = asked.join(target)
        base = str(whole.copy_with(username=None, password=None, query=None, fragment=None))
    except (httpx2.InvalidURL, ValueError):
        return f"to what is no address: {cures.WRONG_ADDRESS}"
    to = brief(base.removesuffix("/").removesuffix("/chat/completions"))
    if f"{to}/chat/completions" == str(asked):
        return f"to {brief(base)}, and none is followed: let the server answer at the very address that it is asked at"
    own = "" if whole.host == asked.host else ", another host"
    return f"to {to}{own}, and none is followed: set LLM_BASE_URL to that address if you trust it"


def failed_answer(problem: openai.APIStatusError) -> str | None:
    """What the model wrote, where a server refuses the answer (it broke the format) and not the request."""
    body = problem.body if isinstance(problem.body, dict) else {}
    if problem.code in ANSWER_REFUSED or "failed_generation" in body:
        return _text(body, "failed_generation")
    return None


def base_name(model: str) -> str:
    """The model's name as a server reports it; of a file's path only the file, for the path is the machine's own."""
    model = redact(model[:MOST_READ])  # before the cut, which could leave half a secret
    is_path = model.startswith(("/", "\\", "~", ".")) or model[1:3] == ":\\"
    return brief(model.replace("\\", "/").rsplit("/", 1)[-1] if is_path else model)


def _is_about_length(problem: openai.APIStatusError, said: str) -> bool:
    told = f"{problem.code} {problem.type} {said}".lower()
    return any(sign in told for sign in _LENGTH_SIGNS)


def _reported(document: Mapping[str, Any]) -> Any:
    """The error that a document with a status of success holds, or None."""
    if isinstance(error := document.get("error"), dict | str | list) and error:
        return error
    if document.get("object") == "error" or document.get("type") == "error":
        return document
    told = any(isinstance(document.get(name), str | list) and document[name] for name in ("detail", "message", "msg"))
    return document if told and "choices" not in document else None


def _tool(written: Mapping[str, Any]) -> str:
    """The name of the tool that is called in the place of an answer; empty where none is."""
    calls = written.get("tool_calls") or [{"function": written.get("function_call")}]
    first = calls[0] if isinstance(calls, list) and isinstance(calls[0], dict) else {}
    called = first.get("function")
    return brief(_text(called, "name")) if isinstance(called, dict) else ""


def _text(document: Mapping[str, Any], name: str) -> str:
    """The text under a name, a number there as text; empty where there is something else, which nobody needs."""
    value = document.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else ""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs) and any(document[name] != value for name, value in pairs):
        raise ValueError("a key appears twice with two values")
    return document
