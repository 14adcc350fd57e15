"""What the page of a sweep tells behind its first lines, a section each: luck, choosing, windows, settings, pairs of
them, how to run one alone, and limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import yaml

from simulator.reporting.blocks import (
    Block,
    Code,
    Column,
    Details,
    Figure,
    Heading,
    Items,
    Paragraph,
    Quoted,
    Table,
    Text,
    on_page,
)
from simulator.reporting.facts.run import day
from simulator.reporting.sweep.cells import SweepRecord
from simulator.reporting.sweep.charts import forward_chart, rank_chart, spread_chart
from simulator.reporting.sweep.facts import SweepMeasures, shown_values
from simulator.reporting.sweep.heat import HeatMap, by_window, heat_table, multiples, strongest

NAMED = 6
"""Settings of a configuration that a sentence names."""
_LONG = 12
"""Values of a setting, or windows, from which a table is folded or scrolls."""


def named_settings(record: SweepRecord, number: int) -> list[Text]:
    """The settings of a configuration in a sentence."""
    words = record.words(number)
    told: list[Text] = []
    for at, (key, value) in enumerate(words[:NAMED]):
        told += ["; " if at else "", Quoted(key, "code"), " ", Quoted(value)]
    return [*told, "; ..."] if len(words) > NAMED else told


def luck_section(measures: SweepMeasures) -> Iterator[Block]:
    """How far luck alone takes the best; nothing where that cannot be measured."""
    if measures.luck is None:
        return
    yield Heading("How far luck goes", "luck")
    yield Paragraph(
        [
            "Bars were drawn anew {luck.samples} times, in blocks of {luck.block}, all configurations together, each "
            "with its own mean taken away: what the best shows then is luck.",
            "Configurations that trade alike count as few: for the best of them, so many are worth {luck.effective} "
            "independent ones; were all independent, luck would show {luck.independent}.",
        ]
    )
    yield on_page(Figure(spread_chart(measures)))
    if measures.deflated is not None:
        yield Paragraph(
            "The deflated Sharpe ratio is the probability that the true ratio of the best is above {dsr.against}, "
            "which is the spread of all ratios times the exact expected best of as many independent ones (Bailey and "
            "Lopez de Prado 2014; variance in the form of 2026, autocorrelation counted). Where settings truly differ, "
            "their spread is wider than that of luck, and this figure is too strict.",
            "note",
        )


def choice_section(measures: SweepMeasures) -> Iterator[Block]:
    """What became of the best of each half of the bars in the other half."""
    if (found := measures.overfitting) is None:
        return
    yield Heading("Does the choice carry over?", "overfitting")
    yield Paragraph(
        [
            "The bars were cut into {pbo.blocks} blocks, and the best configuration of every half of them was looked "
            "up in the other half.",
            "Its relative rank there, from none (the worst) to all (the best), is {pbo.rank} in the middle, and it "
            "lost in {pbo.loss} of the {pbo.splits} splits.",
            "One more of Sharpe ratio in the choosing half went with {pbo.slope} in the other half.",
        ]
    )
    yield on_page(Figure(rank_chart(found)))
    yield Paragraph(
        "This is combinatorially symmetric cross-validation (Bailey, Borwein, Lopez de Prado and Zhu 2017). Without "
        "any skill the probability is about one half on average, and a single sweep without skill can well show a "
        "third or two thirds. Both halves share out the same bars: without skill the slope is below zero.",
        "note",
    )


def forward_section(measures: SweepMeasures) -> Iterator[Block]:
    """What became of the best of each window in the next one; nothing of a single window."""
    record = measures.record
    if not measures.steps:
        return
    yield Heading("Window by window", "forward")
    yield Paragraph(
        [
            "In each window the best configuration was chosen, and looked up on the bars that the next window adds.",
            "The account that did so ({forward.steps} times) shows {forward.sharpe}, the middle configuration kept "
            "all the time {forward.middle}; the best over these bars, known only afterwards, shows {forward.best}.",
        ]
    )
    if len(measures.steps) > 1:
        yield on_page(Figure(forward_chart(measures)))
    rows: list[Sequence[Text]] = []
    for at, step in enumerate(measures.steps, start=1):
        figures = ("in_sample", "out_of_sample", "middle", "rank")
        chosen = tuple(named_settings(record, int(record.measured[step.chosen])))
        name = Quoted(record.windows[step.window].name)
        rows.append([name, chosen, *(f"{{forward.step.{at}.{metric}}}" for metric in ("bars", *figures))])
    heads = ["New bars", "Chosen, before", "Chosen, after", "Middle, after", "Not worse than"]
    columns = [Column("Window"), Column("Best of the window before", "text"), *map(Column, heads)]
    yield Table(columns, rows, label="The best of each window in the next one", tall=len(rows) > _LONG)


def note_section(record: SweepRecord) -> Iterator[Block]:
    """What was to be known of prices and limits before anything ran; nothing where that is nothing."""
    if record.notes:
        yield Heading("Notes", "notes")
        yield Items([Quoted(note) for note in record.notes])


def setting_section(record: SweepRecord) -> Iterator[Block]:
    """The ratios of the configurations that share a value, setting by setting."""
    yield Heading("What each setting does", "settings")
    yield Paragraph(
        "Annual Sharpe ratios of the configurations that share a value. The best of more configurations is higher by "
        "luck alone: compare the medians.",
        "note",
    )
    for number, axis in enumerate(record.shown_axes, start=1):
        values = shown_values(record, axis)
        metrics = ("configurations", "median", "best", "worst")
        rows: list[Sequence[Text]] = [
            [Quoted(name), *(f"{{axis.{number}.{at}.{metric}}}" for metric in metrics)]
            for at, (name, _) in enumerate(values, start=1)
        ]
        heads = [Column(Quoted(axis.key, "code")), *map(Column, ("Configurations", "Median", "Best", "Worst"))]
        table = Table(heads, rows, label=f"Sharpe ratio by {axis.key}")
        yield table if len(values) <= _LONG else Details("A setting with many values", [table])


def pair_section(record: SweepRecord, heat: HeatMap | None) -> Iterator[Block]:
    """The heat map of two settings and its small multiples; nothing of one setting."""
    if heat is None:
        return
    yield Heading("Two settings together", "pairs")
    yield Paragraph(
        [
            "Median annual Sharpe ratio of the configurations with each pair of values; blue lies above the median of "
            "all configurations, orange below.",
            *(["Of many values some are shown, evenly taken."] if heat.is_cut else []),
        ]
    )
    yield heat_table(heat)
    third = next((axis for axis in strongest(record) if axis not in (heat.row_axis, heat.column_axis)), None)
    if third is not None:
        text: Text = ("The same pairs for each value of ", Quoted(third.key, "code"))
        yield on_page(Heading(text, level=3), _across(heat), multiples(heat, third))
    if len(record.windows) > 1:
        note = "Shades stand against the median of each window."
        yield on_page(Heading("The same pairs in each window", level=3), _across(heat, note), by_window(heat))


def _across(heat: HeatMap, note: str = "") -> Paragraph:
    keys = (Quoted(heat.column_axis.key, "code"), " across, ", Quoted(heat.row_axis.key, "code"), " down. ", note)
    return Paragraph(keys, "note")


def alone_section(record: SweepRecord) -> Iterator[Block]:
    """How to run the best configuration by itself, and when the windows are."""
    if not len(record.order):
        return
    yield Heading("Run one alone", "alone")
    yield Paragraph(
        "These keys, put into the experiment of the sweep, are the best configuration; `btllm compare experiment.yaml` "
        "runs it with its own page, on all bars or with `data.start` and `data.end` on those of a window. Whoever runs "
        "the best alone sees a run that was chosen: its page knows of the others by the ledger of trials only."
    )
    yield Code(yaml.safe_dump(record.settings(record.order[0]), sort_keys=False, allow_unicode=True).rstrip())
    rows: list[Sequence[Text]] = []
    for window in record.windows:
        ends = record.cells.loc[record.cells["window"] == window.name, ["start", "end"]].astype(str)
        rows.append(
            [Quoted(window.name or "all bars"), Quoted(day(ends["start"].min())), Quoted(day(ends["end"].max()))]
        )
    yield Table(["Window", "First bar", "Last bar"], rows, "quoted", label="Windows", tall=len(rows) > _LONG)


def limit_section(measures: SweepMeasures) -> Iterator[Block]:
    """What none of the figures can say."""
    yield Heading("What this cannot say", "limits")
    told: list[Text] = [
        "The number of configurations is that of this sweep: what was tried before it, or by hand, makes the best "
        "worth less still (`btllm trials`).",
        "Luck and splits draw from the same bars. What is different in other years, or was read by the model about "
        "these, is in none of these figures.",
        "Ratios here are of the accounts' returns (nothing taken off for cash) joined over all windows; where windows "
        "overlap, a bar counts in the first that holds it. Trades and costs are sums over windows, and "
        "`cells.parquet` holds the figures of each.",
        "None of this says what to trade.",
    ]
    yield Items(told)
