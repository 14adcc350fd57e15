"""A real decision for the doctor: made up markets, asked as an experiment asks by default."""

from __future__ import annotations

import time

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.options import PromptOptions
from llm_strategy.doctor.speed import note_speed, way_of_asking
from llm_strategy.errors import BackendFailure
from llm_strategy.llm.client import LLMClient
from llm_strategy.types import Decision, Snapshot

_PAST = 24
"""Markets before the first decision: past states that may be shown as examples."""
_DECISIONS = 3
"""The first one reads what all have in common, and is left out of the time."""


def try_decision(client: LLMClient) -> str:
    """Decide, keep the speed for estimates, and say how it went; ``BackendFailure`` where no advice came of it."""
    options = PromptOptions()
    advisor = ModelAdvisor(client, options=options)
    markets = [_market(number) for number in range(_PAST + _DECISIONS)]
    for market in markets[:_PAST]:
        advisor.witness(market)
    decisions: list[Decision] = []
    seconds: list[float] = []
    for market in markets[_PAST:]:
        begin = time.perf_counter()
        decisions.append(advisor.decide(market))
        seconds.append(time.perf_counter() - begin)
        if (abstention := decisions[-1].abstention) is not None:
            raise BackendFailure(abstention.detail)
    later = sum(seconds[1:]) / len(seconds[1:])
    questions = sum(len(decision.exchanges) for decision in decisions[1:]) / len(seconds[1:])
    note_speed(client.identity, way_of_asking(client, options), later / max(1.0, questions))
    repaired = sum(bool(decision.repairs) for decision in decisions)
    kinds = ", ".join(dict.fromkeys(kind for decision in decisions for kind in decision.repairs))
    validity = (
        "valid at once" if not repaired else f"{repaired} of {len(decisions)} valid only after a repair ({kinds})"
    )
    advice = decisions[-1].advice
    told = f", the last one {advice.regime.label} and {advice.action.type}" if advice else ""
    return f"{advisor.options.mode}: {len(decisions)} decisions, {validity}{told}; {later:.2g} s a decision"


def _market(number: int) -> Snapshot:
    """Markets that go from falling to rising and back, no two alike."""
    phase = abs(number % 24 - 12) / 12  # 1 falls to 0 and rises again
    trend = 0.18 - 0.36 * phase
    return Snapshot(
        symbol="DOCTOR",
        timeframe="1d",
        time=f"2000-01-{number + 1:02d}T00:00:00",
        close=100.0 + number,
        trend=trend,
        momentum=trend / 2 if number % 2 else -trend / 3,
        volatility=0.008 + 0.0004 * number,
        volatility_rank=(number * 7 % 24) / 24,
        drawdown=-0.3 * phase,
        range_position=1 - phase,
        volume_ratio=0.8 + (number % 5) / 10,
    )
