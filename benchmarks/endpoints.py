"""Questions a second over one, two and four addresses of the same model, each of which takes its time for an answer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

from benchmarks.asking_ahead import LATENCY_S, MODEL, steady_server
from benchmarks.figures import Figure, print_part
from llm_strategy.llm.backends.openai.client import OpenAIBackend
from llm_strategy.llm.client import LLMClient

QUESTIONS = 120
ROOM = 4
"""Questions under way at each address at once."""
ADDRESSES = (1, 2, 4)


def questions_a_second(addresses: int) -> float:
    """Of ``QUESTIONS`` distinct ones to so many servers, after the first one, before which the servers are compared."""
    with ExitStack() as stack:
        urls = [stack.enter_context(steady_server()) for _ in range(addresses)]
        rooms = [ROOM] * addresses
        backend = OpenAIBackend(
            MODEL, urls, endpoint_concurrency=rooms, answer_format="json_schema", reported_model=MODEL
        )
        client = stack.enter_context(LLMClient(backend))
        client.generate("The first question?")
        begin = time.perf_counter()
        client.batch([f"Question {number}?" for number in range(QUESTIONS)])
        return QUESTIONS / (time.perf_counter() - begin)


def figures() -> Iterator[Figure]:
    """For each number of addresses what it gives beside one, and of what they can."""
    alone = 0.0
    for addresses in ADDRESSES:
        rate = questions_a_second(addresses)
        alone = alone or rate
        share = 100 * rate * LATENCY_S / (addresses * ROOM)
        yield Figure(f"{addresses} address{'es' if addresses > 1 else ''}", rate, "questions/s")
        yield Figure("    over one", rate / alone, "x")
        yield Figure("    of what they can", share, "%")


if __name__ == "__main__":
    print_part("endpoints", figures)
