"""How long to try, and how long to wait in between."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from llm_strategy.errors import BackendFailure, ModelError
from llm_strategy.llm.requests import Request

_LEAST_TIME = 0.001
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
            bounds.append(max(timeout_s - spent, _LEAST_TIME))
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
    return replace(request, timeout_s=max((request.timeout_s - spent) / backends, _LEAST_TIME))
