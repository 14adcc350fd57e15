"""What the gate is told: the market and the account at the close of a bar, as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass

from llm_strategy.costs.costs import NO_COSTS, TradingCosts


@dataclass(frozen=True, slots=True)
class Market:
    """One symbol at a close. What is ``None`` is not known, and a limit that needs it does not apply."""

    price: float
    """Close, in currency."""
    costs: TradingCosts = NO_COSTS
    """What a fill will cost, estimated from the closed bar."""
    volume: float | None = None
    """Shares traded in the bar; ``None`` for a feed without volume."""
    average_range: float | None = None
    """Average true range, in currency (Wilder 1978, 14 bars)."""
    volatility: float | None = None
    """Standard deviation of returns, as a fraction a year."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What the book holds beside the position that is judged, pending entries included at their worst price."""

    symbol: str
    value: float
    """Signed, in currency."""
    group: str = ""
    correlation: float = 1.0
    """Of its returns with those of the symbol that is judged; 1 where it is not known."""
    firm: bool = True
    """It is held, and no order of its strategy is about to change that; only then can it offset the other side."""


@dataclass(frozen=True, slots=True)
class Account:
    """The book at the close, seen from one symbol. Bars are decision bars."""

    equity: float
    """Currency."""
    cash: float
    """Currency, less what pending entries may need."""
    position: float = 0.0
    """Signed shares of this symbol."""
    entering: float = 0.0
    """Signed shares of an entry that waits for its fill."""
    stop_price: float | None = None
    """Where the live stop of the position stands, in currency."""
    stop_pct: float | None = None
    """Distance of the stop from the fill that opened the position (fraction)."""
    bars_held: int | None = None
    symbol: str = ""
    group: str = ""
    """The group of this symbol."""
    others: tuple[Holding, ...] = ()
    credit: float = 0.0
    """Currency that the broker lends beside the cash."""
    drawdown: float = 0.0
    """Loss from the highest equity since the kill switch was last armed (fraction, never negative)."""
    killed: bool = False
    """The kill switch has fired and has not been re-armed."""
    bars_since_stop: int | None = None
    """Bars since a stop of this symbol was hit; ``None`` if none was."""
    daily_loss: float = 0.0
    """Loss since the last close of the day before (fraction of that equity, never negative)."""
    entries_today: int = 0
    """Entry orders of the whole book sent on this day."""
    losing_streak: bool = False
    """The pause after too many losing trades in a row has not ended."""
