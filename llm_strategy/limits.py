"""The limits of the risk gate, each with a default that a prudent person would choose."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from llm_strategy.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Limits:
    """What no advice can exceed. All are fractions unless the name says bars or shares.

    Raises ``ConfigurationError`` for limits that are impossible or contradict each other.
    """

    max_position_size: float = 0.20
    """Value of a new position as a share of equity, at the worst price that ``gap_buffer`` foresees."""
    max_gross_exposure: float = 1.0
    """Value of all positions together as a share of equity."""
    max_risk_per_trade: float = 0.02
    """Loss at the stop as a share of equity, ``gap_buffer`` included."""
    stop_loss_pct: float = 0.08
    """Distance of the stop from the fill where the advice asks for none."""
    min_stop_pct: float = 0.01
    max_stop_pct: float = 0.20
    take_profit_pct: float | None = None
    """Distance of the target from the fill where the advice asks for none; ``None`` places no target."""
    min_target_pct: float = 0.01
    max_target_pct: float = 1.0
    min_confidence: float = 0.0
    """Entries below this confidence are refused. 0 is off: until it is calibrated, a confidence means nothing."""
    max_drawdown: float = 0.25
    """Kill switch: at this loss from the highest equity everything is closed and no entry is allowed."""
    rearm_after_bars: int | None = None
    """Bars after which the kill switch lets entries through again, drawdown counted anew; ``None`` means never."""
    cooldown_bars: int = 5
    """Bars without entries after a stop was hit."""
    allow_short: bool = False
    lot_step: float = 1.0
    """Sizes are multiples of this many shares."""
    gap_buffer: float = 0.02
    """Adverse move from this close to the next open that sizing pays for."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if str(field.type).startswith("float") and isinstance(value, int):  # 1 and 1.0 are written alike
                object.__setattr__(self, field.name, float(value))
            if value is not None and not isinstance(value, bool) and not (math.isfinite(value) and value >= 0):
                raise ConfigurationError(f"risk.{field.name} is {value}: it must be a number from 0 upwards.")
        shares = (
            "max_position_size",
            "max_risk_per_trade",
            "max_drawdown",
            "min_confidence",
            "max_stop_pct",
            "gap_buffer",
        )
        for name in shares:
            if getattr(self, name) > 1:
                raise ConfigurationError(f"risk.{name} is {getattr(self, name)}: it is a share, 1 means 100 percent.")
        positive = (
            "max_position_size",
            "max_gross_exposure",
            "max_risk_per_trade",
            "min_stop_pct",
            "lot_step",
            "max_drawdown",
        )
        for name in positive:
            if getattr(self, name) == 0:
                raise ConfigurationError(f"risk.{name} is 0, which allows no trade at all: set it above 0.")
        if not self.min_stop_pct <= self.stop_loss_pct <= self.max_stop_pct:
            raise ConfigurationError(
                f"risk.stop_loss_pct is {self.stop_loss_pct}: it must lie between min_stop_pct ({self.min_stop_pct}) "
                f"and max_stop_pct ({self.max_stop_pct})."
            )
        if self.max_stop_pct == 1:
            raise ConfigurationError(
                "risk.max_stop_pct is 1: a stop at a price of zero protects nothing, set it below 1."
            )
        if self.min_target_pct > self.max_target_pct:
            raise ConfigurationError(
                f"risk.min_target_pct ({self.min_target_pct}) is above max_target_pct ({self.max_target_pct}): "
                "swap them."
            )
        if self.take_profit_pct is not None and not self.min_target_pct <= self.take_profit_pct <= self.max_target_pct:
            raise ConfigurationError(
                f"risk.take_profit_pct is {self.take_profit_pct}: it must lie between min_target_pct "
                f"({self.min_target_pct}) and max_target_pct ({self.max_target_pct})."
            )
