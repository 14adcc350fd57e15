"""What the texts that a model was shown came to: how many, how old, how often none, what of them was cited, and which
of them speak to a model as if it were to obey."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from llm_strategy.advice.citations import citable, cited_numbers
from llm_strategy.market.context.moments import DAY, parse_zoned
from llm_strategy.trading.decision_lines import Entry
from simulator.folder.documents import LedgerRecord

_TO_A_MODEL = (
    r"(?:ignore|disregard|forget|override|bypass)\b.{0,40}\b(?:instructions?|prompts?|rules?|above|previous|everything|"
    r"system|guidelines?)",
    r"you\s+(?:must|should|shall|will\s+now|are\s+now|have\s+to|need\s+to)\b",
    r"(?:answer|respond|reply|output|return|print|write|say|choose|select|label)\b.{0,30}\b(?:enter_long|enter_short|"
    r"exit|hold|bull|bear|sideways|turbulent|json)\b",
    r"\b(?:enter_long|enter_short)\b",
    r"(?:as|you\s+are)\s+an?\s+(?:ai|assistant|language\s+model|trading\s+(?:bot|agent))\b",
    r"(?:dear|attention|note\s+to|message\s+(?:to|for))\s+(?:the\s+)?(?:ai|assistant|model|llm|bot)s?\b",
    r"system\s+(?:prompt|message)\b",
)
IMPERATIVE = re.compile("|".join(rf"(?:{pattern})" for pattern in _TO_A_MODEL), re.IGNORECASE)
"""Wording that is addressed to a model rather than to a reader of news. It finds the plain cases alone."""


@dataclass(frozen=True, slots=True)
class DocumentUse:
    """Counts over the decisions of an arm that could be shown texts. ``none`` is a share of the decisions, ``age`` the
    median age of what was shown in days, at the stamp of the bar; absent where nothing was shown."""

    available: int
    """Texts that were there at the last decision."""
    shown: int
    """Different texts that were shown."""
    none: float
    cited: int
    """Different texts that a rationale cited."""
    citing: float
    """Share of the advised decisions whose rationale cites a text that was shown."""
    wrong_citations: int
    """Decisions whose rationale cites a text that was not shown."""
    age: float | None
    oldest: float | None
    imperative: int
    """Different shown texts with wording that is addressed to a model."""


def document_use(entries: Iterable[Entry], ledger: LedgerRecord) -> DocumentUse:
    """The counts of an arm with this ledger."""
    decisions = advised = empty = citing = wrong = 0
    shown: set[str] = set()
    cited: set[str] = set()
    ages: list[float] = []
    known = {text["id"]: parse_zoned(text["available_at"]) for text in ledger.texts}
    for entry in entries:
        decision = entry.decision
        ids = citable(decision.context)
        decisions += 1
        empty += not ids
        shown |= set(ids)
        now = _stamp(decision.snapshot.time)
        ages += [max(0.0, (now - known[identity]) / DAY) for identity in ids if identity in known]
        if decision.advice is not None:
            advised += 1
            numbers = cited_numbers(decision.advice.rationale)
            right = [number for number in numbers if 1 <= number <= len(ids)]
            citing += bool(right)
            wrong += len(right) < len(numbers)
            cited |= {ids[number - 1] for number in right}
    return DocumentUse(
        available=int(ledger.about["available"]),
        shown=len(shown),
        none=empty / decisions if decisions else 0.0,
        cited=len(cited),
        citing=citing / advised if advised else 0.0,
        wrong_citations=wrong,
        age=median(ages) if ages else None,
        oldest=max(ages) if ages else None,
        imperative=len({text["id"] for text in imperative_texts(ledger)}),
    )


def imperative_texts(ledger: LedgerRecord) -> Iterator[Mapping[str, Any]]:
    """The shown texts that are addressed to a model."""
    return (text for text in ledger.texts if IMPERATIVE.search(text["text"]))


def _stamp(time: str) -> int:
    return parse_zoned(datetime.fromisoformat(f"{time}+00:00"))
