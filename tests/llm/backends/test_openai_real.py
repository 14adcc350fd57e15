"""The openai backend against llama.cpp's own server, with the embedded model."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import jsonschema
import pytest

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.options import PromptOptions
from llm_strategy.advice.written_prompt import ADVICE_SCHEMA
from llm_strategy.doctor.checks import diagnose
from llm_strategy.llm import get_llm_client
from llm_strategy.llm.settings import LlmSettings
from llm_strategy.types import EventKind, Snapshot, Status

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).parents[2] / "support" / "llama_server.py"
TURN = [{"role": "user", "content": "Name three colours."}]


SHOWN_HOW = PromptOptions(mode="json", examples="nearest", rationale="always")
"""Without an example so small a model writes its reason without an end."""


@pytest.fixture(scope="module")
def servers(model_path, tmp_path_factory):
    """Two servers of the embedded model, as (process, address)."""
    log = (tmp_path_factory.mktemp("servers") / "stderr.txt").open("w")
    command = [sys.executable, str(PROGRAM), str(model_path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) for _ in range(2)]
    yield [(process, f"{process.stdout.readline().strip()}/v1") for process in processes]
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()
    log.close()


@pytest.fixture(scope="module")
def settings(servers):
    """Settings for the first server."""
    return LlmSettings(backend="openai", model="smollm2-135m", base_url=(servers[0][1],), timeout_s=120)


@pytest.fixture(scope="module")
def client(settings):
    """A client of the first server."""
    with get_llm_client(settings=settings) as client:
        yield client


def snapshot(number):
    return Snapshot("SECRETCO", "1d", f"bar {number}", 100.0, number / 20 - 0.2, 0.02, 0.01, 0.3, -0.05, 0.5, 1.0)


def advisor_of(client):
    """One that has seen a falling and a rising market, to show the model how such are answered."""
    advisor = ModelAdvisor(client, options=SHOWN_HOW)
    for number in (-8, 12):
        advisor.witness(snapshot(number))
    return advisor


def test_the_server_says_who_it_is_and_keeps_to_schemas(client):
    assert client.identity.engine_version == "smollm2-135m.gguf"
    assert dict(client.identity.settings) == {"answer_format": "json_schema"}


def test_plain_answers_and_streams_are_the_same_words(client):
    whole = client.chat(TURN, max_tokens=12)
    assert whole.tokens_in > 5
    assert whole.tokens_out == 12
    assert whole.finish == "length"
    chunks = list(client.chat(TURN, stream=True, max_tokens=12))
    assert len(chunks) > 5
    assert "".join(chunk.delta for chunk in chunks) == chunks[-1].generation.text == whole.text
    assert chunks[-1].generation.tokens_out == 12


def test_a_seed_decides_what_is_drawn(settings):
    def written(seed):
        with get_llm_client(settings=settings.model_copy(update={"seed": seed, "temperature": 1.0})) as client:
            return client.chat(TURN, max_tokens=12).text

    assert written(5) == written(5)
    assert len({written(seed) for seed in range(4)}) > 1


@pytest.fixture(scope="module")
def decisions(client):
    """What the first server's model says of four markets."""
    advisor = advisor_of(client)
    return [advisor.decide(snapshot(number)) for number in range(0, 16, 4)]


def test_a_decision_keeps_the_contract_at_once(decisions):
    decision = decisions[0]
    assert decision.status is Status.ADVISED
    (exchange,) = decision.exchanges
    assert [event.kind for event in exchange.events] == [EventKind.FINGERPRINT]
    assert list(json.loads(exchange.answer)) == ["rationale", "regime", "action"]


def test_answers_in_mode_json_keep_to_the_schema_at_once(decisions):
    answers = [json.loads(exchange.answer) for decision in decisions for exchange in decision.exchanges]
    assert [decision.status for decision in decisions] == [Status.ADVISED] * 4
    assert len(answers) == 4
    for written in answers:
        jsonschema.validate(written, json.loads(ADVICE_SCHEMA))


def test_the_doctor_finds_it_well_but_for_decisions_without_an_example(settings):
    *checks, last = list(diagnose(settings.model_copy(update={"max_tokens": 96})))  # what has no end ends there
    assert {check.name for check in (*checks, last) if not check.ok} <= {"decision"}, checks
    for check in (*checks, last):
        assert check.ok or "advisor.examples: fixed" in check.cure


def test_one_of_two_servers_is_killed_and_no_decision_is_lost(servers, settings):
    (victim, first), (_, second) = servers
    both = settings.model_copy(update={"base_url": (first, second), "backoff_s": 0.05})
    snapshots = [snapshot(number) for number in range(5)]
    with get_llm_client(settings=both) as client:
        client.concurrency = 2
        assert client.identity.engine_version == "smollm2-135m.gguf"
        client.generate("Say yes.", max_tokens=1)  # before the first question both servers are compared
        killer = threading.Timer(0.2, victim.kill)
        killer.start()
        decisions = advisor_of(client).decide_all(snapshots)
        killer.join()
        assert not client.healthcheck().ok
    assert [decision.snapshot for decision in decisions] == snapshots
    assert [decision.status for decision in decisions if decision.status is not Status.ADVISED] == []
    events = [event.kind for decision in decisions for exchange in decision.exchanges for event in exchange.events]
    assert EventKind.FAILOVER in events
