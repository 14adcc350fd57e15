"""The model's explanation: each sentence with a mark of who wrote it, and what is left out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from simulator.folder.record import Record
from simulator.reporting.blocks import Block, Code, Details, Heading, Items, Paragraph, Quoted, Source, on_page
from simulator.reporting.explanation.explain import stated
from simulator.reporting.facts.fact import Fact, Facts, FactTable
from simulator.reporting.facts.terms import Unit

_MANNERS = {
    "written": "written by the model and checked against the facts, the figures filled in by the program",
    "chosen": "chosen by the model, fact and relation, checked against the values and worded by the program",
}


class ExplanationSection:
    """Shows the content of ``explanation.json``; nothing where there is none."""

    def __init__(self, explanation: Mapping[str, Any] | None) -> None:
        self._explanation = explanation

    def blocks(self, record: Record, facts: Facts) -> Iterator[Block]:
        """A paragraph a part, the statements to test, and what of the model nobody backs, with the reasons."""
        if not self._explanation:
            return
        yield Heading("Explanation", "explanation")
        number = 0
        for paragraph in self._explanation["paragraphs"]:
            yield Heading(Quoted(paragraph["topic"]), level=3)
            if paragraph["sentences"]:
                yield Paragraph([told(sentence, facts) for sentence in paragraph["sentences"]])
            if statements := paragraph["statements"]:
                by = "program" if paragraph["manner"] == "program" else "model"
                ids = [f"explanation.test.{number + at}" for at in range(1, len(statements) + 1)]
                number += len(statements)
                yield Paragraph("Hypotheses, none of them tested here:")
                yield Items([Source(by, f"{{{each}}}") for each in ids])
                yield on_page(Details("As experiment.yaml takes them (hypotheses: statements)", [_as_yaml(statements)]))
        yield from source_notes(self._explanation["paragraphs"], "explanation")


def told(sentence: Mapping[str, Any], facts: Facts) -> Source:
    """A sentence with its figures as facts, and a mark of who wrote it; its words are text from outside."""
    pieces = re.split(r"\{([^{}]+)\}", sentence["template"])
    texts = (f"{{{piece}}}" if at % 2 and piece in facts else Quoted(piece) for at, piece in enumerate(pieces))
    return Source(sentence["source"], tuple(texts))


def _as_yaml(statements: Sequence[Mapping[str, Any]]) -> Code:
    """Statements as an experiment takes them: each a mapping in a line, which YAML reads as JSON."""
    lines = [f"    - {json.dumps(each.as_document(), ensure_ascii=False)}" for each in stated(statements)]
    return Code("\n".join(["hypotheses:", "  statements:", *lines]))


def source_notes(paragraphs: Sequence[Mapping[str, Any]], prefix: str) -> Iterator[Block]:
    """What the marks behind sentences mean, how much of the model's is shown (facts under ``prefix``), and what nobody
    backs, with the reasons."""
    manners = dict.fromkeys(each["manner"] for each in paragraphs if each["manner"] != "program")
    of_model = [(Source("model"), f" {', or '.join(_MANNERS[manner] for manner in manners)}; ")] if manners else []
    yield Paragraph(
        (
            *of_model, Source("program"), " written by the program from the facts. Of the model: shown "
            f"{{{prefix}.shown}}, asked again {{{prefix}.asked_again}}, left out {{{prefix}.refused}}.",
        ),
        "note",
    )  # fmt: skip
    refused = [told for each in paragraphs for told in each["refused"]]
    if refused:
        items = [(Quoted(told["text"], "q"), " ", Quoted(told["why"])) for told in refused]
        yield on_page(Details("What was left out, and why", [Items(items, look="quoted")]))


def explanation_facts(explanation: Mapping[str, Any]) -> dict[str, Fact]:
    """The counts of an explanation, and its statements to test, as facts for the page that shows it."""
    table = FactTable()
    for name, count in explanation["counts"].items():
        table.add("explanation", name, count, Unit.COUNT, f"sentences of the explanation {name.replace('_', ' ')}")
    documents = [document for paragraph in explanation["paragraphs"] for document in paragraph["statements"]]
    for number, statement in enumerate(stated(documents), 1):
        table.add("explanation", f"test.{number}", statement.sentence, Unit.TEXT, "statement that one would test next")
    return table.facts
