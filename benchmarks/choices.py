"""Scoring label and action against writing the whole JSON, the prefix of the prompt kept for both.

Both ask the same states behind the same fixed examples, each mode in a turn of its own, so that what it keeps of the
prompt is there from its second state on. Nothing is recorded.

What a decision by scores is made of is printed beside: reading the state, which no way of asking is spared;
evaluations of a few tokens, for where the state begins, for label and for action; and what lies between the calls of
the engine. From the first two follows the most that scores can be: the state read, and one token each for label and
action.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from benchmarks.figures import Figure
from benchmarks.model import distinct_snapshots
from llm_strategy import ModelAdvisor, Snapshot
from llm_strategy.advice.options import PromptOptions
from llm_strategy.llm import LLMClient, get_llm_client
from llm_strategy.llm.backends.local.llama_cpp_engine import Engine
from llm_strategy.llm.settings import load_settings

MODELS = {"smollm2-135m": (5.6, 8.0), "gemma3-270m": (3.6, 5.0)}
"""How many times as fast scores were (`docs/models.md`, the same examples), and are meant to be."""
STATES, ROUNDS = 7, 1
MODES = {"choices": PromptOptions("choices", "fixed"), "json": PromptOptions("json", "fixed")}


class _Call(NamedTuple):
    """A call of the engine: tokens read, and milliseconds that it read and wrote."""

    tokens: int
    ms: float


def figures() -> Iterator[Figure]:
    """For each model both ratios, seconds, and of what a decision by scores is made."""
    distinct = distinct_snapshots("sample:sp500")
    asked = [distinct[number * len(distinct) // STATES] for number in range(STATES)]
    for model, (before, aim) in MODELS.items():
        with (
            _calls() as calls,
            get_llm_client("bench", settings=load_settings(model=model, backend="llama_cpp")) as client,
        ):
            taken = _measure(client, asked, calls)
        (choices, clock), (whole, clock_of_whole) = taken["choices"], taken["json"]
        yield Figure(
            f"{model}: scores over whole JSON, times as fast (clock)", clock_of_whole / clock, "x", before, aim, True
        )
        yield Figure(f"{model}: the same by the processor", whole / choices, "x")
        yield Figure(f"{model}: a decision by scores (clock)", clock * 1000, "ms")
        yield Figure(f"{model}: a decision as JSON (clock)", clock_of_whole * 1000, "ms")
        yield from _parts(model, calls, clock * 1000, clock_of_whole * 1000)


def _parts(model: str, calls: Sequence[_Call], whole: float, as_json: float) -> Iterator[Figure]:
    """What a decision by scores, of ``whole`` milliseconds, is made of; ``calls`` are those of some decisions."""
    most = max(call.tokens for call in calls)
    reading = [call for call in calls if call.tokens > most / 2]
    others = [call for call in calls if call.tokens <= most / 2]
    decisions = len(reading)
    read, evaluated = (sum(call.ms for call in some) / decisions for some in (reading, others))
    one = min(call.ms for call in others)
    yield Figure(f"{model}: tokens of a state", sum(call.tokens for call in reading) / decisions, "tokens")
    yield Figure(f"{model}: of a decision by scores reading them (engine)", read, "ms")
    yield Figure(f"{model}: of it {len(others) / decisions:.1f} evaluations of 1 to 4 tokens (engine)", evaluated, "ms")
    yield Figure(f"{model}: of it between the calls of the engine", whole - read - evaluated, "ms")
    yield Figure(f"{model}: the most that scores could be, times as fast", as_json / (read + 2 * one), "x")


@contextmanager
def _calls() -> Iterator[list[_Call]]:
    """The calls of the engine meanwhile, as llama.cpp itself says how long they took."""
    found: list[_Call] = []
    usual = Engine._call

    def call(engine: Engine, *given: Any, **options: Any) -> Any:
        before = engine.seconds
        answer = usual(engine, *given, **options)
        told = {key: value for chunk in answer[1] for key, value in chunk.items()}
        found.append(_Call(told.get("timings", {}).get("prompt_n", 0), (engine.seconds - before) * 1000))
        return answer

    Engine._call = call  # type: ignore[assignment, method-assign]
    try:
        yield found
    finally:
        Engine._call = usual  # type: ignore[method-assign]


def _measure(client: LLMClient, asked: Sequence[Snapshot], calls: list[_Call]) -> dict[str, tuple[float, float]]:
    """Seconds of a decision by processor and by the clock, by mode, without the first of each turn; ``calls`` holds
    those of the decisions by scores behind it."""
    spent: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    scored: list[_Call] = []
    for _ in range(ROUNDS):
        for mode, options in MODES.items():
            advisor = ModelAdvisor(client, options=options)
            advisor.decide(asked[0])
            calls.clear()
            processor, clock = time.process_time(), time.perf_counter()
            for snapshot in asked[1:]:
                advisor.decide(snapshot)
            spent[mode][0] += time.process_time() - processor
            spent[mode][1] += time.perf_counter() - clock
            scored += calls if mode == "choices" else []
    calls[:] = scored
    count = ROUNDS * (len(asked) - 1)
    return {mode: (processor / count, clock / count) for mode, (processor, clock) in spent.items()}
