"""Answers of a stranger: whatever they hold ends as advice or as an invalid answer, soon, replayable, and never as the
end of a run."""

import dataclasses
import json
import logging
import time

import pytest
from misbehaving_server import GOOD_ADVICE
from small_run import recording, small

import simulator
from llm_strategy import conversation
from llm_strategy.advisor import ModelAdvisor
from llm_strategy.answer_text import LARGEST_ANSWER, beginning
from llm_strategy.contract import parse_answer
from llm_strategy.errors import BudgetReached, ContractError, RunFolderError, TooManyFailures
from llm_strategy.journal import decision_line
from llm_strategy.llm import FolderStore, Generation, MemoryStore, RecordingClient
from llm_strategy.llm.backends.ensemble import EnsembleClient
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.bill import Prices
from llm_strategy.llm.cut_json import can_become_json
from llm_strategy.reading import Reading
from llm_strategy.risk import Account, Limits, Market, judge
from llm_strategy.types import AbstentionReason, Snapshot, Status
from simulator.answers import JournalClient

SNAPSHOT = Snapshot("SECRETCO", "1d", "2008-10-10T00:00:00", 899.22, -0.2, -0.1, 0.03, 0.99, -0.4, 0.1, 1.5)
SCORED = Reading("choices", "fixed", layout="turns")
MOST_SECONDS = 1.0
LONG = 300_000
LABELS = {" bull": 0.5, " bear": 0.3, " sideways": 0.1, " turbulent": 0.1}
ACTIONS = {" enter_long": 0.9, " enter_short": 0.0, " exit": 0.06, " hold": 0.04}


def tiny(tmp_path, **sections):
    """An experiment of some fifty decisions."""
    return small(tmp_path, data={"source": "synthetic:cycles?bars=320&seed=5"}, **sections)


def told(**fields):
    return json.dumps(json.loads(GOOD_ADVICE) | fields)


