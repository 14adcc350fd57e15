"""How the order desk enters and when its orders fill."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from llm_strategy.errors import ConfigurationError, did_you_mean
from llm_strategy.risk import Limits

Entry = Literal["market", "limit"]
Fill = Literal["next_open", "same_close"]
ENTRIES: tuple[Entry, ...] = ("market", "limit")
FILLS: tuple[Fill, ...] = ("next_open", "same_close")


@dataclass(frozen=True, slots=True)
class OrderRules:
    """Raises ``ConfigurationError`` for settings that are impossible or contradict each other."""

    entry: Entry = "market"
    """``market`` fills at the next open; ``limit`` waits for a better price than the close."""
    limit_offset_pct: Annotated[float, Field(ge=0)] = 0.005
    """Of ``limit``: distance of the entry from the close, below it to buy and above it to sell (fraction)."""
    entry_bars: Annotated[int, Field(ge=1)] = 1
    """Bars that an entry waits for its fill before it is withdrawn."""
    fill: Fill = "next_open"
    """``same_close`` fills a market entry or exit at the very close that decided it, which nobody could have done;
    every report says so."""

    def __post_init__(self) -> None:
        for name, allowed in (("entry", ENTRIES), ("fill", FILLS)):
            value = getattr(self, name)
            if value not in allowed:
                raise ConfigurationError(f"orders.{name} is {value!r}{did_you_mean(str(value), list(allowed))}")
        object.__setattr__(self, "limit_offset_pct", float(self.limit_offset_pct))
        if not 0 <= self.limit_offset_pct < 1:
            raise ConfigurationError(
                f"orders.limit_offset_pct is {self.limit_offset_pct}: it is a share of the close, from 0 to below 1."
            )
        if isinstance(self.entry_bars, bool) or self.entry_bars != int(self.entry_bars) or self.entry_bars < 1:
            raise ConfigurationError(
                f"orders.entry_bars is {self.entry_bars}: it must be a whole number from 1 upwards."
            )
        if self.entry == "limit" and self.fill == "same_close":
            raise ConfigurationError(
                "orders.fill is same_close and orders.entry is limit: a limit order waits for later bars, choose one."
            )

    def problem_with(self, limits: Limits) -> str | None:
        """One sentence where these rules and limits contradict each other."""
        if self.entry == "limit" and limits.allow_short and self.limit_offset_pct > limits.gap_buffer:
            return (
                f"orders.limit_offset_pct ({self.limit_offset_pct}) is above risk.gap_buffer ({limits.gap_buffer}): a "
                "short position could be larger than the gate sized it, lower the one or raise the other."
            )
        return None
