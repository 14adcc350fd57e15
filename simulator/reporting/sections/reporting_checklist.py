"""The checklist of honest reporting: each item with its evidence, or "not done"."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.folder.record import Record
from simulator.reporting.blocks import Block, Column, Heading, Link, Paragraph, Table, Text
from simulator.reporting.facts.fact import Facts, FactTable, listed_names
from simulator.reporting.facts.reporting_checklist import add_checklist, checklist, not_done


def facts(table: FactTable, record: Record) -> None:
    """Add the state of each item."""
    add_checklist(table, record)


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """A row an item."""
    yield Heading("Checklist of honest reporting", "honest-reporting")
    missing = [name.lower() for name in not_done(record, facts)]
    yield Paragraph(
        f"Filled by the program from the record of this run. Not done: {listed_names(missing)}."
        if missing
        else "Filled by the program from the record of this run. Nothing of it was left out altogether."
    )
    rows: list[list[Text]] = [
        [
            Link(item.name, item.section),
            f"{{reporting.{item.key}}}",
            list(item.evidence),
        ]
        for item in checklist(record, facts)
    ]
    columns = [Column("Item"), Column("State"), Column("Evidence", "long")]
    yield Table(columns, rows, look="rows", label="Checklist of honest reporting")
