"""Snapshots of distinct past states."""

import dataclasses

from llm_strategy.types import Snapshot

SNAPSHOT = Snapshot("SECRETCO", "1d", "2008-10-10T00:00:00", 899.22, -0.2, -0.1, 0.03, 0.2, -0.4, 0.1, 1.5)


def states(**changes):
    """Distinct snapshots, one bar after the other."""
    for number in range(40):
        yield dataclasses.replace(
            SNAPSHOT,
            time=f"2009-01-01T00:{number:02d}:00",
            trend=(number % 5 - 2) * 0.06,
            range_position=(number // 5 % 3) / 3 + 0.1,
            volatility_rank=(number // 15) / 3 + 0.1,
            **changes,
        )
