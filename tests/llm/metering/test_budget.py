"""Budgets against servers that count: no call more than allowed, whoever makes it, and the same command goes on."""

import json
import time
from collections import Counter
from contextlib import ExitStack, suppress

import pytest
from misbehaving_server import GOOD_ADVICE, MODEL, answer, by_turns, reset, serving, status

import simulator
from llm_strategy.errors import BudgetReached
from llm_strategy.llm import FolderStore, RecordingClient, Request
from llm_strategy.llm.backends.ensemble.client import EnsembleClient
from llm_strategy.llm.backends.openai.client import OpenAIBackend
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.metering.calls import Prices
from llm_strategy.llm.reliability.client import Fallback, ResilientClient
from llm_strategy.llm.reliability.policy import RetryPolicy

pytestmark = [pytest.mark.server, pytest.mark.slow]

TOKENS = 15
"""What the server says that a call took: ten read and five written."""
DECISIONS = 30


def experiment(folder, **budget):
    return simulator.Experiment.from_mapping(
        {
            "name": "bounded",
            "data": {"source": f"synthetic:cycles?bars={269 + DECISIONS}&seed=5"},
            "advisor": {"style": "numbers", "decimals": 2, "max_failure_rate": 1.0, "budget": budget},
            "evaluation": {"bootstrap_samples": 200},
            "output": {"folder": str(folder / "reports"), "explain": False},
        }
    )


def remote(*servers, concurrency, fallbacks=(), **patience):
    urls = [server.url for server in servers]
    known = {"answer_format": "json_schema", "reported_model": MODEL, "probe": False}
    model = LLMClient(OpenAIBackend(MODEL, urls, **known, concurrency=concurrency))
    patience = {"backoff_s": 0.0, "breaker_failures": 0} | patience
    client = ResilientClient(model, RetryPolicy(**patience), fallbacks)
    client.defaults = Request((), timeout_s=20)
    return client


def recorded(client, folder):
    return RecordingClient(client, client.identity, FolderStore(folder / "answers"))


def stopped(wanted, client, told):
    """Run until the budget ends it."""
    with client, pytest.raises(BudgetReached, match=told) as caught:
        simulator.run(wanted, client=client)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 8
    return str(caught.value)


def question(body):
    return body["messages"][-1]["content"]


class FailsFirst:
    """Each question fails at its first attempts, so often."""

    def __init__(self, failures=1, way=None):
        self.asked = Counter()
        self._failures, self._way = failures, way or status(503)

    def __call__(self, turn, body):
        self.asked[question(body)] += 1
        return self._way if self.asked[question(body)] <= self._failures else answer()


@pytest.mark.parametrize("concurrency", [1, 8])
@pytest.mark.parametrize("way", [status(503), reset])
def test_no_attempt_more_than_allowed_reaches_the_server_and_the_same_command_goes_on(tmp_path, concurrency, way):
    fails = FailsFirst(way=way)
    allowed, stops = 19, 0
    with serving(by_turns(fails)) as server:
        while True:
            client = recorded(remote(server, concurrency=concurrency, attempts=3), tmp_path)
            before = len(server.questions)
            with client, suppress(BudgetReached):
                result = simulator.run(experiment(tmp_path, max_calls=allowed), client=client)
                break
            assert len(server.questions) - before == client.usage.calls == allowed
            stops += 1
        distinct = len({decision["request"] for decision in result.record.arms[0].decisions})
        calls = len(server.questions)
    assert stops == (calls - 1) // allowed >= 2
    assert calls == 2 * distinct  # no question is asked again that was answered
    assert {decision["status"] for decision in result.record.arms[0].decisions} == {"advised"}
    assert all(check.same for check in simulator.replay(result.folder))


@pytest.mark.parametrize("concurrency", [1, 4])
def test_calls_to_an_address_that_fails_count(tmp_path, concurrency):
    with serving(status(500)) as dead, serving(answer()) as well:
        stopped(
            experiment(tmp_path, max_calls=7),
            recorded(remote(dead, well, concurrency=concurrency), tmp_path),
            "7 calls of 7",
        )
        assert len(dead.questions) + len(well.questions) == 7
        assert len(dead.questions) >= 1


def test_calls_of_a_fallback_count(tmp_path):
    advice = {"label": "bear", "action": "exit", "action_confidence": "60", "rationale": "Below."}
    other = ScriptedClient(lambda request: advice)
    with serving(status(500)) as server:
        client = remote(server, concurrency=1, attempts=2, fallbacks=[Fallback("other", lambda: other)])
        told = stopped(experiment(tmp_path, max_calls=10), recorded(client, tmp_path), "10 calls of 10")
        assert len(server.questions) + len(other.requests) == 10
        assert len(other.requests) == 3
    assert told.endswith("no answer came of it that could be kept, so raise it, or put right what fails.")


