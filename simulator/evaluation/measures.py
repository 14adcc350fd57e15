"""What the decisions of an arm come to, from going once through its journal: of a million lines none is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from llm_strategy.trading.remarks import Activity
from simulator.evaluation.advice import AdviceCounter, AdviceCounts, ChangeFinder
from simulator.evaluation.gate import GateCounter, GateCounts
from simulator.evaluation.regimes import BySymbol, SymbolDecisions, symbol_of
from simulator.evaluation.sameness import Sameness, SamenessCounter, cut_to
from simulator.folder.record import ArmRecord


@dataclass(frozen=True)
class ArmMeasures:
    """The decisions of one arm, counted; ``decisions`` holds what they were about, in columns."""

    advice: AdviceCounts
    gate: GateCounts
    decisions: BySymbol
    changes: int
    """Decisions that differ from the one before."""
    sameness: Sameness | None
    cuts: Counter[str]
    """Entries by the limit that cut them away (``cut_to``)."""
    activity: Activity
    """Without orders and account."""


def measure(arm: ArmRecord) -> ArmMeasures:
    """What the decisions of an arm come to, read from its journal the first time."""
    if arm not in _MEASURED:
        _MEASURED[arm] = _measured(arm.decisions)
    return _MEASURED[arm]


_MEASURED: WeakKeyDictionary[ArmRecord, ArmMeasures] = WeakKeyDictionary()


def _measured(decisions: Iterable[dict[str, Any]]) -> ArmMeasures:
    advice, gate, same, changed = AdviceCounter(), GateCounter(), SamenessCounter(), ChangeFinder()
    symbols: dict[str, SymbolDecisions] = {}
    changes, cuts, activity = 0, Counter[str](), Activity()
    for decision in decisions:
        advice.take(decision)
        gate.take(decision)
        same.take(decision)
        symbols.setdefault(symbol_of(decision), SymbolDecisions()).take(decision)
        changes += changed.take(decision)
        if (limit := cut_to(decision)) is not None:
            cuts[limit] += 1
        advised, abstained = decision["advice"], decision["abstention"]
        activity.decided(
            None if advised is None else advised["action"]["type"],
            None if abstained is None else (abstained["reason"], abstained["detail"]),
        )
        activity.judged(decision["verdict"]["intent"], [cut["limit"] for cut in decision["clamps"]])
    return ArmMeasures(
        advice.counts(), gate.counts(), dict(sorted(symbols.items())), changes, same.sameness(), cuts, activity
    )
