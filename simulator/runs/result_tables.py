"""Tables over all arms of a record, with the types and units of their columns: decisions, accounts, trades, orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import pandas as pd

from simulator.folder.evidence import EQUITY_COLUMNS, ORDER_COLUMNS, TRADE_COLUMNS
from simulator.folder.record import Record
from simulator.runs.result_rows import DECISION_TYPES, decision_row

TIME, TEXT, FIGURE, COUNT, FLAG = "datetime64[us]", "str", "float64", "int64", "bool"

_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "arm": TEXT,
        **dict.fromkeys(("order", "trade", "bars_held"), COUNT),
        **dict.fromkeys(("time", "created", "done", "entered", "exited"), TIME),
        **dict.fromkeys(("symbol", "kind", "side", "type", "status", "reason", "exit_reason"), TEXT),
        **dict.fromkeys(("size", "price", "fill_price", "filled", "commission", "entry_price", "exit_price"), FIGURE),
        **dict.fromkeys(("gross", "net", "planned_loss", "equity", "cash", "carry"), FIGURE),
        "entry_bar_breach": FLAG,
    }
)
"""Of the columns of accounts, trades and orders."""

UNITS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("time", "created", "done", "entered", "exited"), "bar time, without zone"),
        **dict.fromkeys(("size", "filled"), "shares"),
        **dict.fromkeys(("price", "fill_price", "entry_price", "exit_price", "close"), "currency a share"),
        **dict.fromkeys(("commission", "gross", "net", "planned_loss", "equity", "cash", "carry"), "currency"),
        **dict.fromkeys(("stop_pct", "target_pct"), "fraction of the fill"),
        "confidence": "fraction",
        "bars_held": "bars",
    }
)
"""What the figures of a column count, by its name; the others are texts and numbers of rows."""


def decision_table(record: Record) -> pd.DataFrame:
    """A row a decision of each arm: columns ``arm``, ``time`` (of the close that decided) and those of
    ``DECISION_TYPES``."""
    rows = [decision_row(arm.name, entry) for arm in record.arms for entry in arm.entries]
    table = pd.DataFrame(rows, columns=["arm", "time", *DECISION_TYPES])
    times = pd.to_datetime(table["time"], format="ISO8601")
    return table.assign(time=times).astype({"arm": TEXT, "time": TIME, **DECISION_TYPES})


def account_table(record: Record) -> pd.DataFrame:
    """A row a bar of each arm: columns ``arm`` and those of ``equity.csv``."""
    return _joined([(arm.name, arm.equity.reset_index()) for arm in record.arms], EQUITY_COLUMNS)


def trade_table(record: Record) -> pd.DataFrame:
    """A row a round trip of each arm: columns ``arm`` and those of ``trades.csv``."""
    return _joined([(arm.name, arm.trades) for arm in record.arms], TRADE_COLUMNS)


def order_table(record: Record) -> pd.DataFrame:
    """A row an order of each arm: columns ``arm`` and those of ``orders.csv``."""
    return _joined([(arm.name, arm.orders) for arm in record.arms], ORDER_COLUMNS)


def _joined(tables: Sequence[tuple[str, pd.DataFrame]], columns: Sequence[str]) -> pd.DataFrame:
    typed = {name: _TYPES[name] for name in ("arm", *columns)}
    parts = [table[list(columns)].assign(arm=arm).astype(typed) for arm, table in tables]
    return pd.concat(parts, ignore_index=True)[["arm", *columns]]
