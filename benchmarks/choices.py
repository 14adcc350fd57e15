"""Scoring label and action against writing the whole JSON, the prefix of the prompt kept for both.

Both ask the same states behind the same fixed examples, each mode in a turn of its own, so that what it keeps of the
prompt is there from its second state on. Nothing is recorded.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence

from benchmarks.figures import Figure
from benchmarks.model import distinct_snapshots
from llm_strategy import ModelAdvisor, Snapshot
from llm_strategy.advice.options import PromptOptions
from llm_strategy.llm import LLMClient, get_llm_client
from llm_strategy.llm.settings import load_settings

MODELS = {"smollm2-135m": (5.6, 8.0), "gemma3-270m": (3.6, 5.0)}
"""How many times as fast scores were (`docs/models.md`, the same examples), and are meant to be."""
STATES, ROUNDS = 7, 1
MODES = {"choices": PromptOptions("choices", "fixed"), "json": PromptOptions("json", "fixed")}


def figures() -> Iterator[Figure]:
    """For each model both ratios, and seconds."""
    distinct = distinct_snapshots("sample:sp500")
    asked = [distinct[number * len(distinct) // STATES] for number in range(STATES)]
    for model, (before, aim) in MODELS.items():
        with get_llm_client("bench", settings=load_settings(model=model, backend="llama_cpp")) as client:
            taken = _measure(client, asked)
        (choices, clock), (whole, clock_of_whole) = taken["choices"], taken["json"]
        yield Figure(
            f"{model}: scores over whole JSON, times as fast (clock)", clock_of_whole / clock, "x", before, aim, True
        )
        yield Figure(f"{model}: the same by the processor", whole / choices, "x")
        yield Figure(f"{model}: a decision by scores (clock)", clock * 1000, "ms")
        yield Figure(f"{model}: a decision as JSON (clock)", clock_of_whole * 1000, "ms")


def _measure(client: LLMClient, asked: Sequence[Snapshot]) -> dict[str, tuple[float, float]]:
    """Seconds of a decision by processor and by the clock, by mode, without the first of each turn."""
    spent: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for _ in range(ROUNDS):
        for mode, options in MODES.items():
            advisor = ModelAdvisor(client, options=options)
            advisor.decide(asked[0])
            processor, clock = time.process_time(), time.perf_counter()
            for snapshot in asked[1:]:
                advisor.decide(snapshot)
            spent[mode][0] += time.process_time() - processor
            spent[mode][1] += time.perf_counter() - clock
    count = ROUNDS * (len(asked) - 1)
    return {mode: (processor / count, clock / count) for mode, (processor, clock) in spent.items()}
