"""What the advised arm differs by from each other one, tested where that can be tested, and whether each advisor does
better than its null."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.folder.record import Record
from simulator.reporting.blocks import Block, Column, Heading, Paragraph, Table, in_markdown, on_page
from simulator.reporting.facts.advisors import (
    ADDS,
    BETTER_NULL,
    NOT_TOLD,
    OPEN,
    decide_alike,
    pair_subject,
)
from simulator.reporting.facts.fact import NOT_AVAILABLE, Facts
from simulator.reporting.facts.run import advised_arm, advisor_arms, main_arms, null_arms
from simulator.reporting.facts.terms import PAIR_TERMS
from simulator.reporting.sections.advisors import sharpe_interval

_PAGE_ALONE = ("correlation", "exposure_difference")
"""Columns that the Markdown report leaves out."""


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """A row for each other arm, and a row for each null; nothing where only rules ran, or one arm."""
    advised = advised_arm(record)
    others = [] if advised is None else [arm.name for arm in main_arms(record) if arm.name != advised.name]
    if advised is None or not others:
        return
    shown = [metric for metric, term in PAIR_TERMS.items() if term.heading]
    yield Heading(f"{advised.name} minus each other arm", "differences")
    yield on_page(
        _table(advised.name, others, shown, facts),
        Paragraph(
            "The interval and p come from a studentised circular block bootstrap of both arms on the same bars (Ledoit "
            "and Wolf), {run.bootstrap_samples} samples: what lies outside the interval is ruled out. *Detectable* is "
            "the true difference that a run of this length and this correlation finds in four runs of five; a smaller "
            "one is missed more often. *p, all arms together* is the chance of so large a difference anywhere among "
            "all these comparisons, of the arms resampled together (step-down of Romano and Wolf). *Inconclusive* says "
            "that even a large difference could have been missed. Return, drawdown and exposure are plain differences, "
            "in percentage points (pp).",
            "note",
        ),
    )
    yield in_markdown(
        _table(advised.name, others, [metric for metric in shown if metric not in _PAGE_ALONE], facts),
        Paragraph(
            "Interval and p: studentised circular block bootstrap of both arms on the same bars (Ledoit and Wolf), "
            "{run.bootstrap_samples} samples: what lies outside the interval is ruled out. *Detectable* is the true "
            "difference that a run of this length and this correlation finds in four runs of five. Differences of "
            "percentages are in percentage points (pp)."
        ),
    )
    yield from _nulls(record, facts)


def _table(arm: str, others: list[str], metrics: list[str], facts: Facts) -> Table:
    columns, cells = [Column("Minus")], {other: [other] for other in others}
    for metric in metrics:
        heading = PAIR_TERMS[metric].heading
        columns.append(Column("{run.confidence_level} interval" if metric == "low" else heading))
        for other in others:
            pair = f"{arm}-{other}"
            cells[other].append(interval(pair, facts) if metric == "low" else f"{{{pair}.{metric}}}")
    verdicts = [[*cells[other], f"{{{arm}-{other}.verdict}}"] for other in others]
    return Table([*columns, Column("Told apart", "text")], verdicts)


def interval(pair: str, facts: Facts) -> str:
    """The interval of a Sharpe difference, or that there is none."""
    return f"{{{pair}.low}}" if facts[f"{pair}.low"].value == NOT_AVAILABLE else f"{{{pair}.low}} to {{{pair}.high}}"


def _nulls(record: Record, facts: Facts) -> Iterator[Block]:
    """What each advisor did beside its null."""
    nulls = null_arms(record)
    if not nulls:
        return
    names = [arm.name for arm in advisor_arms(record)]
    yield Heading("Advisors beside their nulls", "nulls")
    rows, sentences = [], []
    for null, whole in nulls.items():
        pair, decisions = f"{whole}-{null}", pair_subject(*sorted((whole, null), key=names.index))
        rows.append(
            (
                whole, f"{null} ({{{null}.null}})", sharpe_interval(pair, facts), f"{{{pair}.p_value}}",
                f"{{{pair}.detectable}}", f"{{{decisions}.differing}}", f"{{{decisions}.action_kappa}}",
                f"{{{null}.null_verdict}}",
            )
        )  # fmt: skip
        sentences.append(null_sentence(whole, null, facts))
    heads = ["Sharpe difference", "p", "Detectable", "Decisions that differ", "Kappa of actions"]
    columns = [Column("Arm"), Column("Its null", "text"), *map(Column, heads), Column("Verdict", "text")]
    yield Table(columns, rows, label="Advisors beside their nulls")
    yield Paragraph(sentences)
    yield Paragraph(
        "A null is the same advisor without one thing that it is shown, or with one that can tell it nothing in its "
        "place. What is shuffled or drawn at random is one draw of chance: another seed gives another null.",
        "note",
    )


def null_sentence(whole: str, null: str, facts: Facts) -> str:
    """What an advisor and its null allow to say."""
    pair = f"{whole}-{null}"
    by = f"the Sharpe ratio of {whole} minus that of {null} is {sharpe_interval(pair, facts)}"
    verdict = facts[f"{null}.null_verdict"].value
    if verdict == OPEN:
        return (
            f"Whether {whole} does better than its null {null} cannot be tested: one of the accounts has no Sharpe "
            "ratio, or there are too few bars."
        )
    if verdict == ADDS:
        return f"{whole} does better than its null: {by}. On this path what it was shown added something."
    if verdict == BETTER_NULL:
        return f"The null does better: {by}. What {whole} was shown took away rather than added."
    if decide_alike(facts, whole, null):
        return (
            f"The null does as well: not one decision of {whole} differs from that of {null}, so what it was shown "
            "changed nothing."
        )
    if facts[f"{pair}.low"].value == facts[f"{pair}.high"].value == 0:
        return f"The null does as well: {whole} and {null} earned the same on every bar."
    if verdict == NOT_TOLD:
        return (
            f"The results of {whole} and its null {null} cannot be told apart: {by}. That settles little: nothing "
            f"here shows that what {whole} was shown added anything, and a true difference below "
            f"{{{pair}.detectable}} could have been missed."
        )
    return (
        f"The null does as well, as far as this run can tell: {by}. Nothing here shows that what {whole} was "
        f"shown added anything; a true difference of {{{pair}.detectable}} would have been found with a power of "
        f"{{run.power}}."
    )
