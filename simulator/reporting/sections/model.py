"""The model behind the advice: how often it was asked and what came from the record, and how it was asked, which
besides its weights decided what it answered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from llm_strategy.advice.modes.mode import Abilities
from llm_strategy.advice.modes.registry import MODES, complete_options, mode_for
from llm_strategy.advice.options import NEAREST_BY_DEFAULT, LabelPrior, PromptOptions
from llm_strategy.errors import ConfigurationError
from simulator.folder.manifest import advisor_settings
from simulator.folder.record import ArmRecord, Record
from simulator.folder.sent_request import read_request
from simulator.reporting.blocks import (
    Block,
    Code,
    Column,
    Details,
    Heading,
    Paragraph,
    Quoted,
    Table,
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
ONE_OF_MANY = (
    "The same weights in another engine, mode or wording are another advisor: where few of its decisions differ, "
    "trades and figures can differ much, and nothing here says by how much until an experiment runs both."
)


def facts(table: FactTable, record: Record) -> None:
    """Add what the model runtime counted."""
    for name, term in MODEL_TERMS.items():
        table.term("model", name, term, record.manifest["usage"].get(name, 0))


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """Questions, time and tokens, and how it was asked; nothing where only rules ran."""
    advised = advised_arm(record)
    if advised is None:
        return
    if len(advisor_arms(record)) > 1:
        yield from _each_advisor(record)
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
    yield from request_of(advised)


def request_of(arm: ArmRecord) -> Iterator[Block]:
    """What the model read, folded away: one whole request as it was sent."""
    if sent := read_request(arm.folder):
        yield on_page(Details(f"One whole request of {arm.name} as the model was sent it", [Code(sent)]))


def _each_advisor(record: Record) -> Iterator[Block]:
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
    for arm in advisors:
        yield from request_of(arm)


def _of_all(said: str, names: list[str]) -> str:
    """A sentence on how one model was asked as one on all of these."""
    if len(names) > 1:
        said = re.sub(r"^Its\b", "their", re.sub(r"^It\b", "each", said))
    return f"{said[0].lower()}{said[1:]}"


def asking(record: Record, arm: ArmRecord) -> list[str]:
    """A sentence about mode, examples and rationale of an arm; none where that is not on record."""
    options = _options(arm.manifest)
    if options is None:
        return []
    kind = next(iter(options["examples"])) if isinstance(options["examples"], dict) else options["examples"]
    shown = _EXAMPLES[kind]
    if "labels" in options:
        shown += f", {_LABELS[options['labels']]}"
    writers = {"never": "the program", "always": "the model", "changes": "the model where label or action changed"}
    return [f"{MODES[options['mode']].manner}, {shown}; rationales are by {writers[options['rationale']]}."]


def _options(manifest: Mapping[str, Any]) -> dict[str, Any] | None:
    """How a model was asked: as its manifest says, or, where an earlier version wrote that, as its settings came out
    for the model then."""
    told, advisor, model = manifest.get("options"), advisor_settings(manifest), manifest["model"]
    if told is not None or model is None:
        return None if told is None else dict(told)
    able = Abilities(
        forms=model.get("supports_forms", False),
        choices=model.get("supports_choices", False),
        backend=model.get("backend", ""),
        embedded=bool(model.get("weights_sha256")),
    )
    prior = advisor.get("calibration", "auto")
    calibration = LabelPrior.from_document(prior, "advisor.calibration") if isinstance(prior, dict) else prior
    try:
        mode = mode_for(advisor.get("mode", "auto"), able)
        examples = advisor.get("examples", "auto")
        if examples == "auto":  # which did not mean none then
            scored_or_own = mode.scores or (able.embedded and mode.needs == "forms")
            examples = {"nearest": NEAREST_BY_DEFAULT} if scored_or_own else "fixed"
        ((kind, count),) = examples.items() if isinstance(examples, dict) else ((examples, 1),)
        options = PromptOptions(
            mode=mode.name,
            examples=kind,
            count=count,
            labels=advisor.get("labels", "rule"),
            calibration=calibration,
            rationale=advisor.get("rationale", "auto"),
        )
        return complete_options(options, able).as_dict()
    except ConfigurationError:  # written when such settings were let through
        return None
