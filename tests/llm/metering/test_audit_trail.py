"""The trail of real calls: none is lost, none hides behind another's name or price, whoever answered and however a run
or a script ended."""

import json
import os
import subprocess
import sys
import textwrap
import threading

import pytest
from misbehaving_server import MODEL, answer, by_turns, completion, reply, serving, status
from small_run import explainer, files, reader, recording, small

import simulator
from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.errors import BackendFailure, ModelError, TooManyFailures
from llm_strategy.llm import SUPPORTED_BACKENDS, MemoryStore, get_llm_client, register_backend
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.metering.audit import AuditedClient, AuditLog
from llm_strategy.llm.metering.calls import Prices
from llm_strategy.llm.settings import LlmSettings
from llm_strategy.types import Snapshot

pytestmark = [pytest.mark.server, pytest.mark.slow]

SNAPSHOT = Snapshot("SECRETCO", "1d", "2008-10-10T00:00:00", 899.22, -0.2, -0.1, 0.03, 0.99, -0.4, 0.1, 1.5)
KNOWN = {"answer_format": "json_schema", "reported_model": MODEL}
GOOD = {"label": "bear", "action": "exit", "action_confidence": "70", "rationale": "Below."}


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def earlier(folder):
    return sorted(path for path in folder.glob("audit-*.jsonl"))


@pytest.fixture
def local():
    """A registered backend that answers on this machine; it is put down again after the test."""
    register_backend("local", lambda settings: ScriptedClient(lambda request: "local words here", name=settings.model))
    yield
    del SUPPORTED_BACKENDS["local"]


@pytest.fixture
def asked_of(tmp_path, monkeypatch):
    """A function that asks one question of a client with these settings and gives the lines of its log."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path / "cache"))

    def ask(**settings):
        given = {"model": MODEL, "audit_file": tmp_path / "audit.jsonl", "backoff_s": 0.0, "timeout_s": 20} | settings
        with get_llm_client(settings=LlmSettings(**given)) as client:
            try:
                client.generate("How is it?")
            except ModelError as problem:
                return lines(tmp_path / "audit.jsonl"), problem
        return lines(tmp_path / "audit.jsonl")

    return ask


def test_the_same_experiment_again_keeps_the_log_of_the_real_calls(tmp_path):
    store, experiment = MemoryStore(), small(tmp_path, arms=["llm", "buy_and_hold"])
    first = simulator.compare(experiment, client=recording(explainer, store)[0])
    real = (first.folder / "audit.jsonl").read_bytes()
    assert all(not line["cached"] for line in lines(first.folder / "audit.jsonl"))
    for _ in range(3):
        again = simulator.compare(experiment, client=recording(explainer, store)[0])
        assert again.folder == first.folder
        assert all(line["cached"] for line in lines(again.folder / "audit.jsonl"))
        (kept,) = earlier(again.folder)
        assert kept.read_bytes() == real
    for key in list(store)[:3]:
        del store[key]
    third = simulator.compare(experiment, client=recording(explainer, store)[0])
    asked_then = (third.folder / "audit.jsonl").read_bytes()
    assert sum(not line["cached"] for line in lines(third.folder / "audit.jsonl")) == 3
    last = simulator.compare(experiment, client=recording(explainer, store)[0])
    assert {path.read_bytes() for path in earlier(last.folder)} == {real, asked_then}
    assert all(check.same for check in simulator.replay(last.folder))
    assert not any("audit" in check.name for check in simulator.replay(last.folder))
    assert not [name for name in files(tmp_path / "reports") if ".partial" in name or ".replaced" in name]


def test_failed_and_cut_off_runs_leave_their_calls_too(tmp_path):
    experiment, store = small(tmp_path, output={"folder": str(tmp_path / "reports"), "explain": False}), MemoryStore()

    def down(request):
        return BackendFailure("Down.")

    with pytest.raises(TooManyFailures):
        simulator.run(experiment, client=recording(down, store)[0])
    (folder,) = [path for path in (tmp_path / "reports").iterdir() if path.is_dir()]
    failures = (folder / "audit.jsonl").read_bytes()
    asked = []

    def interrupted(request):
        asked.append(request)
        if len(asked) == 8:
            raise KeyboardInterrupt
        return reader(request)

    with pytest.raises(KeyboardInterrupt):
        simulator.run(experiment, client=recording(interrupted, store)[0])
    result = simulator.run(experiment, client=recording(reader, store)[0])
    assert result.folder == folder
    (kept,) = earlier(folder)
    assert kept.read_bytes() == failures
    whole = lines(folder / "audit.jsonl")
    assert sum(line["attempts"] for line in whole) == len({json.dumps(line["messages"]) for line in whole}) + 1
    (cut,) = [line for line in whole if line["failure"]]
    assert (cut["failure"], cut["attempts"], cut["status"]) == ("KeyboardInterrupt: ", 1, None)


def test_a_script_that_ends_without_closing_has_every_line(tmp_path):
    program = f"""
        import os, threading
        from llm_strategy.llm.settings import LlmSettings
        from llm_strategy.llm import get_llm_client
        from pathlib import Path
        Path("answers.jsonl").write_text('"well"\\n' * 3)
        client = get_llm_client(settings=LlmSettings(
            backend="scripted", script=Path("answers.jsonl"), audit_file=Path("audit.jsonl")))
        client.generate("one")
        thread = threading.Thread(target=client.generate, args=("two",))
        thread.start()
        thread.join()
        client.generate("three")
        os._exit({os.EX_OK})
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], cwd=tmp_path, check=True)
    noted = lines(tmp_path / "audit.jsonl")
    assert [line["messages"][-1]["content"] for line in noted] == ["one", "two", "three"]


