"""What one command asks of a model begins and ends with its session."""

import threading

import pytest

from llm_strategy.errors import BudgetReached
from llm_strategy.llm import MemoryStore, RecordingClient, ResilientClient
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.metering.audit import AuditLog
from llm_strategy.llm.metering.calls import Budget, Prices


@pytest.fixture
def client():
    model = ScriptedClient(lambda request: f"to {request.messages[-1].content}")
    return RecordingClient(ResilientClient(model), model.identity, MemoryStore())


def test_a_budget_ends_with_its_session(client):
    with client.session(budget=Budget(max_calls=1)):
        client.generate("one")
        with pytest.raises(BudgetReached, match="1 calls of 1"):
            client.generate("two")
        client.generate("one")  # on record, and free
    assert client.generate("two").text == "to two"
    assert client.usage.calls == 2


def test_a_session_counts_what_was_asked_in_it(client):
    client.generate("before")
    with client.session(budget=Budget(max_calls=1), prices=Prices(tokens_in=1e6)):
        client.generate("within")
    assert client.usage.asked == client.usage.kept == len(client.latencies) == 2
    assert client.usage.cost == 1.0  # one word, at a price that the session alone has


def test_the_budget_around_a_session_holds_in_it(client):
    heard = []
    with client.session(budget=Budget(max_calls=2), on_record=heard.append):
        client.generate("one")
        with client.session(budget=Budget(max_calls=5), on_record=heard.append):
            client.generate("two")
            with pytest.raises(BudgetReached, match="2 calls of 2"):
                client.generate("three")
    assert len(heard) == 3


def test_what_fails_in_a_session_closes_it_and_its_log(client, tmp_path):
    def fail():
        with client.session(audit=AuditLog(tmp_path / "audit.jsonl")) as asked, asked.decision():
            asked.generate("one")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert len((tmp_path / "audit.jsonl").read_text(encoding="utf-8").splitlines()) == 1
    with client.session() as asked:
        assert asked is client


def test_answers_of_another_command_are_those_that_the_session_does_not_call_its_own(client):
    client.generate("one")
    (key,) = client.store
    request = client.inner.inner.requests[0]
    for own, earlier in (((), True), ((key,), False)):
        with client.session(own=own):
            assert client.is_of_earlier_command(request) is earlier
            assert client.disregard(request) is earlier
            assert client.unusable == (set() if earlier else {key})
    assert client.unusable == set()


def test_an_answer_that_comes_late_is_none_of_the_next_session():
    asked, go_on, heard = threading.Event(), threading.Event(), []

    def slow(_):
        asked.set()
        go_on.wait(10)
        return "late"

    model = ScriptedClient(slow)
    client = RecordingClient(model, model.identity, MemoryStore())
    with client.session(on_record=heard.append):
        left_behind = threading.Thread(target=client.generate, args=("one",))
        left_behind.start()
        asked.wait(10)
    with client.session(budget=Budget(max_calls=1), on_record=heard.append):
        go_on.set()
        left_behind.join(10)
        assert client.is_of_earlier_command(model.requests[0])
        client.generate("two")
    assert len(client.store) == client.usage.kept == 2
    assert len(heard) == 1
