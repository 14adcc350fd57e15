"""Several servers of one model: which one is asked next, which are down, and when a lost one is looked at again."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from llm_strategy.errors import ConfigurationError

LOOK_AGAIN_AFTER = 10
"""Answers of other endpoints after which a lost one is checked."""


@dataclass(slots=True)
class Endpoint:
    """One address. ``name`` is what messages say: its number, host and port, never a key."""

    number: int
    url: str
    name: str
    in_flight: int = 0
    down: bool = False
    fingerprint: str | None = None
    answers_without: int = 0
    checking: bool = False


class EndpointPool:
    """Hands out the least busy endpoint that is well; the lost ones come last, so that none is given up for ever."""

    def __init__(self, urls: Sequence[str]) -> None:
        self.endpoints = [Endpoint(number, url, _name(number, url)) for number, url in enumerate(urls, 1)]
        self._lock = threading.Lock()

    @contextmanager
    def least_busy(self, tried: Collection[int]) -> Iterator[Endpoint]:
        """The next endpoint to ask, counted as busy meanwhile; those numbered in ``tried`` are left out."""
        with self._lock:
            untried = [endpoint for endpoint in self.endpoints if endpoint.number not in tried]
            endpoint = min(untried, key=lambda one: (one.down, one.in_flight, one.number))
            endpoint.in_flight += 1
        try:
            yield endpoint
        finally:
            with self._lock:
                endpoint.in_flight -= 1

    def well(self, tried: Collection[int]) -> int:
        """How many endpoints are well, those numbered in ``tried`` left out."""
        with self._lock:
            return sum(not endpoint.down and endpoint.number not in tried for endpoint in self.endpoints)

    def answered(self, endpoint: Endpoint) -> list[Endpoint]:
        """Note an answer; returns the lost endpoints that it is time to check, each marked as ``checking``."""
        with self._lock:
            endpoint.down, endpoint.answers_without = False, 0
            lost = [one for one in self.endpoints if one.down and not one.checking]
            for one in lost:
                one.answers_without += 1
            due = [one for one in lost if one.answers_without >= LOOK_AGAIN_AFTER]
            for one in due:
                one.checking, one.answers_without = True, 0
            return due

    def failed(self, endpoint: Endpoint) -> None:
        """Note that an endpoint gave no answer."""
        with self._lock:
            endpoint.down = True

    def checked(self, endpoint: Endpoint, well: bool) -> None:
        """Note what a check of a lost endpoint came to."""
        with self._lock:
            endpoint.down, endpoint.checking = not well, False


def _name(number: int, url: str) -> str:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in ("http", "https") or not parts.hostname or port == -1:
        raise ConfigurationError(
            f"LLM_BASE_URL number {number} is not an address: write one such as http://127.0.0.1:8080/v1."
        )
    if parts.username or parts.password or parts.query:
        raise ConfigurationError(
            f"LLM_BASE_URL number {number} ({parts.hostname}) holds a user name, a password or parameters, which "
            "messages would show: put a key into LLM_API_KEY."
        )
    return f"endpoint {number} ({parts.hostname}{'' if port is None else f':{port}'})"
