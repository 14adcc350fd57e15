"""Trades and orders of the arm that the page is about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from simulator.folder.record import Record
from simulator.reporting.blocks import (
    Block,
    Column,
    Details,
    Heading,
    Paragraph,
    Quoted,
    Table,
    day,
    in_markdown,
    money,
    on_page,
    shares,
)
from simulator.reporting.facts.fact import Facts
from simulator.reporting.facts.run import subject_arm
from simulator.reporting.sections.decisions import LISTED

_TRADES: dict[str, tuple[str, Callable[[Any], str] | None]] = {
    "trade": ("Trade", None), "symbol": ("Symbol", None), "side": ("Side", None), "size": ("Size", shares),
    "entered": ("Entered", day), "entry_price": ("At", money), "exited": ("Left", day), "exit_price": ("At", money),
    "exit_reason": ("By", None), "bars_held": ("Bars", str), "net": ("Net", money),
    "planned_loss": ("Planned loss", money),
}  # fmt: skip
"""Heading and spelling of the columns of trades; what is a number has one of its own."""
_ORDERS: dict[str, tuple[str, Callable[[Any], str] | None]] = {
    "order": ("Order", None), "symbol": ("Symbol", None), "created": ("Created", day), "kind": ("Kind", None),
    "side": ("Side", None), "type": ("Type", None), "size": ("Size", shares), "price": ("Trigger", money),
    "status": ("Status", None), "done": ("Done", day), "filled": ("Filled", shares), "fill_price": ("At", money),
    "commission": ("Commission", money), "reason": ("Reason", None),
}  # fmt: skip


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """How trades ended, and the last rows of both tables."""
    subject, several = subject_arm(record), len(record.prices) > 1
    arm = subject.name
    counted = f"{{{arm}.trades}} trades from {{{arm}.order_count}} orders; pending at the end: {{{arm}.pending}}."
    stops = (
        f"Trades ended by a stop: {{{arm}.stop_exits}}, planned loss {{{arm}.stop_planned_loss}}, realised "
        f"{{{arm}.stop_realised_loss}}"
    )
    worst = f"the worst came to {{{arm}.stop_worst_overrun}} times its plan."
    cut = max(len(subject.trades), len(subject.orders)) > LISTED
    last = ["The last rows of each are listed; all are in `trades.csv` and `orders.csv`."] if cut else []
    yield on_page(Heading(f"Trades and orders of {arm}", "trades"), Paragraph([counted, f"{stops}; {worst}", *last]))
    if len(subject.trades):
        yield on_page(Details("Trades", [_table("Trades", subject.trades, _TRADES, several)], open=True))
    if len(subject.orders):
        yield on_page(Details("Orders", [_table("Orders", subject.orders, _ORDERS, several)]))
    files = "All rows are in `trades.csv` and `orders.csv`."
    yield in_markdown(Heading(f"Trades of {arm}"), Paragraph([counted, f"{stops}.", files]))


def _table(
    label: str, rows: pd.DataFrame, spelled: dict[str, tuple[str, Callable[[Any], str] | None]], several: bool
) -> Table:
    """The last rows of a table, missing values left out."""
    shown = {name: column for name, column in spelled.items() if several or name != "symbol"}
    columns = [Column(heading, "number" if spell in (money, shares, str) else "") for heading, spell in shown.values()]
    last = rows.tail(LISTED).astype(object)
    cells = [
        [
            Quoted(spell(row[name]) if spell else "" if row[name] is None else row[name])
            for name, (_, spell) in shown.items()
        ]
        for row in last.where(last.notna(), None).to_dict("records")
    ]
    return Table(columns, cells, look="quoted", label=label, tall=True)
