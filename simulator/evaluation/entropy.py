"""How undecided a model was between the labels that it scored."""

from __future__ import annotations

import math
from functools import lru_cache

from llm_strategy.errors import BackendFailure
from llm_strategy.llm.structured.probabilities import problem_with, read_probabilities
from llm_strategy.types import Decision


def label_entropy(decision: Decision) -> float:
    """Entropy of the scores of the labels, as the model gave them, over the highest that so many labels can have: 0
    where it was certain, 1 where all were as likely. NaN where nothing was scored."""
    for exchange in decision.exchanges:
        if exchange.purpose == "label" and exchange.answer is not None:
            return _entropy_of(exchange.answer)
    return math.nan


@lru_cache(maxsize=4096)
def _entropy_of(answer: str) -> float:
    try:
        scores = read_probabilities(answer)
    except BackendFailure:
        return math.nan
    if len(scores) < 2 or problem_with(scores):
        return math.nan
    total = math.fsum(scores.values())
    shares = [score / total for score in scores.values() if score > 0]
    return max(0.0, -math.fsum(share * math.log(share) for share in shares) / math.log(len(scores)))
