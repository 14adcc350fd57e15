"""The report: its sections in order and all their facts, and from both one self-contained HTML page and its Markdown
sibling.

A section is a module of ``sections/`` with ``blocks(record, facts)`` and, where it measures something of its own,
``facts(table, record)``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Protocol

from llm_strategy.support.outside_text import spelled_out
from simulator.folder.record import Record
from simulator.reporting import sections
from simulator.reporting.blocks import Banner, Block, Quoted, in_markdown, on_page
from simulator.reporting.explanation.section import ExplanationSection, explanation_facts
from simulator.reporting.facts.advisors import add_verdicts
from simulator.reporting.facts.arms import add_arm, add_pair, add_ranks, overall
from simulator.reporting.facts.fact import Fact, Facts, FactTable
from simulator.reporting.facts.run import add_run, advised_arm, compared_arms
from simulator.reporting.facts.terms import Unit
from simulator.reporting.own_sections import OwnSection, own_sections
from simulator.reporting.render_html import HtmlWriter, page, secured
from simulator.reporting.render_markdown import MarkdownWriter, without_bare_links

BEFORE = (
    "summary",
    "arms",
    "pairs",
    "noise",
    "advisors",
    "charts",
    "symbols",
    "gate",
    "regimes",
    "decisions",
    "documents",
    "trades",
)
"""The sections of a page, in order; behind them stand further modules of ``sections/`` and a person's own sections."""
AFTER = ("model", "explanation", "caveats", "provenance")
"""The sections that end a page."""
_TOLD = "explanation"
"""The one that is no module: it shows what ``explanation.json`` holds."""


class Section(Protocol):
    """A part of the report; ``facts(table, record)`` is left out by one that measures nothing of its own."""

    def blocks(self, record: Record, facts: Facts) -> Iterable[Block]:
        """What it tells, in order; nothing where there is nothing to tell."""
        ...


def page_sections(record: Record, explanation: Mapping[str, Any] | None = None) -> list[Section]:
    """All sections of a record's report in order."""
    names = [module.name for module in iter_modules(sections.__path__)]
    further = [name for name in names if name not in (*BEFORE, *AFTER)]

    def named(name: str) -> Any:
        return ExplanationSection(explanation) if name == _TOLD else import_module(f"{sections.__name__}.{name}")

    return [*map(named, (*BEFORE, *further)), *own_sections(record), *map(named, AFTER)]


def build_facts(record: Record) -> dict[str, Fact]:
    """All facts of a run or comparison by id: of the run, of each arm, of the sections, then of pairs of arms."""
    table, advised = FactTable(), advised_arm(record)
    add_run(table, record)
    for arm in record.arms:
        add_arm(table, record, arm)
    add_ranks(table, [arm.name for arm in record.arms])
    own: list[OwnSection] = []
    for section in page_sections(record):
        if isinstance(section, OwnSection):
            own.append(section)
        elif (add := getattr(section, "facts", None)) is not None:
            add(table, record)
    for first, second in compared_arms(record):
        add_pair(table, record, first, second)
    table.add("run", "verdict", overall(table, record, advised), Unit.TEXT, "verdict on the advice")
    add_verdicts(table, record)
    for section in own:
        section.facts(table, record)
    return table.facts


@dataclass(frozen=True, slots=True)
class Report:
    """The two renderings of one report."""

    html: str
    markdown: str


def render(record: Record, facts: Facts, explanation: Mapping[str, Any] | None, changed: Sequence[str] = ()) -> Report:
    """Render a record; ``explanation`` is the content of ``explanation.json`` where there is one, and ``changed`` names
    files that are not as the run wrote them, which then stands above everything.

    The same arguments give the same bytes. Every figure outside quoted evidence and provenance is the text of a fact.
    """
    shown = {**facts, **(explanation_facts(explanation) if explanation else {})}
    made = [list(section.blocks(record, shown)) for section in page_sections(record, explanation)]
    if changed:
        words = f"Not to be trusted: evidence changed since the run: {', '.join(changed)}"
        rest = "These files are not what the run wrote, and what stands below rests on them."
        on_markdown = in_markdown(Banner(Quoted(f"{words}."), rest))
        made.insert(0, [on_page(Banner(Quoted(words, "alarm"), rest)), on_markdown])
    html, markdown = HtmlWriter(shown), MarkdownWriter(shown)
    return Report(
        secured(spelled_out(page(record.manifest["name"], filter(None, map(html.section, made))))),
        without_bare_links(spelled_out("\n\n".join(filter(None, map(markdown.section, made))) + "\n")),
    )
