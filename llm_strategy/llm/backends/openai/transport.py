"""The SDK and the event streams of servers as they are read here, piece by piece and within bounds.

There is no proxy in front of this machine, a connection for each question alone, no redirects, no cookies, and a body
ends where a message must have ended, while by itself the SDK reads whatever comes into memory.
"""

from __future__ import annotations

import contextlib
import json
import re
import ssl
from collections.abc import AsyncIterator, Iterator
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx2
import openai

from llm_strategy.errors import BackendFailure, ConfigurationError
from llm_strategy.llm.backends.http import brief
from llm_strategy.llm.backends.network import is_loopback
from llm_strategy.llm.backends.openai.hints import UNPACKED

LONGEST_REFUSAL = 100_000
"""Bytes of a refusal that are read, after unpacking; a message repeats far less."""
_LIMITS = httpx2.Limits(max_keepalive_connections=0)
"""What a server sends beyond an answer must never be read as the answer to the next question, and only a connection
that is used once leaves no room for it."""
_HEADERS = {"Accept-Encoding": "identity", "Connection": "close"}
_UNPACKED = ("gzip", "deflate")
"""What is unpacked though it was not asked for; in several layers 2 KB become gigabytes within one piece."""
_PACKED = (*_UNPACKED, "x-gzip", "compress", "x-compress", "br", "zstd")
"""Other names, such as ``utf-8``, are slips of a server, and pack nothing."""


def connected(url: str, key: str) -> openai.AsyncOpenAI:
    """The SDK at one address, which does not ask again by itself and reads only the beginning of a refusal; raises
    ``ConfigurationError`` where address, proxies or certificates are none that it can use."""
    own = is_loopback(url)
    try:
        http = openai.DefaultAsyncHttpx2Client(
            event_hooks={"response": [_bound]},
            trust_env=not own,
            verify=_authorities(own=own, encrypted=url.startswith("https")),
            limits=_LIMITS,
            headers=_HEADERS,
            follow_redirects=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        )
        return openai.AsyncOpenAI(api_key=key or "none", base_url=url, max_retries=0, http_client=http)
    except (httpx2.InvalidURL, ValueError, ImportError, OSError) as problem:
        raise ConfigurationError(
            f"No connection can be made from these settings ({type(problem).__name__}: {brief(problem)}): check "
            "LLM_BASE_URL and the variables HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and SSL_CERT_FILE."
        ) from None


def _authorities(*, own: bool, encrypted: bool) -> ssl.SSLContext | bool:
    """Who vouches for a server. Where nothing is encrypted nobody has to, and to read a file of authorities would take
    most of the time that it takes to connect."""
    if not own:
        return True
    return httpx2.create_ssl_context() if encrypted else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class _Beginning(httpx2.AsyncByteStream):
    """The first bytes of a body, unpacked."""

    def __init__(self, body: httpx2.AsyncByteStream, packed: str) -> None:
        self._whole = httpx2.Response(200, headers={"Content-Encoding": packed}, stream=body)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = LONGEST_REFUSAL
        async with contextlib.aclosing(self._whole.aiter_bytes()) as pieces:
            async for piece in pieces:
                yield piece[:left]
                left -= len(piece)
                if left <= 0:
                    return

    async def aclose(self) -> None:
        await self._whole.aclose()


async def _bound(response: httpx2.Response) -> None:
    """Refuse a body that is packed in a way that cannot be unpacked piece by piece, and let the SDK meet only the
    beginning of what it reads whole: a refusal, and a list of models."""
    packed = response.headers.get("content-encoding", "").lower()
    layers = [name for name in map(str.strip, packed.split(",")) if name in _PACKED]
    if len(layers) > 1 or not set(layers).issubset(_UNPACKED):
        raise BackendFailure(f"packed its answer as {brief(', '.join(layers))!r}, which nobody asked for: {UNPACKED}")
    read_whole = not response.is_success or response.request.method == "GET"
    if read_whole and isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = _Beginning(response.stream, packed)
        response.headers.pop("content-encoding", None)


DONE = b"[DONE]"
"""The data by which servers end a stream."""

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BLANK = b" \t\xef\xbb\xbf"
_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")


class EventStream:
    """The data of each event, as its pieces come. Comments and other fields are left out.

    Data over several lines belong together until a blank line, as the standard has it; a line that is a whole JSON
    document by itself is an event also where a server leaves the blank line out.
    """

    def __init__(self) -> None:
        self._line = bytearray()
        self._data: list[bytes] = []
        self._after_return = False

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The events that end in this piece."""
        if self._after_return and piece.startswith(b"\n"):
            piece = piece[1:]  # the second half of a line end that the pieces split
        self._after_return = piece.endswith(b"\r")
        *ended, rest = _LINE_END.split(piece)
        for line in ended:
            self._line += line
            whole = bytes(self._line)
            self._line.clear()
            yield from self._take(whole)
        self._line += rest

    def end(self) -> Iterator[bytes]:
        """What stands at the end without a blank line behind it, where it is whole."""
        yield from self._take(bytes(self._line))
        rest = b"\n".join(self._data)
        if _is_whole(rest):
            yield rest

    def _take(self, line: bytes) -> Iterator[bytes]:
        if not line.strip(_BLANK):
            if self._data:
                yield b"\n".join(self._data)
            self._data.clear()
            return
        field, _, value = line.partition(b":")
        value = value.strip(_BLANK)
        if field.strip(_BLANK) != b"data" or not value:
            return
        if not self._data and _is_whole(value):
            yield value
        else:
            self._data.append(value)


def looks_like_events(body: bytes) -> bool:
    """Whether a body holds server-sent events."""
    return body.lstrip(_BLANK + b"\r\n").startswith(_FIELDS)


def _is_whole(data: bytes) -> bool:
    if data == DONE:
        return True
    if not data.endswith(b"}"):
        return False
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True
