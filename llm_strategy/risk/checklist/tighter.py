"""Limits of the gate that a checklist makes tighter: never looser, and none by which a position could get larger."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

from llm_strategy.errors import ConfigurationError, did_you_mean, shown

Tighter: TypeAlias = Literal["lower", "higher", "off"]

TIGHTER: dict[str, Tighter] = {
    "max_position_size": "lower",
    "max_risk_per_trade": "lower",
    "target_volatility": "lower",
    "max_participation": "lower",
    "max_gross_exposure": "lower",
    "max_net_exposure": "lower",
    "max_positions": "lower",
    "max_symbol_exposure": "lower",
    "max_group_exposure": "lower",
    "max_correlated_exposure": "lower",
    "max_drawdown": "lower",
    "max_daily_loss": "lower",
    "max_losing_streak": "lower",
    "max_entries_per_day": "lower",
    "max_holding_bars": "lower",
    "min_confidence": "higher",
    "min_reward_to_risk": "higher",
    "min_notional": "higher",
    "losing_streak_bars": "higher",
    "cooldown_bars": "higher",
    "allow_short": "off",
}
"""Which way each limit is tighter. Distances of stops are not among them: a closer stop allows a larger position."""


def tighten(current: Mapping[str, Any], wanted: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The values of the limits that are ``wanted`` in place of the ``current`` ones; raises ``ConfigurationError`` for
    one that is looser, or no such limit. None stands for a limit that is off."""
    found = {}
    for name, value in wanted:
        way = TIGHTER.get(name)
        if way is None or (name == "max_positions" and current.get("sizing") == "equal_weight"):
            if way is not None or name in current:
                raise ConfigurationError(
                    f"risk.checklist: limits.{name} cannot be set by a checklist, because no value of it is tighter "
                    "in every case: set it under risk."
                )
            raise ConfigurationError(f"risk.checklist: limits has {name!r:.60}{did_you_mean(name, TIGHTER)}")
        if not _is_number(value) if way != "off" else not isinstance(value, bool):
            kind = "true or false" if way == "off" else "a number"
            raise ConfigurationError(f"risk.checklist: limits.{name} is {shown(value)!r}: write {kind}.")
        now = current[name]
        if _looser(way, value, now):
            told = "null" if now is None else str(now).lower()
            raise ConfigurationError(
                f"risk.checklist: limits.{name} is {str(value).lower()} and risk.{name} is {told}, which is tighter: a "
                "checklist can only tighten a limit, so leave it out there, or loosen it under risk."
            )
        found[name] = value
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) != math.inf and value == value


def _looser(way: Tighter, value: Any, now: Any) -> bool:
    if way == "off":
        return bool(value) and not now
    if now is None:
        return False
    return bool(value > now if way == "lower" else value < now)
