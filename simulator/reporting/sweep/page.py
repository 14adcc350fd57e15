"""The page of a sweep, made from its folder alone: what the best of many configurations is worth, and which settings did
what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import yaml

from llm_strategy.errors import ConfigurationError
from llm_strategy.support.outside_text import spelled_out
from llm_strategy.support.write_whole import write_whole
from simulator.folder.record_check import as_damage
from simulator.folder.workspace import as_run_folder_error
from simulator.reporting.blocks import (
    Block,
    Chips,
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
    heading_ids,
    on_page,
)
from simulator.reporting.facts.fact import Facts, write_facts
from simulator.reporting.facts.run import day
from simulator.reporting.facts.terms import ARM_TERMS
from simulator.reporting.page_frame import SWEEP, page, secured
from simulator.reporting.render_html import HtmlWriter
from simulator.reporting.render_markdown import MarkdownWriter, without_bare_links
from simulator.reporting.sweep.cells import Axis, SweepRecord, load_sweep
from simulator.reporting.sweep.charts import forward_chart, rank_chart, spread_chart
from simulator.reporting.sweep.configurations import configuration_table
from simulator.reporting.sweep.facts import SHOWN, SweepMeasures, SweepVerdict, places, shown_values, sweep_facts
from simulator.reporting.sweep.heat import HeatMap, add_heat, by_window, heat_of, heat_table, multiples, strongest

NAMED = 6
"""Settings of a configuration that a sentence names."""
_LONG = 12
"""Values of a setting from which its table is folded."""


def write_sweep_page(folder: Path, axes: tuple[str, str] | None = None) -> Path:
    """Write ``report.html``, ``report.md`` and ``facts.json`` of a finished sweep, and return the page.

    ``axes`` are the keys of the two settings of the heat map; by default the two whose medians lie furthest apart.
    The same folder gives the same bytes. Raises ``RunFolderError`` for what is no finished sweep or cannot be written,
    ``ConfigurationError`` for a key that was not varied.
    """
    record = load_sweep(folder)
    with as_damage(folder):
        measures = SweepMeasures(record)
        heat = _chosen_heat(record, axes)
        table = sweep_facts(measures)
        if heat is not None:
            add_heat(table, heat)
        facts = table.facts
        sections = [
            list(section)
            for section in (
                _head(measures, facts),
                _luck(measures),
                _carrying_over(measures),
                _forward(measures),
                _settings(record),
                _pairs(record, heat),
                configuration_table(record),
                _alone(record),
                _limits(measures),
            )
        ]
        html, markdown = HtmlWriter(facts, frozenset(heading_ids(chain.from_iterable(sections)))), MarkdownWriter(facts)
        shown = list(filter(None, map(html.section, sections)))
        written = page(record.name, shown, html.contents, script=SWEEP)
        text = "\n\n".join(filter(None, map(markdown.section, sections)))
    with as_run_folder_error(folder, "name a folder that can be written"):
        write_facts(facts, folder / "facts.json")
        write_whole(folder / "report.html", secured(spelled_out(written)))
        write_whole(folder / "report.md", without_bare_links(spelled_out(f"{text}\n")))
    return folder / "report.html"


def _chosen_heat(record: SweepRecord, axes: tuple[str, str] | None) -> HeatMap | None:
    found = strongest(record)
    if axes is not None:
        by_key = {axis.key: axis for axis in found}
        for key in axes:
            if key not in by_key:
                raise ConfigurationError(f"{key!r} was not varied: choose two of {', '.join(sorted(by_key))}.")
        return heat_of(record, by_key[axes[0]], by_key[axes[1]])
    return heat_of(record, *found[:2]) if len(found) > 1 else None


def _named(record: SweepRecord, number: int) -> list[Text]:
    """The settings of a configuration in a sentence."""
    words = record.words(number)
    told: list[Text] = []
    for at, (key, value) in enumerate(words[:NAMED]):
        told += ["; " if at else "", Quoted(key, "code"), " ", Quoted(value)]
    return [*told, "; ..."] if len(words) > NAMED else told


def _head(measures: SweepMeasures, facts: Facts) -> Iterator[Block]:
    record = measures.record
    yield Heading(("Sweep: ", Quoted(record.name)), level=1)
    yield Paragraph(list(_sentences(measures, facts)), "verdict")
    yield Paragraph(list(_asked(facts)))
    if chips := list(_chips(measures)):
        yield Chips(chips)
    found = places(record)
    if len(found) < 2 or len(record.order) < 2:
        return
    heads = [Column(""), *(Column(ARM_TERMS[metric].heading) for metric in SHOWN)]
    rows = [[subject, *(f"{{{subject}.{metric}}}" for metric in SHOWN)] for subject in found]
    yield Table(heads, rows, label="The best, the middle and the worst configuration")


def _sentences(measures: SweepMeasures, facts: Facts) -> Iterator[Text]:
    """The verdict and what it rests on; never what to do."""
    record = measures.record
    yield f"{measures.verdict}."
    if not len(record.order):
        yield "No configuration has returns on enough bars to be measured."
        return
    over = "{sweep.years} years, {sweep.bars} bars"
    one = measures.verdict is SweepVerdict.ALONE
    yield (
        "The only configuration" if one else "The best of {sweep.configurations} configurations",
        " (", tuple(_named(record, record.order[0])), f") shows an annual Sharpe ratio of {{best.sharpe}} over {over}.",
    )  # fmt: skip
    if measures.luck is None:
        if not one:
            yield "There are too few bars, or accounts that moved, to say what luck would show."
        return
    yield (
        "Were none of them better than cash, the best of so many would show {luck.expected} by luck alone (p {luck.p}); "
        "were all of them as good as their mean ({luck.mean}), it would show {luck.equals} (p {luck.p_equals})."
    )
    if "pbo.probability" in facts:
        yield (
            "Chosen on one half of the bars, the best was not above the middle of all on the other half in "
            "{pbo.probability} of {pbo.splits} splits (PBO)."
        )
    if "dsr.probability" in facts:
        yield "Deflated Sharpe ratio: {dsr.probability}."
    if measures.market is not None:
        yield "The market shows {sweep.market_sharpe} over the bars of the best."
    if "forward.sharpe" in facts:
        yield (
            "An account that always took the best of the window before shows {forward.sharpe}, the middle configuration "
            "{forward.middle} over the same bars."
        )


def _asked(facts: Facts) -> Iterator[str]:
    yield "{sweep.cells} cells made {sweep.decisions} decisions."
    if isinstance(facts["sweep.questions"].value, int):
        yield "They rest on {sweep.questions} distinct questions."
    if isinstance(facts["sweep.asked"].value, int):
        yield "Asked for this sweep: {sweep.asked}; the other answers were on record."


def _chips(measures: SweepMeasures) -> Iterator[str]:
    record = measures.record
    if len(record.windows) == 1:
        yield "one window"
    if any(axis.key.startswith("costs.") for axis in record.axes):
        yield "costs were varied: they are no choice, and the best is also the one that they favour"
    if record.cells["abstained"].sum():
        yield "abstentions: {sweep.abstained} of the decisions"
    if (record.ratios == 0).any():
        yield "accounts that never moved: {sweep.still}"
    if len(record.measured) < len(record.configurations):
        yield "without returns: {sweep.unmeasured}"
    if record.dropped_closes:
        yield "bars left out because some configurations lack them: {sweep.dropped}"
    if record.bars_in_row > 1:
        yield "returns added up over {sweep.bars_in_row} bars"


def _luck(measures: SweepMeasures) -> Iterator[Block]:
    if measures.luck is None:
        return
    yield Heading("How far luck goes", "luck")
    yield Paragraph(
        [
            "Bars were drawn anew {luck.samples} times, in blocks of {luck.block}, all configurations together, each with "
            "its own mean taken away: what the best shows then is luck.",
            "The configurations trade much alike: for the best of them, so many are worth {luck.effective} independent "
            "ones; were they independent, luck would show {luck.independent}.",
        ]
    )
    yield on_page(Figure(spread_chart(measures)))
    if measures.deflated is not None:
        yield Paragraph(
            "The deflated Sharpe ratio is the probability that the true ratio of the best is above {dsr.against}, which "
            "is the spread of all ratios times the exact expected best of as many independent ones (Bailey and Lopez de "
            "Prado 2014; variance in the form of 2026, autocorrelation counted). Where settings truly differ, their "
            "spread is wider than that of luck, and this figure is too strict.",
            "note",
        )


def _carrying_over(measures: SweepMeasures) -> Iterator[Block]:
    if (found := measures.overfitting) is None:
        return
    yield Heading("Does the choice carry over?", "overfitting")
    yield Paragraph(
        [
            "The bars were cut into {pbo.blocks} blocks, and the best configuration of every half of them was looked up "
            "in the other half: it stood above a share of {pbo.rank} of the others there (median), and lost in {pbo.loss} "
            "of the {pbo.splits} splits.",
            "One more of Sharpe ratio in the choosing half went with {pbo.slope} in the other half.",
        ]
    )
    yield on_page(Figure(rank_chart(found)))
    yield Paragraph(
        "This is combinatorially symmetric cross-validation (Bailey, Borwein, Lopez de Prado and Zhu 2017). Without any "
        "skill the probability is about one half, and a single sweep without skill can well show a third or two thirds. "
        "Both halves share out the same bars: without skill the slope is below zero.",
        "note",
    )


def _forward(measures: SweepMeasures) -> Iterator[Block]:
    record = measures.record
    if not measures.steps:
        return
    yield Heading("Window by window", "forward")
    yield Paragraph(
        [
            "In each window the best configuration was chosen, and looked up on the bars that the next window adds.",
            "The account that did so in {forward.steps} windows shows {forward.sharpe}, the middle configuration kept "
            "all the time {forward.middle}; the best over these bars, known only afterwards, shows {forward.best}.",
        ]
    )
    if len(measures.steps) > 1:
        yield on_page(Figure(forward_chart(measures)))
    rows: list[Sequence[Text]] = []
    for at, step in enumerate(measures.steps, start=1):
        figures = ("in_sample", "out_of_sample", "middle", "rank")
        chosen = tuple(_named(record, int(record.measured[step.chosen])))
        name = Quoted(record.windows[step.window].name)
        rows.append([name, chosen, *(f"{{forward.step.{at}.{metric}}}" for metric in ("bars", *figures))])
    heads = ["New bars", "Chosen, before", "Chosen, after", "Middle, after", "Not worse than"]
    columns = [Column("Window"), Column("Best of the window before", "text"), *map(Column, heads)]
    yield Table(columns, rows, label="The best of each window in the next one", tall=len(rows) > _LONG)


def _settings(record: SweepRecord) -> Iterator[Block]:
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


def _pairs(record: SweepRecord, heat: HeatMap | None) -> Iterator[Block]:
    if heat is None:
        return
    yield Heading("Two settings together", "pairs")
    yield Paragraph(
        [
            "Median annual Sharpe ratio of the configurations with each pair of values; blue lies above the median of all "
            "configurations, orange below.",
            *(["Of many values some are shown, evenly taken."] if heat.is_cut else []),
        ]
    )
    yield heat_table(heat)
    third = next((axis for axis in strongest(record) if axis not in (heat.row_axis, heat.column_axis)), None)
    if third is not None:
        text: Text = ("The same pairs for each value of ", Quoted(third.key, "code"))
        yield on_page(Heading(text, level=3), _across(heat), multiples(heat, third))
    if len(record.windows) > 1:
        yield on_page(Heading("The same pairs in each window", level=3), _across(heat), by_window(heat))


def _across(heat: HeatMap) -> Paragraph:
    axes: tuple[Axis, Axis] = heat.column_axis, heat.row_axis
    return Paragraph((Quoted(axes[0].key, "code"), " across, ", Quoted(axes[1].key, "code"), " down."), "note")


def _alone(record: SweepRecord) -> Iterator[Block]:
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
        rows.append([Quoted(window.name), Quoted(day(ends["start"].min())), Quoted(day(ends["end"].max()))])
    yield Table(["Window", "First bar", "Last bar"], rows, "quoted", label="Windows", tall=len(rows) > _LONG)


def _limits(measures: SweepMeasures) -> Iterator[Block]:
    yield Heading("What this cannot say", "limits")
    told: list[Text] = [
        "The number of configurations is that of this sweep: what was tried before it, or by hand, makes the best worth "
        "less still (`btllm trials`).",
        "Luck and splits draw from the same bars. What is different in other years, or was read by the model about these, "
        "is in none of these figures.",
        "Ratios here are of the accounts' returns joined over all windows; where windows overlap, a bar counts in the "
        "first that holds it. `cells.parquet` holds the figures of each window.",
        "None of this says what to trade.",
    ]
    yield Items(told)
