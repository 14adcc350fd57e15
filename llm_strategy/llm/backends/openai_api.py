"""Backend ``openai``: any server that speaks like OpenAI (OpenAI, Together, vLLM, llama-server, LM Studio, Ollama),
through the official SDK.

The model's name as the server reports it goes into the identity, and an answer of another model is a failure
(``ModelChanged``). The fingerprint of its build, which services change from one answer to the next, is recorded with
each answer, and a change is told in the log.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from queue import SimpleQueue

from pydantic import Field

from llm_strategy.config import SETTINGS_FILE, LlmSettings
from llm_strategy.errors import BackendMissing, ConfigurationError
from llm_strategy.llm.backends.openai_dialect import AnswerFormat, Dialect
from llm_strategy.llm.backends.openai_notes import ServerNotes
from llm_strategy.llm.backends.section import Section, read_section
from llm_strategy.llm.background import BackgroundLoop
from llm_strategy.llm.client import LLMClient, OnDelta
from llm_strategy.llm.exchange import Generation, Health, ModelIdentity, Request
from llm_strategy.llm.fingerprint import cache_folder
from llm_strategy.llm.form_schema import form_values
from llm_strategy.types import Event

try:
    from llm_strategy.llm.backends.openai_answers import Reply
    from llm_strategy.llm.backends.openai_introduction import Introduction, until
    from llm_strategy.llm.backends.openai_servers import Servers
except ImportError:
    raise BackendMissing("The backend openai needs its SDK: pip install 'backtrader-llm[openai]'") from None

OPENAI_URL = "https://api.openai.com/v1"


class OpenAIClient(LLMClient):
    """A model behind one or several addresses of the same kind.

    Threads may share a client: up to ``concurrency`` requests are under way at once, each to the least busy address
    that is well. Where one fails, the next is asked within the same time, of which each may use its even share.
    ``answer_format`` and ``reported_model`` are found out by a short question where they are not given. What was found
    out is kept in the folder ``notes``: where no server answers, ``identity`` is taken from there, and only a request
    raises ``ServerNotReached``. ``timeout_s`` (seconds) is for requests that name none.
    """

    remote = True

    def __init__(
        self,
        model: str,
        base_urls: Sequence[str] = (OPENAI_URL,),
        api_key: str = "",
        *,
        concurrency: int = 8,
        answer_format: AnswerFormat | None = None,
        reported_model: str | None = None,
        timeout_s: float = 30.0,
        notes: Path | None = None,
    ) -> None:
        self.model = model
        self.concurrency = concurrency
        self.timeout_s = timeout_s
        self._server = Introduction(
            model,
            Dialect(answer_format, reported_model),
            ServerNotes(notes, base_urls, model),
            lambda trial: self._ask(trial, None)[0],
        )
        self._servers = Servers(base_urls, api_key, self._server.check_model)
        self._loop = BackgroundLoop()
        self._slots = threading.BoundedSemaphore(concurrency)

    @cached_property
    def identity(self) -> ModelIdentity:  # type: ignore[override]  # a remote model says only when asked who it is
        """Who answers; the server is asked where the settings do not say. Raises as ``complete`` does."""
        self._server.get_to_know()
        dialect = self._server.dialect
        return ModelIdentity(
            backend="openai",
            name=self.model,
            engine="openai",
            engine_version=dialect.reported_model or "",
            settings=(("answer_format", str(dialect.answer_format)),),
            supports_forms=True,
        )

    @property
    def supports_forms(self) -> bool:
        """Always: a form is sent as a schema, where the server has schemas."""
        return True

    def complete(self, request: Request, on_delta: OnDelta | None = None) -> Generation:
        """Answer the request; see the class."""
        ends = time.monotonic() + (request.timeout_s or self.timeout_s)
        self._server.get_to_know(ends, in_person=True)
        request = until(ends, request)
        with self._slots:
            begin = time.perf_counter()
            reply, events = self._ask(request, on_delta)
        return Generation(
            text=reply.text,
            tokens_in=reply.tokens_in,
            tokens_out=reply.tokens_out,
            latency_ms=(time.perf_counter() - begin) * 1000,
            finish="length" if reply.finish == "length" else "stop",
            values=form_values(request.form, reply.text) if request.form else {},
            events=events,
        )

    def healthcheck(self) -> Health:
        """Whether the model answers, and every address with it."""
        health = super().healthcheck()
        lost = self._loop.run(self._servers.lost()) if health.ok else []
        return replace(health, ok=False, detail=f"No answer from {', '.join(lost)}.") if lost else health

    def close(self) -> None:
        """Stop what is under way and close the connections; the next request opens them again."""
        self._loop.cancel()
        self._loop.run(self._servers.close())
        self._loop.close()

    def _ask(self, request: Request, on_delta: OnDelta | None) -> tuple[Reply, tuple[Event, ...]]:
        body, seconds = self._server.dialect.body(self.model, request), request.timeout_s or self.timeout_s
        if on_delta is None:
            return self._loop.run(self._servers.ask(body, request.max_tokens, seconds, None))
        pieces: SimpleQueue[str | None] = SimpleQueue()
        left = threading.Event()

        def on_text(text: str) -> bool:
            pieces.put(text)
            return not left.is_set()

        answering = self._loop.start(self._servers.ask(body, request.max_tokens, seconds, on_text))
        answering.add_done_callback(lambda _: pieces.put(None))
        try:
            while (piece := pieces.get()) is not None:
                if not left.is_set() and not on_delta(piece):
                    left.set()
            return answering.result()
        except BaseException:
            answering.cancel()
            raise


class _Options(Section):
    """What may stand under ``openai:`` in ``configs/llm.yaml``, besides settings."""

    concurrency: int = Field(8, ge=1)
    answer_format: AnswerFormat | None = None
    reported_model: str | None = None


def connect(settings: LlmSettings) -> OpenAIClient:
    """The client that ``openai:`` in ``configs/llm.yaml`` and the environment describe.

    A key of ``OPENAI_API_KEY`` goes only where ``OPENAI_BASE_URL`` says, or to OpenAI itself.
    """
    options = read_section(settings, "openai", _Options)
    key = settings.api_key.get_secret_value() if settings.api_key else ""
    if "${" in key:
        raise ConfigurationError(f"openai.api_key in {SETTINGS_FILE} names a variable that is not set: export it.")
    urls = settings.base_url
    if not urls:
        urls = (os.environ.get("OPENAI_BASE_URL") or OPENAI_URL,)
        key = key or os.environ.get("OPENAI_API_KEY", "")
        if not key and urls == (OPENAI_URL,):
            raise ConfigurationError("The backend openai has no key and no address: set LLM_API_KEY or LLM_BASE_URL.")
    return OpenAIClient(
        settings.model,
        urls,
        key,
        concurrency=options.concurrency,
        answer_format=options.answer_format,
        reported_model=options.reported_model,
        timeout_s=settings.timeout_s,
        notes=cache_folder() / "servers",
    )
