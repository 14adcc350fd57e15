"""A circuit breaker that counts decisions and knows no clock, so that a run breaks at the same bar every time."""

from __future__ import annotations

import threading

from llm_strategy.errors import BreakerOpen
from llm_strategy.types import Event, EventKind


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
