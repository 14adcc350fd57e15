"""Questions a second over one, two and four addresses of the same model, each of which takes its time for an answer."""

from __future__ import annotations

import time
from contextlib import ExitStack

from benchmarks.asking_ahead import LATENCY_S, MODEL, steady_server
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


def print_endpoints() -> None:
    """One line for each number of addresses."""
    print(f"{QUESTIONS} questions, {ROOM} at once to each address, {LATENCY_S * 1000:.0f} ms for each answer")
    alone = 0.0
    for addresses in ADDRESSES:
        rate = questions_a_second(addresses)
        alone = alone or rate
        share = rate * LATENCY_S / (addresses * ROOM)
        print(f"    {addresses} addresses: {rate:6.1f} a second, {rate / alone:.2f}x one, {share:.0%} of what they can")


if __name__ == "__main__":
    print_endpoints()
