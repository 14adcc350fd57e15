"""The page of a sweep, made from its folder alone: what the best of many configurations is worth, and which settings
did what."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from llm_strategy.errors import ConfigurationError, RunFolderError
from llm_strategy.support.outside_text import spelled_out
from llm_strategy.support.write_whole import write_whole
from simulator.folder.record_check import as_damage
from simulator.reporting.blocks import Block, Chips, Column, Heading, Items, Paragraph, Quoted, Table, Text, heading_ids
from simulator.reporting.facts.fact import Facts, write_facts
from simulator.reporting.facts.terms import ARM_TERMS
from simulator.reporting.page_frame import SWEEP, page, secured
from simulator.reporting.render_html import HtmlWriter
from simulator.reporting.render_markdown import MarkdownWriter, without_bare_links
from simulator.reporting.sweep.cells import SweepRecord, load_sweep
from simulator.reporting.sweep.configurations import configuration_table
from simulator.reporting.sweep.facts import SHOWN, SweepMeasures, SweepVerdict, places, sweep_facts
from simulator.reporting.sweep.heat import HeatMap, add_heat, heat_of, strongest
from simulator.reporting.sweep.sections import (
    alone_section,
    choice_section,
    forward_section,
    limit_section,
    luck_section,
    named_settings,
    note_section,
    pair_section,
    setting_section,
)


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
                luck_section(measures),
                choice_section(measures),
                forward_section(measures),
                note_section(record),
                setting_section(record),
                pair_section(record, heat),
                configuration_table(record),
                alone_section(record),
                limit_section(measures),
            )
        ]
        html, markdown = HtmlWriter(facts, frozenset(heading_ids(chain.from_iterable(sections)))), MarkdownWriter(facts)
        shown = list(filter(None, map(html.section, sections)))
        written = page(record.name, shown, html.contents, script=SWEEP)
        text = "\n\n".join(filter(None, map(markdown.section, sections)))
    write_facts(facts, folder / "facts.json")
    try:
        write_whole(folder / "report.html", secured(spelled_out(written)))
        write_whole(folder / "report.md", without_bare_links(spelled_out(f"{text}\n")))
    except OSError as problem:
        why = problem.strerror or problem
        raise RunFolderError(f"{folder} cannot be written ({why}): free space, and make the page again.") from None
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


def _head(measures: SweepMeasures, facts: Facts) -> Iterator[Block]:
    record = measures.record
    yield Heading(("Sweep: ", Quoted(record.name)), level=1)
    yield Paragraph(list(_sentences(measures)), "verdict")
    yield Items([*_rests(measures, facts), _asked(facts)], look="rests")
    if chips := list(_chips(measures)):
        yield Chips(chips)
    found = places(record)
    if len(found) < 2 or len(record.order) < 2:
        return
    heads = [Column(""), *(Column(ARM_TERMS[metric].heading) for metric in SHOWN)]
    rows = [[subject, *(f"{{{subject}.{metric}}}" for metric in SHOWN)] for subject in found]
    yield Table(heads, rows, label="The best, the middle and the worst configuration")


def _sentences(measures: SweepMeasures) -> Iterator[Text]:
    """The verdict, the best, and what luck would show; never what to do."""
    record = measures.record
    yield f"{measures.verdict}."
    if not len(record.order):
        yield "No configuration has returns on enough bars to be measured."
        return
    one, whole = len(record.order) == 1, len(record.measured) == len(record.configurations)
    compared = "" if whole else " that can be compared"
    yield (
        f"The only configuration{compared} (" if one else f"The best of {{sweep.measured}} configurations{compared} (",
        tuple(named_settings(record, record.order[0])),
        ") shows an annual Sharpe ratio of {best.sharpe} over {sweep.years} years, {sweep.bars} bars.",
    )
    if measures.luck is None:
        if measures.verdict is not SweepVerdict.ALONE:
            yield "There are too few bars, or accounts that moved, to say what luck would show."
        return
    yield (
        "Were none of them better than cash, the best of so many would show {luck.expected} by luck alone "
        "(p {luck.p}); were all of them as good as their mean ({luck.mean}), it would show {luck.equals} "
        "(p {luck.p_equals})."
    )


def _rests(measures: SweepMeasures, facts: Facts) -> Iterator[Text]:
    """What else was measured of the best, a line each."""
    if "pbo.probability" in facts:
        yield (
            "*Does the choice carry over?* The best on one half of the bars was not above the middle of all on the "
            "other half in {pbo.probability} of {pbo.splits} splits (probability of backtest overfitting)."
        )
    if "dsr.probability" in facts:
        yield "*How sure is the best?* Its deflated Sharpe ratio, a probability, is {dsr.probability}."
    if measures.market is not None:
        yield "*Against the market:* that shows {sweep.market_sharpe} over the bars of the best."
    if "forward.sharpe" in facts:
        yield (
            "*Window by window:* an account that always took the best of the window before shows {forward.sharpe}, the "
            "middle configuration {forward.middle} over the same bars."
        )


def _asked(facts: Facts) -> str:
    told = ["*What was run:* cells {sweep.cells}", "decisions of a model {sweep.decisions}"]
    if isinstance(facts["sweep.questions"].value, int):
        told.append("distinct questions that they rest on {sweep.questions}")
    if isinstance(facts["sweep.asked"].value, int):
        told.append("asked for this sweep {sweep.asked}, the others were on record")
    return f"{'; '.join(told)}."


def _chips(measures: SweepMeasures) -> Iterator[str]:
    record = measures.record
    sections = {axis.key.partition(".")[0] for axis in record.axes}
    if len(record.windows) == 1:
        yield "one window"
    if "costs" in sections:
        yield "costs were varied, and costs are no choice"
    if "data" in sections:
        yield "prices or times were varied: the best is also the best market or time, known afterwards"
    if any(axis.key.rpartition(".")[2] == "seed" or any(map(_has_seed, axis.values)) for axis in record.axes):
        yield "seeds were varied, and a seed is no choice"
    if record.cells["abstained"].sum():
        yield "abstentions: {sweep.abstained} of the decisions"
    if (record.ratios == 0).any():
        yield "accounts that never moved: {sweep.still}"
    if len(record.measured) < len(record.configurations):
        yield "not compared, without returns on half of the bars: {sweep.unmeasured}"
    if record.dropped_closes:
        yield "bars left out because some configurations lack them: {sweep.dropped}"
    if record.bars_in_row > 1:
        yield "returns added up over {sweep.bars_in_row} bars"


def _has_seed(value: object) -> bool:
    """Whether a value is a mapping that holds a seed, however deep."""
    return isinstance(value, dict) and ("seed" in value or any(map(_has_seed, value.values())))
