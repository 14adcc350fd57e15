"""Whole answers of a server with parts that are none: each is a decision, counts what can be counted, and replays."""

import json

import pytest
from hostile_answers import SNAPSHOT, line_of, replayed
from misbehaving_server import GOOD_ADVICE, completion, reply, serving

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.llm import Generation, MemoryStore, RecordingClient
from llm_strategy.llm.backends.openai.client import OpenAIBackend
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.metering.calls import Prices

pytestmark = pytest.mark.server

COUNTS = ["negative", "400 digits", "truth", "text", "none", "no number", "infinity"]


@pytest.mark.parametrize("count", [-1, 10**400, True, "12", None, float("nan"), float("inf")], ids=COUNTS)
def test_a_count_that_is_none_is_0(count):
    answer = Generation("{}", count, count, count)
    assert (answer.tokens_in, answer.tokens_out, answer.latency_ms) == (0, 0, 0)
    assert Prices(1.0, 1.0).cost(answer.tokens_in, answer.tokens_out) == 0


def body(**parts):
    """A whole answer of a server, with parts of its choice, usage and top replaced."""
    whole = completion(GOOD_ADVICE)
    whole["choices"][0] |= parts.pop("choice", {})
    return whole | parts


BODIES = {
    "usage of 400 digits": body(usage={"prompt_tokens": 10**400, "completion_tokens": 10**400}),
    "negative usage": body(usage={"prompt_tokens": -5, "completion_tokens": -(10**20)}),
    "usage as text": body(usage={"prompt_tokens": "12", "completion_tokens": "many"}),
    "usage as truth": body(usage={"prompt_tokens": True, "completion_tokens": None}),
    "usage as a list": body(usage=[1, 2]),
    "usage without end": body(usage={"prompt_tokens": float("inf"), "completion_tokens": float("nan")}),
    "finish as a number": body(choice={"finish_reason": 5}),
    "finish as an object": body(choice={"finish_reason": {"reason": "stop"}}),
    "finish as a list": body(choice={"finish_reason": ["stop"]}),
    "model as a number": body(model=10**400),
    "model as an object": body(model={"name": "tiny-model"}),
    "half a pair as model": body(model="\ud800"),
    "half a pair as build": body(system_fingerprint="\ud800"),
    "build as a list": body(system_fingerprint=[1]),
    "half a pair as answer": body(choice={"message": {"content": "\ud800"}}),
    "answer as a number": body(choice={"message": {"content": 10**400}}),
    "answer as lists": body(choice={"message": {"content": [[["a"]]]}}),
    "message as text": body(choice={"message": "a"}),
    "choices as an object": body(choices={"0": {}}),
    "tool calls as a number": body(choice={"message": {"content": None, "tool_calls": 5}}),
    "tool calls of nulls": body(choice={"message": {"content": None, "tool_calls": [None]}}),
    "refusal as a list": body(choice={"message": {"content": None, "refusal": [1]}}),
    "error as a number": body(error=5),
    "details as text": body(usage={"prompt_tokens": 1, "completion_tokens_details": "a"}),
}


@pytest.mark.parametrize("name", BODIES)
def test_any_body_of_a_server_is_a_decision_that_counts_and_replays(name):
    known = {"answer_format": "json_schema", "reported_model": "tiny-model", "timeout_s": 20}
    answering = serving(reply(json.dumps(BODIES[name]).encode()))
    with answering as server, LLMClient(OpenAIBackend("tiny-model", [server.url], **known)) as model:
        client = RecordingClient(model, model.identity, MemoryStore())
        client.prices = Prices(1.0, 1.0)
        advisor = ModelAdvisor(client)
        decision = advisor.decide(SNAPSHOT)
        line = line_of(decision)
        assert line_of(replayed(advisor, line)) == line
    assert 0 <= client.usage.cost < 1
    assert 0 <= client.usage.tokens_in <= 100
