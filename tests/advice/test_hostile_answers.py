"""Answers of a stranger: whatever they hold ends as advice or as an invalid answer, soon, replayable, and never as the
end of a run."""

import dataclasses
import json
import logging
import time

import pytest
from hostile_answers import HOSTILE, SNAPSHOT, in_mode, line_of, replayed, tiny
from misbehaving_server import GOOD_ADVICE
from small_run import recording

import simulator
from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.contract import parse_answer
from llm_strategy.advice.modes import json as json_mode
from llm_strategy.advice.options import PromptOptions
from llm_strategy.errors import BudgetReached, ContractError, RunFolderError, TooManyFailures
from llm_strategy.llm import FolderStore, MemoryStore, RecordingClient
from llm_strategy.llm.backends.ensemble.client import EnsembleClient
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.requests import request_hash
from llm_strategy.llm.structured.answer_text import LARGEST_ANSWER, beginning
from llm_strategy.llm.structured.json_repair import can_become_json
from llm_strategy.types import AbstentionReason, Status

pytestmark = pytest.mark.slow

MOST_SECONDS = 10.0
"""A guard against hours: what is bounded takes well under one, also on a slow machine."""


@pytest.mark.parametrize("mode", ["json", "lenient", "slots", "choices"])
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
    again = json_mode.ask_for_repair(first, text, told_then)
    key = request_hash(again, advisor.client.identity)
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
    monkeypatch.setattr(json_mode, "parse_answer", poisoned)


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

        def raising(request, problem=problem):
            raise problem

        advisor = ModelAdvisor(ScriptedClient(raising), options=PromptOptions("json"))
        with pytest.raises(type(problem)):
            advisor.decide(SNAPSHOT)


def test_a_backend_that_an_answer_breaks_is_an_abstention_that_replays():
    def breaks(request):
        raise KeyError("choices")

    advisor = ModelAdvisor(ScriptedClient(breaks), options=PromptOptions("json"))
    decision = advisor.decide(SNAPSHOT)
    assert decision.abstention.detail == "answer: cannot be read (KeyError)"
    line = line_of(decision)
    assert line_of(replayed(advisor, line)) == line


@pytest.mark.parametrize("name", ["open braces", "half a pair", "a long symbol", "commas", "thoughts alone"])
def test_a_member_of_an_ensemble_that_answers_so_has_no_vote(name):
    members = [ScriptedClient(lambda request, text=text: text) for text in (GOOD_ADVICE, GOOD_ADVICE, HOSTILE[name])]
    advisor = ModelAdvisor(EnsembleClient(members), options=PromptOptions("json"))
    decision = advisor.decide(SNAPSHOT)
    assert decision.advice.regime.label == "bear"
    line = line_of(decision)
    assert len(line) < 10_000
    assert line_of(replayed(advisor, line)) == line


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
        advises = request.json_mode and "rationale" in str(request.messages)
        return json.loads(GOOD_ADVICE) if advises else text

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