HOSTILE = {
    "nothing": "",
    "fence and line feeds": "```json\n" + "\n" * LONG,
    "fences and line feeds": "```" + "\n" * LONG + "```",
    "advice and spaces": GOOD_ADVICE + " " * LONG,
    "line feeds and advice": "\n" * LONG + GOOD_ADVICE,
    "open braces": "{" * LONG,
    "empty objects": "{}" * 9_000,
    "open lists": "[" * LONG,
    "lists around advice": "[" * 950 + " x " + GOOD_ADVICE,
    "lists within lists": "[" * 9_000 + "]" * 9_000,
    "objects within objects": '{"a":' * 3_000 + "1" + "}" * 3_000,
    "quotation marks": '"' * LONG,
    "backslashes": '{"rationale": "' + "\\" * LONG,
    "thoughts without end": "<think>" * (LONG // 7),
    "ends of thoughts": "</think>" * (LONG // 8),
    "thoughts and advice and more": "<think>a</think>" * 900 + GOOD_ADVICE + "x" * LONG,
    "thoughts alone": "<think>" + "hm " * 60_000 + "</think>",
    "channels": "<|channel|>final<|message|>" * 700,
    "half a pair": "Bull \ud83d and more",
    "half a pair escaped": told(rationale="\udfff"),
    "half a pair in a key": json.dumps({"\ud800": 1}),
    "half a pair in a label": told(regime={"label": "\ud800"}),
    "integer of 5000 digits": told().replace("0.7", "9" * 5_000),
    "integer of 400 digits": told().replace("0.7", "1" + "0" * 400),
    "not finite": told().replace("0.7", "1e999"),
    "no number": told().replace("0.7", "NaN"),
    "negative infinity": told().replace("0.7", "-Infinity"),
    "confidence as text": told(action={"type": "exit", "confidence": "0.7"}),
    "confidence as truth": told(action={"type": "exit", "confidence": True}),
    "next to nothing": told().replace("0.7", "1e-320"),
    "a key twice": '{"rationale": "a", ' + GOOD_ADVICE[1:],
    "3,000 keys": json.dumps({str(number): 1 for number in range(2_000)}),
    "a key of zero width": told(**{"ac\u200btion": {}}),
    "a long key": json.dumps({"x" * 19_000: 1}),
    "a long symbol": told(symbol="x" * 19_000),
    "lines of JSON": (GOOD_ADVICE + "\n") * 150,
    "line separators": "\u2028" * 9_000 + GOOD_ADVICE,
    "byte order marks": "\ufeff" * 9_000 + GOOD_ADVICE,
    "commas": "," * LONG,
    "a price of digits": told(rationale="it will rise to " + "1" * 580),
    "numbers": "[" + "1," * 9_000 + "1]",
    "a scalar": "12",
    "null": "null",
    "a list": "[1]",
}


def in_mode(mode, text):
    """An advisor whose model says nothing but this text."""
    if mode == "choices":
        return ModelAdvisor(ScriptedClient(lambda request: text, supports_choices=True), reading=SCORED)
    client = ScriptedClient(lambda request: text, supports_forms=mode == "slots")
    return ModelAdvisor(client, reading=Reading(mode))


def line_of(decision):
    verdict = judge(decision.advice, Market(decision.snapshot.close), Account(1e5, 1e5), Limits())
    return decision_line(1, decision, verdict)


def replayed(advisor, line):
    """The same decision from its line in a journal."""
    sampler = {"temperature": 0.0, "max_tokens": 512, "seed": None}
    client = JournalClient(advisor.client.identity, sampler, [json.loads(line)])
    decision = ModelAdvisor(client, reading=advisor.wanted_reading, remember=False, repairs=advisor.repairs).decide(
        SNAPSHOT
    )
    client.finish()
    return decision


@pytest.mark.parametrize("mode", ["json", "slots", "choices"])
@pytest.mark.parametrize("name", HOSTILE)
def test_any_answer_is_advice_or_invalid_soon_and_replays(name, mode):
    advisor = in_mode(mode, HOSTILE[name])
    begin = time.process_time()
    decision = advisor.decide(SNAPSHOT)
    line = line_of(decision)
    assert time.process_time() - begin < MOST_SECONDS
    assert decision.abstention is None or decision.abstention.reason in (AbstentionReason.INVALID, "denied")
    assert len(line) < 8 * LARGEST_ANSWER or "thoughts" in name
    assert line_of(replayed(advisor, line)) == line
    for request in advisor.client.requests:
        assert len(json.dumps([message.content for message in request.messages]).encode()) < 30_000
        for message in request.messages:
            message.content.encode()


def test_most_of_them_are_invalid():
    said = {name: in_mode("json", text).decide(SNAPSHOT).status for name, text in HOSTILE.items()}
    assert {name for name, status in said.items() if status is not Status.ABSTAINED} == {
        "line separators",
        "byte order marks",
        "next to nothing",
    }


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("x" * 900_000, LARGEST_ANSWER + 1),
        ("x" * (LARGEST_ANSWER + 1), LARGEST_ANSWER + 1),
        ("x" * LARGEST_ANSWER, LARGEST_ANSWER),
        ("<think>" + "y" * 50_000 + "</think>" + GOOD_ADVICE, 50_015 + len(GOOD_ADVICE)),
        ("<think>" + "y" * 50_000 + "</think>" + "x" * 90_000, 50_015 + LARGEST_ANSWER + 1),
        ("y" * 50_000 + "</think>" + "x" * 90_000, 50_008 + LARGEST_ANSWER + 1),
        ("<think>" + "y" * 900_000 + "</think>" + GOOD_ADVICE, LARGEST_ANSWER + 1),
    ],
    ids=["long", "one more", "whole", "thoughts", "thoughts and long", "end of thoughts", "long thoughts"],
)
def test_a_journal_keeps_as_much_as_is_judged(text, kept):
    assert len(beginning(text)) == kept
    assert text.startswith(beginning(text))
    assert beginning(beginning(text)) == beginning(text)
    decision = in_mode("json", text).decide(SNAPSHOT)
    assert len(decision.exchanges[0].answer) == kept
    assert (decision.advice is None) == (GOOD_ADVICE not in beginning(text))


def test_a_folder_that_kept_a_long_answer_whole_replays_as_it_is():
    text = "x" * 90_000
    advisor = in_mode("json", text)
    line = json.loads(line_of(advisor.decide(SNAPSHOT)))
    told_then = "answer: has 90000 characters, at most 20000 are read"
    first = advisor.client.requests[0]
    again = conversation.ask_for_repair(first, text, told_then)
    key = conversation.request_hash(again, advisor.client.identity)
    line |= {
        "answer": text,
        "repair": {"answer": text, "request": key},
        "abstention": {"detail": told_then, "reason": "invalid"},
    }
    written = json.dumps(line, sort_keys=True, separators=(",", ":"))
    assert json.loads(line_of(replayed(advisor, written))) == line


def poisoned(text, **about):
    """Our own reading of an answer, with a fault that one answer brings to light."""
    if "poison" in text:
        raise RuntimeError("a fault of our own")
    return parse_answer(text, **about)


@pytest.fixture
def fault(monkeypatch):
    monkeypatch.setattr(conversation, "parse_answer", poisoned)


