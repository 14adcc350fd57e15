"""The audit log: one JSON line for each call of a model, for people and for tools that parse it.

A line holds when, which run, who was asked, the request's hash, which draw of the answer (0 is the first, N that of
the folder ``draw-N``), the conversation, the answer or the failure, tokens in and out, latency in milliseconds,
attempts, whether the answer came from the record, what became of it (status and policy verdict, on the last call of a
decision), and the cost. A call that failed counts no tokens, as in the budget. It holds wall-clock times, so it is no
part of the evidence that a replay compares. Secrets are struck out.
"""

from __future__ import annotations

import contextlib
import copy
import datetime
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_strategy.errors import ModelError, RunFolderError
from llm_strategy.llm.client import LLMClient, OnDelta
from llm_strategy.llm.exchange import Generation, Health, ModelIdentity, Request
from llm_strategy.llm.request_hash import request_hash
from llm_strategy.secrets import redact
from llm_strategy.types import Event, EventKind

UNPRICED = "unpriced"


@dataclass(frozen=True, slots=True)
class Prices:
    """What a model charges, in currency for a million tokens; None where no price is configured."""

    tokens_in: float | None = None
    tokens_out: float | None = None

    @property
    def known(self) -> bool:
        """Whether a price is configured."""
        return self.tokens_in is not None or self.tokens_out is not None

    def cost(self, tokens_in: int, tokens_out: int) -> float | None:
        """Currency for so many tokens; None where no price is configured."""
        if not self.known:
            return None
        return ((self.tokens_in or 0.0) * tokens_in + (self.tokens_out or 0.0) * tokens_out) / 1e6


class AuditLog:
    """Appends lines to a file. Threads may share it; ``judged`` speaks of the last call of its own thread.

    Raises ``RunFolderError`` where the file cannot be written.
    """

    def __init__(self, path: Path, prices: Prices = Prices()) -> None:
        self.path = path
        self.prices = prices
        self._writing = threading.Lock()
        self._open: dict[int, dict[str, Any]] = {}  # a call by thread, not yet judged

    def answered(self, request: Request, who: ModelIdentity, run_id: str, answer: Generation) -> None:
        """Note an answer."""
        self._note(
            request,
            who,
            run_id,
            answer=answer.text,
            tokens_in=answer.tokens_in,
            tokens_out=answer.tokens_out,
            latency_ms=round(answer.latency_ms, 3),
            attempts=0 if answer.cached else attempts(answer.events),
            cached=answer.cached,
            finish=answer.finish,
            cost=0.0 if answer.cached else self._cost(answer.tokens_in, answer.tokens_out),
        )

    def failed(self, request: Request, who: ModelIdentity, run_id: str, problem: BaseException, ms: float) -> None:
        """Note a call that brought no answer, after so many milliseconds."""
        self._note(
            request,
            who,
            run_id,
            failure=f"{type(problem).__name__}: {problem}",
            latency_ms=round(ms, 3),
            attempts=attempts(getattr(problem, "events", ())),
            cached=False,
            cost=self._cost(0, 0),
        )

    def judged(self, status: str, policy: str, reasons: tuple[str, ...] = ()) -> None:
        """Say what became of the last call of this thread, and write it."""
        with self._writing:
            line = self._open.pop(threading.get_ident(), None)
            if line is not None:
                self._write(line | {"status": status, "policy": policy, "reasons": reasons})

    def close(self) -> None:
        """Write what nobody judged."""
        with self._writing:
            while self._open:
                self._write(self._open.pop(next(iter(self._open))))

    def _cost(self, tokens_in: int, tokens_out: int) -> float | str:
        cost = self.prices.cost(tokens_in, tokens_out)
        return UNPRICED if cost is None else cost

    def _note(self, request: Request, who: ModelIdentity, run_id: str, **outcome: Any) -> None:
        line = {
            "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
            "run": run_id,
            "backend": who.backend,
            "model": who.name,
            "request": request_hash(request, who),
            "draw": request.draw,
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
            "answer": None,
            "failure": None,
            "tokens_in": 0,
            "tokens_out": 0,
            "finish": None,
            **outcome,
            "status": None,
            "policy": None,
            "reasons": (),
        }
        with self._writing:
            before = self._open.pop(threading.get_ident(), None)
            if before is not None:
                self._write(before)
            self._open[threading.get_ident()] = line

    def _write(self, line: dict[str, Any]) -> None:
        text = redact(json.dumps(line, ensure_ascii=False))
        try:
            with self.path.open("a", encoding="utf-8", errors="backslashreplace", newline="\n") as out:
                out.write(text + "\n")
        except OSError as problem:
            raise RunFolderError(
                f"The audit log {self.path} cannot be written ({problem.strerror}): free space, or name another file."
            ) from None


def attempts(events: tuple[Event, ...]) -> int:
    """How often the model was asked for one answer."""
    return 1 + sum(event.kind in (EventKind.RETRY, EventKind.FAILOVER) for event in events)


@contextlib.contextmanager
def noting_failure(log: AuditLog | None, request: Request, client: LLMClient) -> Iterator[None]:
    """Note a call that fails in here."""
    begin = time.perf_counter()
    try:
        yield
    except ModelError as problem:
        if log is not None:
            log.failed(request, client.identity, client.run_id, problem, (time.perf_counter() - begin) * 1000)
        raise


class AuditedClient(LLMClient):
    """A client in front of another that notes every call, for scripts; a run notes its calls in its own folder."""

    def __init__(self, inner: LLMClient, log: AuditLog) -> None:
        self.inner = inner
        self.log = log
        self.defaults, self.run_id = inner.defaults, inner.run_id
        self.remote, self.concurrency, self.fallbacks = inner.remote, inner.concurrency, inner.fallbacks

    @property
    def identity(self) -> ModelIdentity:  # type: ignore[override]  # a remote model says only when asked who it is
        """The inner client's."""
        return self.inner.identity

    @property
    def supports_forms(self) -> bool:
        """The inner client's."""
        return self.inner.supports_forms

    def complete(self, request: Request, on_delta: OnDelta | None = None) -> Generation:
        """Ask the inner client, and note what came."""
        with noting_failure(self.log, request, self):
            answer = self.inner.complete(request, on_delta)
        self.log.answered(request, self.identity, self.run_id, answer)
        return answer

    def recorded(self, request: Request) -> Generation | None:
        """The inner client's; it is not noted."""
        return self.inner.recorded(request)

    def prompt_tokens(self, request: Request) -> int | None:
        """The inner client's."""
        return self.inner.prompt_tokens(request)

    def without_breaker(self) -> AuditedClient:
        """The inner client without its breaker, with the same log."""
        bound = copy.copy(self)
        bound.inner = self.inner.without_breaker()
        return bound

    def answered_ahead(self) -> None:
        """Tell the inner client."""
        self.inner.answered_ahead()

    def judged(self, status: str, policy: str, reasons: tuple[str, ...] = ()) -> None:
        """Say what became of the last answer."""
        self.log.judged(status, policy, reasons)

    def healthcheck(self) -> Health:
        """The inner client's; it is not noted."""
        return self.inner.healthcheck()

    def close(self) -> None:
        """Write what is open and close the inner client."""
        self.log.close()
        self.inner.close()
