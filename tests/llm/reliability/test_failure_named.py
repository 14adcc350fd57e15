"""Where too many decisions fail, the reason that is told is that of the model, and not the breaker that it opened."""

import pytest
from small_run import reader, recording, small

import simulator
from llm_strategy.errors import AnswerTimeout, BackendRefused, TooManyFailures
from llm_strategy.llm import MemoryStore, RecordingClient
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.reliability.client import ResilientClient
from llm_strategy.llm.reliability.policy import RetryPolicy
from llm_strategy.types import Abstention, AbstentionReason
from simulator.runs.arms import commonest

REASONS = AbstentionReason


def run(tmp_path, script):
    model = ResilientClient(
        ScriptedClient(script), RetryPolicy(attempts=1, breaker_failures=2, breaker_pause=7), sleep=lambda seconds: None
    )
    client = RecordingClient(model, model.identity, MemoryStore())
    simulator.compare(small(tmp_path, arms=["llm"]), client=client)


@pytest.mark.parametrize(
    "problem", [BackendRefused("The template knows no system role."), AnswerTimeout("No answer within 3 s.")]
)
def test_the_failure_that_opened_the_breaker_is_named_in_the_sentence_and_in_each_decision(tmp_path, problem):
    with pytest.raises(TooManyFailures) as failed:
        run(tmp_path, lambda request: type(problem)(str(problem)))
    assert str(problem).rstrip(".") in str(failed.value)
    assert "breaker_open" not in str(failed.value)
    (decisions,) = tmp_path.rglob("llm/decisions.jsonl")
    left_alone = [line for line in decisions.read_text().splitlines() if '"breaker_open"' in line]
    assert left_alone
    assert all(f"the last time because: {str(problem).rstrip('.')}: " in line for line in left_alone)


def failures(*reasons):
    return [Abstention(reason, f"{reason} {number}") for number, reason in enumerate(reasons)]


@pytest.mark.parametrize(
    ("reasons", "named"),
    [
        ([REASONS.BREAKER_OPEN] * 3, "breaker_open 2"),
        ([REASONS.INVALID, REASONS.BREAKER_OPEN, REASONS.BREAKER_OPEN], "invalid 0"),
        ([REASONS.TIMEOUT, REASONS.INVALID, REASONS.TIMEOUT, REASONS.BREAKER_OPEN], "timeout 2"),
        ([REASONS.TIMEOUT, REASONS.TIMEOUT, REASONS.INVALID], "timeout 1"),
        ([REASONS.INVALID], "invalid 0"),
    ],
)
def test_the_commonest_reason_is_named_with_its_last_words(reasons, named):
    assert commonest(failures(*reasons)).detail == named


def test_a_failure_of_the_last_decision_is_still_called_the_last_one(tmp_path):
    client, _ = recording(lambda request: reader(request) | {"label": "sunny"})
    with pytest.raises(TooManyFailures, match=r"the last one as invalid: regime\.label"):
        simulator.compare(small(tmp_path, arms=["llm"]), client=client)
