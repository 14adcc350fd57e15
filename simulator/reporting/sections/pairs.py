"""What the advised arm differs by from each other one, tested where that can be tested."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.folder.record import Record
from simulator.reporting.blocks import Block, Column, Heading, Paragraph, Table, in_markdown, on_page
from simulator.reporting.facts.fact import NOT_AVAILABLE, Facts
from simulator.reporting.facts.run import advised_arm
from simulator.reporting.facts.terms import PAIR_TERMS

_PAGE_ALONE = ("correlation", "exposure_difference")
"""Columns that the Markdown report leaves out."""


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """A row for each other arm; nothing where only rules ran, or one arm."""
    advised = advised_arm(record)
    others = [] if advised is None else [arm.name for arm in record.arms if arm.name != advised.name]
    if advised is None or not others:
        return
    shown = [metric for metric, term in PAIR_TERMS.items() if term.heading]
    yield Heading(f"{advised.name} minus each other arm", "differences")
    yield on_page(
        _table(advised.name, others, shown, facts),
        Paragraph(
            "The interval and p come from a studentised circular block bootstrap of both arms on the same bars (Ledoit "
            "and Wolf), {run.bootstrap_samples} samples. *Detectable* is the smallest true difference that a run of "
            "this length and this correlation finds with a power of {run.power}: no effect seen means none larger than "
            "that, not none. Where even a large difference could have been missed the verdict is *inconclusive*. "
            "Return, drawdown and exposure are plain differences.",
            "note",
        ),
    )
    yield in_markdown(
        _table(advised.name, others, [metric for metric in shown if metric not in _PAGE_ALONE], facts),
        Paragraph(
            "Interval and p: studentised circular block bootstrap of both arms on the same bars (Ledoit and Wolf), "
            "{run.bootstrap_samples} samples. *Detectable* is the smallest true difference that a run of this length "
            "and this correlation finds with a power of {run.power}."
        ),
    )


def _table(arm: str, others: list[str], metrics: list[str], facts: Facts) -> Table:
    columns, cells = [Column("Minus")], {other: [other] for other in others}
    for metric in metrics:
        heading = PAIR_TERMS[metric].heading
        columns.append(Column("{run.confidence_level} interval" if metric == "low" else heading, name=heading))
        for other in others:
            pair = f"{arm}-{other}"
            cells[other].append(interval(pair, facts) if metric == "low" else f"{{{pair}.{metric}}}")
    verdicts = [[*cells[other], f"{{{arm}-{other}.verdict}}"] for other in others]
    return Table([*columns, Column("Verdict", "text")], verdicts)


def interval(pair: str, facts: Facts) -> str:
    """The interval of a Sharpe difference, or that there is none."""
    return f"{{{pair}.low}}" if facts[f"{pair}.low"].value == NOT_AVAILABLE else f"{{{pair}.low}} to {{{pair}.high}}"
