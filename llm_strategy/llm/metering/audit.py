"""The audit log: one JSON line for each question to a model, for people and for tools that parse it.

A line holds when, which run, who was meant to answer, the request's hash, which draw of the answer (0 is the first, N
that of the folder ``draw-N``), the conversation, the answer or the failure, who really answered (``answered_by``),
every real call with its backend, model, address, tokens and cost (``calls``: retries, addresses that failed, fallbacks
and members of an ensemble among them), how many those are (``attempts``), what happened on the way (``events``), tokens
in and out and the cost of all calls together, latency in milliseconds, whether the answer came from the record, and
what became of it (status and policy verdict, on the last question of a decision). A call that failed counts no tokens,
as in the budget. It holds wall-clock times, so it is no part of the evidence that a replay compares. Secrets are struck
out.

A line is written as soon as its question has ended; only within a decision its last line waits for what becomes of it.
Until then the question stands beside the log (``open_questions.py``), from before its first call: killed at any moment,
the program leaves none out, and the next one that writes the log gives it those lines.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Any

from llm_strategy.errors import ModelError, RunFolderError
from llm_strategy.llm.backend import OnText
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.layer import Layer
from llm_strategy.llm.metering.calls import Call, CallLog, DecisionContext, Prices, total
from llm_strategy.llm.metering.open_questions import OpenQuestion, append_line, take_up
from llm_strategy.llm.requests import Generation, Message, ModelIdentity, Request, request_hash
from llm_strategy.support.outside_text import spelled_out_json
from llm_strategy.support.secrets import redacted
from llm_strategy.support.threads import renewed_in_child
from llm_strategy.types import Event

UNPRICED = "unpriced"


class AuditedDecision(DecisionContext):
    """A decision whose last line waits for what becomes of it."""

    def __init__(self, log: AuditLog) -> None:
        self.log = log

    def judged(self, status: str, policy: str, reasons: tuple[str, ...] = ()) -> None:
        """Write the last line, with this verdict."""
        self.log.settle(self, status=status, policy=policy, reasons=reasons)


_decision: ContextVar[AuditedDecision | None] = ContextVar("decision", default=None)
"""The decision that is being made."""


class AuditLog:
    """Appends lines to a file. Threads may share it.

    ``prices`` are those of calls that have none of their own; an ``advisor`` is named in each line. Raises
    ``RunFolderError`` where the file cannot be written.
    """

    def __init__(self, path: Path, prices: Prices = Prices(), advisor: str = "") -> None:  # noqa: B008 - frozen
        self.path = path
        self.prices = prices
        self.advisor = advisor
        self._writing = threading.Lock()
        self._open: dict[AuditedDecision, tuple[dict[str, Any], OpenQuestion | None]] = {}
        """The last line of a decision, not yet judged."""
        renewed_in_child(self)

    def renew(self) -> None:
        """In a child process nobody writes yet, and what is open is the parent's to write."""
        self._writing = threading.Lock()
        self._open = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "prices": self.prices, "advisor": self.advisor}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]  # another process keeps its own lock and open lines

    def take_up(self, *, alone: bool) -> None:
        """Note what killed programs left open; ``alone`` where no other program may be writing this log."""
        with self._writable():
            take_up(self.path, alone=alone)

    def begin(
        self, question: OpenQuestion, request: Request, who: ModelIdentity | None, run_id: str, call: Call
    ) -> None:
        """Note that a call for this question is about to begin."""
        with self._writing, self._writable():
            question.calls.append(call)
            outcome = {"failure": "Killed: the program ended before this question did.", "cached": False}
            spent = {"tokens_in": 0, "tokens_out": 0, "latency_ms": 0.0}
            question.note(_as_text(self._line(request, who, run_id, (), question.calls, **outcome, **spent)))

    def note_answer(
        self,
        request: Request,
        who: ModelIdentity | None,
        run_id: str,
        answer: Generation,
        calls: Sequence[Call],
        question: OpenQuestion | None = None,
    ) -> None:
        """Note an answer and the calls that it took; ``who`` is None where the model never said who it is."""
        asked = not answer.cached
        line = self._line(
            request,
            who,
            run_id,
            answer.events,
            calls,
            answer=answer.text,
            tokens_in=sum(call.tokens_in for call in calls) if asked else answer.tokens_in,
            tokens_out=sum(call.tokens_out for call in calls) if asked else answer.tokens_out,
            latency_ms=round(answer.latency_ms, 3),
            cached=answer.cached,
            finish=answer.finish,
        )
        self._note(line, question)

    def note_failure(
        self,
        request: Request,
        who: ModelIdentity | None,
        run_id: str,
        problem: BaseException,
        ms: float,
        calls: Sequence[Call],
        question: OpenQuestion | None = None,
    ) -> None:
        """Note a question that brought no answer after so many milliseconds, and the calls that it took."""
        line = self._line(
            request,
            who,
            run_id,
            getattr(problem, "events", ()),
            calls,
            failure=f"{type(problem).__name__}: {problem}",
            tokens_in=sum(call.tokens_in for call in calls),
            tokens_out=sum(call.tokens_out for call in calls),
            latency_ms=round(ms, 3),
            cached=False,
        )
        self._note(line, question)

    @contextlib.contextmanager
    def decision(self) -> Iterator[AuditedDecision]:
        """What is asked in here, by the thread that opens it, is for one decision: its last line waits for ``judged``,
        or for the end."""
        decision = AuditedDecision(self)
        token = _decision.set(decision)
        try:
            yield decision
        finally:
            _decision.reset(token)
            self.settle(decision)

    def settle(self, decision: AuditedDecision, **verdict: Any) -> None:
        """Write the last line of a decision, where it was not written yet, with the verdict on it."""
        with self._writing:
            self._settle(decision, **verdict)

    def close(self) -> None:
        """Write what nobody judged yet."""
        with self._writing:
            for decision in tuple(self._open):
                self._settle(decision)

    def _line(
        self,
        request: Request,
        who: ModelIdentity | None,
        run_id: str,
        events: Sequence[Event],
        calls: Sequence[Call],
        **outcome: Any,
    ) -> dict[str, Any]:
        cost = total(calls)
        return {
            "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
            "run": run_id,
            **({"advisor": self.advisor} if self.advisor else {}),
            "backend": who and who.backend,
            "model": who and who.name,
            "request": who and request_hash(request, who),
            "draw": request.draw,
            "messages": [_message(message) for message in request.messages],
            "answer": None,
            "failure": None,
            "finish": None,
            "attempts": len(calls),
            "answered_by": [_named(call) for call in calls if call.answered],
            "calls": [call.as_dict() | ({} if call.cost is not None else {"cost": UNPRICED}) for call in calls],
            "events": [{"kind": event.kind, "detail": event.detail, "value": event.value} for event in events],
            "cost": UNPRICED if cost is None else cost,
            **outcome,
            "status": None,
            "policy": None,
            "reasons": (),
        }

    def _note(self, line: dict[str, Any], question: OpenQuestion | None) -> None:
        decision = _decision.get()
        with self._writing:
            if decision is not None:
                self._settle(decision)
            if question is not None and question.calls:
                with self._writable():
                    question.note(_as_text(line))
            if decision is not None and decision.log is self:
                self._open[decision] = line, question
            else:
                self._write(line, question)

    def _settle(self, decision: AuditedDecision, **verdict: Any) -> None:
        if decision in self._open:
            line, question = self._open.pop(decision)
            self._write(line | verdict, question)

    def _write(self, line: dict[str, Any], question: OpenQuestion | None) -> None:
        with self._writable():
            append_line(self.path, _as_text(line))
            if question is not None:
                question.close()

    @contextlib.contextmanager
    def _writable(self) -> Iterator[None]:
        try:
            yield
        except OSError as problem:
            raise RunFolderError(
                f"The audit log {self.path} cannot be written ({problem.strerror}): free space, or name another file."
            ) from None


