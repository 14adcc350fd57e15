"""The audit log, budgets and estimates: what was asked is on record, secrets are not, and a run stops where it may."""

import contextlib
import json
import threading
import time
from collections import Counter
from dataclasses import replace

import pytest
from small_run import SMALL, files, reader, recording, small

import simulator
from llm_strategy.doctor.speed import record_speed, way_of_asking
from llm_strategy.errors import (
    AnswerTimeout,
    BackendFailure,
    BudgetReached,
    ConfigurationError,
    RunFolderError,
    TooManyFailures,
)
from llm_strategy.llm import FolderStore, MemoryStore, RecordingClient, get_llm_client
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.metering.audit import AuditedClient, AuditLog
from llm_strategy.llm.metering.calls import Prices, Usage
from llm_strategy.llm.models.gguf import read_metadata
from llm_strategy.llm.models.token_count import token_counter
from llm_strategy.llm.requests import Generation, ModelIdentity, Request
from llm_strategy.llm.settings import LlmSettings
from llm_strategy.support.secrets import keep_secret, redact

pytestmark = pytest.mark.slow

PLANTED = "sk-planted-0123456789abcdefghij"


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_run_notes_every_call_with_what_became_of_it(tmp_path):
    client, model = recording()
    result = simulator.run(small(tmp_path), client=client)
    noted = lines(result.folder / "audit.jsonl")
    decided = [line for line in noted if line["status"]]
    asked = {decision["request"] for decision in result.record.arms[0].decisions}
    assert {line["request"] for line in decided} == asked
    assert len(decided) == len(asked)  # equal states are one call
    for line in decided:
        assert (line["status"], line["policy"]) == ("advised", "allow")
        assert (line["backend"], line["attempts"], line["cached"], line["cost"]) == ("scripted", 1, False, "unpriced")
        assert json.loads(line["answer"])["regime"]["label"]
        assert line["messages"][0]["role"] == "system"
        assert line["tokens_in"] > 0
        assert line["tokens_out"] > 0
    assert len(noted) == len(model.requests)  # the explanation is noted too


def test_answers_from_the_record_are_marked_and_cost_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("LLM_PRICE_IN", "2")
    monkeypatch.setenv("LLM_PRICE_OUT", "10")
    store = MemoryStore()
    experiment = small(tmp_path, output={"folder": str(tmp_path / "reports"), "explain": False})
    first = lines(simulator.run(experiment, client=recording(store=store)[0]).folder / "audit.jsonl")
    assert all(line["cost"] == pytest.approx((2 * line["tokens_in"] + 10 * line["tokens_out"]) / 1e6) for line in first)
    again = lines(simulator.run(experiment, client=recording(store=store)[0]).folder / "audit.jsonl")
    assert all((line["cached"], line["cost"], line["attempts"]) == (True, 0.0, 0) for line in again)


def test_failures_repairs_and_denials_are_noted(tmp_path):
    said = {"n": 0}

    def script(request):
        said["n"] += 1
        if said["n"] == 1:
            return AnswerTimeout("Too slow.")
        if said["n"] == 2:
            return "no json"
        return reader(request)

    client, _ = recording(script)
    experiment = small(tmp_path, output={"folder": str(tmp_path / "reports"), "explain": False})
    noted = lines(simulator.run(experiment, client=client).folder / "audit.jsonl")
    assert (noted[0]["failure"], noted[0]["status"], noted[0]["answer"]) == (
        "AnswerTimeout: Too slow.", "abstained", None,
    )  # fmt: skip
    assert (noted[1]["answer"], noted[1]["status"]) == ("no json", None)
    assert noted[2]["status"] == "repaired"


