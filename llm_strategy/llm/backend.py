"""What answers: the one class that a backend is, and a person's own object in its place.

``Backend`` is what a package or a file brings; ``LLMClient(backend)`` is what asks it. An object of no such class that
has ``answer``, or ``generate`` alone, is taken for one (``OwnBackend``).
"""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias

from llm_strategy.errors import AnswerTimeout, BackendFailure, BacktraderLLMError, ConfigurationError
from llm_strategy.llm.backends.http import MOST_READ, longest_body
from llm_strategy.llm.concurrency.deadline import Deadline
from llm_strategy.llm.requests import Generation, Health, ModelIdentity, Request
from llm_strategy.support.secrets import Redactor, redact, redacted
from llm_strategy.types import Event, EventKind

OnText: TypeAlias = Callable[[str], bool]
"""Receives each piece of text as it is written; returning False stops the model."""


class BatchState(NamedTuple):
    """How far a batch of questions is: the service's word for it, whether it has ``ended``, questions answered, failed
    and in all, the files that came back, and what the service says is wrong with it as a whole."""

    status: str
    ended: bool
    counts: tuple[int, int, int]
    files: tuple[Path, ...]
    problem: str = ""


class BatchForm(Protocol):
    """How the questions to a server are written as lines of a file, and its answers read from such lines, where it has
    a service that answers whole files."""

    def line(self, key: str, request: Request) -> dict[str, Any]:
        """The line of a question, which its answer names again by ``key``."""

    def parse(self, line: bytes) -> dict[str, Any]:
        """The document in a line of answers; raises ``BackendFailure`` for what is none."""

    def read(self, line: Mapping[str, Any], request: Request) -> Generation:
        """The answer in a line; raises ``ModelError`` for a line that holds none."""

    def submit(self, file: Path) -> str:
        """Hand a file of questions to the server's batch service; returns the name of its batch. Raises
        ``ModelError``."""

    def fetch(self, batch: str, folder: Path) -> BatchState:
        """How far a batch is, its files of answers in ``folder`` once it has ended. Raises ``ModelError``."""


_OURS = "llm_strategy.llm."
"""Modules whose classes say nothing of a person's own."""


class Backend:
    """A model that answers. A subclass writes ``answer`` and sets ``identity``; all else has a default that works.

    ``LLMClient(backend)`` gives it ``generate``, ``chat``, ``batch``, streams and scores; retries, the record of
    answers, prices and logs stand in front of that client and are none of a backend's business.
    """

    concurrency: int = 1
    """How many requests may be under way at once; above 1, ``answer`` may be called from several threads."""
    strict: bool = False
    """Whether an answer depends on the request and the identity alone: see ``LlmSettings.strict``."""
    remote: bool = False
    """Whether answers come over a network, which fails in passing: they are then asked for again."""
    supports_images: bool = False
    """Whether ``Message.images`` are sent to a model that may see them; no other backend is ever given one."""
    caveats: tuple[str, ...] = ()
    """What one must know of who answers before any figure, a sentence each: it stands on every page."""
    counts_calls: bool = False
    """Whether it notes its calls by itself (``Request.record``), because an answer may take several."""

    @cached_property
    def identity(self) -> ModelIdentity:
        """Who answers, with everything that can change an answer: it goes into the key of recorded answers."""
        return identity_of(self)

    @property
    def supports_forms(self) -> bool:
        """Whether ``Request.form`` is filled slot by slot, as far as that is known before anybody is asked."""
        return self.identity.supports_forms

    def answer(self, request: Request, on_text: OnText | None = None) -> Generation:
        """Answer the request within ``request.timeout_s`` seconds; ``on_text``, where there is one, takes the text as
        it is written, and returns False where nobody reads on; a reader that was given nothing gets the answer whole.
        Raises ``ModelError`` (see its branches) where there is no answer."""
        raise NotImplementedError

    def count_tokens(self, request: Request) -> int | None:
        """Tokens of the request's prompt, counted without asking; None where that cannot be told."""
        return None

    def batch_form(self) -> BatchForm | None:
        """How questions are handed in as a file; None where that cannot be done."""
        return None

    def healthcheck(self) -> Health | None:
        """How the model is; None leaves it to a short question."""
        return None

    def close(self) -> None:
        """Free what it holds; it may be called twice, and the next request opens it again."""


