"""The SDK as it is used here: no proxy in front of this machine, a connection for each question alone, no redirects,
no cookies, and bodies that end where a message must have ended, while by itself the SDK reads whatever comes into
memory."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
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
            verify=httpx2.create_ssl_context() if own and url.startswith("https") else True,
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
