"""Backend ``bedrock``: any model of AWS Bedrock that speaks Converse, through boto3.

Region, profile and credentials are found the AWS way (``bedrock/endpoint.py``). The SDK does not ask again by itself. A
model is held to JSON by the prompt alone, or by a tool whose input has the schema of the answer (``json: tool``, for
models that know tools).
"""

from __future__ import annotations

import importlib.util
import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from llm_strategy.errors import AnswerTimeout, BackendMissing, BackendRefused, ModelError
from llm_strategy.llm.backend import Backend, OnText
from llm_strategy.llm.backends import sections
from llm_strategy.llm.backends.bedrock.capabilities import (
    TRIAL,
    BedrockCapabilities,
    CapabilityNote,
    FilteredAnswer,
    UnsupportedSystem,
    UnsupportedTemperature,
    check_credentials,
    credentials_of,
    environment,
    profile_of,
    region_in_force,
    region_of,
)
from llm_strategy.llm.backends.network import check_certificate_file, check_proxies, is_loopback, proxy_for
from llm_strategy.llm.backends.sections import JsonWay, read_section
from llm_strategy.llm.concurrency.deadline import Deadline
from llm_strategy.llm.metering.calls import Call
from llm_strategy.llm.models.fingerprint import cache_folder
from llm_strategy.llm.requests import Generation, Message, ModelIdentity, Request
from llm_strategy.llm.services import install_hint
from llm_strategy.llm.settings import SETTINGS_FILE, LlmSettings
from llm_strategy.llm.structured.schema_form import form_values, requested_schema
from llm_strategy.support.secrets import Redactor, redact

log = logging.getLogger(__name__)

TOOL = "answer"
"""Name of the tool that takes the answer."""
CONNECT_TIMEOUT_S = 10.0
CONNECTING_S = 60.0
"""Seconds in which the SDK must have found region and credentials; a program that fetches them may never end."""