def poisoning(request):
    asked = [message.content for message in request.messages if message.role == "user"]
    market = next(text for text in reversed(asked) if not text.startswith("Your answer"))
    return "poison" if "below" in market else json.loads(GOOD_ADVICE)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_fault_of_our_own_is_an_abstention_with_a_line_in_the_log(tmp_path, fault, caplog, concurrency):
    store = FolderStore(tmp_path / "answers")
    for _ in range(2):
        model = ScriptedClient(poisoning, supports_forms=False)
        model.concurrency = concurrency
        client = RecordingClient(model, model.identity, store)
        sections = {"evaluation": {"draws": 2, "bootstrap_samples": 200}} if concurrency == 1 else {}
        with caplog.at_level(logging.WARNING, "llm_strategy"):
            result = simulator.run(tiny(tmp_path, advisor={"max_failure_rate": 1.0}, **sections), client=client)
        failed = [line for line in result.record.arms[0].decisions if line["abstention"]]
        assert {json.dumps(line["abstention"], sort_keys=True) for line in failed} == {
            '{"detail": "answer: cannot be read (RuntimeError)", "reason": "invalid"}'
        }
        assert f"request {failed[0]['request'][:12]} cannot be read (RuntimeError)" in caplog.text
        caplog.clear()
    assert all(check.same for check in simulator.replay(result.folder))


def test_what_goes_wrong_before_an_answer_is_not_an_answers(fault):
    for problem in (BudgetReached("used up"), RunFolderError("full"), KeyboardInterrupt(), OSError("no disk")):
        advisor = in_mode("json", problem)

        def raising(request, problem=problem):
            raise problem

        advisor.client._script = raising
        with pytest.raises(type(problem)):
            advisor.decide(SNAPSHOT)


def test_a_backend_that_an_answer_breaks_is_an_abstention_that_replays():
    def breaks(request):
        raise KeyError("choices")

    advisor = in_mode("json", "")
    advisor.client._script = breaks
    decision = advisor.decide(SNAPSHOT)
    assert decision.abstention.detail == "answer: cannot be read (KeyError)"
    line = line_of(decision)
    assert line_of(replayed(advisor, line)) == line


BAD_SCORES = {
    "next to nothing": LABELS | {" bull": 1e-320},
    "no number": json.dumps(LABELS | {" bull": float("nan")}),
    "infinity": json.dumps(LABELS | {" bull": float("inf")}),
    "400 digits": json.dumps(LABELS).replace("0.5", "1" + "0" * 400),
    "5000 digits": json.dumps(LABELS).replace("0.5", "9" * 5_000),
    "negative": LABELS | {" bull": -0.1},
    "more than 1": LABELS | {" bull": 1.5},
    "as text": LABELS | {" bull": "0.5"},
    "as truth": LABELS | {" bull": True},
    "null": LABELS | {" bull": None},
    "sum of 4": dict.fromkeys(LABELS, 1.0),
    "sum of 0": dict.fromkeys(LABELS, 0.0),
    "sum of 0.1": {" bull": 0.1},
    "other labels": {"up": 0.5, "down": 0.5},
    "one label more": LABELS | {" calm": 0.1},
    "twice": json.dumps(LABELS)[:-1] + ', " bull": 0.1}',
    "a list": [0.5, 0.5],
    "long": json.dumps(LABELS) + " " * LONG,
}


@pytest.mark.parametrize("calibration", ["none", "content_free", "batch"])
@pytest.mark.parametrize("name", BAD_SCORES)
def test_bad_scores_are_invalid_and_asked_again_by_the_next_command(name, calibration):
    bad = BAD_SCORES[name]
    text = bad if isinstance(bad, str) else json.dumps(bad)
    reading = dataclasses.replace(SCORED, calibration=calibration)
    store = MemoryStore()
    for labels, status in ((text, Status.ABSTAINED), (LABELS, Status.ADVISED)):

        def answers(request, labels=labels):
            return ACTIONS if " exit" in request.choices else labels

        model = ScriptedClient(answers, supports_choices=True)
        advisor = ModelAdvisor(RecordingClient(model, model.identity, store), reading=reading)
        assert bool(advisor.unusable_on_record(SNAPSHOT)) == (status is Status.ADVISED)
        decision = advisor.decide(SNAPSHOT)
        assert decision.status is status
        line = line_of(decision)
        assert line_of(replayed(advisor, line)) == line
        assert decision.abstention is None or decision.abstention.reason is AbstentionReason.INVALID


