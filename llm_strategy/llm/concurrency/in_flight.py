"""Which questions are asked just now: each by one thread, the others wait for its answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from llm_strategy.support.threads import renewed_in_child


class InFlight:
    """Questions under way, by key, and for how long there were any. Threads share it."""

    def __init__(self) -> None:
        self._seconds = self._since = 0.0
        self.renew()
        renewed_in_child(self)

    def renew(self) -> None:
        """In a child process nothing is under way: the threads that asked are those of its parent."""
        self._keys: set[str] = set()
        self._change = threading.Condition()

    @contextmanager
    def exclusive(self, key: str) -> Iterator[None]:
        """Be the only thread that asks this question; wait until any other that does has done."""
        with self._change:
            self._change.wait_for(lambda: key not in self._keys)
            self._count()
            self._keys.add(key)
        try:
            yield
        finally:
            with self._change:
                self._count()
                self._keys.remove(key)
                self._change.notify_all()

    @property
    def seconds(self) -> float:
        """Seconds in which at least one question was under way, up to now."""
        with self._change:
            self._count()
            return self._seconds

    def _count(self) -> None:
        now = time.perf_counter()
        if self._keys:
            self._seconds += now - self._since
        self._since = now
