"""The report: its sections in order and all their facts, and from both one self-contained HTML page and its Markdown
sibling.

A section is a module of ``sections/`` with ``blocks(record, facts)`` and, where it measures something of its own,
``facts(table, record)``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import chain
from pkgutil import walk_packages
from typing import Any, Protocol

from llm_strategy.support.outside_text import spelled_out
from simulator.folder.record import Record
from simulator.reporting import sections
from simulator.reporting.blocks import Banner, Block, Quoted, heading_ids, in_markdown, on_page
from simulator.reporting.explanation.section import ExplanationSection, explanation_facts
from simulator.reporting.facts.advisors import add_nulls
from simulator.reporting.facts.arms import add_arm, add_ranks
from simulator.reporting.facts.fact import Fact, Facts, FactTable
from simulator.reporting.facts.pairs import add_pairs
from simulator.reporting.facts.run import add_run
from simulator.reporting.facts.verdict import add_verdicts, add_worth
from simulator.reporting.own_sections import OwnSection, own_sections
from simulator.reporting.page_frame import RUN, page, secured
from simulator.reporting.render_html import HtmlWriter
from simulator.reporting.render_markdown import MarkdownWriter, without_bare_links

BEFORE = (
    "summary",
    "arms",
    "charts",
    "inspector",
    "tear.calendar",
    "tear.rolling",
    "tear.drawdowns",
    "tear.distribution",
    "tear.excursions",
    "tear.costs",
    "timing",
    "copying",
    "market",
    "attribution",
    "certainty",
    "pairs",
    "noise",
    "advisors",
    "robustness",
    "trials",
    "memory",
    "symbols",
    "gate",
    "regimes",
    "regime_scores",
    "confidence",
    "decisions",
    "orchestrator.plan",
    "orchestrator.brief",
    "orchestrator.checklist",
    "orchestrator.hypotheses",
    "documents",
    "trades",
)
"""The sections of a page, in order; behind them stand further modules of ``sections/`` and a person's own sections."""
AFTER = ("model", "explanation", "caveats", "reporting_checklist", "provenance")
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
    place = f"{sections.__name__}."
    modules = [module for module in walk_packages(sections.__path__, place) if not module.ispkg]
    names = [module.name.removeprefix(place) for module in modules]
    further = [name for name in names if name not in (*BEFORE, *AFTER)]

    def named(name: str) -> Any:
        return ExplanationSection(explanation) if name == _TOLD else import_module(f"{place}{name}")

    return [*map(named, (*BEFORE, *further)), *own_sections(record), *map(named, AFTER)]


def build_facts(record: Record) -> dict[str, Fact]:
    """All facts of a run or comparison by id: of the run, of each arm, of the sections, then of pairs of arms."""
    table = FactTable()
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
    add_pairs(table, record)
    add_worth(table, record)
    add_verdicts(table, record)
    add_nulls(table, record)
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
    html, markdown = HtmlWriter(shown, frozenset(heading_ids(chain.from_iterable(made)))), MarkdownWriter(shown)
    shown_sections = list(filter(None, map(html.section, made)))
    written = page(record.manifest["name"], shown_sections, html.contents, script=RUN)
    return Report(
        secured(spelled_out(written)),
        without_bare_links(spelled_out("\n\n".join(filter(None, map(markdown.section, made))) + "\n")),
    )
