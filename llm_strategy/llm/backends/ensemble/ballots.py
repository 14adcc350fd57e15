"""Votes on fields of JSON objects and on scored choices: reading them, counting them, and how far they are apart.
Pure."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal, TypeAlias

from llm_strategy.errors import ContractError
from llm_strategy.llm.requests import Request
from llm_strategy.llm.structured.answer_text import beginning
from llm_strategy.llm.structured.json_repair import json_text
from llm_strategy.llm.structured.probabilities import read_probabilities
from llm_strategy.llm.structured.schema_form import form_schema

Choices = Mapping[str, Sequence[str]]
"""The values that a field may have, by its dotted path; fields that are not named may have any."""
Vote: TypeAlias = Literal["majority", "average"]
"""How ballots are counted; see ``EnsembleClient``."""


@dataclass(frozen=True, slots=True)
class Ballot:
    """What one member wrote in the fields that are voted on, its confidence in each where it gave one (0 to 1), and the
    whole object."""

    values: tuple[str, ...]
    confidences: tuple[float | None, ...]
    document: Mapping[str, Any]

    @property
    def confidence(self) -> float:
        """The sum over the fields, where given."""
        return sum(value for value in self.confidences if value is not None)


def choices_of(request: Request) -> Choices:
    """The values that the form or the schema of a request allows, by their path in the object that it yields."""
    schema = form_schema(request.form) if request.form else json.loads(request.json_schema or "{}")
    return {} if schema is None else dict(_enumerated(schema, ""))


def read_ballot(text: str, fields: Sequence[str], choices: Choices) -> Ballot:
    """The ballot in an answer; ``ContractError`` says what is wrong with it."""
    if len(beginning(text)) < len(text):
        raise ContractError("answer", f"has {len(text)} characters, which are too many")
    document = json.loads(json_text(text))
    values, confidences = [], []
    for field in fields:
        value = _at(document, field)
        if not isinstance(value, str) or value not in choices.get(field, (value,)):
            raise ContractError(field, f"is {value!r:.80} and no vote")
        beside = _at(document, _confidence_of(field))
        is_share = isinstance(beside, int | float) and not isinstance(beside, bool) and 0 <= beside <= 1
        values.append(value)
        confidences.append(float(beside) if is_share else None)
    return Ballot(tuple(values), tuple(confidences), document)


def read_scores(text: str, choices: Sequence[str]) -> Ballot:
    """The likeliest choice with its probability, and those of all; ``BackendFailure`` or ``ContractError`` where the
    answer gives none."""
    probabilities = read_probabilities(text)
    total = sum(probabilities.get(choice, 0.0) for choice in choices)
    if not total:
        raise ContractError("choices", f"none of {', '.join(choices)} has a probability")
    scores = {choice: probabilities.get(choice, 0.0) / total for choice in choices}
    likeliest = max(scores, key=scores.__getitem__)
    return Ballot((likeliest,), (scores[likeliest],), scores)


def pooled(ballots: Sequence[Ballot], vote: Vote) -> Ballot:
    """The mean of the scores of all, or of the ``majority`` alone: those whose likeliest choice is that of most."""
    voices = _most(ballots) if vote == "majority" else ballots
    scores = {choice: math.fsum(one.document[choice] for one in voices) / len(voices) for choice in voices[0].document}
    likeliest = max(scores, key=scores.__getitem__)
    return Ballot((likeliest,), (scores[likeliest],), scores)


def missing_confidences(ballots: Sequence[Ballot], fields: Sequence[str]) -> tuple[str, ...]:
    """The fields in which not every ballot holds a confidence, so that there is nothing to average."""
    return tuple(field for place, field in enumerate(fields) if any(one.confidences[place] is None for one in ballots))


def majority(ballots: Sequence[Ballot], fields: Sequence[str]) -> Ballot:
    """The values of most; ties go to the greater sum of confidences, then to the one that was cast first."""
    most = _most(ballots)
    means = [_mean([one.confidences[place] for one in most]) for place in range(len(fields))]
    return _with_confidences(most[0], fields, means)


def average(ballots: Sequence[Ballot], fields: Sequence[str], choices: Choices) -> Ballot:
    """Of the values that were cast, those with the greatest product of averaged probabilities; ties as they were
    cast. Every ballot holds a confidence in each field."""
    seen = [list(dict.fromkeys(one.values[place] for one in ballots)) for place in range(len(fields))]
    averaged = [
        {
            value: _mean([_probability(one, place, value, choices.get(field, seen[place])) for one in ballots]) or 0.0
            for value in seen[place]
        }
        for place, field in enumerate(fields)
    ]

    def probability(values: tuple[str, ...]) -> float:
        return round(math.prod(averaged[at][value] for at, value in enumerate(values)), 9)

    cast = _by_values(ballots)
    best = max(cast, key=probability)
    return _with_confidences(cast[best][0], fields, [averaged[at][value] for at, value in enumerate(best)])


def disagreement(ballots: Sequence[Ballot], winner: Ballot) -> float:
    """Share of the ballots with other values than the winner's, 0 to 1."""
    return round(sum(one.values != winner.values for one in ballots) / len(ballots), 4)


def _most(ballots: Sequence[Ballot]) -> list[Ballot]:
    cast = _by_values(ballots)
    return max(cast.values(), key=lambda alike: (len(alike), round(sum(one.confidence for one in alike), 9)))


def _by_values(ballots: Sequence[Ballot]) -> dict[tuple[str, ...], list[Ballot]]:
    cast: dict[tuple[str, ...], list[Ballot]] = {}
    for one in ballots:
        cast.setdefault(one.values, []).append(one)
    return cast


def _probability(ballot: Ballot, place: int, value: str, values: Sequence[str]) -> float:
    certain = ballot.confidences[place] or 0.0
    if ballot.values[place] == value:
        return certain if len(values) > 1 else 1.0
    return (1.0 - certain) / max(1, len(values) - 1)


def _mean(values: Sequence[float | None]) -> float | None:
    given = [value for value in values if value is not None]
    return sum(given) / len(given) if given else None


def _with_confidences(ballot: Ballot, fields: Sequence[str], confidences: Sequence[float | None]) -> Ballot:
    """The ballot with these confidences where it had some."""
    document: Any = copy.deepcopy(dict(ballot.document))
    for field, before, confidence in zip(fields, ballot.confidences, confidences, strict=True):
        if before is not None and confidence is not None:
            *parents, name = _confidence_of(field).split(".")
            reduce(lambda inside, parent: inside[parent], parents, document)[name] = round(confidence, 4)
    return Ballot(ballot.values, tuple(confidences), document)


def _confidence_of(field: str) -> str:
    return ".".join([*field.split(".")[:-1], "confidence"])


def _at(document: Any, path: str) -> Any:
    for name in path.split("."):
        document = document.get(name) if isinstance(document, dict) else None
    return document


def _enumerated(schema: Mapping[str, Any], path: str) -> list[tuple[str, Sequence[str]]]:
    if "properties" in schema:
        inside = schema["properties"].items()
        return [found for name, value in inside for found in _enumerated(value, f"{path}.{name}".lstrip("."))]
    values = schema.get("enum", ())
    return [(path, values)] if values and all(isinstance(value, str) for value in values) else []