@pytest.mark.parametrize("concurrency", [1, 4])
def test_calls_of_every_member_of_an_ensemble_count(tmp_path, concurrency):
    with ExitStack() as open_servers:
        servers = [open_servers.enter_context(serving(answer())) for _ in range(2)]
        fails = open_servers.enter_context(serving(by_turns(FailsFirst())))

        def client():
            members = [remote(server, concurrency=concurrency, attempts=2) for server in (*servers, fails)]
            ensemble = EnsembleClient(members)
            ensemble.defaults = Request((), timeout_s=20)
            return recorded(ensemble, tmp_path)

        stopped(experiment(tmp_path, max_calls=18), client(), "18 calls of 18")
        assert sum(len(server.questions) for server in (*servers, fails)) == 18
        with client() as again:
            result = simulator.run(experiment(tmp_path), client=again)
            assert again.usage.kept < again.usage.asked + 1
    assert {decision["status"] for decision in result.record.arms[0].decisions} == {"advised"}


@pytest.mark.parametrize("concurrency", [1, 8])
def test_tokens_end_a_run_before_the_next_call(tmp_path, concurrency):
    enough = 7  # calls after which 100 tokens are spent
    with serving(answer()) as server:
        stopped(
            experiment(tmp_path, max_tokens=100),
            recorded(remote(server, concurrency=concurrency), tmp_path),
            r"tokens of 100 \(advisor\.budget\.max_tokens\)",
        )
        seen = len(server.questions)
        assert enough <= seen <= enough + concurrency - 1
        goes_on(server, tmp_path, concurrency)


@pytest.mark.parametrize("concurrency", [1, 8])
def test_money_ends_a_run_before_the_next_call(tmp_path, concurrency):
    with serving(answer()) as server:
        client = recorded(remote(server, concurrency=concurrency), tmp_path)
        client.prices = Prices(tokens_in=2e5, tokens_out=0.0)  # two of any currency a call
        stopped(experiment(tmp_path, max_cost=9.0), client, r"in money of 9 \(advisor\.budget\.max_cost\)")
        assert 5 <= len(server.questions) <= 5 + concurrency - 1
        goes_on(server, tmp_path, concurrency)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_seconds_end_a_run_before_the_next_call(tmp_path, concurrency):
    def slow(turn, body):
        def behave(connection, server):
            time.sleep(0.2)
            answer()(connection, server)

        return behave

    with serving(by_turns(slow)) as server:
        client = recorded(remote(server, concurrency=concurrency), tmp_path)
        stopped(experiment(tmp_path, max_seconds=1.0), client, r"seconds of 1 \(advisor\.budget\.max_seconds\)")
        assert client.usage.seconds >= 1.0
        assert 1 <= len(server.questions) <= 5 * concurrency
        goes_on(server, tmp_path, concurrency)


def test_seconds_count_the_waits_between_attempts_too(tmp_path):
    with serving(status(503)) as server:
        client = recorded(remote(server, concurrency=1, attempts=50, backoff_s=0.2, backoff_max_s=0.2), tmp_path)
        told = stopped(experiment(tmp_path, max_seconds=1.5), client, "max_seconds")
        assert 2 <= len(server.questions) <= 1 + 1.5 / 0.1
    assert "put right what fails" in told


def goes_on(server, folder, concurrency):
    """The same command without a bound asks what is left, and each question once."""
    with recorded(remote(server, concurrency=concurrency), folder) as client:
        result = simulator.run(experiment(folder), client=client)
    decisions = result.record.arms[0].decisions
    assert {decision["status"] for decision in decisions} == {"advised"}
    assert json.loads(GOOD_ADVICE)["action"]["type"] == decisions[0]["advice"]["action"]["type"]
    assert set(Counter(question(body) for body in server.questions).values()) == {1}
    assert len(server.questions) == len({decision["request"] for decision in decisions}) <= DECISIONS


def test_what_is_on_record_spends_nothing(tmp_path):
    with serving(answer()) as server:
        goes_on(server, tmp_path, 4)
        before = len(server.questions)
        with recorded(remote(server, concurrency=4), tmp_path) as client:
            simulator.run(experiment(tmp_path, max_calls=1), client=client)
        assert len(server.questions) == before
        assert (client.usage.calls, client.usage.tokens_in, client.usage.cost) == (0, 0, 0.0)


def test_two_commands_of_one_program_have_a_budget_each(tmp_path):
    with serving(answer()) as server, recorded(remote(server, concurrency=2), tmp_path) as client:
        for number in (1, 2):
            with pytest.raises(BudgetReached, match="5 calls of 5"):
                simulator.run(experiment(tmp_path, max_calls=5), client=client)
            assert len(server.questions) == client.usage.calls == 5 * number
        assert client.usage.tokens_in + client.usage.tokens_out == 2 * 5 * TOKENS