@pytest.mark.parametrize("prices", [{}, {"LLM_PRICE_IN": "2", "LLM_PRICE_OUT": "10"}])
def test_every_line_has_every_field(tmp_path, monkeypatch, prices):
    for name, value in prices.items():
        monkeypatch.setenv(name, value)

    def script(request):
        return reader(request) if "above" in request.messages[-1].content else AnswerTimeout("Too slow.")

    store = MemoryStore()
    experiment = small(
        tmp_path, data={"source": "synthetic:cycles?bars=420&seed=8"}, advisor={"max_failure_rate": 1.0},
        evaluation={"draws": 2},
    )  # fmt: skip
    noted = lines(simulator.run(experiment, client=recording(script, store)[0]).folder / "audit.jsonl")
    noted += lines(simulator.run(experiment, client=recording(script, store)[0]).folder / "audit.jsonl")
    assert {bool(line["failure"]) for line in noted} == {line["cached"] for line in noted} == {True, False}
    for line in noted:
        assert set(line) == {
            "time", "run", "backend", "model", "request", "draw", "messages", "answer", "failure", "tokens_in",
            "tokens_out", "latency_ms", "attempts", "cached", "finish", "cost", "status", "policy", "reasons",
            "answered_by", "calls", "events",
        }  # fmt: skip
        assert line["messages"]
        assert line["latency_ms"] >= 0
        assert (line["answer"] is None) is (line["failure"] is not None) is (line["tokens_in"] == 0)
        assert line["attempts"] == (0 if line["cached"] else 1)
        money = (2 * line["tokens_in"] + 10 * line["tokens_out"]) / 1e6 if prices else "unpriced"
        assert line["cost"] == (0 if line["cached"] else money)


def test_a_line_names_the_draw_of_its_call(tmp_path):
    client, model = recording()
    result = simulator.run(small(tmp_path, evaluation={"draws": 3}), client=client)
    noted = lines(result.folder / "audit.jsonl")
    assert Counter(line["draw"] for line in noted) == Counter(request.draw for request in model.requests)
    for draw in (2, 3):
        decided = lines(result.folder / f"draw-{draw}" / "decisions.jsonl")
        assert {line["request"] for line in noted if line["draw"] == draw} == {line["request"] for line in decided}


def test_the_log_is_no_evidence(tmp_path):
    folder = simulator.run(small(tmp_path), client=recording()[0]).folder
    assert all(check.same for check in simulator.replay(folder))
    assert "audit.jsonl" not in {check.name for check in simulator.replay(folder)}
    assert "audit.jsonl" not in json.loads((folder / "manifest.json").read_text())["files"]


def test_a_planted_key_is_in_no_file_and_no_message(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", PLANTED)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalr/planted+secret")

    def script(request):
        return BackendFailure(
            f"Incorrect API key {PLANTED}; wJalr/planted+secret; Authorization: Bearer abcdefgh12345678; told."
        )

    client, _ = recording(script)
    experiment = small(tmp_path, advisor={"max_failure_rate": 1.0})
    folder = simulator.run(experiment, client=client).folder
    written = b"".join(files(folder).values())
    for secret in (PLANTED, "wJalr/planted+secret", "abcdefgh12345678"):
        assert secret.encode() not in written
    assert b"[secret]" in written


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: AWS4-HMAC-SHA256 Credential=AKIA0123456789ABCDEF/2026, Signature=abc",
        "{'authorization': 'Bearer abcdefgh12345678'}",
        "x-api-key: abcdefgh12345678",
        "bearer abcdefgh12345678",
        "AKIA0123456789ABCDEF",
        "sk-proj-abcdefgh12345678",
    ],
)
def test_what_looks_like_a_key_is_struck_out(text):
    assert "12345678" not in redact(f"before {text}")
    assert "AKIA0123" not in redact(f"before {text}")
    assert redact(f"before {text}").startswith("before ")


def test_ordinary_words_stay(monkeypatch):
    monkeypatch.setenv("SHORT_KEY", "bull")
    text = '{"label": "bull", "tokens_in": 12, "rationale": "The bearer of news; basic authorization was asked for."}'
    assert redact(text) == text
    keep_secret("a-key-of-the-settings")
    assert redact("with a-key-of-the-settings here") == "with [secret] here"


def test_a_script_may_note_its_calls(tmp_path, monkeypatch):
    script = tmp_path / "answers.jsonl"
    script.write_text('"well"\n"well"\n')
    settings = LlmSettings(backend="scripted", script=script, audit_file=tmp_path / "audit.jsonl", price_in=1.0)
    with get_llm_client("mine", settings=settings) as client:
        client.generate("How is it?")
        client.generate("And now?")
    noted = lines(tmp_path / "audit.jsonl")
    assert [line["messages"][-1]["content"] for line in noted] == ["How is it?", "And now?"]
    assert noted[0]["run"] == "mine"
    assert noted[0]["cost"] == pytest.approx(noted[0]["tokens_in"] / 1e6)


