"""What engines in native code need around them: their noise caught, interrupts kept, processors counted."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import IO

log = logging.getLogger(__name__)

MOST_THREADS = 8
"""More are no faster with models that fit a processor."""


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def held_interrupts() -> Iterator[list[int]]:
    """Signals to interrupt that came meanwhile; they are delivered at the end.

    Python would deliver them as it enters a callback of the engine, where the exception would be lost and the answer
    cut off unnoticed.
    """
    came: list[int] = []
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or handler is None:
        yield came
        return
    signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    try:
        yield came
    finally:
        signal.signal(signal.SIGINT, handler)
    if came:
        signal.raise_signal(signal.SIGINT)


@contextlib.contextmanager
def captured_stderr(engine: str) -> Iterator[IO[bytes]]:
    """What native code prints to the error stream, in a file; it comes out in the log at level DEBUG."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as noise:
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
