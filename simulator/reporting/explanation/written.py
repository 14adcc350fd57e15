"""A part of an explanation that a model writes: sentences with figures as placeholders, and the claims behind them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from llm_strategy.advice.written_prompt import render
from llm_strategy.errors import ContractError
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.requests import Message, Request, request_hash
from llm_strategy.llm.structured.answer_text import as_contract_error, beginning
from llm_strategy.support.outside_text import encodable
from simulator.reporting.explanation.model import Answered, Refused, first_request, kept, listed
from simulator.reporting.explanation.parts import MOST_FACTS, Part
from simulator.reporting.explanation.prose import Reader, Told
from simulator.reporting.explanation.relations import RELATIONS, Claim, UnbackedError
from simulator.reporting.facts.fact import Fact

MOST_SENTENCES = 8
"""Sentences of one answer that are read; what follows is left out unread."""
_LONGEST_SHOWN = 4_000
"""Characters of an answer that the model is shown again."""

Take = Callable[[Answered, object], Refused | None]
"""Takes one entry of an answer into what may be shown, or says why not."""


def write_part(part: Part, client: LLMClient, made: Answered) -> None:
    """Ask a model to write the part, and once more about what cannot be shown; raises ``ModelError``."""
    reader = Reader(part.known, part.names, part.about)
    ask_twice(question(part, client), client, "sentences", lambda made, entry: _sentence(made, entry, reader), made)


def ask_twice(request: Request, client: LLMClient, key: str, take: Take, made: Answered) -> None:
    """Take what may be shown of the list under ``key`` in the answer to a request; what may not is asked once more."""
    answer, refused = _ask(request, client, key, take, made)
    if refused:
        made.refused = refused
        made.asked_again = len(refused)
        turns = (
            Message("assistant", answer[:_LONGEST_SHOWN].strip() or "{}"),
            Message("user", render("explain_again.j2", refused=refused)),
        )
        shown = len(made.sentences) + len(made.statements)
        _, still = _ask(replace(request, messages=(*request.messages, *turns)), client, key, take, made)
        mended = len(made.sentences) + len(made.statements) - shown
        made.refused = still or ([] if mended else refused)


def _ask(request: Request, client: LLMClient, key: str, take: Take, made: Answered) -> tuple[str, list[Refused]]:
    """The answer to a request, and what of it may not be shown; the rest is taken."""
    answer = encodable(beginning(client.complete(request).text))
    made.requests[request_hash(request, client.identity)] = answer
    refused = []
    try:
        with as_contract_error():
            entries = listed(answer, key)[:MOST_SENTENCES]
            if not entries:
                return answer, []
            for entry in entries:
                if (problem := take(made, entry)) is not None:
                    refused.append(problem)
    except ContractError as problem:
        refused = [Refused(kept(answer), f"the answer {problem.problem}")]
    return answer, refused


def _sentence(made: Answered, entry: object, reader: Reader) -> Refused | None:
    """Take a sentence with its claims."""
    text = entry.get("text") if isinstance(entry, Mapping) else None
    if not isinstance(entry, Mapping) or not isinstance(text, str):
        return Refused(kept(entry), "it is no sentence in the form that was asked for")
    try:
        told = reader.read(text, _claims(entry.get("claims", [])))
    except UnbackedError as problem:
        return Refused(kept(text), str(problem))
    if any(_tells_before(earlier, told) for earlier in made.sentences):
        return Refused(kept(text), "it tells only what was told before")
    made.sentences.append(told)
    return None


def _tells_before(earlier: Told, told: Told) -> bool:
    return earlier.template == told.template or (bool(told.facts) and set(told.facts) <= set(earlier.facts))


def _claims(entries: object) -> list[Claim]:
    """The claims as the model wrote them; raises ``UnbackedError``."""
    claims = []
    for entry in entries if isinstance(entries, Sequence) and not isinstance(entries, str) else [entries]:
        relation, facts = (entry.get("relation"), entry.get("facts")) if isinstance(entry, Mapping) else (None, None)
        if not isinstance(relation, str) or not isinstance(facts, list) or not all(isinstance(f, str) for f in facts):
            raise UnbackedError("a claim is not in the form that was asked for")
        claims.append(Claim(relation.strip(), tuple(name.strip(" {}") for name in facts)))
    return claims


def facts_shown(part: Part) -> list[Fact]:
    """The facts of a part that a model is shown: those that have to be told, and then the others."""
    return list(part.facts.values())[:MOST_FACTS]


def question(part: Part, client: LLMClient) -> Request:
    """The request for one part: a constant system message, then the facts that may be cited."""
    facts = facts_shown(part)
    due = {name for item in part.items if item.must_be_told for name in item.facts}
    relations = {
        name: f"{' or '.join(map(str, relation.counts))} fact{'s' * (relation.counts[-1] > 1)}, {relation.meaning}"
        for name, relation in RELATIONS.items()
        if part.is_of_market or not relation.of_quantities
    }
    example = f"{{{facts[0].id}}}" if facts else "{id}"
    messages = (
        Message(
            "system",
            render("explain_system.j2", market=part.is_of_market, relations=list(relations.items()), example=example),
        ),
        Message("user", render("explain_part.j2", part=part, facts=facts, due=due)),
    )
    schema = _schema(list(relations), [fact.id for fact in facts])
    return asking(client, messages, schema)


def asking(client: LLMClient, messages: tuple[Message, ...], schema: Mapping[str, Any]) -> Request:
    """The request for a JSON object under a schema."""
    return replace(first_request(client), messages=messages, json_mode=True, json_schema=json.dumps(schema))


def object_schema(**properties: Any) -> dict[str, Any]:
    """The schema of an object that has just these properties."""
    return {
        "type": "object", "additionalProperties": False, "required": list(properties), "properties": properties
    }  # fmt: skip


def _schema(relations: Sequence[str], facts: Sequence[str]) -> dict[str, Any]:
    claim = object_schema(relation={"enum": list(relations)}, facts={"type": "array", "items": {"enum": list(facts)}})
    sentence = object_schema(text={"type": "string"}, claims={"type": "array", "items": claim})
    return object_schema(sentences={"type": "array", "items": sentence})
