"""One address of a model: a question through the SDK, and what went wrong with it as a sentence about this address."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai

from llm_strategy.errors import AnswerTimeout, BackendFailure, BackendRefused, ImagesNotSeen, ModelError
from llm_strategy.llm.backends.http import brief, longest_body, sees_no_images
from llm_strategy.llm.backends.network import proxy_for
from llm_strategy.llm.backends.openai.capabilities import Capabilities, TokensField
from llm_strategy.llm.backends.openai.endpoints import Endpoint, with_version
from llm_strategy.llm.backends.openai.hints import BLIND, UNPACKED, is_no_completion
from llm_strategy.llm.backends.openai.replies import OnText, Reply, failed_answer, read_stream, read_whole, refusal
from llm_strategy.llm.backends.openai.transport import connected
from llm_strategy.llm.metering.calls import Call
from llm_strategy.llm.requests import Request
from llm_strategy.support.secrets import Redactor, redact

LIKELIEST = 5
"""First tokens whose probabilities are asked for, the most that some servers give."""
CHECK_TIMEOUT_S = 2.0
"""Seconds within which a lost endpoint must show that it is back."""


class Connection:
    """Asks the SDK, which does not ask again by itself. The key appears in no message and in no answer."""

    def __init__(self, endpoint: Endpoint, model: str, key: str) -> None:
        self.endpoint = endpoint
        self._model = model
        self._key = key
        self._proxy = proxy_for(endpoint.url)
        self.tokens_field: TokensField = "max_tokens"
        self._sdk: openai.AsyncOpenAI | None = None

    def connect(self) -> openai.AsyncOpenAI:
        """The SDK, which takes a while the first time."""
        if self._sdk is None:
            self._sdk = connected(self.endpoint.url, self._key)
        return self._sdk

    async def close(self) -> None:
        """Close the connections; the next question opens new ones."""
        sdk, self._sdk = self._sdk, None
        if sdk is not None:
            await sdk.close()

    async def ask(
        self, request: Request, dialect: Capabilities, seconds: float, on_text: OnText | None = None
    ) -> Reply:
        """The answer to one question; what this address calls the bound of an answer is learned from its refusal."""
        ends = asyncio.get_running_loop().time() + seconds
        try:
            return await self._noted(request, dialect, seconds, on_text)
        except BackendRefused as problem:
            if self.tokens_field != "max_tokens" or "max_completion_tokens" not in str(problem):
                raise
        self.tokens_field = "max_completion_tokens"
        left = max(ends - asyncio.get_running_loop().time(), 0.001)
        return await self._noted(request, dialect, left, on_text)

    async def ask_with_probabilities(self, request: Request, dialect: Capabilities, seconds: float) -> Reply:
        """The answer to one question, with the probabilities of the likeliest first tokens."""
        return await self._noted(request, dialect, seconds, None, {"logprobs": True, "top_logprobs": LIKELIEST})

    async def describe(self) -> dict[str, str]:
        """What the list of models tells of this model that is the same wherever the same weights are served; nothing
        where there is no such list."""
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                listed = await self.connect().models.list(timeout=CHECK_TIMEOUT_S)
            named = [one for one in listed.data if one.id == self._model or len(listed.data) == 1]
            entry = named[0].to_dict()
        except (TimeoutError, LookupError, ValueError, TypeError, AttributeError):  # it lists models in its own way
            return {}
        except (openai.OpenAIError, httpx2.HTTPError):
            return {}
        meta = entry.get("meta")
        told = {"owned_by": entry.get("owned_by")} | (
            {name: meta.get(name) for name in ("n_params", "size", "n_vocab")} if isinstance(meta, dict) else {}
        )
        return {name: brief(value) for name, value in told.items() if isinstance(value, str | int) and value}

    async def is_well(self) -> bool:
        """Whether anything answers there, and knows the key."""
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                await self.connect().models.list(timeout=CHECK_TIMEOUT_S)
        except openai.APIStatusError as problem:
            return problem.status_code < 500 and problem.status_code != 401
        except (TimeoutError, openai.APIConnectionError):
            return False
        except (ValueError, TypeError, AttributeError, openai.OpenAIError):  # it lists models in its own way
            return True
        return True

    async def _noted(
        self,
        request: Request,
        dialect: Capabilities,
        seconds: float,
        on_text: OnText | None,
        more: Mapping[str, Any] = MappingProxyType({}),
    ) -> Reply:
        with request.record(Call("openai", self._model, self.endpoint.name)) as call:
            reply = await self._ask_once(request, dialect, seconds, on_text, more)
            call.succeed(reply.tokens_in, reply.tokens_out)
            return reply

    async def _ask_once(
        self,
        request: Request,
        dialect: Capabilities,
        seconds: float,
        on_text: OnText | None,
        more: Mapping[str, Any],
    ) -> Reply:
        body = {**dialect.body(self._model, request, self.tokens_field), **more}
        longest = longest_body(request.max_tokens)

        def check(reply: Reply) -> None:
            dialect.refuse_another(reply.model)

        streamed: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}} if on_text else {}
        call = self.connect().chat.completions.with_streaming_response.create(**body, **streamed, timeout=seconds)
        try:
            async with asyncio.timeout(seconds), call as response:
                if on_text is None:
                    reply = await read_whole(response.iter_bytes(), longest)
                    check(reply)
                else:
                    pieces = Redactor(on_text)
                    reply = await read_stream(response.iter_bytes(), longest, check, pieces.take)
                    pieces.end()
        except (TimeoutError, openai.APITimeoutError, httpx2.TimeoutException):
            raise AnswerTimeout(
                f"The {self._name} gave no whole answer within {seconds:.3g} s: raise LLM_TIMEOUT_S, or lower "
                "LLM_MAX_TOKENS."
            ) from None
        except openai.APIStatusError as problem:
            written = failed_answer(problem)
            if written is None:
                told = _blind(request, refusal(problem, datetime.datetime.now(datetime.UTC)))
                raise self._about_address(told, elsewhere=problem.status_code in (404, 405)) from None
            reply = Reply(text=written, finish="stop")  # the contract says what is wrong with it
            if on_text is not None and written:
                on_text(redact(written, known_alone=True))
        except (openai.APIConnectionError, httpx2.HTTPError) as problem:
            if isinstance(problem.__cause__, ModelError):
                raise self._about_address(problem.__cause__) from None
            if isinstance(problem, httpx2.DecodingError):
                raise BackendFailure(
                    f"The {self._name} sent a body that is not packed as it says: {UNPACKED}."
                ) from None
            cause = type(problem.__cause__ or problem).__name__
            past = f"let NO_PROXY name {urlsplit(self.endpoint.url).hostname}, " if self._proxy else ""
            raise BackendFailure(
                f"The {self._name} cannot be reached or broke off ({cause}): start it, {past}or set LLM_BASE_URL."
            ) from None
        except ModelError as problem:
            raise self._about_address(_blind(request, problem), elsewhere=is_no_completion(str(problem))) from None
        reply.text = redact(reply.text, known_alone=True)
        return reply

    @property
    def _name(self) -> str:
        """The address as messages say it, with the proxy that a question goes through."""
        if self._proxy is None:
            return self.endpoint.name
        way = f"through the proxy {self._proxy.address} of {self._proxy.variable}"
        return f"{self.endpoint.name.removesuffix(')')}, {way})"

    def _about_address(self, problem: ModelError, *, elsewhere: bool = False) -> ModelError:
        """The problem as a sentence about this address; where the API may be ``elsewhere``, with where to look."""
        right = with_version(self.endpoint.url) if elsewhere else ""
        hint = f"; LLM_BASE_URL has no /v1 at its end, where most servers have it: try {right}" if right else ""
        return problem.reworded(redact(f"The {self._name} {str(problem).rstrip('.')}{hint}."))


def _blind(request: Request, problem: ModelError) -> ModelError:
    """The problem of a question; where it had an image and the server says that its model takes none, that: no other
    question of this kind will be answered either."""
    told = str(problem)
    if not request.images or not sees_no_images(told):
        return problem
    said, found, _ = told.rpartition("): ")
    return ImagesNotSeen(f"{said}): {BLIND}" if found else f"{told.rstrip('.')}: {BLIND}")
