"""Parts of a run that a copy of this process computes beside it, with the outcome of one process."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pickle
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import Generic, Self, TypeVar

from simulator.runs.placebos.processes import VARIABLE, processes

WORTH_A_PROCESS = 5_000
"""Decisions from which another process is begun: half a second of work, where a copy of this process takes a tenth."""
_NATIVE = ("gpt4all", "torch", "xllamacpp")
"""Libraries whose threads a copy of the process would lack."""
_OWN_THREADS = ("progress", "rich.live")
"""Threads that show progress, by name or by the module of their class: a part shows none."""

_DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of Linux: a copy that lived on would hold the lock of the folder."""

Content = TypeVar("Content")


class Part(Generic[Content]):
    """What ``compute`` gives, computed in a copy of this process from now on where that is safe, else here when it is
    asked for; use it as a context manager.

    ``compute`` may write files, shows nothing, and can be called again: where the copy fails, for whatever reason, it
    is computed here, and raises what it raises. ``decisions`` say how much work it is.
    """

    def __init__(self, compute: Callable[[], Content], decisions: int) -> None:
        self._compute = compute
        self._process, self._pipe = 0, -1
        if decisions >= WORTH_A_PROCESS and can_copy():
            self._begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process, signal.SIGKILL)
            self._end()

    @property
    def is_beside(self) -> bool:
        """Whether another process computes it."""
        return bool(self._process)

    def result(self) -> Content:
        """What was computed; asked for once."""
        if not self._process:
            return self._compute()
        with open(self._pipe, "rb", closefd=False) as told:
            content = told.read()
        whole = self._end() == 0
        found: Content = pickle.loads(content) if whole else self._compute()  # noqa: S301 - of our own copy
        return found

    def _begin(self) -> None:
        here, there = os.pipe()
        parent = os.getpid()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of other threads: those that are there are known
            process = os.fork()
        if process:
            os.close(there)
            self._process, self._pipe = process, here
            return
        status = 1
        try:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # who began it ends it
            end_with(parent)
            os.close(here)
            content = pickle.dumps(self._compute())
            with open(there, "wb") as pipe:
                pipe.write(content)
            status = 0
        finally:
            os._exit(status)  # nothing of what was open in the other process is flushed or closed twice

    def _end(self) -> int:
        """Wait for the process; returns its status."""
        os.close(self._pipe)
        _, status = os.waitpid(self._process, 0)
        self._process = 0
        return status


def end_with(parent: int) -> None:
    """Have this process end with the ``parent`` that began it, also where that is killed; on Linux alone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != parent:  # it was gone before
            os._exit(1)


def can_copy() -> bool:
    """Whether a copy of this process computes what this one would, and at the same time: on Linux, with more than one
    processor, and no thread but those that show progress."""
    if sys.platform != "linux" or any(name in sys.modules for name in _NATIVE):
        return False
    if (processes() if VARIABLE in os.environ else len(os.sched_getaffinity(0))) < 2:
        return False
    others = [thread for thread in threading.enumerate() if thread is not threading.current_thread()]
    return all(thread.name in _OWN_THREADS or type(thread).__module__ in _OWN_THREADS for thread in others)
