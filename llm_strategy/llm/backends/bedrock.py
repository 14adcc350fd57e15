"""Backend ``bedrock``: any model of AWS Bedrock that speaks Converse, through boto3.

Region, profile and credentials are found the AWS way. The SDK does not ask again by itself. A model is held to JSON by
the prompt alone, or by a tool whose input has the schema of the answer (``json: tool``, for models that know tools).
"""

from __future__ import annotations

import importlib.util
import threading
import time
from typing import Any

from llm_strategy.config import SETTINGS_FILE, LlmSettings
from llm_strategy.errors import AnswerTimeout, BackendMissing, ModelError
from llm_strategy.llm.backends import sections
from llm_strategy.llm.backends.section import read_section
from llm_strategy.llm.backends.sections import JsonWay
from llm_strategy.llm.client import LLMClient, OnDelta
from llm_strategy.llm.deadline import Deadline
from llm_strategy.llm.exchange import Generation, Message, ModelIdentity, Request
from llm_strategy.llm.extras import install_hint
from llm_strategy.llm.form_schema import form_values, wanted_schema

TOOL = "answer"
"""Name of the tool that takes the answer."""
CONNECT_TIMEOUT_S = 10.0
CONNECTING_S = 60.0
"""Seconds in which the SDK must have found region and credentials; a program that fetches them may never end."""


class BedrockClient(LLMClient):
    """A model of Bedrock. Threads may share a client.

    ``model`` is a model identifier or the ARN of an inference profile; ``region``, ``profile`` and ``endpoint_url``
    override what the AWS configuration says. ``Request.timeout_s`` bounds a call as a whole, ``timeout_s`` the silence
    within it (seconds).
    """

    remote = True

    def __init__(
        self,
        model: str,
        *,
        region: str | None = None,
        profile: str | None = None,
        endpoint_url: str | None = None,
        json_way: JsonWay = "prompt",
        concurrency: int = 8,
        timeout_s: float = 30.0,
    ) -> None:
        if importlib.util.find_spec("boto3") is None:
            raise BackendMissing(f"The backend bedrock needs boto3: {install_hint('bedrock')}")
        self.model = model
        self.concurrency = concurrency
        self._json_way = json_way
        self._place = {"region_name": region, "profile_name": profile}
        self._endpoint_url = endpoint_url
        self._timeout_s = timeout_s
        self._sdk: Any = None
        self._connecting = threading.Lock()
        self.identity = ModelIdentity(
            backend="bedrock",
            name=model,
            engine="bedrock",
            engine_version="",
            settings=(("json", json_way),),
            supports_forms=json_way == "tool",
            supports_schemas=json_way == "tool",
        )

    def complete(self, request: Request, on_delta: OnDelta | None = None) -> Generation:
        """Answer the request; see ``LLMClient.complete``."""
        from llm_strategy.llm.backends.bedrock_answers import Reply, as_model_errors

        with as_model_errors(self.model):
            self._connect()  # which takes a while, and is no part of the answer's time
        begin = time.perf_counter()
        deadline = Deadline[Reply](request.timeout_s)

        def watched(text: str) -> bool:
            return not deadline.passed and (on_delta is None or on_delta(text))

        def ask() -> Reply:
            with as_model_errors(self.model):
                sdk, call = self._connected(), self._call(request)
                if on_delta is None:
                    return Reply.of(sdk.converse(**call))
                return Reply.of_stream(sdk.converse_stream(**call), watched)

        reply = deadline.run(ask)
        return Generation(
            text=reply.text,
            tokens_in=reply.tokens_in,
            tokens_out=reply.tokens_out,
            latency_ms=(time.perf_counter() - begin) * 1000,
            finish="length" if reply.stop_reason == "max_tokens" else "stop",
            values=form_values(request.form, reply.text) if request.form else {},
        )

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        sdk, self._sdk = self._sdk, None
        if sdk is not None:
            sdk.close()

    def _connect(self) -> None:
        try:
            if self._sdk is None:
                Deadline[Any](CONNECTING_S).run(self._connected)
        except AnswerTimeout:
            raise ModelError(
                f"AWS gave no credentials within {CONNECTING_S:g} s: correct credential_process in its configuration, "
                "or set AWS_PROFILE."
            ) from None

    def _connected(self) -> Any:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import NoRegionError, ProfileNotFound

        from llm_strategy.llm.backends.bedrock_transport import bound_bodies

        with self._connecting:
            if self._sdk is None:
                options = Config(
                    connect_timeout=min(CONNECT_TIMEOUT_S, self._timeout_s),
                    read_timeout=self._timeout_s,
                    retries={"total_max_attempts": 1},
                    max_pool_connections=self.concurrency,
                )
                try:
                    session = boto3.Session(**self._place)
                    self._sdk = session.client("bedrock-runtime", endpoint_url=self._endpoint_url, config=options)
                    bound_bodies(self._sdk)
                except NoRegionError:
                    raise ModelError(
                        f"Bedrock needs a region: set AWS_REGION, or region under bedrock: in {SETTINGS_FILE}."
                    ) from None
                except ProfileNotFound:
                    raise ModelError(
                        f"There is no AWS profile {self._place['profile_name']!r}: correct AWS_PROFILE, or profile "
                        f"under bedrock: in {SETTINGS_FILE}."
                    ) from None
                except ValueError as problem:
                    raise ModelError(f"The address of Bedrock is wrong ({problem}): correct endpoint_url.") from None
            return self._sdk

    def _call(self, request: Request) -> dict[str, Any]:
        system = [{"text": message.content} for message in request.messages if message.role == "system"]
        limits = {"maxTokens": request.max_tokens, "temperature": request.temperature}
        call: dict[str, Any] = {
            "modelId": self.model,
            "messages": _turns(request.messages),
            "inferenceConfig": limits,
        }
        if system:
            call["system"] = system
        if self._json_way == "tool" and (request.form or request.json_mode):
            schema = wanted_schema(request) or {"type": "object"}
            tool = {"name": TOOL, "description": "Takes the answer.", "inputSchema": {"json": schema}}
            call["toolConfig"] = {"tools": [{"toolSpec": tool}], "toolChoice": {"tool": {"name": TOOL}}}
        return call


def connect(settings: LlmSettings) -> BedrockClient:
    """The client for the settings under ``bedrock:``, or for ``LLM_MODEL`` with the AWS configuration alone."""
    options = read_section(settings, "bedrock", sections.Bedrock)
    return BedrockClient(settings.model, **options.model_dump(), timeout_s=settings.timeout_s)


def _turns(messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    """The conversation as Converse wants it: roles take turns, so neighbours of one role become one turn."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "system":
            continue
        block = {"text": message.content}
        if turns and turns[-1]["role"] == message.role:
            turns[-1]["content"].append(block)
        else:
            turns.append({"role": message.role, "content": [block]})
    return turns
