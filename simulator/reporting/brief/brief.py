"""A brief: what a model says of a market at a close, shown only where the figures back it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.requests import ModelIdentity
from llm_strategy.support.outside_text import hanging, spelled_out, spelled_out_json
from simulator.reporting.blocks import Block, Details, Heading, Paragraph, Quoted, Table, Text, on_page
from simulator.reporting.brief.figures import Figure, facts_of, parts_of
from simulator.reporting.explanation.explain import EARLIER, FORM, RecordedExplainer, is_in_place_of_earlier, tell
from simulator.reporting.explanation.section import source_notes, told
from simulator.reporting.facts.fact import Fact, FactTable
from simulator.reporting.facts.terms import Unit
from simulator.reporting.render_html import HtmlWriter
from simulator.reporting.render_markdown import MarkdownWriter

BRIEF = "brief.json"


@dataclass(frozen=True, slots=True)
class Close:
    """What a brief is of: the close of ``symbol`` at ``time`` (ISO 8601, UTC), what was ``measured`` there, the names
    of the analytics that were ``chosen``, and by whom (``model`` or ``program``); ``problem`` says in a sentence why
    the model did not choose, where it should have."""

    symbol: str
    time: str
    advisor: str
    figures: tuple[Figure, ...]
    chosen: tuple[str, ...]
    chosen_by: str
    problem: str = ""


@dataclass(frozen=True)
class Brief:
    """The summary of a market's condition at a close; ``str``, a notebook and ``as_dict`` show it.

    ``told`` is the explanation of the figures: paragraphs of sentences, each with who wrote it and the facts behind it,
    counts, and the model's raw answers by request hash. ``model`` is who was asked, None where nobody was.
    """

    close: Close
    told: Mapping[str, Any]
    model: str | None = None

    @property
    def facts(self) -> dict[str, Fact]:
        """The figures by id, and how many sentences the model wrote."""
        table = FactTable()
        for name, count in self.told["counts"].items():
            table.add("model", f"brief.{name}", count, Unit.COUNT, f"sentences of the brief {name.replace('_', ' ')}")
        return facts_of(self.close.figures) | table.facts

    def as_dict(self) -> dict[str, Any]:
        """It as plain data: the form of ``brief.json``."""
        close = self.close
        return {
            "symbol": close.symbol,
            "time": close.time,
            "advisor": close.advisor,
            "model": self.model,
            "chosen": list(close.chosen),
            "chosen_by": close.chosen_by,
            "problem": close.problem,
            "figures": [figure.as_dict() for figure in close.figures],
            **self.told,
        }

    def as_json(self) -> str:
        """The text of ``brief.json``; equal briefs give equal bytes."""
        return spelled_out_json(json.dumps(self.as_dict(), sort_keys=True, indent=1, ensure_ascii=False)) + "\n"

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """What ``as_dict`` gave; raises as reading a damaged mapping does."""
        close = Close(
            str(document["symbol"]),
            str(document["time"]),
            str(document["advisor"]),
            tuple(map(Figure.from_dict, document["figures"])),
            tuple(map(str, document["chosen"])),
            str(document["chosen_by"]),
            str(document["problem"]),
        )
        told = {name: document[name] for name in ("form", "paragraphs", "counts", "requests") if name in document}
        return cls(close, told, document["model"])

    def __str__(self) -> str:
        return spelled_out("\n".join(hanging(line) for line, _ in self.lines()))

    def lines(self) -> Iterator[tuple[str, str]]:
        """It for a terminal: each line, and what it is (``heading``, ``model``, ``program``, or nothing of these)."""
        yield f"{self.close.symbol} at the close of {_day(self.close.time)}", "heading"
        yield self.opening, ""
        for paragraph in self.told["paragraphs"]:
            yield "", ""
            yield paragraph["topic"], "heading"
            for sentence in paragraph["sentences"]:
                yield f"  {sentence['text']} [{sentence['source']}]", sentence["source"]
        yield "", ""
        yield self.ending, ""

    @property
    def is_of_earlier_form(self) -> bool:
        """Whether an earlier version wrote it, whose sentences are judged no more."""
        return self.told.get("form") != FORM

    @property
    def opening(self) -> str:
        """Who chose what is told."""
        named = ", ".join(name.replace("_", " ") for name in self.close.chosen) or "nothing"
        if self.close.chosen_by == "model":
            return f"Beside the market's line the model chose to look at: {named}."
        return f"{self.close.problem} The program chose to look at: {named}.".strip()

    @property
    def ending(self) -> str:
        """How much of it the model wrote."""
        counts = self.told["counts"]
        return (
            f"Sentences written by the model: {counts['written_by_model']}; shown: {counts['shown']}; refused: "
            f"{counts['refused']}. Every figure is measured from closed bars up to this close."
        )

    def _blocks(self) -> Iterator[Block]:
        return brief_blocks(self, "brief", "The market at a close")

    def _repr_html_(self) -> str:
        return spelled_out(str(HtmlWriter(self.facts).section(self._blocks())))

    def _repr_markdown_(self) -> str:
        return spelled_out(MarkdownWriter(self.facts).section(self._blocks()))


def write_brief(close: Close, client: LLMClient | None) -> Brief:
    """Ask the model about the figures of a close, and show what they back; the program tells the rest, what a reader
    must not miss always, and everything where there is no client."""
    return Brief(close, tell(parts_of(close.figures), client).as_dict(), client.identity.name if client else None)


def judge_brief_again(brief: Brief, close: Close, manifest: Mapping[str, Any]) -> Brief:
    """The brief of a close from the answers of the one on record in the folder of this manifest."""
    known = manifest["model"] if brief.model is not None else None
    if brief.is_of_earlier_form or is_in_place_of_earlier(brief.told):
        opening = "" if brief.is_of_earlier_form and known is None else EARLIER
        again = Brief(close, tell(parts_of(close.figures), None, opening).as_dict())
    else:
        again = write_brief(close, RecordedExplainer(ModelIdentity.from_dict(known), brief.told) if known else None)
    told: dict[str, Any] = json.loads(json.dumps(again.told))
    return Brief(close, told, again.model)


def brief_blocks(brief: Brief, name: str, heading: str) -> Iterator[Block]:
    """The brief as blocks under this heading, which has this ``name`` in links."""
    yield Heading(Quoted(heading), name)
    yield Paragraph([Quoted(f"{brief.close.symbol} at the close of {_day(brief.close.time)}."), Quoted(brief.opening)])
    for paragraph in brief.told["paragraphs"]:
        yield Heading(Quoted(paragraph["topic"]), level=3)
        yield Paragraph([told(sentence, brief.facts) for sentence in paragraph["sentences"]])
    yield from source_notes(brief.told["paragraphs"], "model.brief")
    rows: list[list[Text]] = [
        [Quoted(figure.analytic, "code"), Quoted(figure.output.replace("_", " ")), f"{{{figure.id}}}"]
        for figure in brief.close.figures
    ]
    yield on_page(Details("All figures of this brief", [Table(["Analytic", "What", "Value"], rows, look="rows")]))


def _day(time: str) -> str:
    return time.removesuffix("T00:00:00")
