"""The market's condition at the last decision of an arm that plans, in its model's words where figures back them."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.folder.record import Record
from simulator.reporting.blocks import Block
from simulator.reporting.brief.brief import brief_blocks
from simulator.reporting.brief.file import read_brief
from simulator.reporting.facts.fact import Facts, FactTable

NAME = "brief"


def facts(table: FactTable, record: Record) -> None:
    """Add the figures of the brief."""
    if (brief := read_brief(record.folder)) is not None:
        table.facts |= brief.facts


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """The brief; nothing where there is none."""
    if (brief := read_brief(record.folder)) is not None:
        yield from brief_blocks(brief, NAME, f"The market at the last decision of {brief.close.advisor}")
