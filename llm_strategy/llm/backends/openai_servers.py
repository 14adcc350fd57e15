"""The servers behind one model: one question to the least busy of them, and to the next where it fails."""

from __future__ import annotations

import asyncio
import datetime
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import httpx2
import openai

from llm_strategy.errors import AnswerTimeout, BackendFailure, BackendRefused, ModelError
from llm_strategy.llm.backends.openai_answers import OnText, Reply, read_stream, read_whole, refusal
from llm_strategy.llm.backends.server_words import longest_body
from llm_strategy.llm.endpoints import Endpoint, EndpointPool
from llm_strategy.types import Event, EventKind

log = logging.getLogger(__name__)

CHECK_TIMEOUT_S = 2.0
"""Seconds within which a lost endpoint must show that it is back."""
LONGEST_REFUSAL = 100_000
"""Bytes of a refusal that are read; a message repeats far less."""


class Servers:
    """Asks through the SDK, which does not ask again by itself. All methods belong to one event loop.

    ``check`` sees each answer before it counts, and may raise ``BackendFailure``. The key appears in no message
    and in no answer.
    """

    def __init__(self, urls: Sequence[str], key: str, check: Callable[[Reply], None]) -> None:
        self.pool = EndpointPool(urls)
        self._key = key
        self._check = check
        self._sdks: dict[int, openai.AsyncOpenAI] = {}
        self._looks: set[asyncio.Task[None]] = set()

    async def ask(
        self, body: dict[str, Any], tokens: int, seconds: float, on_text: OnText | None
    ) -> tuple[Reply, tuple[Event, ...]]:
        """One endpoint after the other, until one answers or ``seconds`` are over; ``tokens`` is the answer's bound.

        Each has its even share of the time that is left, lost ones not counted, so that one that stalls leaves the
        others theirs. What was handed to ``on_text`` cannot be taken back: after the first piece no other is asked.
        """
        for endpoint in self.pool.endpoints:
            self._sdk(endpoint)  # which takes a while, and is no part of the answer's time
        ends = asyncio.get_running_loop().time() + seconds
        began = False

        def hand_over(text: str) -> bool:
            nonlocal began
            began = True
            return on_text is None or on_text(text)

        events: list[Event] = []
        tried: list[int] = []
        longest = longest_body(tokens)
        while True:
            with self.pool.least_busy(tried) as endpoint:
                tried.append(endpoint.number)
                now = asyncio.get_running_loop().time()
                share = max(ends - now, 0.001) / (1 + self.pool.well(tried))
                try:
                    reply = await self._ask_one(endpoint, body, longest, share, hand_over if on_text else None)
                    break
                except (BackendFailure, AnswerTimeout) as problem:
                    refused = isinstance(problem, BackendRefused)
                    if not refused:
                        self.pool.failed(endpoint)
                    over = asyncio.get_running_loop().time() >= ends
                    if refused or over or began or len(tried) == len(self.pool.endpoints):
                        problem.events = tuple(events)
                        raise
                    events.append(Event(EventKind.FAILOVER, str(problem)))
        for lost in self.pool.answered(endpoint):
            look = asyncio.create_task(self._look_again(lost))
            self._looks.add(look)
            look.add_done_callback(self._looks.discard)
        return reply, (*events, *self._fingerprint(endpoint, reply))

    async def lost(self) -> list[str]:
        """The names of the endpoints that do not answer."""
        well = await asyncio.gather(*(self._is_well(endpoint) for endpoint in self.pool.endpoints))
        return [endpoint.name for endpoint, is_well in zip(self.pool.endpoints, well, strict=True) if not is_well]

    async def close(self) -> None:
        """Close the connections."""
        for sdk in self._sdks.values():
            await sdk.close()
        self._sdks.clear()

    async def _ask_one(
        self, endpoint: Endpoint, body: dict[str, Any], longest: int, seconds: float, on_text: OnText | None
    ) -> Reply:
        streamed: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}} if on_text else {}
        request = self._sdk(endpoint).chat.completions.with_streaming_response.create(
            **body, **streamed, timeout=seconds
        )
        try:
            async with asyncio.timeout(seconds), request as response:
                if on_text is None:
                    reply = await read_whole(response.iter_bytes(), longest)
                    self._check(reply)
                else:
                    reply = await read_stream(response.iter_bytes(), longest, self._check, on_text)
        except (TimeoutError, openai.APITimeoutError, httpx2.TimeoutException):
            raise AnswerTimeout(
                f"The {endpoint.name} gave no whole answer within {seconds:.3g} s: raise LLM_TIMEOUT_S, or lower "
                "LLM_MAX_TOKENS."
            ) from None
        except openai.APIStatusError as problem:
            raise self._told(endpoint, refusal(problem, datetime.datetime.now(datetime.UTC))) from None
        except (openai.APIConnectionError, httpx2.HTTPError) as problem:
            cause = type(problem.__cause__ or problem).__name__
            raise BackendFailure(
                f"The {endpoint.name} cannot be reached or broke off ({cause}): start it, or set LLM_BASE_URL."
            ) from None
        except ModelError as problem:
            raise self._told(endpoint, problem) from None
        reply.text = self._without_key(reply.text)
        return reply

    def _fingerprint(self, endpoint: Endpoint, reply: Reply) -> tuple[Event, ...]:
        if not reply.fingerprint:
            return ()
        if endpoint.fingerprint not in (None, reply.fingerprint):
            log.warning(
                "The %s changed its fingerprint from %s to %s.", endpoint.name, endpoint.fingerprint, reply.fingerprint
            )
        endpoint.fingerprint = reply.fingerprint
        return (Event(EventKind.FINGERPRINT, self._without_key(reply.fingerprint)),)

    async def _look_again(self, endpoint: Endpoint) -> None:
        self.pool.checked(endpoint, await self._is_well(endpoint))

    async def _is_well(self, endpoint: Endpoint) -> bool:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                await self._sdk(endpoint).models.list(timeout=CHECK_TIMEOUT_S)
        except openai.APIStatusError as problem:
            return problem.status_code < 500
        except (TimeoutError, openai.APIConnectionError):
            return False
        except (ValueError, TypeError, AttributeError, openai.OpenAIError):  # it lists models in its own way
            return True
        return True

    def _sdk(self, endpoint: Endpoint) -> openai.AsyncOpenAI:
        if endpoint.number not in self._sdks:
            http = openai.DefaultAsyncHttpx2Client(event_hooks={"response": [_cut_refusal]})
            self._sdks[endpoint.number] = openai.AsyncOpenAI(
                api_key=self._key or "none", base_url=endpoint.url, max_retries=0, http_client=http
            )
        return self._sdks[endpoint.number]

    def _told(self, endpoint: Endpoint, problem: ModelError) -> ModelError:
        """The problem as a sentence about the endpoint."""
        sentence = self._without_key(f"The {endpoint.name} {str(problem).rstrip('.')}.")
        if isinstance(problem, BackendFailure):
            return type(problem)(sentence, retry_after_s=problem.retry_after_s)
        return type(problem)(sentence)

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "[key]") if len(self._key) > 3 else text


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