def test_the_verdict_is_on_the_line_and_no_line_waits_after_a_decision(tmp_path):
    log = AuditLog(tmp_path / "audit.jsonl")
    answers = iter(["no json", GOOD, GOOD, KeyboardInterrupt()])

    def script(request):
        said = next(answers)
        if isinstance(said, KeyboardInterrupt):
            raise said
        return said

    advisor = ModelAdvisor(AuditedClient(ScriptedClient(script), log), remember=False)
    advisor.decide(SNAPSHOT)
    assert [line["status"] for line in lines(log.path)] == [None, "repaired"]
    advisor.decide(SNAPSHOT)
    with pytest.raises(KeyboardInterrupt):
        advisor.decide(SNAPSHOT)
    assert [line["status"] for line in lines(log.path)] == [None, "repaired", "advised", None]


def test_a_fallback_is_logged_as_who_answered_at_its_own_price(asked_of, local):
    prices = {"price_in": 3.0, "price_out": 9.0}
    sections = {"openai": KNOWN | prices, "local": {"model": "small", "price_in": 0.0, "price_out": 50.0}}
    with serving(status(503)) as server:
        (line,) = asked_of(backend="openai", base_url=(server.url,), fallback=("local",), attempts=2, sections=sections)
        assert len(server.questions) == 2
    assert (line["backend"], line["model"], line["answered_by"]) == ("openai", MODEL, ["scripted: small"])
    assert [(call["backend"], call["answered"], call["cost"]) for call in line["calls"]] == [
        ("openai", False, 0.0), ("openai", False, 0.0), ("scripted", True, 3 * 50 / 1e6),
    ]  # fmt: skip
    assert (line["attempts"], line["tokens_out"], line["cost"]) == (3, 3, 150 / 1e6)
    assert [event["kind"] for event in line["events"]] == ["retry", "fallback"]
    assert "503" in line["events"][0]["detail"]


def test_a_fallback_without_a_price_is_unpriced_whatever_the_first_backend_costs(asked_of, local):
    with serving(status(500)) as server:
        (line,) = asked_of(
            backend="openai", base_url=(server.url,), fallback=("local",), attempts=1, price_in=3.0, price_out=9.0,
            sections={"openai": KNOWN},
        )  # fmt: skip
    assert (line["answered_by"], line["cost"]) == ([f"scripted: {MODEL}"], "unpriced")
    assert [call["cost"] for call in line["calls"]] == [0.0, "unpriced"]


def test_the_address_that_answered_is_named_and_the_one_that_failed(asked_of):
    with serving(status(500)) as dead, serving(answer("well")) as well:
        (line,) = asked_of(
            backend="openai",
            base_url=(dead.url, well.url),
            price_in=1.0,
            price_out=2.0,
            sections={"openai": KNOWN | {"probe": False}},
        )
        assert (len(dead.questions), len(well.questions), line["attempts"]) == (1, 1, 2)
    first, second = line["calls"]
    assert (first["answered"], second["answered"]) == (False, True)
    assert f"127.0.0.1:{dead.port}" in first["endpoint"]
    assert f"127.0.0.1:{well.port}" in second["endpoint"]
    assert line["answered_by"] == [f"openai: {MODEL} at endpoint 2 (127.0.0.1:{well.port})"]
    assert line["cost"] == pytest.approx((10 * 1.0 + 5 * 2.0) / 1e6)
    assert [event["kind"] for event in line["events"]] == ["failover", "fingerprint"]


