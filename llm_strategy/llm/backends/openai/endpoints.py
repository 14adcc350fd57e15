"""Where the servers of one model are and which key they are sent; which one is asked next, which are down, and when a
lost one is looked at again."""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from llm_strategy.errors import ConfigurationError
from llm_strategy.llm.backends.network import check_header
from llm_strategy.llm.services import OPENAI, OPENAI_URL, SERVICES
from llm_strategy.llm.settings import SETTINGS_FILE, LlmSettings

LOOK_AGAIN_AFTER = 10
"""Answers of other endpoints after which a lost one is checked; for one that refuses, failures count as well."""

_NO_ADDRESS = re.compile(r"[\x00-\x20\x7f]")
_ENDINGS = re.compile(
    r"(/chat)?/completions/?$|(?<=/v\d)/(responses|embeddings|models)/?$|/api/(chat|generate|tags)/?$"
)
"""What follows the address of an API, and people copy with it; the last are Ollama's own."""
_VERSION = re.compile(r"/v\d+\w*(/|$)")


@dataclass(slots=True)
class Endpoint:
    """One address. ``name`` is what messages say: its number, host and port, never a key.

    ``most`` is how many questions may be under way there at once; ``down`` is one that gave no answer; ``refusal`` is
    why one answers nobody (a wrong key, no such model), and empty otherwise. ``proven`` says whether it was heard to
    speak as the others do, and to serve the same weights where these are compared.
    """

    number: int
    url: str
    name: str
    in_flight: int = 0
    most: int | None = None
    down: bool = False
    refusal: str = ""
    proven: bool = True
    fingerprint: str | None = None
    answers_without: int = 0
    checking: bool = False

    @property
    def load(self) -> float:
        """Questions under way, as a share of those that may be where that is known."""
        return self.in_flight / (self.most or 1)


class EndpointPool:
    """Hands out the least busy endpoint that is well. Those that gave no answer come last, so that none is given up for
    ever; one that refuses is asked again only after a check, or where all refuse."""

    def __init__(self, urls: Sequence[str], most: Sequence[int] = ()) -> None:
        self.endpoints = [Endpoint(number, url, _name(number, url)) for number, url in enumerate(urls, 1)]
        for endpoint, room in zip(self.endpoints, most, strict=bool(most)):
            endpoint.most = room
        self._lock = threading.Lock()

    @contextmanager
    def least_busy(self, tried: Collection[int]) -> Iterator[Endpoint]:
        """The next endpoint to ask, counted as busy meanwhile; those numbered in ``tried`` are left out."""
        with self._lock:
            endpoint = min(self._untried(tried), key=lambda one: (one.down, one.load, one.number))
            endpoint.in_flight += 1
        try:
            yield endpoint
        finally:
            with self._lock:
                endpoint.in_flight -= 1

    def has_more(self, tried: Collection[int]) -> bool:
        """Whether an endpoint is left to ask, besides those numbered in ``tried``."""
        with self._lock:
            return bool(self._untried(tried))

    def well(self, tried: Collection[int]) -> int:
        """How many endpoints are well, those numbered in ``tried`` left out."""
        with self._lock:
            return sum(not endpoint.down and not endpoint.refusal for endpoint in self._untried(tried))

    def note_answer(self, endpoint: Endpoint) -> list[Endpoint]:
        """Note an answer; returns the lost endpoints that it is time to check, each marked as ``checking``."""
        with self._lock:
            endpoint.down, endpoint.refusal, endpoint.answers_without = False, "", 0
            return self._due([one for one in self.endpoints if one.down or one.refusal])

    def note_no_answer(self) -> list[Endpoint]:
        """Note a question that no endpoint answered; returns those that it is time to check, as after an answer."""
        with self._lock:
            refusing = [one for one in self.endpoints if one.refusal]
            return self._due(refusing) if len(refusing) < len(self.endpoints) else []

    def note_failure(self, endpoint: Endpoint) -> None:
        """Note that an endpoint gave no answer."""
        with self._lock:
            endpoint.down = True

    def note_refusal(self, endpoint: Endpoint, refusal: str) -> bool:
        """Note that an endpoint answers nobody, and why; among others it has to be met anew. Returns whether this is
        news."""
        with self._lock:
            news, endpoint.refusal, endpoint.proven = not endpoint.refusal, refusal, len(self.endpoints) == 1
            return news

    def note_check(self, endpoint: Endpoint, well: bool) -> None:
        """Note what a check of a lost endpoint came to."""
        with self._lock:
            endpoint.down, endpoint.checking = not well, False
            if well:
                endpoint.refusal = ""

    def _untried(self, tried: Collection[int]) -> list[Endpoint]:
        willing = [endpoint for endpoint in self.endpoints if not endpoint.refusal]
        return [endpoint for endpoint in willing or self.endpoints if endpoint.number not in tried]

    def _due(self, lost: Sequence[Endpoint]) -> list[Endpoint]:
        waiting = [one for one in lost if not one.checking]
        for one in waiting:
            one.answers_without += 1
        due = [one for one in waiting if one.answers_without >= LOOK_AGAIN_AFTER]
        for one in due:
            one.checking, one.answers_without = True, 0
        return due


