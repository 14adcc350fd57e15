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
from llm_strategy.llm.backend import OnText
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.concurrency.parallel import InFlight
from llm_strategy.llm.layer import Layer
from llm_strategy.llm.metering.audit import AuditedClient, AuditLog
from llm_strategy.llm.metering.calls import Budget, Call, CallLog, Prices, Usage
from llm_strategy.llm.record.session import UNBOUNDED, Session
from llm_strategy.llm.record.store import AnswerStore, FolderStore
from llm_strategy.llm.requests import Generation, Health, ModelIdentity, Request, request_hash
from llm_strategy.support.secrets import redact, redacted
from llm_strategy.support.threads import renewed_in_child
from llm_strategy.types import events_of_answer

log = logging.getLogger(__name__)

Mode: TypeAlias = Literal["live", "replay", "refresh"]
"""``live`` asks what is not recorded, ``replay`` never asks, ``refresh`` asks each distinct request again once."""


_Call: TypeAlias = Callable[[Request, OnText | None], Generation]
"""Has the client behind answer one request."""


def _answer_alone(generation: Generation) -> Generation:
    """The answer without what happened on the one occasion on which it was given."""
    return replace(generation, events=events_of_answer(generation.events))


def _without_secrets(generation: Generation) -> Generation:
    return replace(generation, text=redact(generation.text, known_alone=True), values=redacted(generation.values))


def _longest_wait(request: Request) -> float:
    """Seconds to wait for another process that asks the same: it may have to load its model first."""
    return 600.0 if request.timeout_s is None else 60 + 2 * request.timeout_s


