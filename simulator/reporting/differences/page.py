"""The page of two runs beside each other, and the same in short for a terminal."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from llm_strategy.support.outside_text import spelled_out
from simulator.evaluation.pairs import Parting
from simulator.reporting.blocks import (
    Banner,
    Block,
    Column,
    Details,
    Figure,
    Heading,
    Items,
    Paragraph,
    Quoted,
    Table,
    Text,
)
from simulator.reporting.differences.facts import NOT_COMPARED, RESULTS
from simulator.reporting.differences.settings import Setting
from simulator.reporting.differences.two_runs import SIDES, ArmPair, TwoRuns
from simulator.reporting.facts.fact import NOT_AVAILABLE, Facts
from simulator.reporting.facts.pairs import BETTER, INCONCLUSIVE, NOT_TOLD_APART, WORSE
from simulator.reporting.facts.terms import ARM_TERMS
from simulator.reporting.page_frame import page, secured
from simulator.reporting.render_html import HtmlWriter
from simulator.reporting.render_markdown import MarkdownWriter
from simulator.reporting.sections.charts import draw_accounts

NAMED = 6
"""Settings that the first lines name."""
_COUNTS = ("bars", "both", "first_alone", "second_alone")
_KAPPAS = {"label_kappa": "Kappa of labels", "action_kappa": "Kappa of actions"}
_TOLD = {
    BETTER: "A did better on these bars",
    WORSE: "B did better on these bars",
    NOT_TOLD_APART: "the two cannot be told apart",
    INCONCLUSIVE: "even a large difference could have been missed",
}


def difference_page(
    runs: TwoRuns, settings: Sequence[Setting], partings: dict[str, Sequence[Parting]], facts: Facts
) -> str:
    """The whole page; the same folders give the same bytes."""
    sections = [
        _head(runs, settings, facts),
        _settings(settings),
        _decisions(runs, partings, facts),
        _results(runs, facts),
        _limits(runs),
    ]
    writer = HtmlWriter(facts)
    made = filter(None, (writer.section(list(section)) for section in sections))
    title = " beside ".join(record.manifest["name"] for record in runs.records)
    return secured(spelled_out(page(title, made)))


def in_short(
    runs: TwoRuns, settings: Sequence[Setting], partings: dict[str, Sequence[Parting]], facts: Facts
) -> Iterator[str]:
    """The same in a few lines."""
    writer = MarkdownWriter(facts)
    for side, record in zip(SIDES, runs.records, strict=True):
        yield f"{side}: {record.folder}"
    yield ""
    for sentence in _sentences(runs, settings, facts):
        yield _plain(writer.text(sentence))
    for setting in settings:
        if setting.of != "program":
            first, second = setting.shown
            yield f"  {setting.key}: {first} -> {second}"
    for pair in runs.pairs:
        for parting in partings[pair.name][:5]:
            labels = " -> ".join(f"{parting.labels[side]}, {parting.actions[side]}" for side in (0, 1))
            yield f"  {pair.name} {_day(parting.time)} {parting.symbol}: {labels}"


def _plain(text: str) -> str:
    """A sentence without what Markdown adds to it."""
    return html.unescape(re.sub(r"[`*\\]", "", text))


def _head(runs: TwoRuns, settings: Sequence[Setting], facts: Facts) -> Iterator[Block]:
    for side, changed in zip(SIDES, runs.changed, strict=True):
        if changed:
            words = f"Not to be trusted: evidence of {side} changed since the run: {', '.join(changed)}"
            yield Banner(
                Quoted(words, "alarm"), "These files are not what the run wrote, and what stands below rests on them."
            )
    names = [record.manifest["name"] for record in runs.records]
    yield Heading(("A: ", Quoted(names[0]), " beside B: ", Quoted(names[1])), level=1)
    yield Paragraph(list(_sentences(runs, settings, facts)), "verdict")
    rows: list[list[Text]] = []
    for side, record in zip(SIDES, runs.records, strict=True):
        decided = f"{{both.first_decision.{side}}} to {{both.last_bar.{side}}}"
        finished = Quoted(str(record.manifest.get("finished") or ""))
        rows.append([side, Quoted(record.folder.name), decided, f"{{both.verdict.{side}}}", finished])
    yield Table(["", "Run", "Decisions", "Verdict", "Finished"], rows, "rows", label="The two runs")
    pair = runs.pairs[0]
    if len(pair.first.equity) > 1 and len(pair.second.equity) > 1:
        title = "Account value, as a multiple of its value at the first decision"
        both = [
            replace(arm, name=f"{side}: {arm.name}") for side, arm in zip(SIDES, (pair.first, pair.second), strict=True)
        ]
        yield Figure(draw_accounts(runs.records[0], "accounts", title, both, "Their figures stand below."))


def _sentences(runs: TwoRuns, settings: Sequence[Setting], facts: Facts) -> Iterator[Text]:
    """What differs: decisions, results, settings."""
    pair = runs.pairs[0]
    made, paired = f"{pair.name}.decisions", f"{pair.name}.paired"
    if not facts[f"{made}.bars"].value:
        yield f"No close is in common: A and B cannot be compared decision by decision ({pair.name})."
    elif not facts[f"{made}.parted"].value:
        yield f"The decisions of {pair.name} are the same on all {{{made}.both}} closes that both decided."
    else:
        yield f"The decisions of {pair.name} differ on {{{made}.parted}} of {{{made}.both}} closes."
        yield f"They part first on {{{made}.first_parting}}."
    if not runs.same_bars:
        yield "A and B did not see the same prices, so that their results are not compared."
    elif facts[f"{paired}.sharpe_difference"].value == NOT_AVAILABLE:
        yield "The Sharpe ratios cannot be compared: an account never moved, an arm failed, or there are too few bars."
    elif facts[f"{paired}.low"].value == facts[f"{paired}.high"].value == 0:
        yield f"Both accounts of {pair.name} earned the same on every bar."
    else:
        told = _TOLD[str(facts[f"{paired}.verdict"].value)]
        yield (
            f"The annual Sharpe ratio of A minus that of B is {{{paired}.sharpe_difference}} "
            f"({{both.confidence_level}}: {{{paired}.low}} to {{{paired}.high}}): {told}."
        )
    if not settings:
        yield "No setting differs."
        return
    named = [setting.key for setting in settings if setting.of != "program"][:NAMED]
    keys: list[Text] = [("" if at == 0 else ", ", Quoted(key, "code")) for at, key in enumerate(named)]
    differ = "setting differs" if len(settings) == 1 else "settings differ"
    if named:
        yield ("{both.settings} ", differ, ", among them " if len(settings) > len(named) else ": ", *keys, ".")
    else:
        yield f"{{both.settings}} {differ}, all of the program itself."


def _settings(settings: Sequence[Setting]) -> Iterator[Block]:
    if not settings:
        return
    yield Heading("Settings that differ", "settings")
    own = [setting for setting in settings if setting.of != "program"]
    if own:
        yield _setting_table(own, "Settings that differ")
    else:
        yield Paragraph("Experiment, model and prices are the same; versions, prompts or schemas are not.")
    if program := [setting for setting in settings if setting.of == "program"]:
        table = _setting_table(program, "Versions, prompts and schemas that differ")
        yield Details("Versions, prompts and schemas that differ", [table])


def _setting_table(settings: Sequence[Setting], label: str) -> Table:
    rows: list[list[Text]] = [[Quoted(each.key, "code"), *(Quoted(shown) for shown in each.shown)] for each in settings]
    return Table(["Setting", Column("A", "long"), Column("B", "long")], rows, "quoted", label=label)


def _decisions(runs: TwoRuns, partings: dict[str, Sequence[Parting]], facts: Facts) -> Iterator[Block]:
    yield Heading("Decisions", "decisions")
    heads = ["Both asked", "Both decided", "A alone", "B alone", "Differ", "Share"]
    rows: list[list[Text]] = []
    for pair in runs.pairs:
        made = f"{pair.name}.decisions"
        counts = [f"{{{made}.{metric}}}" for metric in (*_COUNTS, "parted", "differing")]
        rows.append([pair.name, *counts, *(_estimate(made, metric, facts) for metric in _KAPPAS)])
    kappas = [Column(heading, "interval") for heading in _KAPPAS.values()]
    yield Table([Column("Arm"), *map(Column, heads), *kappas], rows, label="Decisions of both runs")
    yield Paragraph(
        "Decisions are compared on the same close of the same symbol. One that a side did not make, because it "
        "abstained or a rule stood in for it, is counted as that and is no difference. Kappa is Cohen's: agreement "
        "beyond chance, with an interval of {both.confidence_level} from blocks of closes.",
        "note",
    )
    for pair in runs.pairs:
        if found := partings[pair.name]:
            yield Heading(f"Where {pair.name} parts first", level=3)
            yield _parting_table(found)
            yield from _action_table(pair, facts)
    if any(partings.values()):
        yield Paragraph("Why a side decided so: `btllm trace RUN --at TIME` on its folder.", "note")


def _estimate(subject: str, metric: str, facts: Facts) -> Text:
    """A figure with its interval, where it has one."""
    value = f"{{{subject}.{metric}}}"
    if facts[f"{subject}.{metric}_low"].value == NOT_AVAILABLE:
        return value
    return f"{value} ({{{subject}.{metric}_low}} to {{{subject}.{metric}_high}})"


def _parting_table(partings: Sequence[Parting]) -> Table:
    rows: list[list[Text]] = []
    for each in partings:
        sides = [f"{each.labels[side]}, {each.actions[side]}" for side in (0, 1)]
        rows.append([Quoted(_day(each.time)), Quoted(each.symbol), *map(Quoted, sides)])
    return Table(["Close", "Symbol", "A: label, action", "B: label, action"], rows, "quoted", label="First differences")


def _action_table(pair: ArmPair, facts: Facts) -> Iterator[Block]:
    """How often one action stood against another."""
    head = f"{pair.name}.decisions.actions."
    found = [name for name in facts if name.startswith(head)]
    if not found:
        return
    rows: list[list[Text]] = []
    for name in found:
        first, second = name.removeprefix(head).split(".")
        rows.append([first.replace("_", " "), second.replace("_", " "), f"{{{name}}}"])
    yield Table(["A proposed", "B proposed", Column("Closes", "number")], rows, "rows", label="Actions that differ")


def _results(runs: TwoRuns, facts: Facts) -> Iterator[Block]:
    yield Heading("Results", "results")
    if runs.same_window:
        yield Paragraph("A and B traded the same {both.bars} bars of the same prices.")
    elif runs.same_bars:
        yield Paragraph(
            "A and B share {both.bars} bars of the same prices, and one of them has others beside: figures of whole "
            "runs are not subtracted, the accounts are compared below on the shared bars."
        )
    else:
        yield Paragraph(
            "A and B did not see the same prices on {both.bars} shared bars: the figures stand beside each other, and "
            "nothing is subtracted."
        )
    heads = [Column("Arm"), Column("", "text"), *(Column(ARM_TERMS[metric].heading) for metric in RESULTS)]
    rows: list[list[Text]] = []
    for pair in runs.pairs:
        shown = [(side, f"{pair.name}.{side}") for side in SIDES]
        if runs.same_window:
            shown.append(("A minus B", f"{pair.name}.difference"))
        for at, (side, subject) in enumerate(shown):
            rows.append(["" if at else pair.name, side, *(f"{{{subject}.{metric}}}" for metric in RESULTS)])
    yield Table(heads, rows, "matrix", label="Results of both runs")
    if runs.same_bars:
        yield from _paired(runs, facts)
    for side, names in zip(SIDES, runs.unpaired, strict=True):
        if names:
            yield Paragraph((f"Only in {side}: ", Quoted(", ".join(names)), "."), "note")


def _paired(runs: TwoRuns, facts: Facts) -> Iterator[Block]:
    metrics = {"p_value": "p", "detectable": "Detectable", "correlation": "Correlation"}
    rows: list[list[Text]] = []
    for pair in runs.pairs:
        paired = f"{pair.name}.paired"
        if facts[f"{paired}.verdict"].value == NOT_COMPARED or facts[f"{paired}.low"].value == NOT_AVAILABLE:
            continue
        ends = f"{{{paired}.low}} to {{{paired}.high}}"
        figures = [f"{{{paired}.{metric}}}" for metric in metrics]
        rows.append([pair.name, f"{{{paired}.sharpe_difference}}", ends, *figures, f"{{{paired}.verdict}}"])
    if not rows:
        return
    heads = ["Sharpe of A minus B", "{both.confidence_level} interval", *metrics.values()]
    columns = [Column("Arm"), *map(Column, heads)]
    yield Heading("The same bars, pair by pair", level=3)
    yield Table([*columns, Column("Told apart", "text")], rows, label="Paired differences")
    yield Paragraph(
        "Interval and p come from a studentised circular block bootstrap of both accounts on the same bars (Ledoit and "
        "Wolf), with the settings of A. *Detectable* is the true difference that such a pair finds in four runs of "
        "five. Differences of percentages are in percentage points (pp).",
        "note",
    )


def _limits(runs: TwoRuns) -> Iterator[Block]:
    yield Heading("What this cannot say", "limits")
    yield Items(
        [
            "Two runs that differ in several settings do not tell which of them made the difference.",
            "Each run that is looked at is one more trial: the page of a run says how many there were on its bars.",
            "Figures of each run are those of its own report; where a folder was changed since its run, `btllm replay` "
            "says so.",
        ]
    )


def _day(time: str) -> str:
    return time.removesuffix("T00:00:00")
