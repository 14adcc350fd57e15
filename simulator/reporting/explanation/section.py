"""The model's explanation: each sentence with a mark of who wrote it, and what was refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from simulator.folder.record import Record
from simulator.reporting.blocks import Block, Details, Heading, Items, Paragraph, Quoted, Source, on_page
from simulator.reporting.facts.fact import Fact, Facts, FactTable
from simulator.reporting.facts.terms import Unit


class ExplanationSection:
    """Shows the content of ``explanation.json``; nothing where there is none."""

    def __init__(self, explanation: Mapping[str, Any] | None) -> None:
        self._explanation = explanation

    def blocks(self, record: Record, facts: Facts) -> Iterator[Block]:
        """A paragraph a topic, and the sentences of the model that nobody backs, with the reasons."""
        if not self._explanation:
            return
        yield Heading("Explanation", "explanation")
        sentences = []
        for paragraph in self._explanation["paragraphs"]:
            yield Heading(Quoted(paragraph["topic"]), level=3)
            yield Paragraph([Source(sentence["source"], sentence["text"]) for sentence in paragraph["sentences"]])
            sentences += paragraph["sentences"]
        yield Paragraph(
            (
                Source("model"), " written by the model and checked against the facts; ",
                Source("program"), " written by the program from the facts. Sentences written by the model: "
                "{explanation.written_by_model}; shown: {explanation.shown}; refused: {explanation.refused}.",
            ),
            "note",
        )  # fmt: skip
        refused = [sentence["refused"] for sentence in sentences if sentence["refused"]]
        if refused:
            items = [(Quoted(told["text"], "q"), " ", Quoted(told["why"])) for told in refused]
            yield on_page(Details("What was refused, and why", [Items(items, look="quoted")]))


def explanation_facts(explanation: Mapping[str, Any]) -> dict[str, Fact]:
    """The counts of an explanation as facts, for the page that shows it."""
    table = FactTable()
    for name, count in explanation["counts"].items():
        table.add("explanation", name, count, Unit.COUNT, f"sentences of the explanation {name.replace('_', ' ')}")
    return table.facts
