"""Whether the moments that the advice chose were better than other moments with the same holding times."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from simulator.evaluation.placebo_record import PlaceboSet, read_placebos
from simulator.folder.record import Record
from simulator.reporting.blocks import Block, Column, Figure, Heading, Paragraph, Table, in_markdown, on_page
from simulator.reporting.charts.chart import Chart, Panel
from simulator.reporting.charts.layers import ARM, FAINT, Bars, Upright
from simulator.reporting.charts.scale import Numbers, numbers_around
from simulator.reporting.facts.fact import Facts, FactTable
from simulator.reporting.facts.run import advisor_arms
from simulator.reporting.facts.timing import BEYOND_RULE, TIMING, add_timing, too_few_placebos, why_unmeasured

_FIGURES = 3
"""Arms of which a figure shows where they stand; of more the table tells it."""
_BARS = 40


def facts(table: FactTable, record: Record) -> None:
    """Add where each advised arm stands among its placebos."""
    add_timing(table, record)


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """What may be said of each advised arm, a table, and a figure; nothing where no arm has placebos."""
    found = read_placebos(record.folder)
    arms = [arm.name for arm in advisor_arms(record) if arm.name in found]
    if not arms:
        return
    yield Heading("Timing: these moments, or any others", "timing")
    for arm in arms[:_FIGURES]:
        said = [_sentences(arm, what, facts) for what in (TIMING, BEYOND_RULE)]
        yield from map(Paragraph, said[:1] if said[0] == said[1] else said)
    rows = [_row(arm, what) for arm in arms for what in (TIMING, BEYOND_RULE) if f"{arm}.{what}.p" in facts]
    if not rows:
        return
    columns = [
        Column("Moved"), Column("Accounts"), Column("Stretches"), Column("Sharpe"), Column("Theirs, mean"),
        Column("{run.confidence_level} of theirs"), Column("Better than"),
        Column("Worth"), Column("p"),
    ]  # fmt: skip
    yield Table(columns, rows, label="Accounts at other moments")
    measured = [arm for arm in arms if f"{arm}.{TIMING}.p" in facts]
    yield on_page(*(Figure(_figure(arm, found[arm].timing)) for arm in measured[:_FIGURES]))
    moved = {found[arm].timing.method for arm in measured}
    note = [
        "Each stretch of holding keeps its length, its sizes, stops and targets, and so do the gaps between them; only "
        "their order is drawn anew, and every account goes through the same limits, broker and costs. *Better than* is "
        "the share of these accounts that did worse, *p* how often chance alone lies as far out on either side; an "
        "account that never traded counts with a Sharpe ratio of zero.",
        "Symbols are moved together, because what is held at the same time belongs together."
        if len(record.prices) > 1
        else "",
        "Where there are too few such stretches, all decisions are moved around the run as a whole."
        if "shift" in moved
        else "",
    ]
    yield on_page(Paragraph(note, "note"))
    yield in_markdown(Paragraph(note[:1]))


def _sentences(arm: str, what: str, facts: Facts) -> list[str]:
    """What may be said, ids of facts in braces."""

    def figure(name: str) -> str:
        return f"{{{arm}.{what}.{name}}}"

    if f"{arm}.{what}.unmeasured" in facts:
        return [why_unmeasured(arm, what, str(facts[f"{arm}.{what}.unmeasured"].value))]
    if f"{arm}.{what}.p" not in facts:
        return []
    stands = (
        f"*{arm}* did better than {figure('percentile')} of {figure('placebos')} accounts that held just as long and "
        f"just as often ({figure('runs')} stretches), but at other moments."
        if what == TIMING
        else f"*Beyond the causal rule:* where it differs from the rule ({figure('runs')} stretches), {arm} did better "
        f"than {figure('percentile')} of {figure('placebos')} accounts that differ from it as often at other moments."
    )
    return [
        stands,
        f"Its annual Sharpe ratio is {figure('own')}, theirs {figure('mean')} on average and from {figure('low')} to "
        f"{figure('high')} for {{run.confidence_level}} of them, so that its moments were worth {figure('effect')}.",
        f"{_chance(facts, arm, what)} (p {figure('p')}).",
        *too_few_placebos(arm, what, facts),
    ]


def _chance(facts: Facts, arm: str, what: str) -> str:
    p, effect = (facts[f"{arm}.{what}.{name}"].value for name in ("p", "effect"))
    level = facts["run.confidence_level"].value
    if isinstance(p, str) or isinstance(effect, str) or isinstance(level, str) or p > 1 - level:
        return "Chance alone does that often enough: nothing shows that the moments were chosen well or badly"
    return f"Chance alone seldom does so {'well' if effect > 0 else 'badly'}"


def _row(arm: str, what: str) -> list[str]:
    def figure(name: str) -> str:
        return f"{{{arm}.{what}.{name}}}"

    moved = arm if what == TIMING else f"{arm} beyond the rule"
    between = f"{figure('low')} to {figure('high')}"
    figures = [figure(name) for name in ("placebos", "runs", "own", "mean")]
    return [moved, *figures, between, figure("percentile"), figure("effect"), figure("p")]


def _figure(arm: str, placebos: PlaceboSet) -> Chart:
    """How many placebos had which Sharpe ratio, with the arm's own marked."""
    values = np.array(placebos.sharpe)

    counts, edges = np.histogram(values, bins=_BARS)
    layers = (
        Bars("", edges[:-1], edges[1:], np.zeros(len(counts)), counts.astype(float), (FAINT,)),
        Upright(float(values.mean()), "their mean", dash="4 2"),
        Upright(placebos.own_sharpe, arm, colour=ARM[0], width=2.2, dash=""),
    )
    return Chart(
        f"timing-{arm}",
        f"Annual Sharpe ratios of {arm} and of accounts that held as long at other moments",
        f"Columns: how many of the accounts had which Sharpe ratio. Lines: {arm}, and the mean of the accounts.",
        [
            Panel(
                layers,
                numbers_around([*values.tolist(), placebos.own_sharpe]),
                Numbers(0.0, float(counts.max()) * 1.05),
                height=200,
                x_name="annual Sharpe ratio",
                y_name="accounts",
            )
        ],
    )