def test_every_member_of_an_ensemble_is_logged_with_its_price(asked_of, local):
    def behave(turn, body):
        return reply(json.dumps(completion('{"regime": {"label": "bull"}}', model=MODEL)).encode())

    members = [
        {"backend": "openai", "price_in": 10.0, "price_out": 0.0},
        {"backend": "openai", "model": "other", "reported_model": MODEL},
        "local",
    ]
    with serving(by_turns(behave)) as server:
        (line,) = asked_of(
            backend="ensemble", base_url=(server.url,), price_out=1.0,
            sections={"ensemble": {"members": members, "vote_on": ["regime.label"]}, "openai": KNOWN},
        )  # fmt: skip
        assert len(server.questions) == 2
    assert line["backend"] == "ensemble"
    assert line["attempts"] == 3
    costs = {call["model"] if call["backend"] == "openai" else "local": call["cost"] for call in line["calls"]}
    assert costs == {MODEL: 10 * 10 / 1e6, "other": 5 * 1.0 / 1e6, "local": 3 * 1.0 / 1e6}
    assert line["cost"] == pytest.approx(sum(costs.values()))
    assert (line["tokens_in"], line["tokens_out"]) == (10 + 10 + 3, 5 + 5 + 3)
    assert sorted(line["answered_by"]) == [f"openai: {name} at endpoint 1 (127.0.0.1:{server.port})" for name in
        ("other", MODEL)] + [f"scripted: {MODEL}"]  # fmt: skip


def test_a_failure_has_its_real_attempts_its_events_and_a_price(asked_of):
    with serving(status(503)) as server:
        (line,), _ = asked_of(
            backend="openai", base_url=(server.url,), attempts=3, sections={"openai": KNOWN}, price_in=1.0
        )
        assert len(server.questions) == line["attempts"] == 3
    assert line["answered_by"] == []
    assert (line["cost"], line["answer"], line["tokens_in"]) == (0.0, None, 0)
    assert [event["kind"] for event in line["events"]] == ["retry", "retry"]
    assert line["failure"].startswith("BackendFailure: The endpoint 1")


def test_what_an_open_breaker_refuses_is_no_call(tmp_path):
    with serving(status(500)) as server:
        settings = LlmSettings(
            backend="openai", model=MODEL, base_url=(server.url,), attempts=1, breaker_failures=1, backoff_s=0.0,
            sections={"openai": KNOWN}, audit_file=tmp_path / "breaker.jsonl",
        )  # fmt: skip
        with get_llm_client(settings=settings) as client:
            for _ in range(2):
                with pytest.raises(ModelError):
                    client.generate("How is it?")
        assert len(server.questions) == 1
    noted = lines(tmp_path / "breaker.jsonl")
    assert [(line["attempts"], line["cost"]) for line in noted] == [(1, "unpriced"), (0, 0.0)]
    assert [line["failure"].partition(":")[0] for line in noted] == ["BackendFailure", "BreakerOpen"]


def test_threads_of_one_client_bill_their_own_calls(tmp_path):
    def behave(turn, body):
        question = body["messages"][-1]["content"]
        return status(503) if turn % 3 == 0 else answer(question)

    with serving(by_turns(behave)) as server:
        settings = LlmSettings(
            backend="openai", model=MODEL, base_url=(server.url,), attempts=9, backoff_s=0.0,
            sections={"openai": KNOWN}, audit_file=tmp_path / "audit.jsonl", price_out=1.0,
        )  # fmt: skip
        with get_llm_client(settings=settings) as client:
            workers = [threading.Thread(target=client.generate, args=(f"question {n}",)) for n in range(24)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
        noted = lines(tmp_path / "audit.jsonl")
        assert sum(line["attempts"] for line in noted) == len(server.questions) > 24
    assert len(noted) == 24
    for line in noted:
        assert line["answer"] == line["messages"][-1]["content"]
        assert line["attempts"] == 1 + sum(event["kind"] == "retry" for event in line["events"])
        assert line["cost"] == pytest.approx(5 / 1e6)


def test_prices_of_the_log_are_for_calls_without_their_own(tmp_path):
    script = ScriptedClient(lambda request: "three words here")
    client = AuditedClient(script, AuditLog(tmp_path / "audit.jsonl", Prices(tokens_out=2.0)))
    client.generate("x")
    script.prices = Prices(tokens_out=5.0)
    client.generate("y")
    assert [line["cost"] for line in lines(tmp_path / "audit.jsonl")] == [6 / 1e6, 15 / 1e6]
