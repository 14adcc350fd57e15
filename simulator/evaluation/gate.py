"""What the risk gate did to the advice of an arm: cuts, refusals, and the kill switch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from simulator.evaluation.metrics import NOTHING

_OPENED = ("enter_long", "enter_short", "tighten")


@dataclass(frozen=True, slots=True)
class GateCounts:
    """What limits did, over all decisions of an arm."""

    cut: int
    """Decisions that went through smaller, or with a closer stop or target."""
    refused: int
    """Decisions that did not go through."""
    clamps: dict[str, int]
    """Cuts of entries and stops that went through smaller or closer, by limit, most frequent first."""
    refusals: dict[str, int]
    """Advice that did not go through, by the limit that refused it, most frequent first."""


@dataclass(frozen=True, slots=True)
class KillSwitchUse:
    """What the drawdown kill switch did to an account."""

    fired: pd.Timestamp | None
    """Close at which it fired first."""
    bars_out: int
    """Bars since then that closed without a position."""
    for_good: bool
    """Whether it fired and never lets entries through again."""


class GateCounter:
    """Counts the verdicts of ``decisions.jsonl`` as they come.

    A refusal is named by the last limit that it ran into; an exit that the gate ordered is neither cut nor refusal.
    """

    def __init__(self) -> None:
        self._cut = 0
        self._cuts: Counter[str] = Counter()
        self._refusals: Counter[str] = Counter()

    def take(self, decision: dict[str, Any]) -> None:
        """Count one more."""
        intent, clamps = decision["verdict"]["intent"], decision["clamps"]
        if intent in _OPENED:
            self._cut += bool(clamps)
            self._cuts.update(clamp["limit"] for clamp in clamps)
        elif intent == "none" and clamps:
            self._refusals[clamps[-1]["limit"]] += 1

    def counts(self) -> GateCounts:
        """The counts of all that came."""
        return GateCounts(self._cut, self._refusals.total(), _ranked(self._cuts), _ranked(self._refusals))


def count_gate(decisions: Iterable[dict[str, Any]]) -> GateCounts:
    """Count the verdicts of ``decisions.jsonl``."""
    counter = GateCounter()
    for decision in decisions:
        counter.take(decision)
    return counter.counts()


def kill_switch(equity: pd.DataFrame, max_drawdown: float, rearm_after_bars: int | None) -> KillSwitchUse:
    """Read the first firing from an equity table: its first close at ``max_drawdown`` (fraction) below the peak."""
    values = equity["equity"].to_numpy(dtype=np.float64)
    peaks = np.maximum.accumulate(values) if len(values) else values
    fallen = np.flatnonzero((peaks > 0) & (1 - values / np.where(peaks > 0, peaks, 1.0) >= max_drawdown))
    if not len(fallen):
        return KillSwitchUse(None, 0, for_good=False)
    first = int(fallen[0])
    gross = equity["gross"].to_numpy(dtype=np.float64)[first + 1 :]
    return KillSwitchUse(equity.index[first], int((gross <= NOTHING).sum()), for_good=rearm_after_bars is None)


def _ranked(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
