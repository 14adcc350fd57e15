"""The texts that a model was shown: how many there were, what of them was cited, and those that give orders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

from simulator.evaluation.documents import document_use, imperative_texts
from simulator.folder.documents import LedgerRecord
from simulator.folder.record import ArmRecord, Record
from simulator.reporting.blocks import Block, Column, Heading, Paragraph, Quoted, Table
from simulator.reporting.facts.fact import Facts, FactTable
from simulator.reporting.facts.terms import Term, Unit

DOCUMENT_TERMS = {
    "available": Term(Unit.COUNT, "texts that were available at the last decision", "Available"),
    "shown": Term(Unit.COUNT, "texts that were shown", "Shown"),
    "none": Term(Unit.FRACTION, "share of decisions at which no text was shown", "Decisions without"),
    "age": Term(Unit.RATIO, "median age in days of the texts that were shown", "Age (days)"),
    "oldest": Term(Unit.RATIO, "age in days of the oldest text that was shown", "Oldest (days)"),
    "cited": Term(Unit.COUNT, "texts that a rationale cited", "Cited"),
    "citing": Term(Unit.FRACTION, "share of advice that cites a text that was shown", "Advice that cites"),
    "wrong_citations": Term(Unit.COUNT, "decisions that cite a text that was not shown", "Wrong citations"),
    "imperative": Term(Unit.COUNT, "texts shown that speak to a model", "Speak to a model"),
}
"""Figures of an arm's texts by field of ``DocumentUse``, each a fact ``ARM.documents_FIELD``."""
MOST_LISTED = 20
_LONGEST = 240


def facts(table: FactTable, record: Record) -> None:
    """Add the figures of each arm whose model could be shown texts."""
    for arm, ledger in _ledgers(record):
        use = document_use(arm.entries, ledger)
        for field, term in DOCUMENT_TERMS.items():
            table.term(arm.name, f"documents_{field}", term, getattr(use, field))


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """A row an arm, and the texts that give orders; nothing where no model could be shown texts."""
    ledgers = _ledgers(record)
    if not ledgers:
        return
    yield Heading("Documents", "documents")
    yield Table(
        ["Arm", *(term.heading for term in DOCUMENT_TERMS.values())],
        [[arm.name, *(f"{{{arm.name}.documents_{field}}}" for field in DOCUMENT_TERMS)] for arm, _ in ledgers],
    )
    yield Paragraph(
        "A text is shown where it was available at the close, and ranked among those that were. Age is counted at the "
        "stamp of the bar. A citation of a text that was not shown marks the advice for review. Names, dates and "
        "amounts are masked as far as they were named or can be told; people, products and events are not, and a model "
        "may know a period by them.",
        "note",
    )
    for arm, ledger in ledgers:
        found = list(islice(imperative_texts(ledger), MOST_LISTED))
        if not found:
            continue
        yield Heading(f"Texts that speak to the model of {arm.name}", f"documents-{arm.name}", level=3)
        yield Paragraph(
            [
                f"Texts shown with wording that is addressed to a model, and not to a reader: "
                f"{{{arm.name}.documents_imperative}}. Somebody may want to steer it.",
                "Whatever it answered, the form of the answer and the gate held as with any other text.",
            ]
        )
        yield Table(
            [Column("Id"), Column("Available", "text"), Column("Source", "text"), Column("As shown", "long")],
            [
                [Quoted(row["id"], "code"), *(Quoted(row[name]) for name in ("available_at", "source")), _said(row)]
                for row in found
            ],
            look="quoted",
            label="Texts that speak to a model",
        )


def _ledgers(record: Record) -> list[tuple[ArmRecord, LedgerRecord]]:
    found = ((arm, LedgerRecord.read(arm.decisions.path.parent)) for arm in record.arms)
    return [(arm, ledger) for arm, ledger in found if ledger is not None]


def _said(row: Mapping[str, str]) -> Quoted:
    text = row["text"]
    return Quoted(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...", "q")
