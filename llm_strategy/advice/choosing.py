"""How a model is asked to choose one of some texts, whatever its backend can do, and how its answer is read.

Where the backend gives probabilities the texts are scored; where it fills forms the program writes a JSON object and
the model one value of it; any other model answers with a JSON object under a schema.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from llm_strategy.advice.outcome import FAILURES
from llm_strategy.errors import ContractError, ModelError
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.requests import Message, Request, Slot, request_hash
from llm_strategy.llm.structured.answer_text import LARGEST_ANSWER, as_contract_error, beginning, unwrap
from llm_strategy.llm.structured.probabilities import probabilities_of
from llm_strategy.support.outside_text import encodable
from llm_strategy.types import AbstentionReason

_TOKENS = 24
"""Of a value in a form; an answer of a server has room for the JSON around it, too."""
_LONGEST_SHOWN = 500
"""Characters of a wrong answer that its repair is shown."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question to a model: what it was ``about``, the hash of the request, and the answer, or else why there is none
    that could be taken (``reason``, ``detail``)."""

    about: str
    request: str
    answer: str | None
    reason: str = ""
    detail: str = ""

    def as_document(self) -> dict[str, Any]:
        """The same as plain data."""
        why = {"reason": self.reason, "detail": self.detail} if self.reason else {}
        return {"about": self.about, "request": self.request, "answer": self.answer, **why}


class NoChoice(Exception):
    """A model chose nothing: it failed, or answered twice with none of the texts."""


@dataclass
class Questions:
    """Asks a model one thing after the other, and keeps what was asked and answered; each question starts from
    ``defaults``, or else from those of the client."""

    client: LLMClient
    asked: list[Asked] = field(default_factory=list)
    defaults: Request | None = None
    asks_again: bool = True
    """Whether an answer of an earlier command that cannot be read is asked for once more."""

    @property
    def answers(self) -> dict[str, str]:
        """What was answered, by the hash of the request."""
        return {each.request: each.answer for each in self.asked if each.answer is not None}

    def choose(self, about: str, messages: Sequence[Message], before: Mapping[str, str], texts: Sequence[str]) -> int:
        """Which of the ``texts`` the model chooses for the key ``about`` of a statement, of which it has been told, or
        has chosen, what stands ``before``; raises ``NoChoice`` where it chooses none.

        A ``ModelError`` that means that no question can be asked at all is raised as it is.
        """
        request = self._request(about, messages, before, texts)
        try:
            return self._ask(about, request, texts)
        except ContractError as problem:
            if request.choices:
                raise NoChoice(str(problem)) from None
            wrong = self.asked[-1].answer or ""
            again = (
                *request.messages,
                Message("assistant", wrong[:_LONGEST_SHOWN] or "{}"),
                Message("user", f"That is none of the choices. Answer with one of: {', '.join(texts)}."),
            )
        try:
            return self._ask(about, replace(request, messages=again), texts)
        except ContractError as problem:
            raise NoChoice(str(problem)) from None

    def weigh(self, about: str, messages: Sequence[Message], texts: Sequence[str]) -> list[float]:
        """The probability of each of the ``texts``, where the backend gives any, and else 1 for the one that the model
        chooses and 0 for the others; raises as ``choose``."""
        chosen = self.choose(about, messages, {}, texts)
        if not self.client.supports_choices:
            return [float(at == chosen) for at in range(len(texts))]
        choices = [_scored_form(text) for text in texts]
        found = probabilities_of(choices, self.asked[-1].answer or "")
        whole = sum(found.values())
        return [found[choice] / whole for choice in choices]

    def _request(
        self, about: str, messages: Sequence[Message], before: Mapping[str, str], texts: Sequence[str]
    ) -> Request:
        base = replace(
            self.defaults or self.client.defaults, messages=tuple(messages), form=(), json_mode=False, json_schema=""
        )
        if self.client.supports_choices:
            lines = [f"{key.capitalize()}: {value};" for key, value in before.items()]
            opening = "\n".join([*lines, f"{about.capitalize()}:"])
            # No sampler plays a part in a score: its settings must not make it another request.
            return replace(
                base,
                opening=opening,
                choices=tuple(map(_scored_form, texts)),
                temperature=0.0,
                seed=None,
                max_tokens=1,
            )
        *others, last = base.messages
        if self.client.supports_forms:
            head = json.dumps(dict(before), ensure_ascii=False)[:-1] + (", " if before else "")
            asks = f"Answer with a JSON object. Its {about} is one of: {', '.join(texts)}."
            return replace(
                base,
                messages=(*others, Message("user", f"{last.content}\n\n{asks}")),
                form=(f'{head}"{about}": "', Slot(about, _TOKENS, tuple(texts)), '"}'),
            )
        known = f"So far: {json.dumps(dict(before), ensure_ascii=False)}\n" if before else ""
        named = ", ".join(texts)
        asks = f'{known}Answer with a JSON object that has the key "{about}" alone; its value is one of: {named}.'
        schema = {
            "type": "object",
            "additionalProperties": False,
            "required": [about],
            "properties": {about: {"enum": list(texts)}},
        }
        joined = Message("user", f"{last.content}\n\n{asks}")
        return replace(base, messages=(*others, joined), json_mode=True, json_schema=json.dumps(schema))

    def _ask(self, about: str, request: Request, texts: Sequence[str]) -> int:
        """Ask and read; an answer of an earlier command that cannot be read is asked for once more where that is on."""
        try:
            return self._ask_once(about, request, texts)
        except ContractError:
            if not (self.asks_again and self.client.disregard(request)):
                raise
        self.asked.pop()
        return self._ask_once(about, request, texts)

    def _ask_once(self, about: str, request: Request, texts: Sequence[str]) -> int:
        key = request_hash(request, self.client.identity)
        try:
            answer = encodable(beginning(self.client.complete(request).text))
        except ModelError as problem:
            reason = next((reason for kind, reason in FAILURES.items() if isinstance(problem, kind)), None)
            if reason is None:
                raise
            self.asked.append(Asked(about, key, None, reason, str(problem)))
            raise NoChoice(str(problem)) from problem
        try:
            with as_contract_error():
                chosen = _scored(request, answer) if request.choices else _named(about, texts, answer)
        except ContractError as problem:
            self.asked.append(Asked(about, key, answer, AbstentionReason.INVALID, str(problem)))
            raise
        self.asked.append(Asked(about, key, answer))
        return chosen


def _scored_form(text: str) -> str:
    """A text as it is scored: with the space before it, as most vocabularies hold words, and with an end."""
    return f" {text};"


def _scored(request: Request, answer: str) -> int:
    probabilities = probabilities_of(request.choices, answer)
    return max(range(len(request.choices)), key=lambda at: probabilities[request.choices[at]])


def _named(about: str, texts: Sequence[str], answer: str) -> int:
    try:
        found = json.loads(unwrap(answer, LARGEST_ANSWER).text)
    except ValueError:
        raise ContractError(about, f"stands in no JSON but in {answer[:80]!r}") from None
    value = found.get(about) if isinstance(found, dict) else None
    wanted = value.strip().rstrip(";.").lower() if isinstance(value, str) else None
    for at, text in enumerate(texts):
        if text.lower() == wanted:
            return at
    raise ContractError(about, f"is {value!r:.80}, which is none of {', '.join(texts)}")
