"""What the gate answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from llm_strategy.types import ClampEvent


class Intent(StrEnum):
    """What the order desk is to do."""

    ENTER_LONG = "enter_long"
    ENTER_SHORT = "enter_short"
    EXIT = "exit"
    """Close the position, or withdraw an entry that waits."""
    TIGHTEN = "tighten"
    """Move the stop of the position closer."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's answer. ``size`` is in shares and positive; stop and target are fractions of the fill price.

    ``stop_price`` (currency) is where ``TIGHTEN`` moves the stop. ``reason`` is one sentence where the gate acted on
    its own or refused, and empty where it let the advice through.
    """

    intent: Intent
    size: float = 0.0
    stop_pct: float | None = None
    target_pct: float | None = None
    stop_price: float | None = None
    reason: str = ""
    clamps: tuple[ClampEvent, ...] = ()


def at_most(value: float, limit: float, name: str, cuts: list[ClampEvent]) -> float:
    """``value``, or the limit where that is lower, which is noted as a cut."""
    limit = max(0.0, limit)
    if value <= limit:
        return value
    cuts.append(ClampEvent(name, value, limit))
    return limit


def at_least(value: float, limit: float, name: str, cuts: list[ClampEvent]) -> float:
    """``value``, or the limit where that is higher, which is noted as a cut."""
    if value >= limit:
        return value
    cuts.append(ClampEvent(name, value, limit))
    return limit
