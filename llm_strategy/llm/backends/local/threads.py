"""How many threads an engine should use on a machine that does other work too.

Engine threads wait for each other by spinning. Where another program holds one of the processors, each step waits for a
time slice: two threads on two busy processors were measured to be 25 times slower than one. The number of threads does
not change an answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable

_SLOW = 8.0
"""A step this many times longer than the shortest one is slow."""
_SLOW_STEPS = 3
"""So many slow steps in a row mean that the processors are wanted elsewhere."""


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
