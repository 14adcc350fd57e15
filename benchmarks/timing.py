"""Timing on a busy machine: functions take turns, so that whatever slows one slows all."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping


class Taken:
    """CPU seconds of some functions over rounds in which they take turns."""

    def __init__(self, rounds: int, functions: Mapping[str, Callable[[], object]]) -> None:
        self._seconds: dict[str, list[float]] = {name: [] for name in functions}
        for _ in range(rounds):
            for name, function in functions.items():
                gc.collect()
                begin = time.process_time()
                function()
                self._seconds[name].append(time.process_time() - begin)

    def seconds(self, name: str) -> float:
        """The median."""
        return statistics.median(self._seconds[name])

    def ratio(self, name: str, other: str) -> float:
        """The median over the rounds."""
        pairs = zip(self._seconds[name], self._seconds[other], strict=True)
        return statistics.median(one / two for one, two in pairs)


def interleaved(rounds: int, *functions: Callable[[], object]) -> list[float]:
    """Median seconds by the clock of each function over these rounds, in which they take turns."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(rounds):
        for function, taken in zip(functions, times, strict=True):
            begin = time.perf_counter()
            function()
            taken.append(time.perf_counter() - begin)
    return [statistics.median(taken) for taken in times]
