"""The model behind the advice: how often it was asked and what came from the record, and how it was asked, which
besides its weights decided what it answered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from llm_strategy.advice.modes.registry import MODES
from simulator.folder.manifest import advisor_settings
from simulator.folder.prompt_options import resolved_options
from simulator.folder.record import ArmRecord, Record, file_name
from simulator.folder.sent_request import read_images, read_request
from simulator.reporting.blocks import (
    Block,
    Code,
    Column,
    Details,
    Heading,
    Paragraph,
    Picture,
    Quoted,
    Table,
    Text,
    in_markdown,
    on_page,
)
from simulator.reporting.facts.fact import Facts, FactTable, listed_names
from simulator.reporting.facts.run import advised_arm, advisor_arms
from simulator.reporting.facts.terms import ADVISOR_TERMS, Term, Unit

MODEL_TERMS = {
    "decisions": Term(Unit.COUNT, "decisions of the model"),
    "questions": Term(Unit.COUNT, "questions in the decisions of the model"),
    "distinct": Term(Unit.COUNT, "distinct questions"),
    "asked": Term(Unit.COUNT, "questions that the model was asked in this run"),
    "from_record": Term(Unit.COUNT, "questions answered from the record"),
    "seconds": Term(Unit.SECONDS, "time spent in the model"),
    "mean_seconds": Term(Unit.SECONDS, "mean time of a question that the model was asked"),
    "p95_seconds": Term(Unit.SECONDS, "time in which nineteen of twenty questions were answered"),
    "tokens_in": Term(Unit.COUNT, "tokens read by the model"),
    "tokens_out": Term(Unit.COUNT, "tokens written by the model"),
}
"""Figures of the model runtime, from ``usage`` in the manifest."""

_EXAMPLES = {
    "none": "without an example",
    "fixed": "behind the fixed examples of the package",
    "balanced": "behind past states with every label alike",
    "nearest": "behind the past states nearest to each",
}
_LABELS = {
    "rule": "labelled by the causal rule",
    "followed": "labelled by what had followed them",
    "shuffled": "with the causal rule's labels exchanged among them, so that they say nothing",
    "shuffled_followed": "labelled by what had followed others of them, so that the labels say nothing",
    "own": "with labels from a file of the user",
    "shuffled_own": "with the labels of the user's file exchanged among them, so that they say nothing",
}
ASKED = {
    "mode": "decision mode",
    "examples": "examples",
    "labels": "labels of the examples",
    "rationale": "rationale by the model",
    "calibration": "calibration",
    "layout": "layout",
    "adapter": "adapter",
    "prompt": "prompt",
    "style": "market in",
    "features": "features",
    "context": "context",
    "unmasked": "not masked",
    "schedule": "decides",
    "draws": "draws",
    "fallback": "where the model fails",
}
"""How a model was asked, with nothing left to be auto; the fact of one is ``ARM.asked.KEY``."""
ONE_OF_MANY = (
    "The same weights in another engine, mode or wording are another advisor: where few of its decisions differ, "
    "trades and figures can differ much, and nothing here says by how much until an experiment runs both."
)


def facts(table: FactTable, record: Record) -> None:
    """Add what the model runtime counted, and how each model was asked."""
    for name, term in MODEL_TERMS.items():
        table.term("model", name, term, record.manifest["usage"].get(name, 0))
    for arm in advisor_arms(record):
        for name, value in resolved_settings(arm).items():
            table.add(arm.name, f"asked.{name}", value, Unit.TEXT, f"{ASKED[name]} of {arm.name}")


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """Questions, time and tokens, and how it was asked; nothing where only rules ran."""
    advised = advised_arm(record)
    if advised is None:
        return
    if len(advisor_arms(record)) > 1:
        yield from _each_advisor(record, facts)
        return
    model = record.manifest["model"] or advised.manifest["model"]
    took = ", a question {model.mean_seconds} in the mean, nineteen of twenty within {model.p95_seconds}"
    if not record.manifest["usage"].get("mean_seconds"):
        took = ""
    counted = (
        "{model.decisions} decisions with {model.questions} questions, {model.distinct} of them distinct: "
        f"{{model.asked}} were asked in this run ({{model.seconds}}{took}, "
        "{model.tokens_in} tokens read, {model.tokens_out} written), {model.from_record} were answered from the record."
    )
    through = (", through ", Quoted(model["backend"])) if model.get("backend") else ()
    yield Heading("Model and cache", "model")
    yield on_page(Paragraph((Quoted(model["name"]), *through, ". ", counted)))
    yield in_markdown(Paragraph((Quoted(model["name"]), ": ", counted)))
    if sentences := asking(record, advised):
        yield Paragraph([*sentences, ONE_OF_MANY])
    yield from _settings([advised], facts)
    yield from request_of(advised)


def request_of(arm: ArmRecord) -> Iterator[Block]:
    """What the model read, folded away: one whole request as it was sent."""
    if sent := read_request(arm.folder):
        images = read_images(arm.folder)
        seen = [Picture(image, f"{name} of {arm.name}, as the model was shown it") for name, image in images.items()]
        yield on_page(Details(f"One whole request of {arm.name} as the model was sent it", [Code(sent), *seen]))
        for name, image in images.items():
            hashed = (Quoted(name, "code"), " (sha256 ", Quoted(image.sha256, "code"), ")")
            yield in_markdown(Paragraph((f"{arm.name}: the model saw an image with its last question, ", *hashed, ".")))


def _each_advisor(record: Record, facts: Facts) -> Iterator[Block]:
    """What each of several models was asked, and how; equal questions to one model are asked once."""
    advisors = advisor_arms(record)
    heads = [term.heading for metric, term in ADVISOR_TERMS.items() if metric.startswith("usage.")]
    metrics = [metric for metric in ADVISOR_TERMS if metric.startswith("usage.")]
    yield Heading("Models and cache", "model")
    yield Table(
        [Column("Arm"), Column("Model", "text"), *map(Column, heads)],
        [(arm.name, *(f"{{{arm.name}.{metric}}}" for metric in ("model", *metrics))) for arm in advisors],
        marked=advisors[0].name,
    )
    yield Paragraph(
        "All together: {model.questions} questions, of which {model.asked} were asked in this run and "
        "{model.from_record} answered from the record. A question that two advisors put to one model is asked once: "
        "for the second it comes from the record."
    )
    by_manner: dict[str, list[str]] = {}
    for arm in advisors:
        for said in asking(record, arm):
            by_manner.setdefault(said, []).append(arm.name)
    if by_manner:
        yield Paragraph(
            [*(f"{listed_names(names)}: {_of_all(said, names)}" for said, names in by_manner.items()), ONE_OF_MANY]
        )
    yield from _settings(advisors, facts)
    for arm in advisors:
        yield from request_of(arm)


def _of_all(said: str, names: list[str]) -> str:
    """A sentence on how one model was asked as one on all of these."""
    if len(names) > 1:
        said = re.sub(r"^Its\b", "their", re.sub(r"^It\b", "each", said))
    return f"{said[0].lower()}{said[1:]}"


def asking(record: Record, arm: ArmRecord) -> list[str]:
    """A sentence about mode, examples and rationale of an arm; none where that is not on record."""
    options = resolved_options(arm.manifest)
    if options is None:
        return []
    kind = next(iter(options["examples"])) if isinstance(options["examples"], dict) else options["examples"]
    shown = _EXAMPLES[kind]
    if "labels" in options:
        shown += f", {_LABELS[options['labels']]}"
    if options.get("adapter"):
        shown += ", by an adapter that was trained for such questions"
    writers = {"never": "the program", "always": "the model", "changes": "the model where label or action changed"}
    return [f"{MODES[options['mode']].manner}, {shown}; rationales are by {writers[options['rationale']]}."]


def _settings(advisors: list[ArmRecord], facts: Facts) -> Iterator[Block]:
    """How each model was asked, with nothing left to be auto."""
    names = [arm.name for arm in advisors if f"{arm.name}.asked.mode" in facts]
    if not names:
        return
    rows: list[tuple[Text, ...]] = []
    for metric, words in ASKED.items():
        told = [f"{name}.asked.{metric}" for name in names]
        if any(identity in facts for identity in told):
            rows.append((words[0].upper() + words[1:], *(f"{{{one}}}" if one in facts else "" for one in told)))
    columns: list[Column | str] = ["Asked so", *(Column(name, "long") for name in names)]
    label = "The settings as they came out"
    yield Details(label, [Table(columns, rows, look="rows", label=label)])


def resolved_settings(arm: ArmRecord) -> dict[str, str]:
    """How a model was asked, by the keys of ``ASKED``; nothing where that is not on record."""
    options, settings = resolved_options(arm.manifest), advisor_settings(arm.manifest)
    if options is None:
        return {}
    told = {name: str(options[name]) for name in ASKED if name in options}
    told["examples"] = _written(options["examples"])
    decimals = f" with {settings['decimals']} decimals" if settings.get("decimals") else ""
    told["style"] = f"{settings.get('style', 'words')}{decimals}"
    told["features"] = ", ".join(map(file_name, settings.get("features", ()))) or "the usual ones"
    told["context"] = ", ".join(_name(entry) for entry in settings.get("context", ())) or "features"
    told["unmasked"] = ", ".join(map(str, settings.get("unmasked") or ())) or "nothing"
    told["schedule"] = _schedule(settings)
    told["draws"] = str(arm.about.draws)
    told["fallback"] = str(settings.get("fallback", "abstain"))
    return told


def _schedule(settings: Mapping[str, Any]) -> str:
    every = settings.get("decide_every", 1)
    bars = "at every bar" if every == 1 else f"once in {every} bars"
    return f"{bars} whose text changed" if settings.get("decide_when") == "changed" else bars


def _written(examples: str | Mapping[str, int]) -> str:
    if isinstance(examples, str):
        return examples
    return ", ".join(f"{count} {kind}" for kind, count in examples.items())


def _name(entry: str | Mapping[str, Any]) -> str:
    return file_name(entry) if isinstance(entry, str) else ", ".join(map(file_name, entry))
