"""A circuit breaker that counts decisions and knows no clock, so that a run breaks at the same bar every time."""

from __future__ import annotations

import threading

from llm_strategy.errors import BreakerOpen
from llm_strategy.types import Event, EventKind


class Breaker:
    """Closed, it lets every question pass. After ``failures`` failed questions in a row it opens: the next ``pause``
    questions are refused. Then it is half open: one question passes as a probe, and its fate closes or opens it again.

    A failed question ends its decision, so that both numbers count decisions. With ``failures`` of 0 it never opens.
    Threads may share a breaker; which of several concurrent questions it refuses then depends on their timing.
    """

    def __init__(self, failures: int, pause: int) -> None:
        self._failures = failures
        self._pause = pause
        self._in_a_row = 0
        self._refusals_left = 0
        self._open = self._probing = False
        self._lock = threading.Lock()

    def admit(self) -> tuple[Event, ...]:
        """Let a question pass, as a probe where the breaker is half open; ``BreakerOpen`` where it is not let pass."""
        with self._lock:
            if not self._open:
                return ()
            if self._refusals_left or self._probing:
                self._refusals_left = max(0, self._refusals_left - 1)
                raise BreakerOpen(
                    f"The backend failed {self._failures} times in a row and is left alone: "
                    f"{self._refusals_left} more decisions go without it before it is tried again."
                )
            self._probing = True
            return (Event(EventKind.BREAKER_PROBED, "The backend is tried again."),)

    def succeeded(self) -> tuple[Event, ...]:
        """A question that passed was answered."""
        with self._lock:
            self._in_a_row = 0
            was_open, self._open, self._probing = self._open, False, False
            return (Event(EventKind.BREAKER_CLOSED, "The backend answers again."),) if was_open else ()

    def failed(self) -> tuple[Event, ...]:
        """A question that passed was not answered."""
        with self._lock:
            self._in_a_row += 1
            if not self._failures or (self._in_a_row < self._failures and not self._probing):
                return ()
            if self._open and not self._probing:
                return ()  # a question from before the opening
            self._open, self._probing, self._refusals_left = True, False, self._pause
            return (Event(EventKind.BREAKER_OPENED, f"The next {self._pause} decisions go without the backend."),)

    def passed_by(self) -> None:
        """It is the turn of a question that was answered before: one failure is not behind another any more, and while
        the breaker is open this is one of the decisions that it waits."""
        with self._lock:
            if self._open:
                self._refusals_left = max(0, self._refusals_left - 1)
            else:
                self._in_a_row = 0

    def abandoned(self) -> None:
        """A question that passed was given up for a reason that says nothing of the backend: the next one may probe."""
        with self._lock:
            self._probing = False