def _message(message: Message) -> dict[str, Any]:
    """What was said, and of each image the hash."""
    images = [image.sha256 for image in message.images]
    return {"role": message.role, "content": message.content} | ({"images": images} if images else {})


def _as_text(line: dict[str, Any]) -> str:
    return spelled_out_json(json.dumps(redacted(line), ensure_ascii=False))


def _named(call: Call) -> str:
    return f"{call.backend}: {call.model}{f' at {call.endpoint}' if call.endpoint else ''}"


class AuditedClient(Layer):
    """A client in front of another that notes every question, for scripts; a run notes its own in its own folder."""

    def __init__(self, inner: LLMClient, log: AuditLog) -> None:
        super().__init__(inner)
        self.log = log

    def complete(self, request: Request, on_delta: OnText | None = None) -> Generation:
        """Ask the inner client, and note what came."""
        return self._audit(request, lambda asked: self.inner.complete(asked, on_delta))

    def ask(self, request: Request, *, ahead: bool = False) -> Generation:
        """Ask the inner client, and note what came."""
        return self._audit(request, lambda asked: self.inner.ask(asked, ahead=ahead))

    def ask_fallbacks(self, request: Request, problem: ModelError) -> Generation:
        """Ask those of the inner client, and note what came."""
        return self._audit(request, lambda asked: self.inner.ask_fallbacks(asked, problem))

    def _audit(self, request: Request, call: Callable[[Request], Generation]) -> Generation:
        """The answer to the request; where calls were made, an interruption is noted too."""
        question = OpenQuestion(self.log.path)
        known = vars(self.inner).get("identity")  # without asking a server for it
        calls = CallLog(
            self.log.prices,
            request.log,
            before=lambda call: self.log.begin(question, request, known, self.run_id, call),
        )
        begin = time.perf_counter()
        try:
            answer = self.inner.log_calls(replace(request, log=calls), call)
        except BaseException as problem:
            if isinstance(problem, ModelError) or calls.calls:
                ms = (time.perf_counter() - begin) * 1000
                self.log.note_failure(request, self._who(), self.run_id, problem, ms, calls.calls, question)
            raise
        self.log.note_answer(request, self._who(), self.run_id, answer, calls.calls, question)
        return answer

    def _who(self) -> ModelIdentity | None:
        try:
            return self.identity
        except ModelError:  # a server that was never reached
            return None

    def decision(self) -> contextlib.AbstractContextManager[DecisionContext]:
        """Let the last line of a decision wait for its verdict."""
        return self.log.decision()

    def close(self) -> None:
        """Write what is open and close the inner client."""
        self.log.close()
        self.inner.close()
