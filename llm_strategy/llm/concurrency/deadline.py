"""A hard limit on the time of a call that cannot be interrupted: whoever waits goes on, the call is left behind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from llm_strategy.errors import AnswerTimeout

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
