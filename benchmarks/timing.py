"""Timing on a busy machine: functions take turns, so that whatever slows one slows all."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def interleaved(rounds: int, *functions: Callable[[], object]) -> list[float]:
    """Median seconds of each function over these rounds."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(rounds):
        for function, taken in zip(functions, times, strict=True):
            begin = time.perf_counter()
            function()
            taken.append(time.perf_counter() - begin)
    return [statistics.median(taken) for taken in times]
