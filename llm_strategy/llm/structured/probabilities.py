"""Probabilities of choices as the text of an answer: written, read, and held to what probabilities can be."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

from llm_strategy.errors import BackendFailure, ContractError
from llm_strategy.llm.structured.answer_text import LARGEST_ANSWER

LEAST_SUM, GREATEST_SUM = 0.5, 2.0
"""What is told as the probabilities of all choices need not be scaled, but be about one whole."""


def write_probabilities(probabilities: Mapping[str, float]) -> str:
    """Probabilities as the text of an answer."""
    return json.dumps({choice: round(probability, 6) for choice, probability in probabilities.items()})


def read_probabilities(answer: str) -> dict[str, float]:
    """What ``write_probabilities`` wrote; ``BackendFailure`` where it is something else."""
    found: Any = None
    if len(answer) <= LARGEST_ANSWER:
        with suppress(ValueError, RecursionError):
            found = json.loads(answer, object_pairs_hook=_of_pairs)
    if not isinstance(found, dict) or not any(found.values()):
        raise BackendFailure(f"The backend gave no probabilities but {answer[:80]!r}: choose another decision mode.")
    return found


def probabilities_of(choices: Collection[str], answer: str) -> dict[str, float]:
    """The probabilities of these choices and no others in the text of an answer, 0 where one is left out; raises
    ``ContractError``."""
    try:
        found = read_probabilities(answer)
    except BackendFailure as problem:
        raise ContractError("probabilities", str(problem)) from None
    if found.keys() - set(choices):
        raise ContractError("probabilities", f"are those of {list(found)!r:.200}, asked for were {list(choices)}")
    if wrong := problem_with(found):
        raise ContractError("probabilities", wrong)
    return dict.fromkeys(choices, 0.0) | found


def problem_with(probabilities: Mapping[str, float]) -> str:
    """What is wrong with numbers that are told as the probabilities of all choices; empty where nothing is."""
    for choice, probability in probabilities.items():
        if not _is_probability(probability):
            return f"of {choice!s:.40} is {probability!r:.40}, and no number from 0 to 1"
    total = sum(probabilities.values())
    return "" if LEAST_SUM <= total <= GREATEST_SUM else f"of all together is {total:g}, and not 1"


def _of_pairs(pairs: list[tuple[str, Any]]) -> dict[str, float]:
    found = {choice: float(probability) for choice, probability in pairs if _is_probability(probability)}
    if len(found) < len(pairs):
        raise ValueError("a choice stands twice, or with what is no probability")
    return found


def _is_probability(value: object) -> bool:
    """Whether it is a number from 0 to 1, and not one so near to 0 that dividing by it ends in infinity."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and (value == 0 or sys.float_info.min <= value <= 1)  # type: ignore[operator]
