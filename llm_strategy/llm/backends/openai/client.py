"""Backend ``openai``: any server that speaks like OpenAI (OpenAI, Together, vLLM, llama-server, LM Studio, Ollama),
through the official SDK.

The model's name as the server reports it goes into the identity, and an answer of another model is a failure
(``ModelChanged``). The fingerprint of its build, which services change from one answer to the next, is recorded with
each answer, and a change is told in the log.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from queue import SimpleQueue

from llm_strategy.errors import (
    AnswerTimeout,
    BackendFailure,
    BackendMissing,
    BackendRefused,
    ConfigurationError,
    ModelChanged,
    ModelError,
    ModelLoading,
    ServerNotReached,
)
from llm_strategy.llm.backend import Backend, OnText
from llm_strategy.llm.backends import sections
from llm_strategy.llm.backends.network import check_certificates, check_header, check_proxies
from llm_strategy.llm.backends.openai.capabilities import AnswerFormat, Capabilities, ServerNotes
from llm_strategy.llm.backends.openai.endpoints import reach_of
from llm_strategy.llm.backends.sections import read_section
from llm_strategy.llm.concurrency.deadline import BackgroundLoop
from llm_strategy.llm.models.fingerprint import cache_folder
from llm_strategy.llm.requests import Generation, Health, Message, ModelIdentity, Request
from llm_strategy.llm.services import OPENAI, OPENAI_URL, SERVICES, install_hint
from llm_strategy.llm.settings import LlmSettings, check_variables
from llm_strategy.support.secrets import keep_secret
from llm_strategy.types import Event

try:
    from llm_strategy.llm.backends.openai.batch import OpenAIBatchForm
    from llm_strategy.llm.backends.openai.probe import with_cure_for_a_fallback
    from llm_strategy.llm.backends.openai.replies import CutOff, Reply
    from llm_strategy.llm.backends.openai.servers import Servers
except ImportError:
    raise BackendMissing(f"The backend openai needs its SDK: {install_hint('openai')}") from None

log = logging.getLogger(__name__)

_IN_HEADERS = ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID")
"""Variables of the SDK that it puts into headers as they are."""
_UNPROVEN = (
    "Any of {} addresses may have answered, and nothing was asked to find out whether all of them serve the same "
    "weights ({}.probe is false)."
)
_OPTION = re.compile(rf"(?<![\w.])openai\.(?=({'|'.join(sections.OpenAI.model_fields)})\b)")


class OpenAIBackend(Backend):
    """A model behind one or several addresses of the same kind.

    Threads may share a client: up to ``concurrency`` requests are under way at once, each to the least busy address
    that is well, or up to ``endpoint_concurrency`` of each address (then ``concurrency`` is their sum). Where one
    fails, the next is asked within the same time, of which each may use its even share. All must speak alike and, where
    ``probe`` has a few questions asked to tell, serve the same weights (``weights.py``; ``ConfigurationError``
    otherwise), so that no answer depends on which of them was asked.
    ``answer_format`` and ``reported_model`` are found out by a short question where they are not given, and with them
    ``omit_temperature`` and ``merge_system`` (``Capabilities``); ``reasoning_effort`` (a word of theirs) is for models
    that think. What was found out is kept in the folder ``notes``: where no server answers, ``identity`` is taken from
    there, and only a request raises ``ServerNotReached`` (a plain ``BackendFailure`` where there are ``fallbacks``).
    ``timeout_s`` (seconds) is for requests that name none. ``name`` is the section that messages tell to correct.

    Raises ``ConfigurationError`` for an address, a key, a proxy or certificates that no connection can be made with.
    """

    remote = True
    counts_calls = True
    supports_images = True

    def __init__(
        self,
        model: str,
        base_urls: Sequence[str] = (OPENAI_URL,),
        api_key: str = "",
        *,
        concurrency: int = 8,
        endpoint_concurrency: Sequence[int] = (),
        probe: bool = True,
        answer_format: AnswerFormat | None = None,
        reported_model: str | None = None,
        omit_temperature: bool | None = None,
        reasoning_effort: str = "",
        merge_system: bool | None = None,
        timeout_s: float = 30.0,
        notes: Path | None = None,
        name: str = OPENAI,
        fallbacks: Sequence[str] = (),
    ) -> None:
        check_header(api_key, "api_key")
        keep_secret(api_key)
        for variable in _IN_HEADERS:
            check_header(os.environ.get(variable, ""), variable)
        check_certificates()
        check_proxies(base_urls)
        self.model = model
        self._name = name
        self._fallbacks = tuple(fallbacks)
        if len(endpoint_concurrency) not in (0, len(base_urls)):
            raise ConfigurationError(
                f"{name}.endpoint_concurrency has {len(endpoint_concurrency)} numbers for {len(base_urls)} addresses: "
                "give one for each address in LLM_BASE_URL."
            )
        self.concurrency = sum(endpoint_concurrency) or concurrency
        self._compares = probe and len(base_urls) > 1
        self.caveats = () if probe or len(base_urls) < 2 else (_UNPROVEN.format(len(base_urls), name),)
        self.timeout_s = timeout_s
        self._dialect = Capabilities(answer_format, reported_model, omit_temperature, reasoning_effort, merge_system)
        self._notes = ServerNotes(notes, base_urls, model, reasoning_effort)
        self._remembered = False
        self._servers = Servers(model, base_urls, api_key, endpoint_concurrency)
        self._loop = BackgroundLoop()
        self._slots = threading.BoundedSemaphore(self.concurrency)
        self._introduction = threading.Lock()

    @cached_property
    def identity(self) -> ModelIdentity:  # a remote model says only when asked who it is
        """Who answers; the server is asked where the settings do not say. Raises as ``complete`` does."""
        with self._named():
            self._get_to_know()
        return ModelIdentity(
            backend="openai",
            name=self.model,
            engine="openai",
            engine_version=self._dialect.reported_model or "",
            settings=self._dialect.settings,
            supports_forms=True,
            supports_schemas=self._dialect.answer_format == "json_schema",
        )

    @property
    def supports_forms(self) -> bool:
        """Always: a form is sent as a schema, where the server has schemas."""
        return True

    def answer(self, request: Request, on_text: OnText | None = None) -> Generation:
        """Answer the request; see the class."""
        with self._named():
            return self._complete(request, on_text)

    def _complete(self, request: Request, on_text: OnText | None) -> Generation:
        ends = time.monotonic() + (request.timeout_s or self.timeout_s)
        self._get_to_know(ends, in_person=True)
        self._compare_weights(ends)
        request = replace(request, timeout_s=max(ends - time.monotonic(), 0.001))
        with self._slots:
            begin = time.perf_counter()
            reply, events = self._ask(request, on_text)
        return replace(reply.generation(request, (time.perf_counter() - begin) * 1000), events=events)

    def batch_form(self) -> OpenAIBatchForm:
        """The form that batch services of this kind read; the server is asked where it is not known how to speak to
        it."""
        with self._named():
            self._get_to_know()
        return OpenAIBatchForm(self.model, self._dialect, self._servers.tokens_field, self._servers.batch_service)

    def healthcheck(self) -> Health:
        """Whether the model answers, and every address with it."""
        health = self._asked_to_be_brief()
        lost = self._loop.run(self._servers.lost()) if health.ok else []
        if not lost:
            return health
        told = "; ".join(lost)
        return replace(health, ok=False, detail=f"{told[:1].upper()}{told[1:]}.")

    def _asked_to_be_brief(self) -> Health:
        begin = time.perf_counter()
        try:
            self.answer(Request((Message("user", "Answer with one word: ready?"),), max_tokens=4))
            detail = f"{self.model} answers."
        except CutOff:  # which shows that it is alive
            detail = f"{self.model} answers, and thinks first."
        except ModelError as problem:
            return Health(False, str(problem), (time.perf_counter() - begin) * 1000)
        return Health(True, detail, (time.perf_counter() - begin) * 1000)

    def close(self) -> None:
        """Stop what is under way and close the connections; the next request opens them again."""
        self._loop.cancel()
        self._loop.run(self._servers.close())
        self._loop.close()

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Let a failure that names an option of ``openai`` name it where it stands: under this service's own name."""
        try:
            yield
        except (ModelError, ConfigurationError) as problem:
            told = _OPTION.sub(f"{self._name}.", str(problem))
            if told == str(problem):
                raise
            if isinstance(problem, ConfigurationError):
                raise ConfigurationError(told) from None
            renamed = problem.reworded(told)
            renamed.events = problem.events
            raise renamed from None

    def _ask(self, request: Request, on_text: OnText | None) -> tuple[Reply, tuple[Event, ...]]:
        seconds = request.timeout_s or self.timeout_s
        if on_text is None:
            return self._loop.run(self._servers.ask(request, self._dialect, seconds, None))
        pieces: SimpleQueue[str | None] = SimpleQueue()
        left = threading.Event()

        def hand_over(text: str) -> bool:
            pieces.put(text)
            return not left.is_set()

        answering = self._loop.start(self._servers.ask(request, self._dialect, seconds, hand_over))
        answering.add_done_callback(lambda _: pieces.put(None))
        try:
            while (piece := pieces.get()) is not None:
                if not left.is_set() and not on_text(piece):
                    left.set()
            return answering.result()
        except BaseException:
            answering.cancel()
            raise

    def _compare_weights(self, ends: float) -> None:
        """Find out before the first question whether all addresses serve the same weights, where it can be told."""
        with self._introduction:
            if self._compares and not self._dialect.omit_temperature:  # answers that are drawn differ by themselves
                answered = self._loop.run(
                    self._servers.compare(self._dialect, lambda: max(ends - time.monotonic(), 0.001))
                )
                self._compares = not answered

    def _get_to_know(self, ends: float | None = None, *, in_person: bool = False) -> None:
        """Find out what is not known; where it must be ``in_person``, what the server said in an earlier session is not
        enough. The time for it ``ends`` on the monotonic clock; without that each question has its own time."""
        with self._introduction:
            if self._dialect.known and not (in_person and self._remembered):
                return
            try:
                self._dialect = self._loop.run(
                    self._servers.introduce(
                        self._dialect,
                        lambda: self.timeout_s if ends is None else max(ends - time.monotonic(), 0.001),
                    )
                )
            except (BackendRefused, ModelChanged):
                raise
            except (BackendFailure, AnswerTimeout) as problem:
                waits = isinstance(problem, ModelLoading)
                if in_person and self._remembered and not self._fallbacks and not waits:
                    raise ServerNotReached(str(problem)) from None
                noted = self._notes.read()
                if in_person:
                    raise
                if noted is None:
                    raise with_cure_for_a_fallback(problem, self._dialect, self._fallbacks) from None
                log.warning("%s It is taken for what it was when it last answered.", problem)
                self._dialect = self._dialect.completed_by(noted)
                self._remembered = True
            else:
                self._remembered = False
                self._notes.write(self._dialect)
                named = self._dialect.reported_model or "itself"
                log.info("%s answers as %s, held to %s", self.model, named, self._dialect.answer_format)
                if self._dialect.omit_temperature:
                    log.warning("%s takes no temperature: LLM_TEMPERATURE is not sent, and its own holds.", self.model)
                if self._dialect.merge_system:
                    log.warning("%s takes no system message: it is written above the first question.", self.model)


def connect(settings: LlmSettings) -> OpenAIBackend:
    """The client that ``openai:`` in ``configs/llm.yaml`` and the environment describe, or the section of the service
    (``model_services.py``) that the backend is named after."""
    name = settings.backend if settings.backend in SERVICES else OPENAI
    options = read_section(settings, name, sections.OpenAI)
    if options.endpoint_concurrency and "concurrency" in options.model_fields_set:
        raise ConfigurationError(
            f"{name}.concurrency and {name}.endpoint_concurrency are both set: leave the former out, for as many "
            "questions are under way at once as the numbers of the latter come to."
        )
    check_variables({"api_key": settings.api_key, "base_url": settings.base_url}, name)
    reach = reach_of(settings)
    return OpenAIBackend(
        settings.model,
        reach.urls,
        reach.key,
        **options.model_dump(),
        timeout_s=settings.timeout_s,
        notes=cache_folder() / "servers",
        name=name,
        fallbacks=settings.fallback,
    )