def test_threads_write_whole_lines_and_judge_their_own(tmp_path):
    log = AuditLog(tmp_path / "audit.jsonl")
    client = AuditedClient(ScriptedClient(lambda request: request.messages[-1].content * 500), log)

    def work(number):
        for step in range(20):
            with client.decision() as decision:
                client.generate(f"{number}-{step} ")
                decision.judged("advised", f"{number}-{step}")

    workers = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    noted = lines(log.path)
    assert len(noted) == 160
    assert all(line["messages"][-1]["content"].strip() == line["policy"] for line in noted)


def test_a_log_that_cannot_be_written_is_told(tmp_path):
    log = AuditLog(tmp_path / "gone" / "audit.jsonl")
    with pytest.raises(RunFolderError, match=r"audit log .* cannot be written"):
        log.note_answer(Request(()), ModelIdentity("a", "b", "c", "d"), "", Generation("x", 1, 1, 1.0), ())


@pytest.mark.parametrize(
    ("budget", "told"),
    [
        ({"max_calls": 3}, "3 calls of 3"),
        ({"max_tokens": 2000}, r"tokens of 2,000 .*max_tokens"),
        ({"max_cost": 0.001}, r"in money of 0\.001"),
    ],
)
def test_a_run_stops_at_its_budget_and_goes_on_from_there(tmp_path, monkeypatch, budget, told):
    monkeypatch.setenv("LLM_PRICE_IN", "1")
    store = FolderStore(tmp_path / "answers")
    client, model = recording(store=store)
    with pytest.raises(BudgetReached, match=told) as caught:
        simulator.run(small(tmp_path, advisor={"budget": budget}), client=client)
    assert caught.value.exit_code == 8
    assert "\n" not in str(caught.value)
    assert 0 < len(model.requests) <= 40
    rest, again = recording(store=store)
    result = simulator.run(small(tmp_path), client=rest)
    whole, everything = recording()
    other = simulator.run(small(tmp_path / "other"), client=whole)
    assert len(again.requests) + len(model.requests) == len(everything.requests)
    same = {
        name: content for name, content in files(result.folder).items() if name in ("decisions.jsonl", "equity.csv")
    }
    assert same == {name: files(other.folder)[name] for name in same}
    assert result.folder.name == other.folder.name  # a budget does not make another run


def test_repeating_the_command_gets_there_with_a_small_budget(tmp_path):
    store, stops = MemoryStore(), 0
    while True:
        try:
            simulator.run(small(tmp_path, advisor={"budget": {"max_calls": 10}}), client=recording(store=store)[0])
            break
        except BudgetReached:
            stops += 1
    assert 0 < stops < 20


def test_money_without_prices_is_told_before_anything_is_asked(tmp_path, monkeypatch):
    monkeypatch.delenv("LLM_PRICE_IN", raising=False)
    client, model = recording()
    with pytest.raises(ConfigurationError, match="price_in and price_out"):
        simulator.run(small(tmp_path, advisor={"budget": {"max_cost": 1.0}}), client=client)
    assert model.requests == []


def test_a_wrong_budget_is_told():
    with pytest.raises(ConfigurationError, match=r"max_call.*did you mean 'max_calls'"):
        simulator.Experiment.from_mapping(SMALL | {"advisor": {"budget": {"max_call": 3}}})
    with pytest.raises(ConfigurationError, match="max_calls"):
        simulator.Experiment.from_mapping(SMALL | {"advisor": {"budget": {"max_calls": 0}}})


