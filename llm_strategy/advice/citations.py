"""Whether what a rationale cites was shown: a text has the number of its frame (``[D1]``), and nothing else has one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from llm_strategy.market.context.documents import Documents
from llm_strategy.shown import Shown
from llm_strategy.types import PolicyOutcome, PolicyVerdict

DOCUMENTS = Documents.name
"""The source of context whose texts may be cited."""
_CITATION = re.compile(r"\[\s*D\s?(\d{1,6}(?:\s*(?:,|;|and|-)\s*D?\s?\d{1,6}){0,50})\s*\]", re.IGNORECASE)
_NUMBER = re.compile(r"\d+")


def cited_numbers(rationale: str) -> tuple[int, ...]:
    """The numbers that a rationale cites, as in ``[D1]`` or ``[D1, D3]``, each once and in their order."""
    return tuple(
        dict.fromkeys(int(number) for found in _CITATION.findall(rationale) for number in _NUMBER.findall(found))
    )


def citable(context: Sequence[Shown]) -> tuple[str, ...]:
    """The ids of the texts that may be cited, of ``[D1]`` first; none where nothing was found."""
    return next((shown.ids for shown in context if shown.source == DOCUMENTS), ())


def check_citations(policy: PolicyOutcome, rationale: str, context: Sequence[Shown]) -> PolicyOutcome:
    """The verdict with a reason for each citation of a text that was not shown. Such an advice is marked for review: it
    rests on something that was not there, and asking again would teach a model to cite what it did not use."""
    shown = len(citable(context))
    wrong = [number for number in cited_numbers(rationale) if not 1 <= number <= shown]
    if not wrong:
        return policy
    told = tuple(f"citation: the rationale cites [D{number}], and {_told(shown)} shown" for number in wrong[:5])
    verdict = PolicyVerdict.REVIEW if policy.verdict is PolicyVerdict.ALLOW else policy.verdict
    return replace(policy, verdict=verdict, reasons=(*policy.reasons, *told), coherent=False)


def _told(shown: int) -> str:
    if not shown:
        return "no text was"
    return "[D1] alone was" if shown == 1 else f"[D1] to [D{shown}] were"
