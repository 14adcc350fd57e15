"""Whole runs against a server that fails: nothing lost, nothing doubled, cut off anywhere and gone on with."""

import json
import random
from collections import Counter

import pytest
from failing_server import WAYS_TO_FAIL
from misbehaving_server import GOOD_ADVICE, MODEL, answer, by_turns, serving, status

import simulator
from llm_strategy.advice.ahead import MOST_FAILURES_AHEAD
from llm_strategy.advice.written_prompt import ask_for_advice
from llm_strategy.errors import BackendFailure, ConfigurationError, TooManyFailures
from llm_strategy.llm import FolderStore, RecordingClient, Request
from llm_strategy.llm.backends.ensemble.client import EnsembleClient
from llm_strategy.llm.backends.openai.client import OpenAIBackend
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.reliability.client import Fallback, ResilientClient
from llm_strategy.llm.reliability.policy import RetryPolicy

pytestmark = [pytest.mark.server, pytest.mark.slow]

BARS_BEFORE_THE_FIRST_DECISION = 269


class Unsteady:
    """Fails at random, and some questions always, as each question's text says and how often it was asked, whatever the
    order of the questions; it counts the good answers to each."""

    def __init__(self, rate, always):
        self.answered, self.asked = Counter(), Counter()
        self._rate, self._always = rate, always

    def __call__(self, turn, body):
        question = body["messages"][-1]["content"]
        self.asked[question] += 1
        now = random.Random(f"{question} {self.asked[question]}")
        if self.is_doomed(question) or now.random() < self._rate:
            return now.choice(WAYS_TO_FAIL)
        self.answered[question] += 1
        return answer()

    def is_doomed(self, question):
        return random.Random(question).random() < self._always


def model_at(server, folder, fallbacks=(), **patience):
    model = LLMClient(OpenAIBackend(MODEL, [server.url], answer_format="json_schema", reported_model=MODEL))
    client = ResilientClient(model, RetryPolicy(backoff_s=0.0, **patience), fallbacks)
    client.defaults = Request((), timeout_s=10)
    return RecordingClient(client, client.identity, FolderStore(folder / "answers"))


def experiment(folder, decisions, **advisor):
    return simulator.Experiment.from_mapping(
        {
            "name": "remote",
            "data": {"source": f"synthetic:cycles?bars={BARS_BEFORE_THE_FIRST_DECISION + decisions}&seed=5"},
            "advisor": {"style": "numbers", "decimals": 2, "max_failure_rate": 1.0} | advisor,
            "evaluation": {"bootstrap_samples": 200, "placebos": 19},
            "output": {"folder": str(folder / "reports"), "explain": False},
        }
    )


def cut_off_after(decisions):
    def on_bar(arm, done, total):
        if done == decisions:
            raise KeyboardInterrupt

    return {"on_bar": on_bar}


def cut_off_asking_after(answers):
    def on_answer(answered, questions, at_once):
        assert at_once == 8
        if answered == answers:
            raise KeyboardInterrupt

    return {"on_answer": on_answer}


def test_300_decisions_of_a_server_that_fails_at_random_cut_off_and_gone_on_with(tmp_path):
    unsteady = Unsteady(0.4, always=0.02)
    wanted = experiment(tmp_path, 300)
    with serving(by_turns(unsteady)) as server:
        for stop in (cut_off_asking_after(41), cut_off_asking_after(150), cut_off_after(220)):
            with model_at(server, tmp_path, attempts=2) as client, pytest.raises(KeyboardInterrupt):
                simulator.run(wanted, client=client, **stop)
        with model_at(server, tmp_path, attempts=2) as client:
            result = simulator.run(wanted, client=client)
    (arm,) = result.record.arms
    statuses = Counter(decision["status"] for decision in arm.decisions)
    first = BARS_BEFORE_THE_FIRST_DECISION
    assert [decision["bar"] for decision in arm.decisions] == list(range(first, first + 300))
    assert set(statuses) == {"advised", "abstained"}
    assert 0 < statuses["abstained"] < 40
    for decision in arm.decisions:
        failed = decision["status"] == "abstained"
        assert (decision["advice"] is None) == (decision["answer"] is None) == failed
        assert failed == (asked_in(decision) not in unsteady.answered)
        if failed:
            assert decision["abstention"]["reason"] == "backend_failure"
    distinct = {decision["request"] for decision in arm.decisions}
    assert len(distinct) > 295
    assert set(unsteady.answered.values()) == {1}
    assert len(unsteady.answered) == len({one["request"] for one in arm.decisions if one["answer"] is not None})
    assert all(check.same for check in simulator.replay(result.folder))


def asked_in(decision):
    """The question as the server read it."""
    return ask_for_advice(decision["prompt"], with_form=True, defaults=Request(())).messages[-1].content


