"""What a model makes of one part of an explanation: what of it may be shown, and what not and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from llm_strategy.errors import ContractError
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.requests import Request
from llm_strategy.llm.structured.answer_text import LARGEST_ANSWER, unwrap
from llm_strategy.support.outside_text import encodable
from llm_strategy.support.strict_json import parse_json
from simulator.reporting.explanation.prose import Told

Manner = Literal["written", "chosen", "program"]
"""How the sentences of a part came about: a model wrote them, it chose what they tell, or it had no part in them."""
LONGEST_KEPT = 300
"""Characters that are kept of what is not shown."""


@dataclass(frozen=True, slots=True)
class Refused:
    """What a model wrote or chose and is not shown, and why."""

    text: str
    why: str


@dataclass(slots=True)
class Answered:
    """The model's share of a part, as it grows: sentences, statements to test, what was refused for good, how many were
    asked again, the raw answers by request hash, and the kind of failure where the model failed."""

    manner: Manner = "program"
    sentences: list[Told] = field(default_factory=list)
    statements: list[dict[str, object]] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    asked_again: int = 0
    requests: dict[str, str] = field(default_factory=dict)
    failure: str = ""

    @property
    def stands(self) -> bool:
        """Whether anything of it may be shown."""
        return bool(self.sentences or self.statements)


MAX_TOKENS = 1_200
"""Length of an answer: some five sentences with their claims, in JSON."""


def first_request(client: LLMClient) -> Request:
    """What every question of an explanation starts from: the record has to find it whatever the settings of now are."""
    return Request((), max_tokens=MAX_TOKENS, timeout_s=client.defaults.timeout_s)


def listed(answer: str, key: str) -> Sequence[object]:
    """The list under the one key of the JSON object in an answer; raises ``ContractError``."""
    try:
        found = parse_json(unwrap(answer, LARGEST_ANSWER).text)
    except ValueError:
        raise ContractError("answer", "holds no JSON object") from None
    if not isinstance(found, Mapping) or not isinstance(found.get(key), list):
        raise ContractError("answer", f"has no list of {key}")
    entries: list[object] = found[key]
    return entries


def kept(text: object) -> str:
    """What is kept of something that is not shown."""
    said = encodable(text if isinstance(text, str) else repr(text)[: 2 * LONGEST_KEPT])
    return said if len(said) <= LONGEST_KEPT else f"{said[:LONGEST_KEPT]} ..."
