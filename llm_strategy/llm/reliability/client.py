"""Failures that pass: ask again within the decision's time, leave a dead backend alone, let another one answer."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import TypeVar

from llm_strategy.errors import (
    AnswerTimeout,
    BackendFailure,
    BackendRefused,
    BreakerOpen,
    ModelChanged,
    ModelError,
    ModelLoading,
    PromptTooLong,
    ServerNotReached,
)
from llm_strategy.llm.backend import OnText
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.layer import Layer
from llm_strategy.llm.reliability.policy import Breaker, RetryPolicy, share
from llm_strategy.llm.requests import Generation, ModelIdentity, Request
from llm_strategy.types import Event, EventKind

_Answer = TypeVar("_Answer")

PASSING = (AnswerTimeout, BackendFailure, ServerNotReached)
"""Failures of a backend; a breaker counts them."""
FOR_GOOD = (BackendRefused, ModelChanged)
"""Failures that another attempt would meet again."""
LONGEST_LOOK_S = 5.0
"""Seconds from one look at a server that loads its model to the next, at most."""
LOADING_S = 60.0
"""Seconds that such a server is waited for where a question has no time of its own."""
ONE_QUESTION = (*PASSING, BreakerOpen, PromptTooLong)
"""Failures of one question, which another backend may answer."""


class ResilientClient(Layer):
    """A client around another that asks again where a failure may pass.

    ``Request.timeout_s`` bounds everything together: all attempts, their waits, and the fallbacks, which are asked in
    their order where all attempts fail. A backend that has others behind it may use its even share of what is left of
    the time, so that one that stalls leaves the others theirs; to connect a fallback takes no part of it. Everything
    that happened is in ``Generation.events``, or in the ``events`` of the error. Text that was already handed to a
    reader is not taken back: a stream is not begun again.
    """

    fallbacks: tuple[str, ...] = ()

    def __init__(
        self,
        inner: LLMClient,
        patience: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
        fallbacks: Sequence[Fallback] = (),
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(inner)
        self.patience = patience
        self.fallbacks = tuple(fallback.name for fallback in fallbacks)
        self._chain = tuple(fallbacks)
        self._breaker = self.breaker()
        self._jitter = random.Random(patience.seed)  # noqa: S311 - nothing secret is drawn
        self._sleep = sleep
        self._clock = clock

    @cached_property
    def identity(self) -> ModelIdentity:  # a remote model says only when asked who it is
        """The inner client's, asked for as persistently as an answer; without it no fallback is asked."""
        begin, events = self._clock(), list[Event]()
        try:
            return self._guarded(
                self._breaker, events, lambda: self._persist(None, begin, events, lambda _: self.inner.identity)
            )
        except ModelError as problem:
            problem.events = tuple(events)
            raise

    @property
    def supports_choices(self) -> bool:
        """The identity's, which is asked for persistently."""
        return self.identity.supports_choices

    def complete(self, request: Request, on_delta: OnText | None = None) -> Generation:
        """Answer the request; see the class. A breaker of the client's own counts these calls."""
        return self._answered(request, self.inner.complete, self._chain, self._breaker, on_delta)

    def ask(self, request: Request, *, ahead: bool = False) -> Generation:
        """Answer a question of a decision, which the client's own breaker does not count."""

        def inner(asked: Request, on_delta: OnText | None) -> Generation:
            return self.inner.ask(asked, ahead=ahead)

        return self._answered(request, inner, () if ahead else self._chain, Breaker(0, 0))

    def ask_fallbacks(self, request: Request, problem: ModelError) -> Generation:
        """Ask the fallbacks in their order, with all the time of the question."""
        begin, events = self._clock(), list[Event]()
        answer = self._fall_back(request, self._chain, _Reader(None), begin, problem, events)
        return self._finished(answer, begin, events)

    def breaker(self) -> Breaker:
        """One with this patience."""
        return Breaker(self.patience.breaker_failures, self.patience.breaker_pause)

    def close(self) -> None:
        """Close the inner client and what was connected in its place."""
        self.inner.close()
        for fallback in self._chain:
            fallback.close()

    def _answered(
        self,
        request: Request,
        inner: Callable[[Request, OnText | None], Generation],
        chain: Sequence[Fallback],
        breaker: Breaker,
        on_delta: OnText | None = None,
    ) -> Generation:
        begin, events, reader = self._clock(), list[Event](), _Reader(on_delta)
        timed = share(request, 0.0, 1 + len(chain))

        def attempt(seconds: float | None) -> Generation:
            request = replace(timed, timeout_s=seconds)
            return self.inner.log_calls(request, lambda asked: inner(asked, reader.on_delta))

        try:
            answer = self._guarded(
                breaker, events, lambda: self._persist(timed.timeout_s, begin, events, attempt, reader)
            )
        except ONE_QUESTION as problem:
            answer = self._fall_back(request, chain, reader, begin, problem, events)
        return self._finished(answer, begin, events)

    def _finished(self, answer: Generation, begin: float, events: Sequence[Event]) -> Generation:
        """The answer with all that happened before it, and the time that all of it took."""
        latency_ms = max(answer.latency_ms, (self._clock() - begin) * 1000)
        return replace(answer, events=(*events, *answer.events), latency_ms=latency_ms)

    def _guarded(self, breaker: Breaker, events: list[Event], ask: Callable[[], _Answer]) -> _Answer:
        """Ask, if the breaker lets the call pass, and tell it what came of it."""
        admitted = breaker.admit()
        events.extend(admitted)
        try:
            answer = ask()
        except ModelLoading:  # neither a failure of the backend nor an answer
            raise
        except (*PASSING, PromptTooLong) as problem:
            failed = isinstance(problem, PASSING)
            events.extend(breaker.record(failed=failed, probe=bool(admitted), why=str(problem)))
            raise
        events.extend(breaker.record(failed=False, probe=bool(admitted)))
        return answer

    def _persist(
        self,
        timeout_s: float | None,
        begin: float,
        events: list[Event],
        ask: Callable[[float | None], _Answer],
        reader: _Reader | None = None,
    ) -> _Answer:
        """Ask until there is an answer, or no more attempts or time; ``ask`` is told the seconds that it has. To wait
        for a server that loads its model is no attempt."""
        attempt = looks = 0
        while True:
            try:
                return ask(self.patience.seconds(timeout_s, self._clock() - begin))
            except ModelLoading as problem:
                looks += 1
                if looks == 1:
                    events.append(Event(EventKind.LOADING, str(problem)))
                wait = min(self.patience.wait(looks, problem, self._jitter), LONGEST_LOOK_S)
                allowed = timeout_s or self.defaults.timeout_s or LOADING_S
                if self._clock() - begin + wait >= allowed or (reader is not None and reader.began):
                    events.append(Event(EventKind.LOADING, "It was waited for in vain."))
                    raise
            except PASSING as problem:
                attempt += 1
                events.extend(problem.events)
                problem.events = ()
                wait = self.patience.wait(attempt, problem, self._jitter)
                late = timeout_s is not None and self._clock() - begin + wait >= timeout_s
                last = attempt >= self.patience.attempts or late or (reader is not None and reader.began)
                if last or isinstance(problem, FOR_GOOD):
                    raise
                events.append(Event(EventKind.RETRY, f"Attempt {attempt} failed: {problem}"))
            self._sleep(wait)

    def _fall_back(
        self,
        request: Request,
        chain: Sequence[Fallback],
        reader: _Reader,
        begin: float,
        problem: ModelError,
        events: list[Event],
    ) -> Generation:
        events.extend(problem.events)
        if isinstance(problem, ModelChanged):
            events.append(Event(EventKind.MODEL_CHANGED, str(problem)))
        for position, fallback in enumerate(() if reader.began else chain):
            try:
                connecting = self._clock()
                client = fallback.client()
                begin += self._clock() - connecting
                left = share(request, self._clock() - begin, len(chain) - position)
                answer = client.log_calls(fitting(left, client), partial(client.complete, on_delta=reader.on_delta))
            except ModelError as another:
                events.extend(another.events)
                events.append(Event(EventKind.FALLBACK, f"{fallback.name} failed in its turn: {another}"))
                if reader.began:
                    break
                continue
            events.append(Event(EventKind.FALLBACK, f"{fallback.name} answered, because: {problem}"))
            return answer
        problem.events = tuple(events)
        raise problem


class _Reader:
    """Whoever reads a stream, and whether something was handed over already."""

    def __init__(self, on_delta: OnText | None) -> None:
        self.began = False
        self.on_delta = None if on_delta is None else self._hand_over
        self._on_delta = on_delta

    def _hand_over(self, text: str) -> bool:
        self.began = True
        return self._on_delta is None or self._on_delta(text)


class Fallback:
    """A backend that answers in another one's place; it is connected when it is first needed."""

    def __init__(self, name: str, connect: Callable[[], LLMClient]) -> None:
        self.name = name
        self._connect = connect
        self._client: LLMClient | None = None
        self._connecting = threading.Lock()

    def client(self) -> LLMClient:
        """The client, connected now if it was not yet."""
        with self._connecting:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def close(self) -> None:
        """Close the client where there is one."""
        if self._client is not None:
            self._client.close()


def fitting(request: Request, client: LLMClient) -> Request:
    """The request as this client can take it: where it fills no forms, the model writes the whole JSON object."""
    return replace(request, form=(), json_mode=True) if request.form and not client.supports_forms else request
