"""The records of a conversation with a model: what is asked, what comes back, who answered, and the key of the answer.

The key (``request_hash``) is over everything that decides an answer: the exact messages, form, sampler, seed and draw,
and the identity of the model (weights, chat template, engine and its version). Timeouts are left out.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache
from typing import Any, Literal, TypeAlias

from llm_strategy.errors import ConfigurationError
from llm_strategy.llm.metering.calls import Call, CallLog
from llm_strategy.shown import Image
from llm_strategy.types import Event

Role: TypeAlias = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation. ``content`` is never read for special tokens: it cannot begin or end a turn. Of the
    ``images`` that stand behind it a request's key has the hashes."""

    role: Role
    content: str
    images: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True)
class Slot:
    """A hole in a form, which the model fills.

    The model writes until ``stop`` appears, ``max_tokens`` are used up or, where there is a ``pattern`` (a regular
    expression that accepts the value and each beginning of it, such as ``[0-9]{1,2}``), until a character breaks it.
    ``choices`` are the values that make sense here: a backend may end the slot, with the whole choice for its value, as
    soon as what the model wrote can only become one of them. Anything else is left as written, and the caller checks.
    """

    name: str
    max_tokens: int
    choices: tuple[str, ...] = ()
    stop: str = '"'
    pattern: str = ""

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise ConfigurationError(f"Slot {self.name!r} allows {self.max_tokens} tokens: give at least 1.")
        if not self.stop:
            raise ConfigurationError(
                f"Slot {self.name!r} has an empty stop text: name the text that follows the value."
            )


MOST = 10**12
"""A larger count of tokens or milliseconds is none."""

Form: TypeAlias = tuple[str | Slot, ...]
"""The program's own text and the holes in it, in order."""


def fill(form: Form, values: Mapping[str, str]) -> str:
    """The form's text with each value in its slot, escaped as inside a JSON string."""
    return "".join(part if isinstance(part, str) else escape(values[part.name]) for part in form)


def escape(value: str) -> str:
    """A value as it stands between the quotes of a JSON string."""
    return json.dumps(value, ensure_ascii=False)[1:-1]


@dataclass(frozen=True, slots=True)
class Request:
    """Everything that decides an answer, apart from who answers.

    ``temperature`` of 0 means greedy; ``max_tokens`` bounds a free answer (a form has its own bounds); ``timeout_s`` is
    in seconds. With ``json_mode`` and no form the answer is one JSON object, which keeps to ``json_schema`` (the text
    of a JSON Schema) where the backend can see to that.

    With ``choices`` nothing is written: the answer's text is a JSON object with the probability of each choice to stand
    after ``opening``, the beginning of the model's turn, and ``chosen``, what was scored and chosen before. They sum to
    1; the sampler plays no part. A space before a choice belongs to the choice: most vocabularies hold words with the
    space before them, so that behind an opening that ends in one every choice is a strange one.

    Each ``draw`` is an answer of its own to the same question: 0 is the first, any other number another sample.
    ``adapter`` is that of the identity which answers (``ModelIdentity.adapter``); without one the model answers as it
    is.

    ``log`` is no part of the question: the calls that it takes are recorded there (``record``).
    """

    messages: tuple[Message, ...]
    form: Form = ()
    json_mode: bool = False
    temperature: float = 0.0
    max_tokens: int = 512
    seed: int | None = None
    timeout_s: float | None = None
    json_schema: str = ""
    opening: str = ""
    chosen: str = ""
    choices: tuple[str, ...] = ()
    draw: int = 0
    adapter: str = ""
    log: CallLog | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise ConfigurationError(f"temperature is {self.temperature}: give 0 (greedy) or a positive number.")
        if self.max_tokens < 1:
            raise ConfigurationError(f"max_tokens is {self.max_tokens}: give at least 1.")
        if self.timeout_s is not None and not self.timeout_s > 0:
            raise ConfigurationError(f"timeout_s is {self.timeout_s}: give a positive number of seconds, or none.")
        names = [part.name for part in self.form if isinstance(part, Slot)]
        if len(set(names)) < len(names):
            raise ConfigurationError(f"The form names a slot twice ({', '.join(names)}): give each its own name.")
        if self.choices:
            self._check_choices()

    @property
    def sampling_seed(self) -> int | None:
        """The seed of this very sample: ``seed`` for the first draw, and for each further one another that follows from
        seed, draw and question. Without a seed there is none, and the engine takes a new one each time."""
        return self.seed if self.seed is None or not self.draw else self._seed_from(self.seed)

    @property
    def fixed_seed(self) -> int:
        """The same where there is a seed, and else one that follows from the question and the draw."""
        seed = self.sampling_seed
        return self._seed_from(0) if seed is None else seed

    @property
    def images(self) -> tuple[Image, ...]:
        """Those of all its messages, in their order."""
        return tuple(image for message in self.messages for image in message.images)

    def record(self, call: Call) -> AbstractContextManager[Call]:
        """Record a call of a model, which is made in here for this question, where there is a log."""
        return nullcontext(call) if self.log is None else self.log.record(call)

    def _seed_from(self, seed: int) -> int:
        said = [message.content for message in self.messages] + [image.sha256 for image in self.images]
        return int(hashlib.sha256(json.dumps([seed, self.draw, said]).encode()).hexdigest()[:7], 16)

    def _check_choices(self) -> None:
        if self.form:
            raise ConfigurationError("A request has a form and choices: ask for one of the two.")
        for choice in self.choices:
            if not choice or sum(other.startswith(choice) for other in self.choices) > 1:
                raise ConfigurationError(
                    f"The choices are {list(self.choices)}: none may be empty, or the beginning of another."
                )


