"""Several pieces of work under way at once, each in a thread of its own, with everything else left to one thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

LEAVE_S = 2.0
"""Seconds for what is under way to come to its end, where the waiting is interrupted."""


def side_by_side(
    work: Callable[[_Item], _Result],
    items: Iterable[_Item],
    at_once: int,
    on_result: Callable[[_Item, _Result], None],
) -> None:
    """Do the work on each item, ``at_once`` of them at a time; ``on_result`` is called as results come.

    Items are taken, and results handed over, in the calling thread: an item is taken when there is room for it and
    after the result that made room was handed over. Raises what ``work`` raises, once everything under way has ended.
    An interruption begins nothing more, and leaves behind what does not end within ``LEAVE_S``.
    """
    ended: SimpleQueue[tuple[threading.Thread, _Item, _Result | None, BaseException | None]] = SimpleQueue()
    under_way: set[threading.Thread] = set()
    problem: BaseException | None = None

    def do(item: _Item) -> None:
        try:
            ended.put((threading.current_thread(), item, work(item), None))
        except BaseException as raised:  # handed to the calling thread, whatever it is
            ended.put((threading.current_thread(), item, None, raised))

    waiting = iter(items)
    try:
        while True:
            while problem is None and len(under_way) < at_once:
                try:
                    item = next(waiting)
                except StopIteration:
                    break
                thread = threading.Thread(target=do, args=(item,), name="llm-ahead", daemon=True)
                under_way.add(thread)
                thread.start()
            if not under_way:
                break
            thread, item, result, raised = ended.get()
            under_way.remove(thread)
            if raised is None:
                on_result(item, result)  # type: ignore[arg-type]  # without a problem it is the work's result
            problem = problem or raised
    finally:
        latest = time.monotonic() + LEAVE_S
        for thread in under_way:
            thread.join(max(0.0, latest - time.monotonic()))
    if problem is not None:
        raise problem