def test_a_run_that_cannot_keep_its_failure_rate_ends_at_once_and_goes_on_later(tmp_path):
    wanted = experiment(tmp_path, 200, max_failure_rate=0.1, abort_above_failure_rate=True)
    mended = by_turns(lambda turn, body: answer())
    dies = by_turns(lambda turn, body: answer() if turn < 40 else status(500))
    with serving(dies) as server, model_at(server, tmp_path, attempts=1) as client:
        told = r"21 of 61 decisions failed.*an open breaker aside, is backend_failure: .*start it again"
        with pytest.raises(TooManyFailures, match=told):
            simulator.run(wanted, client=client)
        # Answers of the first forty that come late begin the count of failures in a row again, each of them once.
        at_bars, ahead = 5 + 2, MOST_FAILURES_AHEAD * client.concurrency
        assert 40 + at_bars <= len(server.questions) <= 40 + at_bars + ahead
    assert list((tmp_path / "reports").glob("*.partial"))
    with serving(mended) as server, model_at(server, tmp_path) as client:
        result = simulator.run(wanted, client=client)
        assert len(server.questions) == len({one["request"] for one in result.record.arms[0].decisions}) - 40
    assert not list((tmp_path / "reports").glob("*.partial"))


def events_of(decision):
    return [event["kind"] for event in decision.get("events", [])]


def test_a_rule_in_the_place_of_a_dead_model_is_on_record_and_replays(tmp_path):
    wanted = experiment(tmp_path, 60, fallback="momentum")
    dies = by_turns(lambda turn, body: answer() if turn < 20 else status(500))
    with serving(dies) as server, model_at(server, tmp_path, attempts=2) as client:
        result = simulator.run(wanted, client=client)
    decisions = result.record.arms[0].decisions
    assert Counter(decision["status"] for decision in decisions) == {"advised": 20, "fallback": 40}
    reasons = Counter(decision["instead_of"]["reason"] for decision in decisions if "instead_of" in decision)
    assert reasons["breaker_open"] > reasons["backend_failure"] > 0
    kinds = [kind for decision in decisions for kind in events_of(decision)]
    assert {"retry", "breaker_opened", "breaker_probed"} <= set(kinds)
    assert all(check.same for check in simulator.replay(result.folder))
    facts = {fact["id"]: fact["value"] for fact in json.loads((result.folder / "facts.json").read_text())}
    assert (facts["llm.statuses.fallback"], facts["llm.events.retry"]) == (40, kinds.count("retry"))
    assert "What happened on the way to answers" in (result.folder / "report.html").read_text()


def test_too_many_decisions_of_a_rule_fail_the_run(tmp_path):
    wanted = experiment(tmp_path, 30, fallback="momentum", max_failure_rate=0.5)
    with (
        serving(status(500)) as server,
        model_at(server, tmp_path) as client,
        pytest.raises(TooManyFailures, match="30 of 30"),
    ):
        simulator.run(wanted, client=client)


def test_another_backend_in_the_place_of_a_dead_model_is_on_record_and_replays(tmp_path):
    advice = {"label": "bear", "action": "exit", "action_confidence": "60", "rationale": "Below."}
    other = Fallback("other", lambda: ScriptedClient(lambda request: advice))
    wanted = experiment(tmp_path, 30)
    with serving(status(500)) as server, model_at(server, tmp_path, (other,), attempts=1) as client:
        result = simulator.run(wanted, client=client)
    arm = result.record.arms[0]
    assert {decision["status"] for decision in arm.decisions} == {"fallback"}
    assert arm.manifest["fallbacks"] == ["other"]
    assert all("fallback" in events_of(decision) for decision in arm.decisions)
    assert all(check.same for check in simulator.replay(result.folder))
    with serving(answer()) as server, model_at(server, tmp_path) as client:
        alone = simulator.run(wanted, client=client)
    assert alone.folder != result.folder
    assert {decision["status"] for decision in alone.record.arms[0].decisions} == {"advised"}


def test_the_votes_of_an_ensemble_are_in_journal_and_report(tmp_path):
    def says(label, action):
        return lambda request: {"label": label, "action": action, "action_confidence": "60", "rationale": "Why."}

    def undecided(request):
        falling = "momentum: -" in request.messages[-1].content
        return says("bear", "exit")(request) if falling else says("bull", "hold")(request)

    ensemble = EnsembleClient([ScriptedClient(says("bear", "exit"))] * 2 + [ScriptedClient(undecided, name="other")])
    client = RecordingClient(ensemble, ensemble.identity, FolderStore(tmp_path / "answers"))
    result = simulator.run(experiment(tmp_path, 40), client=client)
    shares = [decision["events"][0]["value"] for decision in result.record.arms[0].decisions]
    assert set(shares) == {0.0, 0.3333}
    facts = {fact["id"]: fact["value"] for fact in json.loads((result.folder / "facts.json").read_text())}
    assert facts["llm.votes.split"] == sum(share > 0 for share in shares)
    assert facts["llm.disagreement"] == pytest.approx(sum(shares) / 40, abs=1e-4)
    assert "Votes of the ensemble" in (result.folder / "report.html").read_text()
    assert all(check.same for check in simulator.replay(result.folder))


