"""What the advice of an arm took of its model: decisions, the questions in them, and how many of those were asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from statistics import fmean
from typing import Self

from llm_strategy.llm.metering.calls import Usage
from simulator.folder.tally import Tally


@dataclass(frozen=True, slots=True)
class Questions:
    """Counts of one arm, all its draws together.

    A decision has a question or several (label, prior, action, rationale, repair); equal ones are ``distinct`` once.
    ``asked`` are those that the model was asked in this run, failed ones too (``asked_again`` those of them whose
    answers on record never met the contract), ``from_record`` all others but those that an open breaker refused.
    Seconds and tokens are those of the asked ones: ``mean_seconds`` from question to answer, and ``p95_seconds``, in
    which 95 of 100 are answered; ``seconds`` in which several are under way count once.
    """

    decisions: int = 0
    questions: int = 0
    distinct: int = 0
    asked: int = 0
    asked_again: int = 0
    from_record: int = 0
    seconds: float = 0.0
    tokens_in: int = 0
    tokens_out: int = 0
    mean_seconds: float = 0.0
    p95_seconds: float = 0.0

    @classmethod
    def of(cls, tallies: Sequence[Tally], used: Usage, latencies: Sequence[float] = ()) -> Self:
        """The counts of all decisions, a tally for each draw, for which so much was ``used``; ``latencies`` are the
        seconds of the asked questions."""
        questions = sum(made.questions for made in tallies)
        refused = sum(made.refused for made in tallies)
        return cls(
            decisions=sum(made.decisions for made in tallies),
            questions=questions,
            distinct=len(frozenset[str]().union(*(made.requests for made in tallies))),
            asked=used.asked,
            asked_again=used.again,
            from_record=max(0, questions - refused - used.asked),
            seconds=used.seconds,
            tokens_in=used.tokens_in,
            tokens_out=used.tokens_out,
            mean_seconds=round(fmean(latencies), 3) if latencies else 0.0,
            p95_seconds=round(_reached_by(0.95, latencies), 3) if latencies else 0.0,
        )


def _reached_by(share: float, latencies: Sequence[float]) -> float:
    """The smallest of them that so many are not above (nearest rank)."""
    return sorted(latencies)[ceil(share * len(latencies)) - 1]
