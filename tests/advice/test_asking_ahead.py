"""The questions of a run, asked ahead and side by side: the same journal, and nothing asked that the run would not
ask."""

import hashlib
import itertools
import json
import random
import signal
import threading
import time
from collections import Counter

import misbehaving_server as server_that
import pytest
from misbehaving_server import GOOD_ADVICE, MODEL, answer, by_turns, serving, status

import simulator
from llm_strategy.advice.ahead import MOST_FAILURES_AHEAD
from llm_strategy.advice.written_prompt import ask_for_advice
from llm_strategy.errors import AnswerNotRecorded, BudgetReached
from llm_strategy.llm import FolderStore, Generation, MemoryStore, RecordingClient, Request
from llm_strategy.llm.backends.ensemble.client import EnsembleClient
from llm_strategy.llm.backends.openai.client import OpenAIBackend
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.concurrency.parallel import side_by_side
from llm_strategy.llm.reliability.client import ResilientClient
from llm_strategy.llm.reliability.policy import RetryPolicy

pytestmark = [pytest.mark.server, pytest.mark.slow]

FIRST_DECISION = 269
LABELS = ("bull", "bear", "sideways", "turbulent")


def number_of(text):
    """A number that follows from a text alone."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])


def conversation(body):
    """The whole of a question as one text."""
    return json.dumps(body["messages"])


def read(turn, body):
    """Advice that depends on the question, later for some questions than for others; now and then it is no advice."""
    number = number_of(conversation(body))
    label, name = LABELS[number % 4], "".join(chr(ord("a") + int(digit)) for digit in str(number))
    advice = {"rationale": f"As {name}.", "regime": {"label": label}, "action": {"type": "hold", "confidence": 0.7}}
    text = "What?" if number % 7 == 0 else json.dumps(advice)

    def behave(connection, server):
        time.sleep(number % 5 / 400)
        answer(text)(connection, server)

    return behave


def connected(server, concurrency, **patience):
    model = LLMClient(
        OpenAIBackend(MODEL, [server.url], answer_format="json_schema", reported_model=MODEL, concurrency=concurrency)
    )
    client = ResilientClient(model, RetryPolicy(backoff_s=0.0, **patience))
    client.defaults = Request((), timeout_s=20)
    return client


def model_at(server, concurrency, store=None, mode="live", **patience):
    client = connected(server, concurrency, **patience)
    return RecordingClient(client, client.identity, MemoryStore() if store is None else store, mode)


def experiment(folder, decisions=40, data=None, **advisor):
    source = f"synthetic:cycles?bars={FIRST_DECISION + decisions}&seed=5"
    return simulator.Experiment.from_mapping(
        {
            "name": "ahead",
            "data": data or {"source": source},
            "advisor": {"style": "numbers", "decimals": 2, "max_failure_rate": 1.0} | advisor,
            "evaluation": {"bootstrap_samples": 200},
            "output": {"folder": str(folder), "explain": False},
        }
    )


def journal_of(result):
    return (result.folder / "decisions.jsonl").read_bytes()


def questions_of(server):
    return Counter(map(conversation, server.questions))


TWO = {"sources": {name: f"synthetic:cycles?bars=320&seed={seed}" for name, seed in (("ONE", 3), ("TWO", 4))}}
WEEKS = {"source": "synthetic:cycles?bars=1600&seed=5", "decide_on": "1w"}
WAYS = {
    "values": {},
    "whole objects": {"mode": "json"},
    "nearest": {"examples": {"nearest": 3}},
    "balanced": {"examples": {"balanced": 4}, "decimals": 0},
    "words, which repeat": {"style": "words", "decimals": 0},
    "every third bar": {"decide_every": 3, "examples": {"nearest": 3}},
    "changed text": {"decide_when": "changed", "style": "words", "decimals": 0, "examples": {"nearest": 3}},
    "two symbols": {"data": TWO, "examples": {"nearest": 3}},
    "weeks": {"data": WEEKS},
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_the_journal_is_the_same_whether_questions_are_asked_ahead_or_not(tmp_path, way):
    journals, asked = [], []
    for concurrency in (1, 8):
        with serving(by_turns(read)) as server, model_at(server, concurrency) as client:
            result = simulator.run(experiment(tmp_path / str(concurrency), **way), client=client)
            journals.append(journal_of(result))
            asked.append(questions_of(server))
            assert (server.most_open > 1) == (concurrency > 1)
            assert client.usage.asked == len(server.questions)
    assert journals[0] == journals[1]
    assert asked[0] == asked[1]
    assert len(set(journals[0].splitlines())) > 5
    assert b"second attempt" in journals[0] or len(asked[0]) < 30


class SlowScorer(ScriptedClient):
    """Scores side by side, and counts how many scores are under way at once."""

    def __init__(self, concurrency):
        super().__init__(self.probabilities, supports_choices=True)
        self.concurrency = concurrency
        self.under_way = self.most_under_way = 0
        self._counting = threading.Lock()

    def probabilities(self, request):
        if request.form:
            return {"rationale": f"As {number_of(request.opening)}."}
        weights = [1 + number_of(f"{request.messages}{request.opening}{choice}") % 1000 for choice in request.choices]
        return {choice: weight / sum(weights) for choice, weight in zip(request.choices, weights, strict=True)}

    def complete(self, request, on_delta=None):
        with self._counting:
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        time.sleep(0.002)
        try:
            return super().complete(request, on_delta)
        finally:
            with self._counting:
                self.under_way -= 1


SCORED = {
    "fixed": ({"examples": "fixed", "calibration": "none"}, True),
    "nearest": ({"examples": {"nearest": 3}}, True),
    "a prior for all": ({"examples": "fixed", "calibration": "content_free"}, True),
    "always a reason": ({"examples": {"nearest": 2}, "rationale": "always"}, True),
    "calibrated by what was answered before": ({"calibration": "batch"}, False),
    "a reason where the answer changes": ({"rationale": "changes"}, False),
}


@pytest.mark.parametrize(("way", "ahead"), SCORED.values(), ids=SCORED)
def test_scored_decisions_are_asked_ahead_where_none_depends_on_another(tmp_path, way, ahead):
    journals, asked = [], []
    for concurrency in (1, 8):
        model = SlowScorer(concurrency)
        client = RecordingClient(model, model.identity, MemoryStore())
        result = simulator.run(experiment(tmp_path / str(concurrency), mode="choices", **way), client=client)
        journals.append(journal_of(result))
        asked.append(Counter(model.requests))
        assert model.most_under_way > 1 if ahead and concurrency > 1 else model.most_under_way == 1
    assert journals[0] == journals[1]
    assert asked[0] == asked[1]
    assert set(asked[0].values()) == {1}


def test_64_at_once_in_a_run_land_at_their_own_bars(tmp_path):
    def name_of(question):
        return hashlib.sha256(question.encode()).hexdigest()[:12].translate(str.maketrans("0123456789", "ghijklmnop"))

    everybody = threading.Barrier(64, timeout=60)

    def echo(turn, body):
        text = json.dumps(json.loads(GOOD_ADVICE) | {"rationale": name_of(body["messages"][-1]["content"])})

        def behave(connection, server):
            if MOST_FAILURES_AHEAD <= turn < MOST_FAILURES_AHEAD + 64:
                everybody.wait()
            time.sleep(turn * 7 % 5 / 200)
            answer(text)(connection, server)

        return behave

    with serving(by_turns(echo)) as server, model_at(server, 64) as client:
        result = simulator.run(experiment(tmp_path, 150), client=client)
    assert server.most_open == 64
    (arm,) = result.record.arms
    assert [decision["bar"] for decision in arm.decisions] == list(range(FIRST_DECISION, FIRST_DECISION + 150))
    for decision in arm.decisions:
        asked = ask_for_advice(decision["prompt"], with_form=True, defaults=Request(())).messages[-1].content
        assert decision["advice"]["rationale"] == name_of(asked)
    assert set(questions_of(server).values()) == {1}


def test_an_ensemble_votes_ahead_too(tmp_path):
    def moody(turn, body):
        return status(500) if number_of(conversation(body)) % 9 == 0 else read(turn, body)

    journals = []
    with serving(by_turns(read)) as steady, serving(by_turns(moody)) as other:
        for concurrency in (1, 8):
            members = [connected(server, concurrency, attempts=1) for server in (steady, steady, other)]
            with EnsembleClient(members) as ensemble:
                client = RecordingClient(ensemble, ensemble.identity, MemoryStore())
                journals.append(journal_of(simulator.run(experiment(tmp_path / str(concurrency)), client=client)))
    assert journals[0] == journals[1]
    assert b'"absent"' in journals[0]


def test_failures_that_stay_leave_breaker_and_statuses_as_they_are_without_the_stage(tmp_path):
    def sometimes(turn, body):
        doomed = random.Random(body["messages"][-1]["content"]).random() < 0.12
        return status(500) if doomed else read(turn, body)

    with serving(by_turns(sometimes)) as server:
        journals = []
        for concurrency in (1, 8):
            with model_at(server, concurrency, attempts=2, breaker_failures=3) as client:
                journals.append(journal_of(simulator.run(experiment(tmp_path / str(concurrency), 100), client=client)))
    assert journals[0] == journals[1]
    assert journals[0].count(b'"backend_failure"') > 6
    assert b"breaker_open" not in journals[0]


def test_a_dead_server_is_left_alone_and_the_run_fares_as_without_the_stage(tmp_path):
    asked, journals = [], []
    with serving(status(500)) as server:
        for concurrency in (1, 64):
            before = len(server.questions)
            with model_at(server, concurrency, attempts=1) as client:
                journals.append(journal_of(simulator.run(experiment(tmp_path / str(concurrency)), client=client)))
            asked.append(len(server.questions) - before)
    assert journals[0] == journals[1]
    assert asked[0] < asked[1] <= asked[0] + 2 * MOST_FAILURES_AHEAD - 1


def test_a_budget_of_calls_is_kept_to_the_call_and_the_same_command_goes_on(tmp_path):
    store, given = FolderStore(tmp_path / "answers"), []
    with serving(by_turns(read)) as server:
        for _ in range(20):
            before = len(server.questions)
            wanted = experiment(tmp_path / "runs", budget={"max_calls": 7}, answers="refresh")
            try:
                with model_at(server, 8, store, "refresh") as client:
                    result = simulator.run(wanted, client=client)
                break
            except BudgetReached:
                given.append(len(server.questions) - before)
        assert len(given) > 4
        assert set(given) == {7}
        assert set(questions_of(server).values()) == {1}
    with serving(by_turns(read)) as server, model_at(server, 1) as client:
        assert journal_of(simulator.run(experiment(tmp_path / "whole"), client=client)) == journal_of(result)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals are sent to one thread")
def test_an_interruption_is_prompt_though_the_server_hangs_and_answers_are_kept(tmp_path):
    store, main = FolderStore(tmp_path / "answers"), threading.main_thread().ident

    def hangs(turn, body):
        if turn < 20:
            return read(turn, body)
        if turn == 20:
            threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGINT)).start()
        return server_that.hang

    with serving(by_turns(hangs)) as server, model_at(server, 8, store) as client:
        begin = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            simulator.run(experiment(tmp_path), client=client)
        assert time.monotonic() - begin < 15
    with serving(by_turns(read)) as rest, model_at(rest, 8, store) as client:
        simulator.run(experiment(tmp_path), client=client)
    with serving(by_turns(read)) as whole, model_at(whole, 1) as client:
        simulator.run(experiment(tmp_path / "whole"), client=client)
    assert len(rest.questions) == len(whole.questions) - 20


def test_the_audit_log_has_one_line_for_each_call(tmp_path):
    with serving(by_turns(read)) as server, model_at(server, 8) as client:
        result = simulator.run(experiment(tmp_path, 60), client=client)
    lines = [json.loads(line) for line in (result.folder / "audit.jsonl").read_text().splitlines()]
    assert Counter(map(conversation, lines)) == questions_of(server)
    for line in lines:
        assert not line["cached"]
        assert line["failure"] is None
    decisions = {decision["request"]: decision for decision in result.record.arms[0].decisions}
    judged = {line["request"]: line["status"] for line in lines if line["request"] in decisions}
    repaired = {request for request, decision in decisions.items() if decision["repair"]}
    assert repaired
    assert {request: decision["status"] for request, decision in decisions.items() if not decision["repair"]} == {
        request: told for request, told in judged.items() if request not in repaired
    }


def test_replay_asks_nothing_and_refresh_asks_each_question_once_more(tmp_path):
    store = MemoryStore()
    with serving(by_turns(read)) as server:
        with model_at(server, 8, store, "replay") as client, pytest.raises(AnswerNotRecorded):
            simulator.run(experiment(tmp_path / "none"), client=client)
        assert server.questions == []
        for mode, times in (("live", 1), ("live", 1), ("replay", 1), ("refresh", 2)):
            with model_at(server, 8, store, mode) as client:
                simulator.run(experiment(tmp_path / mode), client=client)
            assert set(questions_of(server).values()) == {times}


def test_progress_is_told(tmp_path):
    told = []
    with serving(by_turns(read)) as server, model_at(server, 8) as client:
        simulator.run(experiment(tmp_path), client=client, on_answer=lambda *progress: told.append(progress))
    assert told == [(done, 40, 8) for done in range(1, 41)]


def test_seconds_in_which_several_are_asked_count_once():
    class Slow(ScriptedClient):
        concurrency = 4

        def complete(self, request, on_delta=None):
            time.sleep(0.2)
            return Generation("x", 1, 1, 200.0)

    model = Slow([])
    client = RecordingClient(model, model.identity, MemoryStore())
    begin = time.monotonic()
    client.batch([f"question {number}" for number in range(8)])
    assert client.usage.asked == 8
    assert 0.4 <= client.usage.seconds <= time.monotonic() - begin


def test_equal_questions_of_several_threads_are_asked_once():
    class Slow(ScriptedClient):
        concurrency = 8

        def complete(self, request, on_delta=None):
            time.sleep(0.05)
            return super().complete(request, on_delta)

    model = Slow(lambda request: "x")
    client = RecordingClient(model, model.identity, MemoryStore())
    answers = client.batch(["the same"] * 8)
    assert len(model.requests) == 1
    assert sorted(answer.cached for answer in answers) == [False, *[True] * 7]


def test_what_raises_begins_nothing_more_and_loses_nothing_under_way():
    begun, done = [], []
    everybody = threading.Barrier(3, timeout=10)

    def work(item):
        begun.append(item)
        everybody.wait()
        if item == 0:
            raise BudgetReached("Enough.")
        time.sleep(0.05)
        return item

    with pytest.raises(BudgetReached):
        side_by_side(work, itertools.count(), 3, lambda item, result: done.append(result))
    assert sorted(begun) == [0, 1, 2]
    assert sorted(done) == [1, 2]
