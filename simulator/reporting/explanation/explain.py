"""The explanation of a report: asked from a model part by part, shown only where facts back it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from llm_strategy.advice.choosing import NoChoice
from llm_strategy.errors import AnswerNotRecorded, ModelError
from llm_strategy.llm.backend import OnText
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.requests import Generation, ModelIdentity, Request, request_hash
from llm_strategy.llm.structured.answer_text import CAUSED_BY_DATA
from llm_strategy.support.outside_text import spelled_out_json
from simulator.folder.manifest import FORMAT_VERSION
from simulator.hypotheses.statement import Hypothesis
from simulator.reporting.explanation.chosen import choose_part
from simulator.reporting.explanation.model import Answered, Manner, Refused, kept
from simulator.reporting.explanation.next_tests import choose_statements, default_statements, write_statements
from simulator.reporting.explanation.parts import Part, parts
from simulator.reporting.explanation.wording import word
from simulator.reporting.explanation.written import write_part
from simulator.reporting.facts.fact import Facts

PATIENCE = 2
"""Parts of which a model may write nothing that stands before it is asked to write no more."""
FORM = 2
"""Of ``explanation.json``; earlier versions wrote none, and had sentences of topics that a model copied."""
THE_PROGRAM_TELLS = "every sentence here is the program's."
EARLIER = f"The model's explanation of this run is of an earlier form and is not shown: {THE_PROGRAM_TELLS}"


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence as shown: whose it is, the ids of the facts that it tells, and its ``template``, where these stand
    as ``{id}``."""

    text: str
    source: Literal["model", "program"]
    facts: tuple[str, ...]
    template: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A part as shown: how it came about, its sentences and statements to test, what of the model is left out, how much
    was asked again, and the kind of failure where the model failed."""

    topic: str
    manner: Manner
    sentences: tuple[Sentence, ...]
    statements: tuple[Mapping[str, object], ...] = ()
    refused: tuple[Refused, ...] = ()
    asked_again: int = 0
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Paragraphs in the order of the report, and the model's raw answers by request hash."""

    paragraphs: tuple[Paragraph, ...]
    requests: dict[str, str] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """How many sentences and statements of the model are shown, how many were left out, and how many of its
        sentences were asked again."""
        shown = sum(
            sum(sentence.source == "model" for sentence in each.sentences)
            + len(each.statements) * (each.manner != "program")
            for each in self.paragraphs
        )
        refused = sum(len(paragraph.refused) for paragraph in self.paragraphs)
        again = sum(paragraph.asked_again for paragraph in self.paragraphs)
        return {"written_by_model": shown + refused, "shown": shown, "refused": refused, "asked_again": again}

    def as_dict(self) -> dict[str, Any]:
        """The form of ``explanation.json``."""
        return {
            "form": FORM,
            "paragraphs": [asdict(paragraph) for paragraph in self.paragraphs],
            "counts": self.counts,
            "requests": self.requests,
        }

    def as_json(self) -> str:
        """The text of ``explanation.json``; equal explanations give equal bytes."""
        return as_json(self.as_dict())


def as_json(explanation: dict[str, Any]) -> str:
    """The text of ``explanation.json`` from its form as plain data."""
    return spelled_out_json(json.dumps(explanation, sort_keys=True, indent=1, ensure_ascii=False)) + "\n"


def explain(facts: Facts, client: LLMClient | None, opening: str = "") -> Explanation:
    """Ask the model about each part of a run's results and show what facts back; what has to be told and the model
    leaves out the program tells, adverse facts always.

    Without a client, or where the model fails on a part (``ModelError``), the program tells everything and says so, in
    the words of ``opening`` where there are any.
    """
    return tell(parts(facts), client, opening)


def tell(about: Sequence[Part], client: LLMClient | None, opening: str = "") -> Explanation:
    """The same about any parts."""
    author = None if client is None else Author(client)
    requests: dict[str, str] = {}
    paragraphs: list[Paragraph] = []
    for part in about:
        answered = Answered() if author is None else author.make(part)
        silence = ""
        if author is None and not paragraphs:
            silence = opening or f"No model was asked, so {THE_PROGRAM_TELLS}"
        elif answered.failure and not answered.stands:
            silence = f"The model failed here ({answered.failure}), so {THE_PROGRAM_TELLS}"
        requests |= answered.requests
        paragraphs.append(_paragraph(part, answered, silence))
    return Explanation(tuple(paragraphs), requests)