class RecordingClient(Layer):
    """A client in front of another that answers from the record what was answered before.

    ``inner`` is a client, or None for a replay; ``identity`` is the inner model's and goes into the keys. Equal
    requests are asked once a run, in every mode, also where threads share the client.
    ``AnswerNotRecorded`` is raised where ``replay`` meets a request without an answer. ``usage`` counts what the model
    was asked. What another backend or a part of an ensemble answered is passed on and not recorded: it is not the
    model's answer. An answer of an earlier command that its reader can do nothing with is asked for again in ``live``
    (``disregard``), once a command: each ``session`` is one.
    """

    def __init__(
        self,
        inner: LLMClient | None,
        identity: ModelIdentity,
        store: AnswerStore,
        mode: Mode = "live",
    ) -> None:
        if inner is None and mode != "replay":
            raise ConfigurationError(f"Mode {mode!r} has no model to ask: connect one, or use mode 'replay'.")
        super().__init__(inner or LLMClient())
        self.identity = identity
        self.store = store
        self.mode = mode
        self._has_model = inner is not None
        self._session = self._whole = Session()
        self._counting = threading.Lock()
        self._under_way = InFlight()
        renewed_in_child(self)

    @property
    def usage(self) -> Usage:
        """What the model was asked through this client, in all sessions."""
        return self._whole.usage

    @property
    def latencies(self) -> list[float]:
        """Seconds of each question that the model was asked, in all sessions."""
        return self._whole.latencies

    @property
    def unusable(self) -> set[str]:
        """Keys of answers of this command that their reader can do nothing with."""
        return self._session.unusable

    @property
    def concurrency(self) -> int:
        """The inner client's; 1 where nothing is asked."""
        return 1 if self.mode == "replay" else self.inner.concurrency

    @concurrency.setter
    def concurrency(self, most: int) -> None:
        self.inner.concurrency = most

    @property
    def supports_forms(self) -> bool:
        """As the identity says, whose answers are on record."""
        return self.identity.supports_forms

    @property
    def supports_choices(self) -> bool:
        """As the identity says, whose answers are on record."""
        return self.identity.supports_choices

    @contextmanager
    def session(
        self,
        *,
        budget: Budget = UNBOUNDED,
        prices: Prices | None = None,
        own: Iterable[str] = (),
        on_record: Callable[[str], None] | None = None,
        audit: AuditLog | None = None,
    ) -> Iterator[LLMClient]:
        """Open what one command asks, until the end of the block, and give the client to ask; one command at a time.

        The recorded answers to the requests ``own`` are its own: ``refresh`` does not ask them again, and ``live`` does
        not where they cannot be used. ``audit`` is a log that no other program writes meanwhile. ``budget``, ``prices``
        and ``on_record`` are explained in ``Session``.
        """
        self._session.count_time(self._under_way.take_seconds())
        session = Session(
            budget,
            prices,
            on_record,
            above=self._session,
            answered=dict(self._session.answered),
        )
        self._session = session
        self.take_for_own(own)
        try:
            if audit is not None:
                audit.take_up(alone=True)
            yield self if audit is None else AuditedClient(self, audit)
        finally:
            try:
                if audit is not None:
                    audit.close()
            finally:
                session.on_record = None  # an answer that was left behind may still come
                self._session = session.above or self._whole

    def take_for_own(self, requests: Iterable[str]) -> None:
        """Take the answers on record to these requests, by hash, for those of this command, as ``session`` does."""
        for key in requests:
            if key not in self._session.own and (recorded := self.store.get(key)):
                self._session.answered[key] = recorded
                self._session.own.add(key)

    def __getstate__(self) -> dict[str, Any]:
        """Without what belongs to one process: locks, questions under way, and an open session."""
        if any(session.budget != UNBOUNDED for session in self._session.all):
            raise ConfigurationError(
                "A budget is counted in one process: leave it out, or stay in this process with Cerebro(maxcpus=1)."
            )
        own = {"_counting", "_under_way", "_session"}
        return {name: value for name, value in vars(self).items() if name not in own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _counting=threading.Lock(), _under_way=InFlight(), _session=state["_whole"])
        renewed_in_child(self)

    def renew(self) -> None:
        """In a child process no other thread counts."""
        self._counting = threading.Lock()

    def complete(self, request: Request, on_delta: OnText | None = None) -> Generation:
        """Answer from the record, or ask and record."""
        return self._looked_up(
            request,
            on_delta,
            lambda asked, watched: self.inner.log_calls(asked, partial(self.inner.complete, on_delta=watched)),
        )

    def ask(self, request: Request, *, ahead: bool = False) -> Generation:
        """Answer from the record, or ask and record."""
        return self._looked_up(
            request, None, lambda asked, _: self.inner.log_calls(asked, partial(self.inner.ask, ahead=ahead))
        )

    def ask_fallbacks(self, request: Request, problem: ModelError) -> Generation:
        """Ask those of the inner client, whatever is on record: the model is left alone, as if nothing were."""
        if not self.fallbacks:
            raise problem
        key = request_hash(request, self.identity)
        with self._under_way.exclusive(key):
            return self._counted(self._session, key, request, lambda asked, _: self.inner.ask_fallbacks(asked, problem))

    def _looked_up(self, request: Request, on_delta: OnText | None, call: _Call) -> Generation:
        key, session = request_hash(request, self.identity), self._session
        recorded = self._known(key, request)
        if recorded is None:
            if self.mode == "replay":
                raise AnswerNotRecorded(
                    f"Request {key[:12]} to {self.identity.name} has no recorded answer: run it in mode 'live' first."
                )
            with self._under_way.exclusive(key):
                recorded = session.answered.get(key)  # another thread may just have asked it
                if recorded is None:
                    with self.store.exclusive(key, _longest_wait(request)):
                        recorded = self._of_another_process(session, key)
                        if recorded is None:
                            return self._ask(session, key, request, on_delta, call)
        session.answered[key] = recorded
        if on_delta is not None:
            on_delta(recorded.text)
        return replace(recorded, cached=True)

    def recorded(self, request: Request) -> Generation | None:
        """The answer that this request would get without asking, or None; it is not counted."""
        return self._known(request_hash(request, self.identity), request)

    def _known(self, key: str, request: Request) -> Generation | None:
        unread = self.mode == "refresh" or key in self._session.passed_over
        known = self._session.answered.get(key) or (None if unread else self.store.get(key))
        return self.inner.recorded(request) if known is None else known  # of a client that is a record itself

    def _of_another_process(self, session: Session, key: str) -> Generation | None:
        """What another process has just been answered, where this one would have taken it from the record."""
        if self.mode == "refresh" or key in session.passed_over:
            return None
        if (recorded := self.store.get(key)) is not None:
            session.own.add(key)  # it is no answer of an earlier command
        return recorded

    def _ask(self, session: Session, key: str, request: Request, on_delta: OnText | None, call: _Call) -> Generation:
        """Ask for a session, which may have ended when the answer comes; it is then on record, and nothing else."""
        stopped = False

        def watched(text: str) -> bool:
            nonlocal stopped
            stopped = on_delta is not None and not on_delta(text)
            return not stopped

        answer = self._counted(session, key, request, call, watched if on_delta else None)
        if stopped or any(event.is_substitute for event in answer.events):
            return answer
        self._note_draw(request, key)
        answer = self._record(session, key, answer)
        with self._counting:
            session.keep(key)
        return answer

    def _counted(
        self, session: Session, key: str, request: Request, call: _Call, on_delta: OnText | None = None
    ) -> Generation:
        """What the inner client answers, counted, if the limit allows it."""
        with self._counting:
            session.check_budget(self._under_way.take_seconds())
            for open_session in session.all:
                open_session.usage.asked += 1
        calls = CallLog(
            self.prices or session.prices,
            request.log,
            before=partial(self._begin_call, session),
            after=partial(self._charge, session),
        )
        begin = time.perf_counter()
        try:
            answer = call(replace(request, log=calls), on_delta)
        finally:
            with self._counting:
                session.end_question(self._under_way.take_seconds(), time.perf_counter() - begin)
        answer = _without_secrets(answer)
        log.debug(
            "%s answered request %s: %d tokens to %d in %.0f ms",
            self.identity.name,
            key[:12],
            answer.tokens_out,
            answer.tokens_in,
            answer.latency_ms,
        )
        return answer

    def _begin_call(self, session: Session, _: Call) -> None:
        with self._counting:
            session.begin_call(self._under_way.take_seconds())

    def _charge(self, session: Session, call: Call) -> None:
        with self._counting:
            session.charge(call)

    def _record(self, session: Session, key: str, answer: Generation) -> Generation:
        """Keep an answer; where another process was first, its answer is the one to go on with."""
        kept = _answer_alone(answer)
        if self.mode == "refresh" or key in session.passed_over:
            self.store.put(key, kept)
        else:
            kept = self.store.add(key, kept)
        session.answered[key] = kept
        session.own.add(key)
        return answer if kept == _answer_alone(answer) else kept

    def enter(self, request: Request, answer: Generation) -> Generation:
        """Put on record what the model answered by another way, such as a batch service, as if it had just been asked;
        returns the answer that is on record then, which is an earlier one where there was one."""
        key = request_hash(request, self.identity)
        self._note_draw(request, key)
        return self.store.add(key, _answer_alone(_without_secrets(answer)))

    def _note_draw(self, request: Request, key: str) -> None:
        """Note that this is a further draw of an answer, with which it is removed."""
        if request.draw and isinstance(self.store, FolderStore):
            self.store.note_draw(request_hash(replace(request, draw=0), self.identity), key)

    def is_of_earlier_command(self, request: Request) -> bool:
        """Whether the answer on record is that of an earlier command, and could be asked for again."""
        key = request_hash(request, self.identity)
        if self.mode != "live" or key in self._session.own or self._known(key, request) is None:
            return False
        return self.inner.recorded(request) is None

    def disregard(self, request: Request) -> bool:
        """Read the answer to this request no more where an earlier command was given it: whoever asks once more asks
        the model. Returns whether that is so."""
        key = request_hash(request, self.identity)
        with self._counting:
            if key in self._session.own:
                self._session.unusable.add(key)
                return key in self._session.passed_over
            if not self.is_of_earlier_command(request):
                return False
            self._session.passed_over.add(key)
            self._session.answered.pop(key, None)
            for session in self._session.all:
                session.usage.again += 1
        log.info("The answer on record to request %s never met the contract: it is asked again.", key[:12])
        return True

    def healthcheck(self) -> Health:
        """The inner model's health; a replay has none and is always well."""
        if not self._has_model:
            return Health(True, "Answers come from the record.", 0.0)
        return self.inner.healthcheck()