@pytest.mark.parametrize("rationale", ["x" * 601, "at " + "1" * LONG, "target" + " " * LONG, "half \ud83d"])
def test_a_rationale_of_a_scored_decision_is_bounded_text(rationale):
    def answers(request):
        if not request.choices:
            return {"rationale": rationale}
        return LABELS if " bull" in request.choices else ACTIONS

    client = ScriptedClient(answers, supports_choices=True)
    advisor = ModelAdvisor(client, reading=dataclasses.replace(SCORED, rationale="always"))
    decision = advisor.decide(SNAPSHOT)
    if rationale.startswith("target"):
        assert decision.advice.rationale == "target"
    else:
        assert decision.abstention.detail.startswith("rationale: ")


def test_bad_scores_on_record_cost_no_run_and_leave_a_calibration_of_the_others(tmp_path):
    def answers(request):
        bad = "below" in request.messages[-1].content and any("bull" in choice for choice in request.choices)
        return dict(zip(request.choices, [1e-320 if bad else 0.5, 0.3, 0.1, 0.1], strict=False))

    client = RecordingClient(
        model := ScriptedClient(answers, supports_choices=True), model.identity, FolderStore(tmp_path / "answers")
    )
    wanted = tiny(tmp_path, advisor={"mode": "choices", "examples": "fixed", "max_failure_rate": 1.0})
    result = simulator.run(wanted, client=client)
    assert {line["status"] for line in result.record.arms[0].decisions} == {"advised", "abstained"}
    assert json.loads((result.folder / "calibration.json").read_text())["labels"]["bull"] == 0.5
    assert all(check.same for check in simulator.replay(result.folder))


@pytest.mark.parametrize("name", ["open braces", "half a pair", "a long symbol", "commas", "thoughts alone"])
def test_a_member_of_an_ensemble_that_answers_so_has_no_vote(name):
    members = [ScriptedClient(lambda request, text=text: text) for text in (GOOD_ADVICE, GOOD_ADVICE, HOSTILE[name])]
    advisor = ModelAdvisor(EnsembleClient(members), reading=Reading("json"))
    decision = advisor.decide(SNAPSHOT)
    assert decision.advice.regime.label == "bear"
    line = line_of(decision)
    assert len(line) < 10_000
    assert line_of(replayed(advisor, line)) == line


@pytest.mark.parametrize("count", [-1, 10**400, True, "12", None, float("nan"), float("inf")], ids=str)
def test_a_count_that_is_none_is_0(count):
    answer = Generation("{}", count, count, count)
    assert (answer.tokens_in, answer.tokens_out, answer.latency_ms) == (0, 0, 0)
    assert Prices(1.0, 1.0).cost(answer.tokens_in, answer.tokens_out) == 0


@pytest.mark.parametrize("options", [{"json_mode": True}, {"schema": "advice"}], ids=["json", "schema"])
@pytest.mark.parametrize("name", ["open braces", "open lists", "commas", "advice and spaces", "backslashes", "nothing"])
def test_json_of_a_script_is_read_soon_or_refused(name, options):
    for finish in ("stop", "length"):

        class Model(ScriptedClient):
            def complete(self, request, on_delta=None, finish=finish):
                return dataclasses.replace(super().complete(request, on_delta), finish=finish)

        begin = time.process_time()
        with pytest.raises(ContractError):
            Model([HOSTILE[name]]).generate("Which?", **options)
        assert time.process_time() - begin < MOST_SECONDS


@pytest.mark.parametrize(
    "text", ["9" * 5_000, '{"a": ' + "9" * 5_000, "[" * 5_000], ids=["digits", "in object", "lists"]
)
def test_what_cannot_be_read_cannot_become_json(text):
    assert not can_become_json(text)


@pytest.mark.parametrize("text", ["half \ud83d a pair.", "," * 100_000, "x" * 900_000], ids=["half", "commas", "long"])
def test_an_explanation_of_any_words_ends_no_report(tmp_path, text):
    def answers(request):
        return json.loads(GOOD_ADVICE) if request.json_mode else text

    model = ScriptedClient(answers, supports_forms=False)
    client = RecordingClient(model, model.identity, MemoryStore())
    result = simulator.run(tiny(tmp_path), client=client)
    assert len((result.folder / "explanation.json").read_text()) < 1_000_000
    assert all(check.same for check in simulator.replay(result.folder))


def test_a_run_of_nothing_but_hostile_answers_is_told_and_kept(tmp_path):
    turns = iter(range(10_000))
    texts = list(HOSTILE.values())
    client, _ = recording(lambda request: texts[next(turns) % len(texts)])
    with pytest.raises(TooManyFailures, match="Everything is kept in"):
        simulator.run(tiny(tmp_path), client=client)
