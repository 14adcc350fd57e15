"""The one interface to a model: whoever asks one has an ``LLMClient``, whatever backend answers and whatever stands
between the two."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cached_property
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Literal, Self, SupportsIndex, Unpack, cast, overload

from llm_strategy.errors import ConfigurationError, ImagesNotSeen, ModelError
from llm_strategy.llm.backend import Backend, BatchForm, OnText, answer_of, identity_of
from llm_strategy.llm.concurrency.parallel import in_order
from llm_strategy.llm.metering.calls import Call, CallLog, DecisionContext, Prices
from llm_strategy.llm.other_process import check_state, recipe
from llm_strategy.llm.reliability.policy import Breaker
from llm_strategy.llm.requests import Chunk, Generation, Health, Message, ModelIdentity, Request
from llm_strategy.llm.structured.answer_text import as_contract_error
from llm_strategy.llm.structured.call_options import (
    AnswerSchema,
    AnyMessage,
    Options,
    check_options,
    check_text,
    message_of,
)
from llm_strategy.llm.structured.json_repair import repair_json
from llm_strategy.llm.structured.probabilities import read_probabilities
from llm_strategy.llm.structured.schema_form import schema_form
from llm_strategy.support.threads import Worker, abandon

log = logging.getLogger(__name__)

SLOW_SECONDS = 10.0
"""An answer that takes longer is told: it makes a run of a thousand decisions one of hours."""


class LLMClient:
    """A model that can be asked: through its ``backend``, or through layers (``Layer``) in front of another client.

    A subclass without a backend sets ``identity`` and implements ``complete``, or has ``generate`` alone
    (``backend.answer_of`` says what that is given and may return), and is then known by its class and its file.
    ``defaults`` is the request that every call starts from. Methods raise ``ModelError`` (see its branches) where the
    model cannot answer.
    """

    backend: Backend | None = None
    """What answers; None where the class does so itself."""
    defaults: Request = Request(messages=())
    run_id: str = ""
    """Names the caller's session in the log."""
    strict: bool = False
    """Whether an answer depends on the request and the identity alone: see ``LlmSettings.strict``."""
    remote: bool = False
    """Whether answers come over a network, which fails in passing: ``get_llm_client`` then asks again by itself."""
    concurrency: int = 1
    """How many requests may be under way at once; above 1, ``complete`` may be called from several threads."""
    fallbacks: tuple[str, ...] = ()
    """Names of the backends that answer where this one fails."""
    supports_images: bool = False
    """Whether ``Message.images`` are seen, as far as the backend goes; a server's own model may still be blind."""
    replays: bool = False
    """Whether it answers from a journal, which keeps of an answer what it has; of any other that is too long to be read
    a journal keeps the beginning."""
    caveats: tuple[str, ...] = ()
    """What one must know of who answers before any figure, a sentence each."""
    counts_calls: bool = False
    """Whether it records its calls in ``Request.log`` by itself: it asks other clients, or one of several addresses."""
    prices: Prices | None = None
    """What a call costs; None is what whoever asks takes it for."""

    make: Callable[[], LLMClient] | None = None
    """How ``get_llm_client`` made it, where it did: in another process it is made again, and nothing else is copied."""

    def __init__(self, backend: Backend | None = None) -> None:
        if backend is None:
            return
        self.backend = backend
        for name in ("concurrency", "strict", "remote", "counts_calls", "supports_images", "caveats"):
            if (value := getattr(backend, name)) != getattr(Backend, name):
                setattr(self, name, value)
        if "identity" in vars(backend):  # known without asking a server for it
            self.identity = backend.identity

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        if self.make is not None:
            return recipe(self, self.make, self.defaults)
        check_state(type(self).__name__, cast(dict[str, Any], self.__getstate__()))
        return super().__reduce_ex__(protocol)

    @property
    def supports_forms(self) -> bool:
        """Whether ``Request.form`` is filled slot by slot."""
        return self.identity.supports_forms if self.backend is None else self.backend.supports_forms

    @property
    def supports_choices(self) -> bool:
        """Whether ``score`` works: whether ``Request.choices`` are given probabilities."""
        return self.identity.supports_choices

    @cached_property
    def identity(self) -> ModelIdentity:  # a remote model says only when asked who it is
        """Who answers; a subclass sets it, or is known by its class and its file."""
        return identity_of(self) if self.backend is None else self.backend.identity

    def complete(self, request: Request, on_delta: OnText | None = None) -> Generation:
        """Answer the request; ``on_delta`` sees the text as it is written and may stop it. A subclass that has only
        ``generate`` is asked through it."""
        if request.images and not self.supports_images:
            raise ImagesNotSeen(
                f"The backend {self.identity.backend!r} reads text alone, and the question has an image: choose openai "
                "or bedrock with a model that sees, or leave the image out."
            )
        if self.backend is not None:
            if self.counts_calls and request.log is not None:
                request = replace(request, log=CallLog(self.prices, request.log))
            return self._from_backend(self.backend, request, on_delta)
        if type(self).generate is LLMClient.generate:
            raise ConfigurationError(
                f"{type(self).__name__} has neither generate nor complete: write def generate(self, prompt, **kwargs)."
            )
        answer = answer_of(self, request)
        if on_delta is not None:
            on_delta(answer.text)
        return answer

    def _from_backend(self, backend: Backend, request: Request, on_delta: OnText | None) -> Generation:
        if on_delta is None:
            return backend.answer(request)
        written = False

        def hand_over(text: str) -> bool:
            nonlocal written
            written = True
            return on_delta(text)

        answer = backend.answer(request, hand_over)
        if answer.text and not written:
            on_delta(answer.text)
        return answer

    def log_calls(self, request: Request, ask: Callable[[Request], Generation]) -> Generation:
        """What this client answers to the request when it is asked so, with its calls in the request's log: for clients
        that stand in front of this one."""
        if self.counts_calls or request.log is None:
            return ask(request)
        who = self.identity
        with request.record(Call(who.backend, who.name, prices=self.prices)) as call:
            answer = ask(replace(request, log=None))
            call.succeed(answer.tokens_in, answer.tokens_out)
            return answer

    def start_from(self, defaults: Request) -> None:
        """Begin every call with this request, its messages aside."""
        self.defaults = defaults

    def recorded(self, request: Request) -> Generation | None:
        """The answer that this request would get without asking; None where there is none, or no record."""
        return None

    def is_of_earlier_command(self, request: Request) -> bool:
        """Whether ``recorded`` gives what an earlier command was answered, and not this one."""
        return False

    def disregard(self, request: Request) -> bool:
        """Hear that the answer to a request cannot be used; returns whether asking once more asks the model, because
        the answer was that of an earlier command. Then it is."""
        return False

    def prompt_tokens(self, request: Request) -> int | None:
        """Tokens of the request's prompt, counted without asking; None where that cannot be told here."""
        return None if self.backend is None else self.backend.count_tokens(request)

    def batch_form(self) -> BatchForm | None:
        """How questions are handed in as a file; None where one backend alone cannot do that."""
        return None if self.backend is None else self.backend.batch_form()

    def ask(self, request: Request, *, ahead: bool = False) -> Generation:
        """Answer a question of a decision: as ``complete``, for a caller that keeps the ``breaker`` itself and counts
        decisions with it, so that none counts the calls. A question asked ``ahead`` of its turn goes to the model
        alone, and to no other backend in its place."""
        return self.complete(request)

    def ask_fallbacks(self, request: Request, problem: ModelError) -> Generation:
        """Let the ``fallbacks`` answer a question of a decision in place of the model; raises the ``problem``, for
        which the model is left alone, where none of them does."""
        raise problem

    def breaker(self) -> Breaker:
        """A new breaker as this client is to be guarded with; it never opens where nothing is said of it."""
        return Breaker(0, 0)

    def generate(self, prompt: str, *, system: str | None = None, **options: Unpack[Options]) -> Generation:
        """Answer one prompt. With ``json_mode`` or a ``schema`` the text is valid JSON, or ``ContractError`` is raised;
        an answer that was cut off is closed, which its ``events`` tell."""
        check_text("system", system or "")
        check_text("prompt", prompt)
        head = () if system is None else (Message("system", system),)
        return self._answer(*self._request((*head, Message("user", prompt)), options))

    @overload
    def chat(
        self, messages: Sequence[AnyMessage], *, stream: Literal[False] = False, **options: Unpack[Options]
    ) -> Generation: ...
    @overload
    def chat(
        self, messages: Sequence[AnyMessage], *, stream: Literal[True], **options: Unpack[Options]
    ) -> Iterator[Chunk]: ...
    def chat(
        self, messages: Sequence[AnyMessage], *, stream: bool = False, **options: Unpack[Options]
    ) -> Generation | Iterator[Chunk]:
        """Answer a conversation, whole or, with ``stream``, in chunks; leaving the iteration stops the model.

        A message is a ``Message`` or a mapping with ``role`` (system, user, assistant) and ``content``.
        """
        if isinstance(messages, str):
            raise ConfigurationError(f"messages is the text {messages[:40]!r}: give a list, or use generate.")
        request, wanted = self._request(tuple(message_of(entry) for entry in messages), options)
        return self._stream(request, wanted) if stream else self._answer(request, wanted)

    def batch(
        self, prompts: Iterable[str], *, system: str | None = None, **options: Unpack[Options]
    ) -> list[Generation]:
        """Answer each prompt, in order; up to ``concurrency`` are under way at once. After a failure no more are begun,
        and it is raised once those under way have ended; an interruption does not wait for them."""

        if isinstance(prompts, str):
            raise ConfigurationError(f"prompts is the text {prompts[:40]!r}: give a list of texts, or use generate.")

        def answer(prompt: str) -> Generation:
            return self.generate(prompt, system=system, **options)

        if self.concurrency == 1:
            return [answer(prompt) for prompt in prompts]
        return in_order(answer, prompts, self.concurrency, "llm-batch")

    def score(self, request: Request, choices: Sequence[str]) -> dict[str, float]:
        """The probability of each choice to be how the answer goes on after ``request.opening``; they sum to 1.

        It is asked and recorded as any other answer. Raises ``ConfigurationError`` where the backend cannot score.
        """
        if not self.supports_choices:
            raise ConfigurationError(
                f"Backend {self.identity.backend!r} gives no probabilities: choose llama_cpp, or another decision mode."
            )
        return read_probabilities(self.complete(replace(request, form=(), choices=tuple(choices))).text)

    def healthcheck(self) -> Health:
        """Ask for a few tokens and say whether they came, where the backend has no better way; never raises."""
        health = None if self.backend is None else self.backend.healthcheck()
        if health is not None:
            return health
        begin = time.perf_counter()
        try:
            question = Request((Message("user", "Answer with one word: ready?"),), max_tokens=4)
            answer = self.complete(replace(question, timeout_s=self.defaults.timeout_s))
        except ModelError as problem:
            return Health(False, str(problem), (time.perf_counter() - begin) * 1000)
        return Health(True, f"{self.identity.name} answers.", answer.latency_ms)

    def decision(self) -> AbstractContextManager[DecisionContext]:
        """The decision for which everything is asked in here; what became of it is told to the context."""
        return nullcontext(DecisionContext())

    def close(self) -> None:
        """Free what the client holds; it may be called twice."""
        if self.backend is not None:
            self.backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _request(self, messages: tuple[Message, ...], options: Options) -> tuple[Request, AnswerSchema | None]:
        """The request, and the schema that its answer has to keep."""
        if not messages:
            raise ConfigurationError("The conversation is empty: give at least one message.")
        check_options(options)
        fields = cast(dict[str, Any], {name: value for name, value in options.items() if value is not None})
        schema = fields.pop("schema", None)
        if schema is None:
            return replace(self.defaults, messages=messages, **fields), None
        wanted = AnswerSchema.of(schema)
        embedded = self.supports_forms and bool(self.identity.weights_sha256)
        form = schema_form(wanted.document, lists=not self.identity.supports_choices) if embedded else ()
        fields |= {"json_mode": not form, "json_schema": "" if form else wanted.text, "form": form}
        return replace(self.defaults, messages=wanted.ask_in(messages), **fields), wanted

    def _answer(
        self, request: Request, wanted: AnswerSchema | None = None, on_delta: OnText | None = None
    ) -> Generation:
        answer = self.complete(request, on_delta)
        log.debug(
            "run %s: %s answered %d tokens to %d in %.0f ms%s",
            self.run_id or "-",
            self.identity.name,
            answer.tokens_out,
            answer.tokens_in,
            answer.latency_ms,
            " (recorded)" if answer.cached else "",
        )
        if answer.latency_ms > 1000 * SLOW_SECONDS and not answer.cached:
            log.warning(
                "The response time was %.1f s, more than %.0f s: lower LLM_MAX_TOKENS, or use a smaller model, more "
                "threads or a graphics card.",
                answer.latency_ms / 1000,
                SLOW_SECONDS,
            )
        if wanted is None and not request.json_mode:
            return answer
        with as_contract_error():
            answer = repair_json(answer, request.form, request.max_tokens)
            return replace(answer, parsed=None if wanted is None else wanted.parsed(answer.text))

    def _stream(self, request: Request, wanted: AnswerSchema | None) -> Iterator[Chunk]:
        chunks: SimpleQueue[Chunk | BaseException] = SimpleQueue()

        def on_delta(text: str) -> bool:
            chunks.put(Chunk(text))
            return not worker.abandoned

        def work() -> None:
            try:
                chunks.put(Chunk("", done=True, generation=self._answer(request, wanted, on_delta)))
            except BaseException as problem:  # handed to the reader, whatever it is
                chunks.put(problem)

        worker = Worker(work, "llm-stream")
        worker.start()
        try:
            while True:
                chunk = chunks.get()
                if isinstance(chunk, BaseException):
                    raise chunk
                yield chunk
                if chunk.done:
                    return
        finally:
            abandon([worker])