class OwnBackend(Backend):
    """A person's object with ``generate`` or ``answer``, held to time, size and kind of what it returns; it may have
    the other members of a ``Backend`` too. Made with these ``options``, it is known by its class, its file and them
    where it does not say who it is."""

    def __init__(self, own: Any, options: Mapping[str, Any]) -> None:
        self.own = own
        self.remote = bool(getattr(own, "remote", False))
        self.strict = bool(getattr(own, "strict", False))
        self.supports_images = bool(getattr(own, "supports_images", False))
        self.concurrency = getattr(own, "concurrency", 1)
        if not isinstance(self.concurrency, int) or self.concurrency < 1:
            raise ConfigurationError(
                f"{type(own).__name__}.concurrency is {self.concurrency!r:.40}: give a whole number from 1 upwards."
            )
        self.identity = _own_identity(own, options)

    def answer(self, request: Request, on_text: OnText | None = None) -> Generation:
        """What its own method answers; ``answer`` is always given a reader."""
        if self._method("generate"):
            return answer_of(self.own, request)
        pieces = Redactor(on_text or (lambda _: True))
        answer = _held("answer", self.own, request, lambda: self.own.answer(request, pieces.take))
        pieces.end()
        return answer

    def count_tokens(self, request: Request) -> int | None:
        """Its own count, where it counts."""
        count = self._method("count_tokens")
        return count(request) if count else None

    def healthcheck(self) -> Health | None:
        """What its own check says: a ``Health``, whether all is well, or nothing."""
        check = self._method("healthcheck")
        if not check:
            return None
        try:
            state = check()
        except Exception as problem:
            return Health(False, f"{type(problem).__name__}: {problem}", 0.0)
        if state is None or isinstance(state, Health):
            return state
        return Health(bool(state), f"{self.identity.name} says {state!r}.", 0.0)

    def close(self) -> None:
        """Close it where it can be closed."""
        if close := self._method("close"):
            close()

    def _method(self, name: str) -> Callable[..., Any] | None:
        """A method that the person wrote; None where it has none, or that of a class of ours."""
        method = getattr(self.own, name, None)
        return method if callable(method) and not str(method.__module__).startswith(_OURS) else None


def answer_of(backend: Any, request: Request) -> Generation:
    """What ``backend.generate`` answers to the request, given up after ``request.timeout_s``.

    It is called with the prompt and with those of ``system``, ``json_mode``, ``temperature``, ``max_tokens``, ``seed``
    and ``timeout_s`` that it takes; ``messages`` (the whole conversation, dictionaries of role and content, and images
    where there are some), ``images`` (all of them, each the bytes of a PNG) and ``schema`` (the JSON Schema of the
    answer) only where its parameters name them. A conversation of several turns is
    written out in the prompt, and so is the system prompt where ``system`` is not taken. It may return text, an object
    for JSON, a ``Generation``, or anything with a ``text``. Raises ``BackendFailure`` for what it raises, so that a run
    goes on, and ``ConfigurationError`` where a setting would be ignored.
    """
    prompt, options = _call(backend, request)
    return _held("generate", backend, request, lambda: backend.generate(prompt, **options))


def _held(method: str, backend: Any, request: Request, call: Callable[[], Any]) -> Generation:
    """What this method of a person's object answers, held to the time and the length that the request allows."""
    name, begin = f"{type(backend).__name__}.{method}", time.perf_counter()

    def answered() -> Generation:
        returned = call()
        return _generation(returned, name, 1000 * (time.perf_counter() - begin))

    try:
        answer = Deadline[Generation](request.timeout_s).run(answered)
    except BacktraderLLMError:
        raise
    except TimeoutError as problem:
        raise AnswerTimeout(f"{name} gave up ({_message_of(problem)}): raise LLM_TIMEOUT_S.") from None
    except Exception as problem:
        problem_text = f"{type(problem).__name__}: {_message_of(problem)}".rstrip(":. ")
        raise BackendFailure(f"{name} raised {problem_text}: correct it in {_file_name(type(backend))}.") from problem
    seconds = time.perf_counter() - begin
    if request.timeout_s is not None and seconds > request.timeout_s:
        raise AnswerTimeout(f"{name} took {seconds:.1f} s: raise LLM_TIMEOUT_S, or ask for fewer tokens.")
    longest = longest_body(request.max_tokens)
    if len(answer.text) > longest:
        raise BackendFailure(
            f"{name} returned {len(answer.text)} characters, and at most {longest} are an answer of the "
            f"length asked for: end it after max_tokens in {_file_name(type(backend))}."
        )
    return replace(answer, text=redact(answer.text, known_alone=True), values=redacted(answer.values))


