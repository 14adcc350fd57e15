"""The record of answers: what was asked once is answered from the record for ever after."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Literal, TypeAlias

from llm_strategy.errors import AnswerNotRecorded, ConfigurationError, ModelError
from llm_strategy.llm.client import LLMClient, OnDelta
from llm_strategy.llm.concurrency.parallel import InFlight
from llm_strategy.llm.metering.calls import Bill, Call, Usage
from llm_strategy.llm.record.store import AnswerStore, FolderStore
from llm_strategy.llm.reliability.policy import Breaker
from llm_strategy.llm.requests import Generation, Health, ModelIdentity, Request, request_hash
from llm_strategy.support.fork import renewed_in_child
from llm_strategy.support.secrets import redact, redacted
from llm_strategy.types import lasting

log = logging.getLogger(__name__)

Mode: TypeAlias = Literal["live", "replay", "refresh"]
"""``live`` asks what is not recorded, ``replay`` never asks, ``refresh`` asks each distinct request again once."""


_Call: TypeAlias = Callable[[LLMClient, Request, OnDelta | None], Generation]
"""Has a client answer one request."""


def _lasting(generation: Generation) -> Generation:
    """The answer without what happened on the one occasion on which it was given."""
    return replace(generation, events=lasting(generation.events))


def _longest_wait(request: Request) -> float:
    """Seconds to wait for another process that asks the same: it may have to load its model first."""
    return 600.0 if request.timeout_s is None else 60 + 2 * request.timeout_s


class RecordingClient(LLMClient):
    """A client in front of another that answers from the record what was answered before.

    ``inner`` may be a client, a function that connects to one when it is first needed, or None for a replay;
    ``identity`` is the inner model's and goes into the keys. Equal requests are asked once a run, in every mode, also
    where threads share the client.
    ``AnswerNotRecorded`` is raised where ``replay`` meets a request without an answer. ``usage`` counts what the model
    was asked. What another backend or a part of an ensemble answered is passed on and not recorded: it is not the
    model's answer. An answer of an earlier command that its reader can do nothing with is asked for again in ``live``
    (``disregard``), once a command: one begins with each ``trust``.
    """

    counts_calls = True

    def __init__(
        self,
        inner: LLMClient | Callable[[], LLMClient] | None,
        identity: ModelIdentity,
        store: AnswerStore,
        mode: Mode = "live",
    ) -> None:
        if inner is None and mode != "replay":
            raise ConfigurationError(f"Mode {mode!r} has no model to ask: connect one, or use mode 'replay'.")
        self.identity = identity
        self.store = store
        self.mode = mode
        self.usage = Usage()
        self.limit: Callable[[Usage], None] | None = None
        """Called before every single call of a model, retries and others in its place too, one at a time; what it
        raises ends the run."""
        self.on_record: Callable[[str], None] | None = None
        """Called with the key of each answer that is recorded, one call at a time."""
        self._inner = inner
        self.latencies: list[float] = []
        """Seconds of each question that the model was asked, failed ones too, in the order in which they ended."""
        self.unusable: set[str] = set()
        """Keys of answers of this command that their reader can do nothing with."""
        self._answered: dict[str, Generation] = {}
        self._own: set[str] = set()
        self._passed_over: set[str] = set()
        self._counting = threading.Lock()
        self._under_way = InFlight()
        renewed_in_child(self)
        if isinstance(inner, LLMClient):
            self.defaults, self.run_id = inner.defaults, inner.run_id
            self.concurrency, self.fallbacks = 1 if mode == "replay" else inner.concurrency, inner.fallbacks

    def __getstate__(self) -> dict[str, Any]:
        """Without what belongs to one process: locks, questions under way, and who counts."""
        if self.limit is not None:
            raise ConfigurationError(
                "A budget is counted in one process: leave it out, or stay in this process with Cerebro(maxcpus=1)."
            )
        own = {"_counting", "_under_way", "on_record"}
        return {name: value for name, value in vars(self).items() if name not in own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _counting=threading.Lock(), _under_way=InFlight(), on_record=None)
        renewed_in_child(self)

    def renew(self) -> None:
        """In a child process no other thread counts."""
        self._counting = threading.Lock()

    def complete(self, request: Request, on_delta: OnDelta | None = None) -> Generation:
        """Answer from the record, or ask and record."""
        return self._looked_up(
            request,
            on_delta,
            lambda client, asked, watched: client.billed(asked, partial(client.complete, on_delta=watched)),
        )

    def ask(self, request: Request, *, ahead: bool = False) -> Generation:
        """Answer from the record, or ask and record."""
        return self._looked_up(
            request, None, lambda client, asked, _: client.billed(asked, partial(client.ask, ahead=ahead))
        )

    def ask_fallbacks(self, request: Request, problem: ModelError) -> Generation:
        """Ask those of the inner client, whatever is on record: the model is left alone, as if nothing were."""
        if not self.fallbacks:
            raise problem
        key = request_hash(request, self.identity)
        with self._under_way.exclusive(key):
            return self._counted(key, request, lambda client, asked, _: client.ask_fallbacks(asked, problem))

    def _looked_up(self, request: Request, on_delta: OnDelta | None, call: _Call) -> Generation:
        key = request_hash(request, self.identity)
        recorded = self._known(key, request)
        if recorded is None:
            if self.mode == "replay":
                raise AnswerNotRecorded(
                    f"Request {key[:12]} to {self.identity.name} has no recorded answer: run it in mode 'live' first."
                )
            with self._under_way.exclusive(key):
                recorded = self._answered.get(key)  # another thread may just have asked it
                if recorded is None:
                    with self.store.exclusive(key, _longest_wait(request)):
                        recorded = self._of_another_process(key)
                        if recorded is None:
                            return self._ask(key, request, on_delta, call)
        self._answered[key] = recorded
        if on_delta is not None:
            on_delta(recorded.text)
        return replace(recorded, cached=True)

    def recorded(self, request: Request) -> Generation | None:
        """The answer that this request would get without asking, or None; it is not counted."""
        return self._known(request_hash(request, self.identity), request)

    def prompt_tokens(self, request: Request) -> int | None:
        """The inner client's, where one is connected."""
        return self._inner.prompt_tokens(request) if isinstance(self._inner, LLMClient) else None

    def breaker(self) -> Breaker:
        """The inner client's; one that never opens where none is connected yet."""
        return self._inner.breaker() if isinstance(self._inner, LLMClient) else Breaker(0, 0)

    def _known(self, key: str, request: Request) -> Generation | None:
        unread = self.mode == "refresh" or key in self._passed_over
        known = self._answered.get(key) or (None if unread else self.store.get(key))
        if known is None and isinstance(self._inner, LLMClient):
            return self._inner.recorded(request)  # of a client that is a record itself
        return known

    def _of_another_process(self, key: str) -> Generation | None:
        """What another process has just been answered, where this one would have taken it from the record."""
        if self.mode == "refresh" or key in self._passed_over:
            return None
        if (recorded := self.store.get(key)) is not None:
            self._own.add(key)  # it is no answer of an earlier command
        return recorded

    def _ask(self, key: str, request: Request, on_delta: OnDelta | None, call: _Call) -> Generation:
        stopped = False

        def watched(text: str) -> bool:
            nonlocal stopped
            stopped = on_delta is not None and not on_delta(text)
            return not stopped

        answer = self._counted(key, request, call, watched if on_delta else None)
        if stopped or any(event.is_substitute for event in answer.events):
            return answer
        if request.draw and isinstance(self.store, FolderStore):
            self.store.note_draw(request_hash(replace(request, draw=0), self.identity), key)
        answer = self._record(key, answer)
        with self._counting:
            self.usage.kept += 1
            if self.on_record is not None:
                self.on_record(key)
        return answer

    def _counted(self, key: str, request: Request, call: _Call, on_delta: OnDelta | None = None) -> Generation:
        """What the inner client answers, counted, if the limit allows it."""
        client = self._connected()
        with self._counting:
            self._check_limit()
            self.usage.asked += 1
        bill = Bill(self.prices, request.bill, before=self._begin_call, after=self._charge)
        begin = time.perf_counter()
        try:
            answer = call(client, replace(request, bill=bill), on_delta)
        finally:
            with self._counting:
                self.latencies.append(time.perf_counter() - begin)
                self.usage.seconds = self._under_way.seconds
        answer = replace(answer, text=redact(answer.text, known_alone=True), values=redacted(answer.values))
        log.debug(
            "%s answered request %s: %d tokens to %d in %.0f ms",
            self.identity.name,
            key[:12],
            answer.tokens_out,
            answer.tokens_in,
            answer.latency_ms,
        )
        return answer

    def _begin_call(self, _: Call) -> None:
        with self._counting:
            self._check_limit()
            self.usage.calls += 1  # counted when it begins: threads together make no call more than a limit allows

    def _check_limit(self) -> None:
        if self.limit is not None:
            self.usage.seconds = self._under_way.seconds
            self.limit(self.usage)

    def _charge(self, call: Call) -> None:
        with self._counting:
            self.usage.tokens_in += call.tokens_in
            self.usage.tokens_out += call.tokens_out
            self.usage.cost += call.cost or 0.0

    def _record(self, key: str, answer: Generation) -> Generation:
        """Keep an answer; where another process was first, its answer is the one to go on with."""
        kept = _lasting(answer)
        if self.mode == "refresh" or key in self._passed_over:
            self.store.put(key, kept)
        else:
            kept = self.store.add(key, kept)
        self._answered[key] = kept
        self._own.add(key)
        return answer if kept == _lasting(answer) else kept

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Whatever is set in here for a run (``limit``, ``on_record``, ``prices``, answers that are taken for its own)
        is afterwards what it was; only ``usage`` and ``latencies`` go on."""
        before = self.limit, self.on_record, self.prices, dict(self._answered)
        try:
            yield
        finally:
            self.limit, self.on_record, self.prices, self._answered = before

    def trust(self, keys: Iterable[str]) -> None:
        """Begin a command that takes the recorded answers to these requests for its own: ``refresh`` does not ask them
        again, and ``live`` does not where they cannot be used."""
        self._own, self._passed_over, self.unusable = set(), set(), set()
        for key in keys:
            if recorded := self.store.get(key):
                self._answered[key] = recorded
                self._own.add(key)

    def is_of_earlier_command(self, request: Request) -> bool:
        """Whether the answer on record is that of an earlier command, and could be asked for again."""
        key = request_hash(request, self.identity)
        if self.mode != "live" or key in self._own or self._known(key, request) is None:
            return False
        return not isinstance(self._inner, LLMClient) or self._inner.recorded(request) is None

    def disregard(self, request: Request) -> bool:
        """Read the answer to this request no more where an earlier command was given it: whoever asks once more asks
        the model. Returns whether that is so."""
        key = request_hash(request, self.identity)
        with self._counting:
            if key in self._own:
                self.unusable.add(key)
                return key in self._passed_over
            if not self.is_of_earlier_command(request):
                return False
            self._passed_over.add(key)
            self._answered.pop(key, None)
            self.usage.again += 1
        log.info("The answer on record to request %s never met the contract: it is asked again.", key[:12])
        return True

    def healthcheck(self) -> Health:
        """The inner model's health; a replay has none and is always well."""
        return (
            Health(True, "Answers come from the record.", 0.0)
            if self._inner is None
            else self._connected().healthcheck()
        )

    def close(self) -> None:
        """Close the inner client where one was connected."""
        if isinstance(self._inner, LLMClient):
            self._inner.close()

    def _connected(self) -> LLMClient:
        if not isinstance(self._inner, LLMClient):
            if self._inner is None:
                raise ConfigurationError("This client replays and has no model to ask: connect one.")
            self._inner = self._inner()
        return self._inner