class Author:
    """A model that makes parts of an explanation, in the way that it can.

    An embedded one (its weights are here, or its choices are scored) chooses what is told. Any other writes, also one
    behind a server that keeps to schemas; where nothing that it wrote of a part can be shown, it chooses, and after
    ``PATIENCE`` such parts from there on.
    """

    def __init__(self, client: LLMClient) -> None:
        self._client = client
        self._chooses = client.supports_choices or bool(client.identity.weights_sha256)
        self._patience = PATIENCE
        self._told: set[str] = set()

    def make(self, part: Part) -> Answered:
        """The model's share of a part."""
        made = Answered()
        try:
            if not self._chooses:
                self._write(part, made)
                if made.stands or not made.refused:
                    return self._new(made)
                self._patience -= 1
                self._chooses = not self._patience
            self._choose(part, made)
        except NoChoice as problem:
            if problem.__cause__ is None:
                named = list(made.requests.values())[-1:]
                made.refused.append(Refused(kept(named[0] if named else ""), "it names none of the choices"))
            else:
                made.failure = type(problem.__cause__).__name__
        except (ModelError, *CAUSED_BY_DATA) as problem:
            made.failure = type(problem).__name__
        return self._new(made)

    def _new(self, made: Answered) -> Answered:
        """Without what an earlier part has told."""
        for sentence in [each for each in made.sentences if each.template in self._told]:
            made.sentences.remove(sentence)
            made.refused.append(Refused(kept(sentence.template), "an earlier part has told it"))
        self._told |= {sentence.template for sentence in made.sentences}
        return made

    def _write(self, part: Part, made: Answered) -> None:
        made.manner = "written"
        if part.states:
            write_statements(self._client, made)
        else:
            write_part(part, self._client, made)

    def _choose(self, part: Part, made: Answered) -> None:
        made.manner = "chosen"
        if part.states:
            choose_statements(self._client, made)
        else:
            choose_part(part, self._client, made)


def _paragraph(part: Part, answered: Answered, silence: str) -> Paragraph:
    """The model's sentences that stand, then what has to be told and they leave out; all of it where there are none."""
    told = {name for sentence in answered.sentences for name in sentence.facts}
    left = [item for item in part.items if not item.facts or not told.issuperset(item.facts)]
    if answered.sentences:
        left = [item for item in left if item.must_be_told]
    sentences = [Sentence(silence, "program", (), silence)] if silence else []
    sentences += [_filled(each.template, each.facts, "model", part.facts) for each in answered.sentences]
    sentences += [_filled(template, facts, "program", part.facts) for template, facts in word(left, part.facts, told)]
    statements = answered.statements
    if part.states and not statements:
        statements = default_statements()
    manner = answered.manner if answered.stands else "program"
    return Paragraph(
        part.name, manner, tuple(sentences), tuple(statements), tuple(answered.refused), answered.asked_again,
        answered.failure,
    )  # fmt: skip


def _filled(template: str, facts: tuple[str, ...], source: Literal["model", "program"], known: Facts) -> Sentence:
    return Sentence(re.sub(r"\{([^{}]+)\}", lambda found: known[found[1]].text, template), source, facts, template)


def stated(documents: Sequence[Mapping[str, Any]]) -> list[Hypothesis]:
    """The statements to test of a paragraph."""
    return [Hypothesis.from_document(document, "a statement to test") for document in documents]


def judge_again(explanation: Mapping[str, Any], facts: Facts, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What ``explanation.json`` holds if the answers in an explanation on record are explained by again. One of an
    earlier form cannot be: then it is the program's, which says so."""
    known = manifest["model"] or manifest.get("explainer", {}).get("model")
    asks = manifest["experiment"]["output"]["explain"]
    client, opening = None, ""
    replaced = is_in_place_of_earlier(explanation) and manifest.get("format") != FORMAT_VERSION
    if replaced or explanation.get("form") != FORM:
        opening = EARLIER if replaced or explanation["requests"] else ""
    elif known and asks:
        client = RecordedExplainer(ModelIdentity.from_dict(known), explanation)
    again: dict[str, Any] = json.loads(as_json(explain(facts, client, opening).as_dict()))
    return again


def is_in_place_of_earlier(explanation: Mapping[str, Any]) -> bool:
    """Whether it is what the program told in the place of an explanation of an earlier form."""
    first = next((sentence for each in explanation["paragraphs"] for sentence in each["sentences"]), None)
    return first is not None and first["text"] == EARLIER


class RecordedExplainer(LLMClient):
    """The model behind an explanation, answering from its record; what has no answer there failed, and fails again."""

    def __init__(self, identity: ModelIdentity, explanation: Mapping[str, Any]) -> None:
        self.identity = identity
        self._answers: dict[str, str] = explanation["requests"]
        self._failures: Iterator[str] = iter([each["failure"] for each in explanation["paragraphs"] if each["failure"]])

    @property
    def supports_forms(self) -> bool:
        """As the identity says, whose answers these are."""
        return self.identity.supports_forms

    def complete(self, request: Request, on_delta: OnText | None = None) -> Generation:
        """The answer on record."""
        text = self._answers.get(request_hash(request, self.identity))
        if text is None:
            named = next(self._failures, "")
            kind: type[ModelError] = type(named, (ModelError,), {}) if named else AnswerNotRecorded
            raise kind("There is no answer on record.")
        return Generation(text, 0, 0, 0.0, cached=True)