def with_version(url: str) -> str:
    """The address with /v1 at its end, where most servers have their API; empty where it names a version already."""
    parts = urlsplit(url)
    return "" if _VERSION.search(parts.path) else urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/v1"))


def _name(number: int, url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or _NO_ADDRESS.search(url):
        raise ConfigurationError(
            f"LLM_BASE_URL number {number} is not an address: write one such as http://127.0.0.1:8080/v1."
        )
    if parts.username or parts.password or parts.query:
        raise ConfigurationError(
            f"LLM_BASE_URL number {number} ({parts.hostname}) holds a user name, a password or parameters, which "
            "messages would show: put a key into LLM_API_KEY."
        )
    if ending := _ENDINGS.search(parts.path):
        base = urlunsplit(parts._replace(path=parts.path[: ending.start()], fragment=""))
        raise ConfigurationError(
            f"LLM_BASE_URL number {number} ends in {ending[0].rstrip('/')}, which every question adds by itself: write "
            f"{with_version(base) or base}."
        )
    return f"endpoint {number} ({parts.hostname}{'' if port is None else f':{port}'})"


@dataclass(frozen=True, slots=True)
class Reach:
    """Addresses, key, and the variable that the key is from; both empty where none is sent."""

    urls: tuple[str, ...]
    key: str = field(default="", repr=False)
    key_variable: str = ""


def reach_of(settings: LlmSettings) -> Reach:
    """The addresses and the key that settings and environment give the backend ``settings.backend``.

    A key of ``OPENAI_API_KEY`` goes only where ``OPENAI_BASE_URL`` says, or to OpenAI itself; that of a service, such
    as ``GROQ_API_KEY``, to the address of this service alone. Raises ``ConfigurationError`` where a key is missing or
    cannot be sent.
    """
    key = settings.api_key.get_secret_value() if settings.api_key else ""
    key_variable = f"LLM_API_KEY (or api_key in {SETTINGS_FILE})" if key else ""
    if service := SERVICES.get(settings.backend):
        urls, usual = settings.base_url or (service.url,), service.key_variable
    else:
        given = settings.base_url
        urls = given or (settings.variable("OPENAI_BASE_URL") or OPENAI_URL,)
        usual = "" if given else "OPENAI_API_KEY"
    if not key and usual and (key := settings.variable(usual)):
        key_variable = usual
    if not key and urls == (OPENAI_URL,):
        raise ConfigurationError("The backend openai has no key and no address: set LLM_API_KEY or LLM_BASE_URL.")
    if not key and service and service.key_variable and urls == (service.url,):
        raise ConfigurationError(
            f"The backend {settings.backend} has no key: set {service.key_variable} or LLM_API_KEY, or LLM_BASE_URL "
            "where it is served by another address."
        )
    check_header(key, key_variable)
    return Reach(urls, key, key_variable)


def is_like_openai(backend: str) -> bool:
    """Whether a backend of this name is ``openai`` or a service that speaks like it."""
    return backend == OPENAI or backend in SERVICES
