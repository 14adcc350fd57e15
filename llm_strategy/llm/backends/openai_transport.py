"""The SDK as it is used here: no proxy in front of this machine, and refusals that end where a message must have ended,
while by itself the SDK reads whatever comes into memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import openai

from llm_strategy.errors import ConfigurationError
from llm_strategy.llm.backends.server_words import brief
from llm_strategy.llm.network import is_loopback

LONGEST_REFUSAL = 100_000
"""Bytes of a refusal that are read; a message repeats far less."""


def connected(url: str, key: str) -> openai.AsyncOpenAI:
    """The SDK at one address, which does not ask again by itself and reads only the beginning of a refusal; raises
    ``ConfigurationError`` where address, proxies or certificates are none that it can use."""
    own = is_loopback(url)
    try:
        verify = httpx2.create_ssl_context() if own and url.startswith("https") else True
        http = openai.DefaultAsyncHttpx2Client(
            event_hooks={"response": [_cut_refusal]}, trust_env=not own, verify=verify
        )
        return openai.AsyncOpenAI(api_key=key or "none", base_url=url, max_retries=0, http_client=http)
    except (httpx2.InvalidURL, ValueError, ImportError, OSError) as problem:
        raise ConfigurationError(
            f"No connection can be made from these settings ({type(problem).__name__}: {brief(problem)}): check "
            "LLM_BASE_URL and the variables HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and SSL_CERT_FILE."
        ) from None


class _Beginning(httpx2.AsyncByteStream):
    """The first bytes of a body."""

    def __init__(self, body: httpx2.AsyncByteStream) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = LONGEST_REFUSAL
        async for piece in self._body:
            yield piece[:left]
            left -= len(piece)
            if left <= 0:
                return

    async def aclose(self) -> None:
        await self._body.aclose()


async def _cut_refusal(response: httpx2.Response) -> None:
    """Let the SDK, which reads a refusal whole, meet only its beginning."""
    if not response.is_success and isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = _Beginning(response.stream)
