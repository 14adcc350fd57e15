"""A person's own sections of the report: found, held to the rule that every number is a fact, and never a lost report.

``output.sections`` of the experiment names them: by an entry point of ``backtrader_llm.report_sections``, as
``package.module:Section`` or as ``FILE.py:Section``. A section has ``blocks(record, facts)`` and, where it measures
something, ``facts(table, record)``, whose table is an ``OwnFacts``.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

from llm_strategy.errors import BacktraderLLMError, ConfigurationError, did_you_mean
from llm_strategy.support.plugins import find_plugin
from simulator.folder.record import Record
from simulator.reporting.blocks import Block, Heading, Paragraph, Quoted
from simulator.reporting.facts.fact import Facts, FactTable
from simulator.reporting.facts.terms import Unit
from simulator.reporting.render_html import HtmlWriter
from simulator.reporting.render_markdown import MarkdownWriter

log = logging.getLogger(__name__)

GROUP = "backtrader_llm.report_sections"
"""The entry points of sections that other packages bring."""


class OwnFacts:
    """The facts of a person's own section in the making: ``add("mean", ...)`` is ``section.NAME.mean``."""

    def __init__(self, name: str, facts: Facts) -> None:
        self.table = FactTable()
        self.known = facts
        """The facts that there are already, by id."""
        self._subject = f"section.{name}"

    def add(self, metric: str, value: Any, unit: Unit, label: str) -> str:
        """Add a figure and get its id; a number that is not finite is shown as not available.

        Raises ``TypeError`` and ``ValueError`` for a value that is neither number nor text, and for a metric that is no
        plain name.
        """
        value = value.item() if hasattr(value, "item") else value
        if not isinstance(value, int | float | str | None):
            raise TypeError(f"the value of {metric} is neither a number nor a text but {type(value).__name__}")
        if not re.fullmatch(r"[\w.-]+", metric):
            raise ValueError(f"{metric!r} is no name of a figure: write letters, digits, dots, hyphens and underscores")
        if not isinstance(label, str):
            raise TypeError(f"the label of {metric} is no text but {type(label).__name__}")
        usable = None if isinstance(value, float) and not math.isfinite(value) else value
        self.table.add(self._subject, metric, usable, Unit(unit), label)
        return f"{self._subject}.{metric}"


class OwnSection:
    """A person's own section, which cannot take a report away: what goes wrong is one sentence in its place."""

    def __init__(self, name: str, reference: str, section: Any, problem: str = "") -> None:
        self._name, self._reference, self._section, self._problem = name, reference, section, problem

    def facts(self, table: FactTable, record: Record) -> None:
        """Add its figures, or what went wrong and none of them."""
        own, problem = OwnFacts(self._name, dict(table.facts)), self._problem
        try:
            if add := getattr(self._section, "facts", None):
                add(own, deepcopy(record))  # what it changes is not what others measure
        except (Exception, SystemExit) as failure:
            problem = _one_line(failure)
        if problem:
            table.add(f"section.{self._name}", "problem", problem, Unit.TEXT, "what went wrong in the section")
        else:
            table.facts.update(own.table.facts)

    def blocks(self, record: Record, facts: Facts) -> Iterator[Block]:
        """Its blocks under a heading that no other section has, or the sentence that it failed, which is logged too."""
        problem = facts.get(f"section.{self._name}.problem")
        try:
            if problem is not None:
                raise ConfigurationError(problem.text)
            blocks = self._section.blocks(deepcopy(record), dict(facts))
            if not isinstance(blocks, Iterable):
                kind = type(blocks).__name__
                raise ConfigurationError(f"Its blocks are of type {kind}: yield blocks, or return a list of them.")
            yield from self._checked(list(blocks), record, facts)
        except (Exception, SystemExit) as failure:
            sentence = f"The section {self._reference!r} is not shown: {_one_line(failure)}"
            log.warning("%s", sentence)
            yield Heading(Quoted(self._title), f"section-{self._name}")
            yield Paragraph(Quoted(sentence, "alarm"))

    @property
    def _title(self) -> str:
        return re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", self._name).strip().capitalize()

    def _checked(self, blocks: list[Block], record: Record, facts: Facts) -> list[Block]:
        """The blocks where both renderings take them and every number is a fact."""
        if not blocks:
            return []
        if not isinstance(blocks[0], Heading):
            blocks.insert(0, Heading(self._title))
        headings = [block for block in blocks if isinstance(block, Heading)]
        blocks = [
            replace(block, id=f"section-{self._name}" if block is headings[0] else "", level=max(2, block.level))
            if isinstance(block, Heading)
            else block
            for block in blocks
        ]
        try:
            MarkdownWriter(facts).section(blocks)
            text = str(HtmlWriter(facts).section(blocks))
        except KeyError as unknown:
            name = str(unknown.args[0])
            raise ConfigurationError(f"There is no fact {name!r}{did_you_mean(name, list(facts))}") from None
        text = re.sub(r"<svg.*?</svg>|<(data|span) data-fact.*?</\1>|<[^>]*>", " ", text, flags=re.DOTALL)
        for name in sorted([*(arm.name for arm in record.arms), *record.prices], key=len, reverse=True):
            text = text.replace(name, " ")
        if number := re.search(r"\S*\d\S*", text):
            raise ConfigurationError(
                f"It writes {number[0]!r} itself: add the figure as a fact and name that in braces."
            )
        return blocks


def load_section(reference: str) -> Any:
    """A person's own section, made anew where it is a class. Raises ``ConfigurationError`` in one sentence."""
    section = find_plugin("report section", reference, GROUP, {})
    if isinstance(section, type):
        try:
            section = section()
        except (Exception, SystemExit) as problem:
            raise ConfigurationError(f"The report section {reference!r} cannot be made: {_one_line(problem)}") from None
    if not callable(getattr(section, "blocks", None)):
        raise ConfigurationError(f"The report section {reference!r} has no blocks(record, facts): write one.")
    return section


def own_sections(record: Record) -> list[OwnSection]:
    """The sections that the experiment of a folder names, by names of which no two are alike."""
    output = record.manifest["experiment"].get("output", {})
    own: dict[str, OwnSection] = {}
    for reference in filter(lambda named: isinstance(named, str), output.get("sections") or ()):
        section, problem = None, ""
        try:
            section = load_section(reference)
        except (Exception, SystemExit) as failure:
            problem = _one_line(failure)
        name = re.sub(r"\W+", "_", type(section).__name__ if section else reference.rpartition(":")[2]) or "section"
        while name in own:
            name += "_"
        own[name] = OwnSection(name, reference, section, problem)
    return list(own.values())


def _one_line(problem: BaseException) -> str:
    text = " ".join(str(problem).split())
    if not isinstance(problem, BacktraderLLMError):
        text = f"{type(problem).__name__}: {text}" if text else type(problem).__name__
    return text if text.endswith((".", "?")) else f"{text}."