@dataclass(frozen=True, slots=True)
class Generation:
    """One answer.

    With a form, ``values`` holds what the model wrote in each slot, unchanged, and ``text`` is the program's text and
    the values (escaped as in a JSON string) joined. ``tokens_in`` counts the whole prompt, reused parts included;
    ``latency_ms`` is what the answer took when it was made, also where it is ``cached``. ``finish`` is ``length``
    where the model was cut off. ``events`` are what happened on the way to the answer; ``engine_ms`` is the time that
    the engine itself counts, where it does. ``parsed`` is the answer under the schema that was given to ``generate`` or
    ``chat``: plain data, or an instance of the pydantic model.
    """

    text: str
    tokens_in: int
    tokens_out: int
    latency_ms: float
    finish: Literal["stop", "length"] = "stop"
    values: Mapping[str, str] = field(default_factory=dict)
    cached: bool = False
    events: tuple[Event, ...] = ()
    engine_ms: float = 0.0
    parsed: Any = None

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise TypeError(f"the text of an answer is a {type(self.text).__name__}")
        for name in ("tokens_in", "tokens_out", "latency_ms", "engine_ms"):
            value = getattr(self, name)
            kind = int if name.startswith("tokens") else (int, float)
            if isinstance(value, bool) or not isinstance(value, kind) or not 0 <= value <= MOST:
                object.__setattr__(self, name, 0)  # what a server or a file tells and is no count


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a streamed answer; the last one is ``done``, adds no text and carries the whole ``generation``."""

    delta: str
    done: bool = False
    generation: Generation | None = None


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Who answers: everything apart from the request that can change an answer.

    ``settings`` are name and value of the engine's own options; ``supports_forms`` says whether forms are filled slot
    by slot, ``supports_choices`` whether choices are given probabilities, ``supports_schemas`` whether a server is sent
    ``Request.json_schema``. ``adapter`` names an adapter for questions in one layout alone (``brief@`` and its
    SHA-256): a request that is for it says so, and to all others it makes no difference. A remote model has no weights
    to hash: its reported version stands in ``engine_version``.
    """

    backend: str
    name: str
    engine: str
    engine_version: str
    weights_sha256: str = ""
    chat_template_sha256: str = ""
    settings: tuple[tuple[str, str | int | float], ...] = ()
    supports_forms: bool = False
    supports_choices: bool = False
    supports_schemas: bool = False
    adapter: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The identity as JSON types, for a manifest."""
        record = asdict(self) | {"settings": dict(self.settings)}
        for name in ("supports_schemas", "adapter"):
            if not record[name]:
                del record[name]  # so that it is what it was before there were any
        return record

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> ModelIdentity:
        """The identity that ``as_dict`` gave; it replays recorded answers where the model itself is gone."""
        return cls(**{**record, "settings": tuple(record["settings"].items())})


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a client answers, in one sentence, and how long that took in milliseconds."""

    ok: bool
    detail: str
    latency_ms: float


KEY_VERSION = 1
"""Goes into every key: raised when a request comes to mean something else."""


MOST_HASHED = 4096
"""Requests whose hash is kept: an estimate, the record and the journal ask for it again."""
_hashed: dict[int, tuple[Request, ModelIdentity, str]] = {}


def request_hash(request: Request, identity: ModelIdentity) -> str:
    """SHA-256 (hex) over the canonical JSON of the request and the identity; equal hashes mean equal answers."""
    known = _hashed.get(id(request))
    if known is not None and known[1] is identity:  # as long as it is kept, its id is its own
        return known[2]
    if len(_hashed) >= MOST_HASHED:
        _hashed.clear()
    _hashed[id(request)] = request, identity, (found := _request_hash(request, identity))
    return found


@lru_cache(maxsize=64)
def _request_hash(request: Request, identity: ModelIdentity) -> str:
    asked = _fields(request) | {"messages": [_message(message) for message in request.messages]}
    del asked["timeout_s"], asked["log"]
    for name in ("json_schema", "opening", "chosen", "choices", "draw", "adapter"):
        if not asked[name]:  # without a value they mean what requests meant before they existed
            del asked[name]
    # it decides the answers to no other requests
    known = _identity_json(identity, with_schemas=bool(request.json_schema and identity.supports_schemas))
    text = f'{{"identity":{known},"request":{canonical_json(asked)},"version":{KEY_VERSION}}}'
    return hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=64)
def _identity_json(identity: ModelIdentity, *, with_schemas: bool) -> str:
    known = _fields(identity)
    del known["adapter"]  # it answers no request but those that name it
    if not known["supports_choices"]:
        del known["supports_choices"]
    if not with_schemas:
        del known["supports_schemas"]
    return canonical_json(known)


def _message(message: Message) -> tuple[Any, ...]:
    """Role and content and, where there are images, their hashes."""
    hashes = [image.sha256 for image in message.images]
    return (message.role, message.content, hashes) if hashes else (message.role, message.content)


def digest(record: object) -> str:
    """SHA-256 (hex) over the canonical JSON of a record."""
    return hashlib.sha256(canonical_json(record).encode()).hexdigest()


_names: dict[type, tuple[str, ...]] = {}


def _fields(record: Any) -> dict[str, Any]:
    kind = type(record)
    if kind not in _names:
        _names[kind] = tuple(field.name for field in fields(record))
    return {name: getattr(record, name) for name in _names[kind]}


canonical_json = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False, default=_fields).encode
"""A record as JSON in one spelling alone: keys sorted, no spaces."""
