"""A hard limit on the time of a call that cannot be interrupted, and an event loop in a thread of its own.

Whoever waits for a call goes on when its time is up, and the call is left behind (``Deadline``). Requests that can be
stopped run on a ``BackgroundLoop``, which ends them at their deadline whatever a server does.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from llm_strategy.errors import AnswerTimeout
from llm_strategy.support.threads import renewed_in_child

_Result = TypeVar("_Result")


class Deadline(Generic[_Result]):
    """Runs a call in a thread of its own and waits for it at most ``seconds`` (None: as long as it takes).

    ``passed`` turns true when nobody waits any more; a call that looks at it can end early. ``AnswerTimeout`` is raised
    where the time is up, and otherwise what the call raises.
    """

    def __init__(self, seconds: float | None) -> None:
        self.passed = False
        self._seconds = seconds

    def run(self, call: Callable[[], _Result]) -> _Result:
        """Wait for the call's result."""
        outcome: SimpleQueue[tuple[_Result | None, BaseException | None]] = SimpleQueue()

        def work() -> None:
            try:
                outcome.put((call(), None))
            except BaseException as problem:  # handed to the waiting thread, whatever it is
                outcome.put((None, problem))

        threading.Thread(target=work, name="llm-call", daemon=True).start()
        try:
            result, problem = outcome.get(timeout=self._seconds)
        except Empty:
            raise AnswerTimeout(
                f"No whole answer came within {self._seconds:g} s: raise LLM_TIMEOUT_S, or ask for fewer tokens."
            ) from None
        finally:
            self.passed = True
        if problem is not None:
            raise problem
        return result  # type: ignore[return-value]  # without a problem it is the call's result


_CANCEL_S = 5.0
"""Seconds for what is cancelled to come to its end."""


class BackgroundLoop:
    """Runs coroutines for any thread; the thread begins with the first one and ends with ``close``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: weakref.finalize[[asyncio.AbstractEventLoop, threading.Thread], BackgroundLoop] | None = None
        renewed_in_child(self)

    def renew(self) -> None:
        """In a child process there is no thread of the loop: the next ``start`` begins one."""
        self._lock = threading.Lock()
        if self._stop is not None:
            self._stop.detach()
        self._loop = self._stop = None

    def start(self, work: Coroutine[Any, Any, _Result]) -> Future[_Result]:
        """Begin the work; cancelling the future stops it."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                thread = threading.Thread(target=self._loop.run_forever, name="llm-requests", daemon=True)
                thread.start()
                self._stop = weakref.finalize(self, _stop, self._loop, thread)
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Do the work and wait for it; an interruption of the waiting stops the work too."""
        future = self.start(work)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def cancel(self) -> None:
        """Stop what is under way; whoever waits for it gets ``CancelledError``."""
        with self._lock:
            if self._loop is None:
                return
            with contextlib.suppress(TimeoutError):
                asyncio.run_coroutine_threadsafe(_cancel_all(), self._loop).result(timeout=_CANCEL_S)

    def close(self) -> None:
        """Stop what is under way and end the thread; the next ``start`` begins a new one."""
        with self._lock:
            if self._stop is not None:
                self._stop()
            self._loop = self._stop = None


def _stop(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    with contextlib.suppress(RuntimeError, TimeoutError):
        asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result(timeout=_CANCEL_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=_CANCEL_S)
        loop.close()


async def _cancel_all() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