def test_what_happens_at_the_second_question_of_a_scored_decision_is_counted_on_the_page(tmp_path):
    asked = Counter()

    def scores(request):
        asked[request.chosen, request.messages] += 1
        if request.chosen and asked[request.chosen, request.messages] == 1:
            return BackendFailure("Down.")
        return json.dumps(dict.fromkeys(request.choices, 1 / len(request.choices)))

    model = ScriptedClient(scores, supports_choices=True)
    client = ResilientClient(model, RetryPolicy(backoff_s=0.0))
    recorded = RecordingClient(client, client.identity, FolderStore(tmp_path / "answers"))
    wanted = experiment(tmp_path, 12, mode="choices", calibration="none")
    result = simulator.run(wanted, client=recorded)
    facts = {fact["id"]: fact["value"] for fact in json.loads((result.folder / "facts.json").read_text())}
    assert facts["llm.statuses.advised"] == facts["llm.events.retry"] == 12
    assert all("events" not in decision for decision in result.record.arms[0].decisions)
    assert all(check.same for check in simulator.replay(result.folder))


def test_another_build_and_another_model_in_mid_run_are_told_on_the_page(tmp_path):
    def moves_on(turn, body):
        return answer(fingerprint=f"build-{1 + (turn >= 10)}", model=MODEL if turn < 20 else "other-model")

    other = Fallback("other", lambda: ScriptedClient(lambda request: GOOD_ADVICE))
    pages = []
    for folder, fallbacks in ((tmp_path / "alone", ()), (tmp_path / "stood in for", (other,))):
        with serving(by_turns(moves_on)) as server, model_at(server, folder, fallbacks, breaker_failures=0) as client:
            client.concurrency = 1  # so that the server's turns are the bars
            result = simulator.run(experiment(folder, 26), client=client)
        facts = {fact["id"]: fact["value"] for fact in json.loads((result.folder / "facts.json").read_text())}
        asked = list(dict.fromkeys(decision["request"] for decision in result.record.arms[0].decisions))
        assert len(asked) == 26
        assert [facts[f"llm.{one}"] for one in ("builds", "other_builds", "events.model_changed")] == [2, 10, 6]
        first = result.record.arms[0].decisions[10]["time"].removesuffix("T00:00:00")
        assert facts["llm.other_build_first"] == first
        pages.append((result.folder / "report.md").read_text())
        assert f"named 2 builds of it. From the close of {first} on, 10 of the decisions rest" in pages[-1]
        assert "The server answered as another model" in pages[-1]
        assert all(check.same for check in simulator.replay(result.folder))
    with serving(answer()) as server, model_at(server, tmp_path / "steady") as client:
        steady = simulator.run(experiment(tmp_path / "steady", 8), client=client)
    assert "not the same throughout" not in (steady.folder / "report.md").read_text()
    assert "another model" not in (steady.folder / "report.md").read_text()


def at_two_addresses(one, other, folder, **options):
    known = {"answer_format": "json_schema", "reported_model": MODEL, "timeout_s": 20}
    model = LLMClient(OpenAIBackend(MODEL, [one.url, other.url], **known, **options))
    return RecordingClient(model, model.identity, FolderStore(folder / "answers"))


def test_addresses_of_other_weights_end_a_run_before_any_question_and_unproven_ones_are_told_on_the_page(tmp_path):
    wanted = experiment(tmp_path, 12)
    with serving(answer(fingerprint="b1")) as one, serving(answer(fingerprint="b2")) as other:
        with (
            at_two_addresses(one, other, tmp_path) as client,
            pytest.raises(ConfigurationError, match=r"the build b1 with its answers, .* do not serve the same weights"),
        ):
            simulator.run(wanted, client=client)
        assert not any("trend" in body["messages"][-1]["content"] for body in (*one.questions, *other.questions))
        with at_two_addresses(one, other, tmp_path, probe=False) as client:
            notes = []
            result = simulator.run(wanted, client=client, on_note=notes.append)
        caveat = (
            "Any of 2 addresses may have answered, and nothing was asked to find out whether all of them serve the "
            "same weights (openai.probe is false)."
        )
        assert caveat in notes
        assert caveat in result.notes
        assert caveat in (result.folder / "report.md").read_text()
        assert all(check.same for check in simulator.replay(result.folder))
        calls = [json.loads(line)["calls"] for line in (result.folder / "audit.jsonl").read_text().splitlines()]
        assert {call["endpoint"] for of_question in calls for call in of_question} == {
            f"endpoint {number} (127.0.0.1:{server.port})" for number, server in ((1, one), (2, other))
        }
