"""A run against a server on loopback that takes its time for each answer: what asking side by side saves."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import simulator
from llm_strategy.llm import MemoryStore, RecordingClient, Request
from llm_strategy.llm.backends.openai.client import OpenAIBackend
from llm_strategy.llm.client import LLMClient
from simulator.experiment.configuration import Experiment

LATENCY_S = 0.1
QUESTIONS = 300
BARS_BEFORE_THE_FIRST_DECISION = 269
MODEL = "steady"

_ADVICE = {"rationale": "Below.", "regime": {"label": "bear"}, "action": {"type": "exit", "confidence": 0.7}}
_BODY = json.dumps(
    {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": json.dumps(_ADVICE)}}
        ],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }
).encode()


class _Steady(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(LATENCY_S)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(_BODY)))
        self.end_headers()
        self.wfile.write(_BODY)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


@contextmanager
def steady_server() -> Iterator[str]:
    """The address of a server that gives every question the same advice after ``LATENCY_S``."""
    with _Listener(("127.0.0.1", 0), _Steady) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()
        thread.join()


def seconds_of_a_run(url: str, concurrency: int) -> float:
    """Seconds of a whole run of ``QUESTIONS`` distinct questions, report included."""
    with (
        tempfile.TemporaryDirectory() as folder,
        LLMClient(
            OpenAIBackend(MODEL, [url], answer_format="json_schema", reported_model=MODEL, concurrency=concurrency)
        ) as model,
    ):
        model.defaults = Request((), timeout_s=30)
        client = RecordingClient(model, model.identity, MemoryStore())
        source = f"synthetic:cycles?bars={BARS_BEFORE_THE_FIRST_DECISION + QUESTIONS}&seed=5"
        experiment = Experiment.from_mapping(
            {
                "data": {"source": source},
                "advisor": {"style": "numbers", "decimals": 3},
                "output": {"folder": str(Path(folder) / "runs"), "explain": False},
            }
        )
        begin = time.perf_counter()
        simulator.run(experiment, client=client)
        if client.usage.asked != QUESTIONS:
            raise SystemExit(f"{client.usage.asked} questions were asked, and {QUESTIONS} were meant")
        return time.perf_counter() - begin


def print_asking_ahead() -> None:
    """One line for each number of questions at once."""
    print(f"{QUESTIONS} questions to a server that takes {LATENCY_S * 1000:.0f} ms for each answer")
    with steady_server() as url:
        seconds_of_a_run(url, 64)  # what is imported once
        alone = seconds_of_a_run(url, 1)
        print(f"    one at a time                           {alone:.1f} s")
        for at_once in (8, 64):
            taken = seconds_of_a_run(url, at_once)
            print(f"    {at_once:2} at once                              {alone / taken:.1f}x faster  ({taken:.1f} s)")


if __name__ == "__main__":
    print_asking_ahead()
