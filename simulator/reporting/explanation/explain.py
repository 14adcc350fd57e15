"""The explanation of a report: asked from a model topic by topic, shown only where facts back it."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from llm_strategy.advice.written_prompt import render
from llm_strategy.errors import AnswerNotRecorded, ContractError, ModelError
from llm_strategy.llm.backend import OnText
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.requests import Generation, Message, ModelIdentity, Request, request_hash
from llm_strategy.llm.structured.answer_text import CAUSED_BY_DATA, LARGEST_ANSWER, as_contract_error
from llm_strategy.support.outside_text import encodable, spelled_out_json
from simulator.reporting.explanation.judge import LONGEST_SENTENCE, Judge
from simulator.reporting.explanation.topics import MOST_FACTS, PlainSentence, Topic, topics
from simulator.reporting.facts.fact import NOT_AVAILABLE, Fact, Facts

MAX_TOKENS = 160
"""Length of the model's answer on one topic."""
MOST_SENTENCES = 5
"""Sentences of the model that are judged for a topic; what follows is left out unread."""
LONGEST_ANSWER = 20_000
"""Characters of an answer that are looked at, some thirty times what was asked for."""

THE_PROGRAM_TELLS = "every sentence here is the program's."
LEFT_OUT = PlainSentence("A sentence of the model is left out here.", ())


