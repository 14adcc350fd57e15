"""A server that still loads its model is waited for within the time of a question, and no failure to be broken by."""

import json

import pytest
from fault_wires import OPENAI as WIRE
from fault_wires import SNAPSHOT, connected
from misbehaving_server import GOOD_ADVICE, answer, by_turns, reply, serving

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.errors import BackendFailure, ModelLoading
from llm_strategy.llm import Message, Request
from llm_strategy.llm.reliability.policy import RetryPolicy
from llm_strategy.types import AbstentionReason, EventKind, Status

pytestmark = pytest.mark.server

ASKED = Request((Message("user", "x"),), timeout_s=30)
LOADING = [
    (503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}),
    (503, {"error": "Model tiny is currently loading", "estimated_time": 20.0}),
    (503, {"detail": "The model is warming up"}),
    (200, {"error": "model is loading"}),
]
OTHERS = [
    (503, {"error": {"message": "Overloaded"}}),
    (503, {"error": {"message": "error loading model: out of memory"}}),
    (500, {"error": {"message": "Loading model"}}),
]
PATIENCE = RetryPolicy(attempts=2, backoff_s=0.5, backoff_max_s=8, breaker_failures=1, breaker_pause=3)


def says(status, body):
    return reply(json.dumps(body).encode(), status=status)


def client_of(server, waits, **options):
    return connected(WIRE, server.url, patience=PATIENCE, sleep=waits.append, **options)


@pytest.mark.parametrize(("status", "body"), LOADING)
def test_a_server_that_loads_is_waited_for_longer_than_there_are_attempts(status, body):
    behaviour = by_turns(lambda turn, _: says(status, body) if turn < 7 else answer(GOOD_ADVICE))
    waits = []
    with serving(behaviour) as server, client_of(server, waits) as client:
        decision = ModelAdvisor(client).decide(SNAPSHOT)
    assert decision.status is Status.ADVISED
    assert len(waits) == 7
    assert waits[0] < waits[2] < waits[-1] <= 5
    assert [event.kind for event in decision.exchanges[0].events] == [EventKind.LOADING, EventKind.FINGERPRINT]


@pytest.mark.parametrize(("status", "body"), OTHERS)
def test_other_words_are_failures_as_before(status, body):
    waits = []
    with (
        serving(says(status, body)) as server,
        client_of(server, waits) as client,
        pytest.raises(BackendFailure) as failed,
    ):
        client.complete(ASKED)
    assert not isinstance(failed.value, ModelLoading)
    assert len(waits) == 1


def test_one_that_never_ends_is_told_in_time_and_opens_no_breaker():
    with serving(says(*LOADING[0])) as server, connected(WIRE, server.url, patience=PATIENCE, timeout_s=1.5) as client:
        advisor = ModelAdvisor(client)
        decisions = [advisor.decide(SNAPSHOT) for _ in range(3)]
        with pytest.raises(ModelLoading):
            client.complete(Request(ASKED.messages, timeout_s=0.2))
        with pytest.raises(ModelLoading):
            client.complete(Request(ASKED.messages, timeout_s=0.2))
    for decision in decisions:
        assert decision.abstention.reason is AbstentionReason.BACKEND_FAILURE
        assert "is loading its model (Loading model): wait until it is there, or raise" in decision.abstention.detail
        assert decision.exchanges[0].events[-1].detail == "It was waited for in vain."


def test_failures_behind_it_are_failures():
    behaviour = by_turns(lambda turn, _: says(*LOADING[0]) if turn == 0 else says(*OTHERS[0]))
    waits = []
    with serving(behaviour) as server, client_of(server, waits) as client:
        advisor = ModelAdvisor(client)
        decisions = [advisor.decide(SNAPSHOT) for _ in range(2)]
    assert [decision.abstention.reason for decision in decisions] == [
        AbstentionReason.BACKEND_FAILURE,
        AbstentionReason.BREAKER_OPEN,
    ]
    assert "the last time because: The endpoint 1" in decisions[1].abstention.detail
    assert "(Overloaded)" in decisions[1].abstention.detail
