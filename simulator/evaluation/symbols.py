"""What each symbol of a run did, and what an arm made of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from simulator.evaluation.measures import measure
from simulator.folder.record import ArmRecord


@dataclass(frozen=True, slots=True)
class SymbolStatistics:
    """One symbol in one arm."""

    symbol: str
    bars: int
    first_decision: pd.Timestamp | None
    last_bar: pd.Timestamp
    ended: bool
    """Whether its data end before the last bar of the run."""
    price_change: float | None
    """From the close of the first decision to the last close (fraction)."""
    decisions: int
    trades: int
    net_profit: float
    """Currency, after commission; a position still open is marked at the last close."""
    profit_share: float | None
    """Of the net profit of all symbols; ``None`` where there is none to share."""
    held: bool
    """Whether a position is open at its last bar."""


def symbol_table(arm: ArmRecord, prices: Mapping[str, pd.DataFrame]) -> tuple[SymbolStatistics, ...]:
    """Measure every symbol of the prices in one arm, sorted by name."""
    made = measure(arm).decisions
    end = max(table.index[-1] for table in prices.values())
    total = float(arm.trades["net"].sum())
    found = []
    for symbol, table in sorted(prices.items()):
        decisions, trades = made.get(symbol), arm.trades[arm.trades["symbol"] == symbol]
        net, last_close = float(trades["net"].sum()), table["close"].iloc[-1]
        found.append(
            SymbolStatistics(
                symbol=symbol,
                bars=len(table),
                first_decision=pd.Timestamp(decisions.times[0]) if decisions else None,
                last_bar=table.index[-1],
                ended=bool(table.index[-1] < end),
                price_change=float(last_close / decisions.closes[0] - 1) if decisions else None,
                decisions=len(decisions or ()),
                trades=len(trades),
                net_profit=net,
                profit_share=net / total if total > 0 else None,
                held=bool((trades["exit_reason"] == "open").any()),
            )
        )
    return tuple(found)


def most_traded(arm: ArmRecord, prices: Mapping[str, pd.DataFrame], number: int) -> list[str]:
    """The symbols with the most trades of an arm, ties by name; sorted by name."""
    counts = Counter(arm.trades["symbol"])
    ranked = sorted(prices, key=lambda symbol: (-counts[symbol], symbol))
    return sorted(ranked[:number])