def identity_of(backend: Any, options: Mapping[str, Any] | None = None) -> ModelIdentity:
    """Who a backend is that does not say so itself: its class, the content of its file, and its ``options``."""
    kind = type(backend)
    options_text = json.dumps(dict(options or {}), sort_keys=True, default=str)
    return ModelIdentity(
        backend=kind.__name__,
        name=kind.__name__,
        engine=_file_name(kind),
        engine_version=hashlib.sha256(_source(kind)).hexdigest()[:16],
        settings=(("options_sha256", hashlib.sha256(options_text.encode()).hexdigest()),) if options else (),
    )


def _own_identity(own: Any, options: Mapping[str, Any]) -> ModelIdentity:
    """What a person's object says of itself: a ``ModelIdentity``, a name, or nothing."""
    says = any("identity" in vars(kind) for kind in type(own).__mro__ if not kind.__module__.startswith(_OURS))
    named = own.identity if says or "identity" in vars(own) else None
    if isinstance(named, ModelIdentity):
        return named
    known = identity_of(own, options)
    return ModelIdentity(type(own).__name__, named, known.engine, "") if isinstance(named, str) else known


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
        options["messages"] = [
            {"role": message.role, "content": message.content}
            | ({"images": [image.content for image in message.images]} if message.images else {})
            for message in request.messages
        ]
    if "images" in parameters:
        options["images"] = [image.content for image in request.images]
    elif request.images and "messages" not in parameters:
        raise ConfigurationError(
            f"{type(backend).__name__} has supports_images, and its generate takes none: add images to its parameters, "
            "or leave supports_images out."
        )
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


def _generation(returned: Any, name: str, latency_ms: float) -> Generation:
    if isinstance(returned, Generation):
        for field, usable in (
            ("finish", returned.finish in ("stop", "length")),
            ("values", isinstance(returned.values, Mapping) and all(map(_is_text, returned.values.values()))),
            ("events", isinstance(returned.events, tuple) and all(map(_can_be_kept, returned.events))),
        ):
            if not usable:
                value = f"{getattr(returned, field)!r:.60}"
                raise BackendFailure(f"{name} returned a Generation whose {field} is {value}: leave {field} out.")
        return returned
    if isinstance(returned, str):
        return Generation(returned, 0, 0, latency_ms)
    if isinstance(returned, (Mapping, list)):
        return Generation(json.dumps(returned, default=str), 0, 0, latency_ms)
    text = getattr(returned, "text", None)
    if isinstance(text, str):
        counts = [getattr(returned, field, 0) for field in ("tokens_in", "tokens_out")]
        tokens_in, tokens_out = (count if isinstance(count, int) else 0 for count in counts)
        return Generation(text, tokens_in, tokens_out, latency_ms)
    what = "nothing" if returned is None else f"a {type(returned).__name__}"
    raise BackendFailure(f"{name} returned {what}: return the text of the answer, or a Generation.")


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _can_be_kept(event: object) -> bool:
    """Whether a journal can hold what a person says that happened."""
    if not (isinstance(event, Event) and isinstance(event.kind, EventKind) and _is_text(event.detail)):
        return False
    return event.value is None or (isinstance(event.value, (int, float)) and math.isfinite(event.value))


def _message_of(problem: Exception) -> str:
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
        return b"".join(body.co_code + repr(body.co_names).encode() for body in code if body is not None)