@dataclass(frozen=True, slots=True)
class Refused:
    """A sentence of the model that is not shown, and why."""

    text: str
    why: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence as shown: whose it is, the ids of the facts behind it, and what it stands in for."""

    text: str
    source: Literal["model", "program"]
    facts: tuple[str, ...]
    refused: Refused | None = None


@dataclass(frozen=True, slots=True)
class Paragraph:
    """The sentences on one topic."""

    topic: str
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Paragraphs in the order of the report, and the model's raw answers by request hash."""

    paragraphs: tuple[Paragraph, ...]
    requests: dict[str, str] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """How many sentences the model wrote, and how many of them are shown and refused."""
        sentences = [sentence for paragraph in self.paragraphs for sentence in paragraph.sentences]
        shown = sum(sentence.source == "model" for sentence in sentences)
        refused = sum(sentence.refused is not None for sentence in sentences)
        return {"written_by_model": shown + refused, "shown": shown, "refused": refused}

    def as_dict(self) -> dict[str, Any]:
        """The form of ``explanation.json``."""
        return {
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


def explain(facts: Facts, client: LLMClient | None) -> Explanation:
    """Ask the model about each topic and show what facts back; the program tells the rest, adverse facts always.

    Without a client, or where the model fails on a topic (``ModelError``), the program tells everything and says so.
    """
    requests: dict[str, str] = {}
    paragraphs: list[Paragraph] = []
    for topic in topics(facts):
        pieces: list[str] = []
        silence = "" if client is not None or paragraphs else f"No model was asked, so {THE_PROGRAM_TELLS}"
        if client is not None and _askable(topic):
            request = question(topic, client.defaults.timeout_s)
            try:
                answer = client.complete(request)
                answer = replace(answer, text=encodable(answer.text[:LARGEST_ANSWER]))
                requests[request_hash(request, client.identity)] = answer.text
                pieces = first_sentences(answer)
                silence = "" if pieces else f"The model wrote nothing here, so {THE_PROGRAM_TELLS}"
            except (ModelError, *CAUSED_BY_DATA) as problem:
                silence = f"The model failed here ({type(problem).__name__}), so {THE_PROGRAM_TELLS}"
        judge = Judge(topic.facts, facts)
        try:
            with as_contract_error():
                sentences = tuple(_sentences(topic, judge, pieces))
        except ContractError as problem:
            silence = f"The model's answer {problem.problem} here, so {THE_PROGRAM_TELLS}"
            sentences = tuple(_sentences(topic, judge, []))
        opening = (Sentence(silence, "program", ()),) if silence else ()
        paragraphs.append(Paragraph(topic.name, (*opening, *sentences)))
    return Explanation(tuple(paragraphs), requests)


def question(topic: Topic, timeout_s: float | None = None) -> Request:
    """The request for one topic: a constant system message, then the topic's facts as sentences to copy."""
    askable = _askable(topic)[:MOST_FACTS]
    messages = (
        Message("system", render("explain_system.j2")),
        Message("user", render("explain_topic.j2", facts=askable)),
    )
    return Request(messages, max_tokens=MAX_TOKENS, temperature=0.0, timeout_s=timeout_s)


def _askable(topic: Topic) -> list[Fact]:
    """The facts that say something: a model that is shown "n/a" says "n/a"."""
    return [fact for fact in topic.facts.values() if fact.value != NOT_AVAILABLE]


def first_sentences(answer: Generation) -> list[str]:
    """The first sentences of an answer, without list marks; one that was cut off is left out."""
    text = answer.text[:LONGEST_ANSWER]
    pieces = re.split(r"(?<=[.!?])(?<!\bvs\.)\s+|\n+", text.replace("**", ""))
    whole = [re.sub(r"^\s*(?:[-*\u2022]|\d+[.)])\s+", "", " ".join(piece.split())) for piece in pieces]
    cut = answer.finish == "length" or len(text) < len(answer.text)
    if cut and not text.rstrip().endswith((".", "!", "?")):
        whole.pop()
    return [piece for piece in whole if piece][:MOST_SENTENCES]


def excerpt(piece: str) -> str:
    """What is kept of a refused sentence."""
    return piece if len(piece) <= LONGEST_SENTENCE else f"{piece[:LONGEST_SENTENCE]} ..."


def _sentences(topic: Topic, judge: Judge, pieces: list[str]) -> Iterator[Sentence]:
    """The model's sentences that stand, the program's in the place of the others, then what must not be missed."""
    judged: list[Sentence | Refused] = []
    accepted: list[set[str]] = []
    for piece in pieces:
        judgement = judge.judge(piece)
        if not judgement.accepted:
            judged.append(Refused(excerpt(piece), judgement.refusal))
        elif any(earlier.issuperset(judgement.facts) for earlier in accepted):
            judged.append(Refused(piece, "it tells only what was told before"))
        else:
            accepted.append(set(judgement.facts))
            judged.append(Sentence(piece if piece.endswith(".") else f"{piece}.", "model", judgement.facts))
    ready = deque(
        plain for plain in topic.sentences if not any(plain.facts and t.issuperset(plain.facts) for t in accepted)
    )
    for sentence in judged:
        if isinstance(sentence, Sentence):
            yield sentence
        else:
            plain = ready.popleft() if ready else LEFT_OUT
            yield Sentence(plain.text, "program", plain.facts, sentence)
    yield from (Sentence(plain.text, "program", plain.facts) for plain in ready if plain.adverse or not pieces)


_FAILURE = re.compile(r"The model failed here \((\w+)\)")


def judge_again(explanation: Mapping[str, Any], facts: Facts, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What ``explanation.json`` holds if the answers in ``told``, an explanation on record, are explained by again."""
    known = manifest["model"] or manifest.get("explainer", {}).get("model")
    asks = manifest["experiment"]["output"]["explain"]
    if known is None and explanation["requests"] and "seal" not in manifest:
        return dict(explanation)  # manifests without a seal do not name who explains rules
    client = RecordedExplainer(ModelIdentity.from_dict(known), explanation) if known and asks else None
    again: dict[str, Any] = json.loads(as_json(explain(facts, client).as_dict()))
    return again


class RecordedExplainer(LLMClient):
    """The model behind an explanation, answering from its record; what has no answer there failed then and fails again.

    The record does not say which answers were cut off at their longest: those whose last words were not judged.
    """

    def __init__(self, identity: ModelIdentity, explanation: Mapping[str, Any]) -> None:
        self.identity = identity
        self._answers: dict[str, str] = explanation["requests"]
        sentences = [sentence for paragraph in explanation["paragraphs"] for sentence in paragraph["sentences"]]
        self._judged = {(sentence["refused"] or sentence)["text"].rstrip(".") for sentence in sentences}
        self._failures: Iterator[re.Match[str]] = filter(
            None, (_FAILURE.match(sentence["text"]) for sentence in sentences if sentence["source"] == "program")
        )

    def complete(self, request: Request, on_delta: OnText | None = None) -> Generation:
        """The answer on record."""
        text = self._answers.get(request_hash(request, self.identity))
        if text is None:
            raise self._failure()
        last = first_sentences(Generation(text, 0, 0, 0.0))[-1:]
        cut_off = bool(last) and excerpt(last[0]).rstrip(".") not in self._judged
        return Generation(text, 0, 0, 0.0, finish="length" if cut_off else "stop", cached=True)

    def _failure(self) -> ModelError:
        """The next failure on record, by the name of its class."""
        named = next(self._failures, None)
        if named is None:
            return AnswerNotRecorded("There is no answer on record.")
        kind: type[ModelError] = type(named[1], (ModelError,), {})
        return kind()