def test_the_estimate_is_what_the_run_then_does(tmp_path):
    store, seen = MemoryStore(), []
    experiment = small(tmp_path, output={"folder": str(tmp_path / "reports"), "explain": False})

    def run(script=reader):
        client, model = recording(script, store=store)
        told = []
        simulator.run(experiment, client=client, on_estimate=told.append)
        seen.append(told[0])
        return model

    model = run()
    assert (seen[0].on_record, seen[0].seconds, seen[0].cost) == (0, None, None)
    assert seen[0].distinct == seen[0].to_ask == len(model.requests)
    assert "time unknown until the first answers, unpriced; repairs come on top." in seen[0].as_text()
    for key in list(store)[: len(store) // 2]:
        del store[key]
    for key, answer in store.items():
        store[key] = replace(answer, latency_ms=2000.0)
    model = run()
    assert seen[1].to_ask == len(model.requests) == seen[1].distinct - seen[1].on_record
    assert seen[1].seconds == pytest.approx(2.0 * seen[1].to_ask)
    measured = sum(answer.tokens_in + answer.tokens_out for answer in store.values()) / len(store) * seen[1].to_ask
    assert seen[1].tokens == pytest.approx(measured, rel=0.1)
    run()
    assert seen[2].to_ask == 0
    assert "the model is asked nothing" in seen[2].as_text()


def test_an_unknown_time_is_told_after_the_first_answers(tmp_path):
    store, seen = MemoryStore(), []

    def slow(request):
        time.sleep(0.02)
        return reader(request)

    simulator.run(small(tmp_path), client=recording(slow, store=store)[0], on_estimate=seen.append)
    first, later = seen
    assert (first.seconds, replace(later, seconds=None)) == (None, first)
    assert later.seconds >= 0.02 * first.to_ask
    assert "about" in str(later).partition("tokens,")[2]
    assert "repairs and the questions of the explanation come on top" in str(later)


def test_slow_answers_are_warned_of_once_and_stand_on_the_page(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("simulator.runs.advisors.speed.SLOW_SECONDS", 0.01)

    def slow(request):
        time.sleep(0.02)
        return reader(request)

    with caplog.at_level("WARNING", "simulator.runs.advisors.speed"):
        result = simulator.run(small(tmp_path), client=recording(slow)[0])
    (warning,) = [record.getMessage() for record in caplog.records if record.name == "simulator.runs.advisors.speed"]
    assert "Answers of scripted take 0 s in the mean: choose a smaller model" in warning
    usage = result.record.manifest["usage"]
    assert 0.02 <= usage["mean_seconds"] <= usage["seconds"] / usage["asked"] + 0.01
    assert usage["p95_seconds"] >= 0.02
    assert result.facts["model.p95_seconds"].value == usage["p95_seconds"]
    page = (result.folder / "report.md").read_text(encoding="utf-8")
    assert f"a question {result.facts['model.mean_seconds'].text} in the mean, nineteen of twenty within" in page


def test_quick_answers_are_not_warned_of(tmp_path, caplog):
    simulator.run(small(tmp_path), client=recording()[0])
    assert not [record for record in caplog.records if record.name == "simulator.runs.advisors.speed"]


def test_a_speed_that_was_noted_tells_the_time_of_the_first_run(tmp_path, monkeypatch):
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path / "cache"))
    client, seen = recording()[0], []
    experiment = small(tmp_path)
    record_speed(client.identity, way_of_asking(client, experiment.advisor.prompt_options), 60.0)
    simulator.run(experiment, client=client, on_estimate=seen.append)
    (plan,) = seen
    assert plan.seconds == 60.0 * plan.to_ask
    assert f"about {plan.to_ask} min" in str(plan)


@pytest.mark.parametrize("style", ["words", "numbers"])
def test_tokens_are_estimated_before_any_answer(tmp_path, model_path, style):
    seen, store = [], MemoryStore()
    model = ScriptedClient(lambda request: BackendFailure("No answer."))
    experiment = small(tmp_path, advisor={"style": style, "max_failure_rate": 1.0})
    with contextlib.suppress(TooManyFailures):
        simulator.run(experiment, client=RecordingClient(model, model.identity, store), on_estimate=seen.append)
    count = token_counter(read_metadata(model_path))
    asked = {request for request in model.requests if request.form}
    counted = sum(count(message.content) + 4 for request in asked for message in request.messages)
    assert seen[0].tokens == pytest.approx(counted, rel=0.12)


def test_a_price_makes_money_of_tokens():
    assert Prices().cost(10, 10) is None
    assert Prices(tokens_in=3.0).cost(1_000_000, 5) == 3.0
    assert Usage(asked=5, tokens_in=7).since(Usage(asked=2)).asked == 3
