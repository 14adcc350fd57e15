"""What the model may know of these bars: its stated knowledge cutoff, what it was shown that names the period, and its
results up to that day and behind it."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.evaluation.knowledge import Knowledge, Parts, account_parts, knowledge_of
from simulator.evaluation.sharpe import FEWEST_BARS
from simulator.folder.record import ArmRecord, Record
from simulator.reporting.blocks import Block, Heading, Paragraph, Table, Text
from simulator.reporting.facts.fact import NOT_AVAILABLE, Facts, FactTable
from simulator.reporting.facts.run import advisor_arms, bars_a_year, cash_rate
from simulator.reporting.facts.terms import Term, Unit

NOT_STATED = "not stated"
MASKED = "nothing that names the period"
PART_TERMS = {
    "bars": Term(Unit.BARS, "bars"),
    "total_return": Term(Unit.FRACTION, "total return"),
    "sharpe": Term(Unit.RATIO, "annual Sharpe ratio"),
}
"""Figures of an account up to the stated cutoff (``ARM.known.KEY``) and behind it (``ARM.unknown.KEY``)."""
_PARTS = {"known": "up to the stated knowledge cutoff", "unknown": "behind the stated knowledge cutoff"}


def facts(table: FactTable, record: Record) -> None:
    """Add for each advised arm its stated cutoff, what it was shown, and both parts of its account."""
    for arm in advisor_arms(record):
        knowledge = knowledge_of(record, arm)
        if knowledge is None:
            continue
        name = arm.name
        shown = ", ".join(knowledge.identifies) or MASKED
        table.add(name, "identity_shown", shown, Unit.TEXT, f"what the model of {name} was shown of the period")
        until = knowledge.until or NOT_STATED
        table.add(name, "knowledge_until", until, Unit.TEXT, f"stated knowledge cutoff of the model of {name}")
        if knowledge.until is None:
            continue
        share, words = knowledge.share_before, f"share of the bars of {name} up to the stated knowledge cutoff"
        table.add(name, "knowledge_share", share, Unit.FRACTION, words)
        parts = account_parts(arm, knowledge.until, bars_a_year(record), cash_rate(record))
        for part, values in _values(parts).items():
            for metric, value in values.items():
                term = PART_TERMS[metric]
                table.add(name, f"{part}.{metric}", value, term.unit, f"{term.words} of {name} {_PARTS[part]}")


def _values(parts: Parts) -> dict[str, dict[str, float | int | None]]:
    """The figures of both parts; a ratio of too few bars is none."""
    return {
        part: {
            "bars": bars,
            "total_return": performance.total_return,
            "sharpe": performance.sharpe if bars >= FEWEST_BARS else None,
        }
        for part, bars, performance in (
            ("known", parts.bars_before, parts.before),
            ("unknown", parts.bars_after, parts.after),
        )
    }


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """A sentence an advised arm, and the results on both sides of the cutoffs that are stated."""
    arms = [arm for arm in advisor_arms(record) if f"{arm.name}.knowledge_until" in facts]
    if not arms:
        return
    yield Heading("What the model may remember", "memory")
    known = {arm.name: knowledge_of(record, arm) for arm in arms}
    for arm in arms:
        if (knowledge := known[arm.name]) is not None:
            yield Paragraph(_sentences(arm, knowledge, several=len(arms) > 1))
    stated = [arm for arm in arms if (found := known[arm.name]) is not None and found.until is not None]
    if stated:
        yield Table(
            ["", "Stated cutoff", "Bars up to it", "Return", "Sharpe", "Bars behind it", "Return", "Sharpe"],
            [_row(arm, facts) for arm in stated],
            label="Results up to the stated knowledge cutoff and behind it",
        )
    yield Paragraph(
        "`btllm audit-memory` asks the model itself: whether it knows what came after a date, whether its advice "
        "follows a name or a date rather than the prices, and whether it recognises a window under the mask.",
        "note",
    )


def _sentences(arm: ArmRecord, knowledge: Knowledge, *, several: bool) -> list[Text]:
    name = arm.name
    who = f"The model of {name}" if several else "The model"
    shown = (
        f"{who} was shown {{{name}.identity_shown}}: it may have remembered the period instead of reading it."
        if knowledge.identifies
        else f"{who} was shown no symbol, date or price level."
    )
    if knowledge.until is None:
        return [shown, "It has no stated knowledge cutoff: any of these bars may have been in what it was trained on."]
    if not knowledge.share_before:
        return [shown, f"All bars are behind its stated knowledge cutoff ({{{name}.knowledge_until}})."]
    return [
        shown,
        f"{{{name}.knowledge_share}} of the bars are not behind its stated knowledge cutoff "
        f"({{{name}.knowledge_until}}): it may have read what came of them. A worse result behind the cutoff is no "
        "proof of memory, because another stretch gives other figures.",
    ]


def _row(arm: ArmRecord, facts: Facts) -> list[Text]:
    def cell(metric: str) -> str:
        fact = f"{arm.name}.{metric}"
        return f"{{{fact}}}" if fact in facts else NOT_AVAILABLE

    parts = [cell(f"{part}.{metric}") for part in _PARTS for metric in PART_TERMS]
    return [arm.name, cell("knowledge_until"), *parts]
