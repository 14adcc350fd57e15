"""What engines in native code need around them: their noise caught, interrupts kept, processors and threads counted.

Engine threads wait for each other by spinning. Where another program holds one of the processors, each step waits for a
time slice: two threads on two busy processors were measured to be 25 times slower than one. The number of threads does
not change an answer.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import IO

from llm_strategy.support.threads import native_calls

log = logging.getLogger(__name__)

MOST_THREADS = 8
"""More are no faster with models that fit a processor."""

_one_capture = threading.Lock()


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Interrupts:
    """True once the call under way is to end: the program was interrupted, or nobody waits for the call any more."""

    def __init__(self, must_stop: Callable[[], bool] = lambda: False) -> None:
        self.came: list[int] = []
        self._must_stop = must_stop

    def __bool__(self) -> bool:
        return bool(self.came) or self._must_stop()


@contextlib.contextmanager
def held_interrupts() -> Iterator[Interrupts]:
    """Whether to end a call of native code; what came meanwhile is raised behind it.

    Python would deliver a signal as it enters a callback of the engine, where the exception would be lost and the
    answer cut off unnoticed. Threads get no signals: they end with ``KeyboardInterrupt`` once they are left behind.
    """
    if threading.current_thread() is not threading.main_thread():
        with native_calls.track() as must_stop:
            yield Interrupts(must_stop)
        return
    held, handler = Interrupts(), signal.getsignal(signal.SIGINT)
    if handler is None:
        yield held
        return
    signal.signal(signal.SIGINT, lambda number, frame: held.came.append(number))
    try:
        yield held
    finally:
        signal.signal(signal.SIGINT, handler)
    if held.came:
        signal.raise_signal(signal.SIGINT)


@contextlib.contextmanager
def captured_stderr(engine: str) -> Iterator[IO[bytes]]:
    """What native code prints to the error stream, in a file; it comes out in the log at level DEBUG.

    The stream is that of the whole process: one capture at a time.
    """
    sys.stderr.flush()
    main = threading.current_thread() is threading.main_thread()
    with contextlib.nullcontext() if main else native_calls.track(), _one_capture, tempfile.TemporaryFile() as noise:
        kept = os.dup(2)
        os.dup2(noise.fileno(), 2)
        try:
            yield noise
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            noise.seek(0)
            log.debug("%s while loading: %s", engine, noise.read().decode(errors="replace"))


_SLOW = 8.0
"""A step this many times longer than the shortest one is slow."""
_SLOW_STEPS = 3
"""So many slow steps in a row mean that the processors are wanted elsewhere."""
_AGAIN_SECONDS = 15.0
"""Fewer threads than there are processors are reconsidered after so long, as what held a processor may have ended."""
_AGAIN_TIMES = 20
"""And after so many times what the last trial took, so that trials cost a twentieth of the time at most."""


class Threads:
    """As many threads as are fastest: found by trial, fewer when other programs come to want the processors, and tried
    again while they are fewer than the processors.

    ``use`` gives the engine a number of threads.
    """

    def __init__(self, most: int, use: Callable[[int], None], clock: Callable[[], float] = time.monotonic) -> None:
        self.count = most
        self._most, self._use, self._clock = most, use, clock
        self._again = -math.inf

    def choose(self, trial: Callable[[], float]) -> None:
        """Find the number, if it is time: ``trial`` says how many seconds a fixed piece of work takes with the threads
        that are used. It is not kept, because what it belongs to keeps this."""
        begin = self._clock()
        if begin < self._again:
            return

        def seconds(count: int) -> float:
            self._use(count)
            return trial()

        self._set(fastest(self._most, seconds))
        end = self._clock()
        self._again = end + max(_AGAIN_SECONDS, _AGAIN_TIMES * (end - begin)) if self.count < self._most else math.inf

    def mind(self, seconds: float) -> None:
        """Take the duration of one more step of equal work; where the last ones were all slow, halve the number."""
        if self.count > 1 and self._pace.lost(seconds):
            self._set(self.count // 2)
            log.info("Other programs use the processors: going on with %d threads.", self.count)
            self._again = self._clock() + _AGAIN_SECONDS

    def _set(self, count: int) -> None:
        self.count, self._pace = count, Pace()
        self._use(count)


def fastest(most: int, seconds: Callable[[int], float]) -> int:
    """The number of threads, from ``most`` down by halves, after which fewer are no faster.

    ``seconds`` tries a number of threads and says how long a fixed piece of work took.
    """
    count, best = most, seconds(most) if most > 1 else 0.0
    while count > 1 and (fewer := seconds(count // 2)) <= best:
        count, best = count // 2, fewer
    return count


class Pace:
    """Notices when steps of equal work become much slower than they were."""

    def __init__(self) -> None:
        self._shortest = math.inf
        self._slow = 0

    def lost(self, seconds: float) -> bool:
        """Take the duration of one more step; True where the last ones were all slow."""
        self._shortest = min(self._shortest, seconds)
        self._slow = self._slow + 1 if seconds > _SLOW * self._shortest else 0
        return self._slow >= _SLOW_STEPS
