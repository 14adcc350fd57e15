"""The report: one self-contained HTML page and its Markdown sibling, from a saved record and its facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llm_strategy.support.outside_text import spelled_out
from simulator.folder.record import Record
from simulator.reporting.blocks import Banner, Quoted, in_markdown, on_page
from simulator.reporting.contents import page_sections
from simulator.reporting.facts.fact import Facts
from simulator.reporting.render_html import HtmlWriter, page, secured
from simulator.reporting.render_markdown import MarkdownWriter, without_bare_links
from simulator.reporting.sections.explanation import explanation_facts


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
    sections = [list(section.blocks(record, shown)) for section in page_sections(record, explanation)]
    if changed:
        words = f"Not to be trusted: evidence changed since the run: {', '.join(changed)}"
        rest = "These files are not what the run wrote, and what stands below rests on them."
        on_markdown = in_markdown(Banner(Quoted(f"{words}."), rest))
        sections.insert(0, [on_page(Banner(Quoted(words, "alarm"), rest)), on_markdown])
    html, markdown = HtmlWriter(shown), MarkdownWriter(shown)
    return Report(
        secured(spelled_out(page(record.manifest["name"], filter(None, map(html.section, sections))))),
        without_bare_links(spelled_out("\n\n".join(filter(None, map(markdown.section, sections))) + "\n")),
    )
