"""Orders and round trips of all arms, as the inspector shows them beside the decision that they came of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from llm_strategy.support.outside_text import spelled_out
from simulator.folder.record import ArmRecord
from simulator.reporting.inspector.words import short

_ORDERS = ("created", "kind", "side", "size", "type", "status", "filled", "fill_price", "done", "order")
_TRADES = (
    "entered", "exited", "side", "size", "entry_price", "exit_price", "exit_reason", "bars_held", "net", "trade",
)  # fmt: skip


def books_of(arms: Sequence[ArmRecord], symbols: Sequence[str]) -> dict[str, Any]:
    """Columns of the orders that decisions led to, and of the trades, by number of arm and symbol."""
    known = {symbol: number for number, symbol in enumerate(symbols)}
    books: list[dict[str, Any]] = []
    for number, arm in enumerate(arms):
        sent = arm.orders[arm.orders["kind"].isin(["entry", "exit"])]
        for symbol, at in known.items():
            orders, trades = sent[sent["symbol"] == symbol], arm.trades[arm.trades["symbol"] == symbol]
            if len(orders) or len(trades):
                books.append(
                    {"arm": number, "symbol": at, "orders": _rows(orders, _ORDERS), "trades": _rows(trades, _TRADES)}
                )
    return {"orders": _ORDERS, "trades": _TRADES, "books": books}


def _rows(table: pd.DataFrame, columns: Sequence[str]) -> list[list[Any]]:
    return [*map(list, zip(*(_plain(table[name]) for name in columns), strict=True))]


def _plain(column: pd.Series) -> list[Any]:
    """Times as milliseconds of UTC, figures to eight digits, and None for what is not there."""
    lacking = column.isna()
    return [None if lacks else _plain_value(value) for value, lacks in zip(column, lacking, strict=True)]


def _plain_value(value: Any) -> Any:
    if isinstance(value, str):
        return spelled_out(value)
    if isinstance(value, pd.Timestamp):
        return round(value.timestamp() * 1000)
    number = short(float(value))
    return int(number) if number.is_integer() else number
