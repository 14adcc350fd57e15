"""Several pieces of work under way at once, each in a thread of its own, and no question asked twice meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TypeVar

from llm_strategy.support.threads import Worker, abandon, renewed_in_child

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def side_by_side(
    work: Callable[[_Item], _Result],
    items: Iterable[_Item],
    at_once: int,
    on_result: Callable[[_Item, _Result], None],
    name: str = "llm-ahead",
) -> None:
    """Do the work on each item, ``at_once`` of them at a time; ``on_result`` is called as results come.

    Items are taken, and results handed over, in the calling thread: an item is taken when there is room for it and
    after the result that made room was handed over. Raises what ``work`` raises, once everything under way has ended.
    An interruption begins nothing more, and leaves what is under way behind (``support.threads.abandon``).
    """
    ended: SimpleQueue[tuple[Worker, _Item, _Result | None, BaseException | None]] = SimpleQueue()
    under_way: set[Worker] = set()
    problem: BaseException | None = None

    def begin(item: _Item) -> None:
        def do() -> None:
            try:
                ended.put((worker, item, work(item), None))
            except BaseException as raised:  # handed to the calling thread, whatever it is
                ended.put((worker, item, None, raised))

        worker = Worker(do, name)
        under_way.add(worker)
        worker.start()

    waiting = iter(items)
    try:
        while True:
            while problem is None and len(under_way) < at_once:
                try:
                    item = next(waiting)
                except StopIteration:
                    break
                begin(item)
            if not under_way:
                break
            worker, item, result, raised = ended.get()
            under_way.remove(worker)
            if raised is None:
                on_result(item, result)  # type: ignore[arg-type]  # without a problem it is the work's result
            problem = problem or raised
    finally:
        abandon(under_way)
    if problem is not None:
        raise problem


def in_order(
    work: Callable[[_Item], _Result], items: Iterable[_Item], at_once: int, name: str = "llm-work"
) -> list[_Result]:
    """What the work on each item comes to, in the order of the items; raises as ``side_by_side`` does."""
    found: dict[int, _Result] = {}

    def keep(numbered: tuple[int, _Item], result: _Result) -> None:
        found[numbered[0]] = result

    side_by_side(lambda numbered: work(numbered[1]), enumerate(items), at_once, keep, name)
    return [found[number] for number in sorted(found)]


class InFlight:
    """Questions under way, by key, and for how long there were any. Threads share it."""

    def __init__(self) -> None:
        self._seconds = self._since = self._taken = 0.0
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

    def take_seconds(self) -> float:
        """The seconds in which at least one question was under way, since they were taken last."""
        with self._change:
            self._count()
            passed, self._taken = self._seconds - self._taken, self._seconds
            return passed

    def _count(self) -> None:
        now = time.perf_counter()
        if self._keys:
            self._seconds += now - self._since
        self._since = now
