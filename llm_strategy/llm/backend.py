"""A person's own backend that has ``generate`` alone: what it is given, what it may return, and who it is."""

from __future__ import annotations

import hashlib
import inspect
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from llm_strategy.errors import AnswerTimeout, BackendFailure, BacktraderLLMError, ConfigurationError
from llm_strategy.llm.backends.http import MOST_READ, longest_body
from llm_strategy.llm.concurrency.deadline import Deadline
from llm_strategy.llm.requests import Generation, ModelIdentity, Request
from llm_strategy.support.secrets import redact, redacted


def answer_of(backend: Any, request: Request) -> Generation:
    """What ``backend.generate`` answers to the request, given up after ``request.timeout_s``.

    It is called with the prompt and with those of ``system``, ``json_mode``, ``temperature``, ``max_tokens``, ``seed``
    and ``timeout_s`` that it takes; ``messages`` (the whole conversation, dictionaries of role and content) and
    ``schema`` (the JSON Schema of the answer) only where its parameters name them. A conversation of several turns is
    written out in the prompt, and so is the system prompt where ``system`` is not taken. It may return text, an object
    for JSON, a ``Generation``, or anything with a ``text``. Raises ``BackendFailure`` for what it raises, so that a run
    goes on, and ``ConfigurationError`` where a setting would be ignored.
    """
    name = type(backend).__name__
    prompt, options = _call(backend, request)
    begin = time.perf_counter()

    def answered() -> Generation:
        said = backend.generate(prompt, **options)
        return _generation(said, name, 1000 * (time.perf_counter() - begin))

    try:
        answer = Deadline[Generation](request.timeout_s).run(answered)
    except BacktraderLLMError:
        raise
    except TimeoutError as problem:
        raise AnswerTimeout(f"{name}.generate gave up ({_said(problem)}): raise LLM_TIMEOUT_S.") from None
    except Exception as problem:
        told = f"{type(problem).__name__}: {_said(problem)}".rstrip(":. ")
        raise BackendFailure(f"{name}.generate raised {told}: correct it in {_file_name(type(backend))}.") from problem
    seconds = time.perf_counter() - begin
    if request.timeout_s is not None and seconds > request.timeout_s:
        raise AnswerTimeout(f"{name}.generate took {seconds:.1f} s: raise LLM_TIMEOUT_S, or ask for fewer tokens.")
    longest = longest_body(request.max_tokens)
    if len(answer.text) > longest:
        raise BackendFailure(
            f"{name}.generate returned {len(answer.text)} characters, and at most {longest} are an answer of the "
            f"length asked for: end it after max_tokens in {_file_name(type(backend))}."
        )
    return replace(answer, text=redact(answer.text, known_alone=True), values=redacted(answer.values))


def identity_of(backend: Any, options: Mapping[str, Any] | None = None) -> ModelIdentity:
    """Who a backend is that does not say so itself: its class, the content of its file, and its ``options``."""
    kind = type(backend)
    given = json.dumps(dict(options or {}), sort_keys=True, default=str)
    return ModelIdentity(
        backend=kind.__name__,
        name=kind.__name__,
        engine=_file_name(kind),
        engine_version=hashlib.sha256(_source(kind)).hexdigest()[:16],
        settings=(("options_sha256", hashlib.sha256(given.encode()).hexdigest()),) if options else (),
    )


def _call(backend: Any, request: Request) -> tuple[str, dict[str, Any]]:
    parameters = inspect.signature(backend.generate).parameters
    takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    system = "\n\n".join(message.content for message in request.messages if message.role == "system")
    turns = [message for message in request.messages if message.role != "system"]
    prompt = turns[0].content if len(turns) == 1 else ""
    if len(turns) > 1:
        written = [f"{message.role.capitalize()}: {message.content}" for message in turns]
        prompt = "\n\n".join([*written, "Assistant:"])
    options: dict[str, Any] = {
        "system": system or None,
        "json_mode": request.json_mode,
        "temperature": request.temperature,
        "max_tokens": request.max_tokens,
        "seed": request.sampling_seed,
        "timeout_s": request.timeout_s,
    }
    if "messages" in parameters:
        prompt = turns[-1].content
        options["messages"] = [{"role": message.role, "content": message.content} for message in request.messages]
    if "schema" in parameters and request.json_schema:
        options["schema"] = json.loads(request.json_schema)
    if system and not (takes_all or "system" in parameters or "messages" in parameters):
        prompt = f"{system}\n\n{prompt}"
    taken = {name: value for name, value in options.items() if takes_all or name in parameters}
    for setting in ("temperature", "seed"):
        if options[setting] and setting not in taken:
            raise ConfigurationError(
                f"{setting} is {options[setting]} and {type(backend).__name__}.generate does not take it: add it to "
                "its parameters (or **kwargs), or leave the setting out."
            )
    return prompt, {name: value for name, value in taken.items() if value is not None}


def _generation(said: Any, name: str, latency_ms: float) -> Generation:
    if isinstance(said, Generation):
        return said
    if isinstance(said, str):
        return Generation(said, 0, 0, latency_ms)
    if isinstance(said, (Mapping, list)):
        return Generation(json.dumps(said, default=str), 0, 0, latency_ms)
    text = getattr(said, "text", None)
    if isinstance(text, str):
        counts = [getattr(said, field, 0) for field in ("tokens_in", "tokens_out")]
        tokens_in, tokens_out = (count if isinstance(count, int) else 0 for count in counts)
        return Generation(text, tokens_in, tokens_out, latency_ms)
    what = "nothing" if said is None else f"a {type(said).__name__}"
    raise BackendFailure(f"{name}.generate returned {what}: return the text of the answer, or a Generation.")


def _said(problem: Exception) -> str:
    """An exception's own words on one line, without secrets."""
    try:
        return " ".join(redact(str(problem)[:MOST_READ]).split())
    except Exception:  # a person's class may fail at that too
        return ""


def _file_name(kind: type) -> str:
    try:
        return Path(inspect.getfile(kind)).name
    except (TypeError, OSError):  # a class that was typed in
        return kind.__module__


def _source(kind: type) -> bytes:
    """The class's file or, where it has none, its own code."""
    try:
        return Path(inspect.getfile(kind)).read_bytes()
    except (TypeError, OSError):
        code = [getattr(value, "__code__", None) for value in vars(kind).values()]
        return b"".join(one.co_code + repr(one.co_names).encode() for one in code if one is not None)
