"""Work that nobody waits for any more: how a thread hears of it, and how a program ends without it.

A thread that is inside native code when the interpreter ends is torn down in the midst of it, which aborts the whole
process. So native calls of threads are counted, the engines ask at every step whether anybody still waits, and the end
of the program waits for the last of them.

A fork copies locks that other threads hold, and no threads: what has such a lock is made anew in the child
(``renewed_in_child``).
"""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

GRACE_S = 1.0
"""Seconds for what is left behind to come to its end."""


class Worker(threading.Thread):
    """A thread whose work may be left behind; what it begins itself is left behind with it."""

    def __init__(self, work: Callable[[], None], name: str) -> None:
        super().__init__(target=work, name=name, daemon=True)
        self._abandoned = threading.Event()
        self._begun_by = threading.current_thread()

    @property
    def abandoned(self) -> bool:
        """Whether nobody waits for it any more."""
        return self._abandoned.is_set() or (isinstance(self._begun_by, Worker) and self._begun_by.abandoned)

    def abandon(self) -> None:
        """Tell it that nobody waits for it."""
        self._abandoned.set()


def abandon(workers: Iterable[Worker]) -> None:
    """Leave these behind, after waiting ``GRACE_S`` at most for their end."""
    latest = time.monotonic() + GRACE_S
    known = tuple(workers)
    for worker in known:
        worker.abandon()
    for worker in known:
        if worker.is_alive():  # an interruption may come before it was started
            worker.join(max(0.0, latest - time.monotonic()))


class NativeCalls:
    """The calls of native code that threads have under way; those of the main thread end before the program does."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._under_way = 0
        self._ending = False

    @contextmanager
    def track(self) -> Iterator[Callable[[], bool]]:
        """Make a call, which is given what tells it to stop. ``KeyboardInterrupt`` where none may be made any more, and
        where one was told to stop."""
        thread, stopped = threading.current_thread(), False

        def must_stop() -> bool:
            nonlocal stopped
            stopped = stopped or self._ending or (isinstance(thread, Worker) and thread.abandoned)
            return stopped

        with self._change:
            if must_stop():
                raise KeyboardInterrupt
            self._under_way += 1
        try:
            yield must_stop
        finally:
            with self._change:
                self._under_way -= 1
                self._change.notify_all()
        if stopped:
            raise KeyboardInterrupt

    def ended(self, within_s: float) -> bool:
        """Whether none is under way, now or within so many seconds."""
        with self._change:
            return self._change.wait_for(lambda: not self._under_way, within_s)

    def end(self) -> None:
        """Let no more begin, stop those under way and wait for them."""
        with self._change:
            self._ending = True
            self._change.wait_for(lambda: not self._under_way)


native_calls = NativeCalls()
atexit.register(native_calls.end)


class Owner(Protocol):
    """Has something that no child of its process can use."""

    def renew(self) -> None:
        """Make it anew: this is a child, and no other thread is in it."""


_owners: weakref.WeakSet[Owner] = weakref.WeakSet()


def renewed_in_child(owner: Owner) -> None:
    """Have the owner ``renew`` in every process that is forked from this one."""
    _owners.add(owner)


def _renew_all() -> None:
    for owner in tuple(_owners):
        owner.renew()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_renew_all)