class BedrockBackend(Backend):
    """A model of Bedrock. Threads may share a client.

    ``model`` is a model identifier or the ARN of an inference profile; ``region``, ``profile`` and ``endpoint_url``
    override what the AWS configuration says; without ``region`` that is ``AWS_REGION``, ``AWS_DEFAULT_REGION``, then
    the profile's. ``credentials`` are arguments of ``boto3.Session``, in place of those that AWS finds.
    ``Request.timeout_s`` bounds a call as a whole, ``timeout_s`` the silence within it (seconds).

    A model that refuses a temperature (or has ``omit_temperature``) or system messages is asked without: that is found
    out when it refuses, or, where there is a folder for ``notes``, by a short question before ``identity`` is told, of
    which it is a part. Raises ``ConfigurationError`` for keys and certificates that no request can be made with.
    """

    remote = True
    counts_calls = True
    supports_images = True

    def __init__(
        self,
        model: str,
        *,
        region: str | None = None,
        profile: str | None = None,
        endpoint_url: str | None = None,
        json_way: JsonWay = "prompt",
        omit_temperature: bool | None = None,
        credentials: Mapping[str, str] | None = None,
        concurrency: int = 8,
        timeout_s: float = 30.0,
        notes: Path | None = None,
    ) -> None:
        if importlib.util.find_spec("boto3") is None:
            raise BackendMissing(f"The backend bedrock needs boto3: {install_hint('bedrock')}")
        check_credentials()
        for variable in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
            check_certificate_file(variable)
        self.model = model
        self.concurrency = concurrency
        self._json_way = json_way
        self._place = {
            "region_name": region or region_of(environment),
            "profile_name": profile,
            **(credentials or {}),
        }
        self._endpoint_url = endpoint_url
        self._timeout_s = timeout_s
        self._sdk: Any = None
        self._proxy = ""
        self._connecting = threading.Lock()
        self._manner = BedrockCapabilities(omit_temperature=bool(omit_temperature))
        self._pinned = omit_temperature is not None
        self._note = None if notes is None else CapabilityNote(notes, model, endpoint_url)
        self._is_known = False  # what the model takes
        self._is_told = False  # who answers, to somebody who holds on to it
        self._finding_out = threading.Lock()

    @property
    def identity(self) -> ModelIdentity:  # what a model takes shows when it is asked
        """Who answers; see the class. Raises what the model refuses in every question."""
        self._find_out()
        self._is_told = self._is_told or self._is_known
        return ModelIdentity(
            backend="bedrock",
            name=self.model,
            engine="bedrock",
            engine_version="",
            settings=(("json", self._json_way), *self._manner.settings),
            supports_forms=self._json_way == "tool",
            supports_schemas=self._json_way == "tool",
        )

    def answer(self, request: Request, on_text: OnText | None = None) -> Generation:
        """Answer the request; see ``Backend.answer``."""
        while True:
            manner = self._manner
            try:
                answer = self._complete(request, on_text, manner)
            except (UnsupportedTemperature, UnsupportedSystem) as problem:
                learned = manner.after(problem)
                pinned = self._pinned and learned.omit_temperature != manner.omit_temperature
                if learned == manner or pinned or self._is_told:
                    raise
                self._learn(learned)
            else:
                self._settle()
                return answer

    def _find_out(self) -> None:
        """Ask a short question, unless it is known what the model takes, or there is no folder to note it in; a failure
        that may pass leaves it as usual, and is told by the question that meets it."""
        with self._finding_out:
            if self._is_known or self._is_told or self._note is None:
                return
            if (noted := self._note.read()) is not None:
                pinned = {"omit_temperature": self._manner.omit_temperature} if self._pinned else {}
                self._manner, self._is_known = replace(noted, **pinned), True
                return
            try:
                self.answer(replace(TRIAL, timeout_s=self._timeout_s))
            except FilteredAnswer:
                self._settle()
            except BackendRefused:
                raise
            except ModelError as problem:
                log.debug("What %s takes could not be found out: %s", self.model, problem)
            self._is_told = True

    def _settle(self) -> None:
        """Note that the model answers as it is asked now."""
        if not self._is_known:
            self._is_known = True
            if self._note is not None:
                self._note.write(self._manner)

    def _learn(self, manner: BedrockCapabilities) -> None:
        if manner.omit_temperature and not self._manner.omit_temperature:
            log.warning("%s takes no temperature: LLM_TEMPERATURE is not sent, and its own holds.", self.model)
        if manner.fold_system and not self._manner.fold_system:
            log.warning("%s takes no system messages: what they say opens the first turn.", self.model)
        self._manner = manner

    def _complete(self, request: Request, on_text: OnText | None, manner: BedrockCapabilities) -> Generation:
        from llm_strategy.llm.backends.bedrock.replies import Reply, as_model_errors

        with as_model_errors(self.model):
            self._connect()  # which takes a while, and is no part of the answer's time
        begin = time.perf_counter()
        deadline = Deadline[Reply](request.timeout_s)

        def watched(text: str) -> bool:
            return not deadline.passed and (on_text is None or on_text(text))

        def ask() -> Reply:
            with as_model_errors(self.model, self._proxy):
                sdk, call = self._connected(), self._call(request, manner)
                if on_text is None:
                    return Reply.of(sdk.converse(**call))
                pieces = Redactor(watched)
                reply = Reply.of_stream(sdk.converse_stream(**call), pieces.take)
                pieces.end()
                return reply

        with request.record(Call("bedrock", self.model)) as noted:
            reply = deadline.run(ask)
            noted.succeed(reply.tokens_in, reply.tokens_out)
        text = redact(reply.text, known_alone=True)
        return Generation(
            text=text,
            tokens_in=reply.tokens_in,
            tokens_out=reply.tokens_out,
            latency_ms=(time.perf_counter() - begin) * 1000,
            finish="length" if reply.stop_reason == "max_tokens" else "stop",
            values=form_values(request.form, text) if request.form else {},
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
        from botocore.exceptions import InvalidRegionError, NoRegionError, ProfileNotFound

        from llm_strategy.llm.backends.bedrock.replies import bound_bodies

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
                    sdk = session.client("bedrock-runtime", endpoint_url=self._endpoint_url, config=options)
                    address = sdk.meta.endpoint_url
                    check_proxies([address], socks=False)
                    if is_loopback(address):
                        options = options.merge(Config(proxies={}))
                        sdk = session.client("bedrock-runtime", endpoint_url=self._endpoint_url, config=options)
                    elif proxy := proxy_for(address):
                        self._proxy = f" through the proxy {proxy.address} of {proxy.variable}"
                    bound_bodies(sdk)
                    self._sdk = sdk
                except NoRegionError:
                    raise ModelError(
                        f"Bedrock needs a region: set AWS_REGION, or region under bedrock: in {SETTINGS_FILE}."
                    ) from None
                except InvalidRegionError:
                    raise ModelError(
                        f"{self._place['region_name']!r} is no region of AWS: correct AWS_REGION, or region under "
                        f"bedrock: in {SETTINGS_FILE}."
                    ) from None
                except ProfileNotFound as problem:
                    raise ModelError(
                        f"There is no AWS profile {problem.kwargs.get('profile')!r}: correct AWS_PROFILE, or profile "
                        f"under bedrock: in {SETTINGS_FILE}."
                    ) from None
                except ValueError as problem:
                    raise ModelError(f"The address of Bedrock is wrong ({problem}): correct endpoint_url.") from None
            return self._sdk

    def _call(self, request: Request, manner: BedrockCapabilities) -> dict[str, Any]:
        system = [{"text": message.content} for message in request.messages if message.role == "system"]
        limits: dict[str, Any] = {"maxTokens": request.max_tokens}
        if not manner.omit_temperature:
            limits["temperature"] = request.temperature
        call: dict[str, Any] = {
            "modelId": self.model,
            "messages": _turns(request.messages),
            "inferenceConfig": limits,
        }
        if system and not manner.fold_system:
            call["system"] = system
        elif system:
            call["messages"][0]["content"][:0] = system
        if self._json_way == "tool" and (request.form or request.json_mode):
            schema = requested_schema(request) or {"type": "object"}
            tool = {"name": TOOL, "description": "Takes the answer.", "inputSchema": {"json": schema}}
            call["toolConfig"] = {"tools": [{"toolSpec": tool}], "toolChoice": {"tool": {"name": TOOL}}}
        return call


def connect(settings: LlmSettings) -> BedrockBackend:
    """The client for the settings under ``bedrock:``, or for ``LLM_MODEL`` with the AWS configuration alone; region,
    profile and keys may stand in ``.env`` too."""
    options = read_section(settings, "bedrock", sections.Bedrock).model_dump()
    options["region"] = options["region"] or region_in_force(settings)
    credentials: dict[str, str] = {}
    if not options["profile"]:
        options["profile"] = profile_of(settings)
        credentials = {} if options["profile"] else credentials_of(settings)
    return BedrockBackend(
        settings.model,
        **options,
        credentials=credentials,
        timeout_s=settings.timeout_s,
        notes=cache_folder() / "servers",
    )


def _turns(messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    """The conversation as Converse wants it: roles take turns, so neighbours of one role become one turn."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "system":
            continue
        blocks: list[dict[str, Any]] = [{"text": message.content}]
        blocks += [{"image": {"format": "png", "source": {"bytes": image.content}}} for image in message.images]
        if turns and turns[-1]["role"] == message.role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": message.role, "content": blocks})
    return turns
