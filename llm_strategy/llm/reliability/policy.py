"""How long to try, how long to wait in between, and when to leave a backend alone.

The breaker counts decisions and knows no clock, so that a run breaks at the same bar every time.
"""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, replace

from llm_strategy.errors import BackendFailure, BreakerOpen, ModelError
from llm_strategy.llm.requests import Request
from llm_strategy.types import Event, EventKind

LEAST_TIME = 0.001
"""Seconds: too short for an answer, so that a question without time left fails as late."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long to try. Times are in seconds; ``breaker_failures`` and ``breaker_pause`` in decisions of
    an advisor, or in calls of a client that is used alone.

    The wait before attempt n + 1 is drawn evenly between half and all of ``backoff_s`` times 2 to the n - 1, at most
    ``backoff_max_s``, by a generator with this ``seed``. A server's ``Retry-After`` goes before it, up to the same
    bound.
    """

    attempts: int = 4
    attempt_timeout_s: float | None = None
    backoff_s: float = 0.5
    backoff_max_s: float = 20.0
    breaker_failures: int = 5
    breaker_pause: int = 20
    seed: int = 0

    def seconds(self, timeout_s: float | None, spent: float) -> float | None:
        """The time of one attempt, of a question that has ``timeout_s`` in all and has ``spent`` some of it."""
        bounds = [] if self.attempt_timeout_s is None else [self.attempt_timeout_s]
        if timeout_s is not None:
            bounds.append(max(timeout_s - spent, LEAST_TIME))
        return min(bounds, default=None)

    def wait(self, attempt: int, problem: ModelError, jitter: random.Random) -> float:
        """Seconds to wait after this attempt, which failed so; ``jitter`` draws them."""
        longest = min(self.backoff_s * 2 ** (attempt - 1), self.backoff_max_s)
        wanted = problem.retry_after_s if isinstance(problem, BackendFailure) else None
        drawn = longest * jitter.uniform(0.5, 1.0)
        return drawn if wanted is None else min(wanted, self.backoff_max_s)


def share(request: Request, spent: float, backends: int) -> Request:
    """The request with an even share of its time, of which so many seconds are spent, for each of these backends."""
    if request.timeout_s is None:
        return request
    return replace(request, timeout_s=max((request.timeout_s - spent) / backends, LEAST_TIME))


class Breaker:
    """Closed, it lets every turn pass. After ``failures`` failed turns in a row it opens: the next ``pause`` turns are
    refused. Then it is half open: one turn passes as a probe, and closes it or leaves it open for another pause.

    A turn is a decision of an advisor, whose breaker knows what came of each and nothing of where the answers came
    from; or a call, where a client is used alone. With ``failures`` of 0 it never opens. Threads may share a breaker;
    which of several turns at once it refuses then depends on their timing.
    """

    def __init__(self, failures: int, pause: int) -> None:
        self.failures = failures
        self.pause = pause
        self._in_a_row = 0
        self._why = ""
        self._refusals_left: int | None = None  # None while it is closed
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[Breaker], tuple[int, int]]:
        """A copy counts for itself, as one in another process must."""
        return Breaker, (self.failures, self.pause)

    def admit(self) -> tuple[Event, ...]:
        """Let a turn pass, with an event where it is a probe; ``BreakerOpen`` where it may not."""
        with self._lock:
            if self._refusals_left is None:
                return ()
            if self._refusals_left:
                self._refusals_left -= 1
                last = f", the last time because: {self._why.rstrip('.')}" if self._why else ""
                raise BreakerOpen(
                    f"The backend failed {self._in_a_row} times in a row and is left alone{last}: "
                    f"{self._refusals_left} more decisions go without it before it is tried again."
                )
            self._refusals_left = self.pause  # what the probe comes to may never be told
            return (Event(EventKind.BREAKER_PROBED, "The backend is tried again."),)

    def record(self, *, failed: bool, probe: bool, why: str = "") -> tuple[Event, ...]:
        """Hear what came of a turn that passed, as a ``probe`` or not, and ``why`` it failed; the event where that
        opens or closes it."""
        with self._lock:
            was_open = self._refusals_left is not None
            if not failed:
                self._in_a_row, self._refusals_left = 0, None
                return (Event(EventKind.BREAKER_CLOSED, "The backend answers again."),) if was_open else ()
            self._in_a_row += 1
            self._why = why or self._why
            if not self.failures or not (probe or (self._in_a_row >= self.failures and not was_open)):
                return ()
            self._refusals_left = self.pause
            because = f", because: {self._why.rstrip('.')}" if self._why else ""
            return (
                Event(EventKind.BREAKER_OPENED, f"The next {self.pause} decisions go without the backend{because}."),
            )
