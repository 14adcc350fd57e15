"""All configurations of a sweep in a table: some of them as they stand on any page, and all of them for the script that
sorts and searches."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

from simulator.reporting.blocks import Block, Column, Heading, Paragraph, Quoted, Scripted, Table, Text, on_page
from simulator.reporting.facts.fact import show
from simulator.reporting.facts.terms import ARM_TERMS, Unit
from simulator.reporting.inspector.numbering import packed
from simulator.reporting.sweep.cells import Axis, SweepRecord
from simulator.reporting.sweep.facts import SHOWN

FIRST, LAST = 100, 20
"""Configurations from the top and from the end that the table holds where no script runs."""
_UNITS = {Unit.RATIO: "ratio", Unit.FRACTION: "percent", Unit.COUNT: "count", Unit.CURRENCY: "money"}
_DIGITS = 6


def configuration_table(record: SweepRecord) -> Iterator[Block]:
    """The heading, the table, and what the script needs; the Markdown report has the first ones."""
    yield Heading("All configurations", "configurations")
    if len(record.measured) < len(record.configurations):
        yield Paragraph(
            "Configurations that are not among them: {sweep.unmeasured}, which have no returns on half of the bars or "
            "more, as their prices are of other times or the account was ruined. `cells.parquet` has their figures; "
            "prices are compared over `windows` that all of them have.",
            "note",
        )
    order = list(record.order)
    cut = len(order) > FIRST + LAST
    rows = [_row(record, rank, order[rank]) for rank in range(len(order)) if not cut or _stands(rank, len(order))]
    axes = [Column(Quoted(axis.key, "code")) for axis in record.shown_axes]
    figures = [Column(ARM_TERMS[metric].heading, "number") for metric in SHOWN]
    if cut:
        text = "The first and the last by Sharpe ratio; `cells.parquet` holds all, and a page with scripts sorts them."
        yield Paragraph(text, "unscripted")
    yield on_page(Scripted("configurations", {"configurations": packed(_document(record, order))}))
    yield Table([Column("Rank"), *axes, *figures], rows, "quoted", label="Configurations by Sharpe ratio")


def _stands(rank: int, count: int) -> bool:
    return rank < FIRST or rank >= count - LAST


def _row(record: SweepRecord, rank: int, number: int) -> Sequence[Text]:
    row: dict[Any, Any] = record.configurations.loc[number].to_dict()
    settings = [Quoted(axis.shown(row[axis.key])) for axis in record.shown_axes]
    return [Quoted(rank + 1), *settings, *(Quoted(_spelled(row[metric], metric)) for metric in SHOWN)]


def _spelled(value: float, metric: str) -> str:
    unit = ARM_TERMS[metric].unit
    if not math.isfinite(value):
        return show(None, unit)
    return show(int(value) if unit is Unit.COUNT else float(value), unit)


def _document(record: SweepRecord, order: Sequence[int]) -> dict[str, Any]:
    """Settings by the number of their value, and figures, in the order of rank."""
    table = record.configurations.loc[list(order)]
    axes = []
    for axis in record.shown_axes:
        shown = [axis.shown(value) for value in table[axis.key]]
        settings = {name: _setting(axis, value) for name, value in zip(shown, table[axis.key], strict=True)}
        kept = sorted(settings, key=lambda name, axis=axis: _place(axis, name))  # type: ignore[misc]
        at = {name: number for number, name in enumerate(kept)}
        values = [[name, settings[name]] for name in kept]
        arm = {} if axis in record.axes else {"arm": True}
        axes.append({"key": axis.key, "values": values, "rows": [at[name] for name in shown], **arm})
    figures = []
    for metric in SHOWN:
        term = ARM_TERMS[metric]
        column = table[metric].to_numpy(float).round(_DIGITS).tolist()
        known = [value if math.isfinite(value) else None for value in column]
        figures.append({"heading": term.heading, "unit": _UNITS[term.unit], "rows": known})
    return {"axes": axes, "figures": figures}


def _setting(axis: Axis, value: object) -> str | None:
    """A value as JSON, which YAML reads too; None for one that is not set."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return json.dumps(axis.setting(value), ensure_ascii=False, default=str)


def _place(axis: Axis, name: str) -> int:
    """Where a value stands among those of the document."""
    shown = [axis.shown(float(value) if isinstance(value, int) else value) for value in axis.values]
    return shown.index(name) if name in shown else len(shown)
