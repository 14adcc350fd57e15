"""An explanation judged again: from the facts and the model's answers on record, whatever sentences were shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from llm_strategy.errors import AnswerNotRecorded, ModelError
from llm_strategy.llm.backend import OnText
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.requests import Generation, ModelIdentity, Request, request_hash
from simulator.reporting.explanation.explain import as_json, explain, shown_beginning, written
from simulator.reporting.facts.fact import Facts

_FAILURE = re.compile(r"The model failed here \((\w+)\)")


def judge_again(told: Mapping[str, Any], facts: Facts, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What ``explanation.json`` holds if the answers in ``told``, an explanation on record, are explained by again."""
    known = manifest["model"] or manifest.get("explainer", {}).get("model")
    asks = manifest["experiment"]["output"]["explain"]
    if known is None and told["requests"] and "seal" not in manifest:
        return dict(told)  # manifests without a seal do not name who explains rules
    client = RecordedExplainer(ModelIdentity.from_dict(known), told) if known and asks else None
    again: dict[str, Any] = json.loads(as_json(explain(facts, client).as_dict()))
    return again


class RecordedExplainer(LLMClient):
    """The model behind an explanation, answering from its record; what has no answer there failed then and fails again.

    The record does not say which answers were cut off at their longest: those whose last words were not judged.
    """

    def __init__(self, identity: ModelIdentity, told: Mapping[str, Any]) -> None:
        self.identity = identity
        self._answers: dict[str, str] = told["requests"]
        said = [sentence for paragraph in told["paragraphs"] for sentence in paragraph["sentences"]]
        self._judged = {(sentence["refused"] or sentence)["text"].rstrip(".") for sentence in said}
        self._failures: Iterator[re.Match[str]] = filter(
            None, (_FAILURE.match(sentence["text"]) for sentence in said if sentence["source"] == "program")
        )

    def complete(self, request: Request, on_delta: OnText | None = None) -> Generation:
        """The answer on record."""
        text = self._answers.get(request_hash(request, self.identity))
        if text is None:
            raise self._failure()
        last = written(Generation(text, 0, 0, 0.0))[-1:]
        cut_off = bool(last) and shown_beginning(last[0]).rstrip(".") not in self._judged
        return Generation(text, 0, 0, 0.0, finish="length" if cut_off else "stop", cached=True)

    def _failure(self) -> ModelError:
        """The next failure on record, by the name of its class."""
        named = next(self._failures, None)
        if named is None:
            return AnswerNotRecorded("There is no answer on record.")
        kind: type[ModelError] = type(named[1], (ModelError,), {})
        return kind()
