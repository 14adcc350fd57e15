"""How fast a model decides: a trial decision on made up markets, and the speed of earlier ones, kept in the cache
folder as the first estimate of the next run."""

from __future__ import annotations

import json
import time
from pathlib import Path

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.modes.mode import Abilities
from llm_strategy.advice.modes.registry import complete_options
from llm_strategy.advice.options import PromptOptions
from llm_strategy.errors import BackendFailure
from llm_strategy.llm.client import SLOW_SECONDS as SLOW_SECONDS
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.models.fingerprint import cache_folder, keep_note
from llm_strategy.llm.requests import ModelIdentity, digest
from llm_strategy.market.view import View
from llm_strategy.support.read_regular import read_text
from llm_strategy.types import Decision, Snapshot

MOST_SECONDS = 1e6
"""A note of more is damaged."""


def record_speed(identity: ModelIdentity, asked: str, seconds: float) -> None:
    """Keep the seconds that one question took, among many; ``asked`` is the way of asking. A folder that cannot be
    written only costs an estimate."""
    if not seconds > 0:
        return
    file = _file(identity)
    keep_note(file, json.dumps(_read(file) | {asked: seconds}))


def read_speed(identity: ModelIdentity, asked: str) -> float | None:
    """Seconds a question, as last noted for this model and this way of asking; None where there is no note."""
    seconds = _read(_file(identity)).get(asked)
    return float(seconds) if isinstance(seconds, int | float) and 0 < seconds < MOST_SECONDS else None


def way_of_asking(client: LLMClient, options: PromptOptions) -> str:
    """What besides the model decides how long a question takes, as speeds are noted."""
    able = complete_options(options, Abilities.of(client, View()))
    return f"{able.mode}, {able.examples} {able.count}, {client.concurrency} at once"


def _read(file: Path) -> dict[str, float]:
    try:
        noted = json.loads(read_text(file))
    except (OSError, ValueError, RecursionError):
        return {}
    return noted if isinstance(noted, dict) else {}


def _file(identity: ModelIdentity) -> Path:
    return cache_folder() / "speeds" / f"{digest(identity)}.json"


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
    record_speed(client.identity, way_of_asking(client, options), later / max(1.0, questions))
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
