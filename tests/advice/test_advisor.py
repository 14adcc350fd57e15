"""Snapshot to decision: what a model answers, however wrong, becomes an advice or an abstention with its reason."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.errors import AnswerTimeout, BackendFailure, ModelNotLoaded, PromptTooLong
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.types import AbstentionReason, Snapshot, Status

SNAPSHOT = Snapshot("SECRETCO", "1d", "2008-10-10T00:00:00", 899.22, -0.2, -0.1, 0.03, 0.99, -0.4, 0.1, 1.5)
GOOD = {"label": "bear", "action": "exit", "action_confidence": "70", "rationale": "Below."}


def decide(*answers, forms=True):
    client = ScriptedClient(answers, supports_forms=forms)
    return ModelAdvisor(client).decide(SNAPSHOT), client


def test_a_good_answer_is_advice():
    decision, client = decide(GOOD)
    assert decision.status is Status.ADVISED
    assert (decision.advice.symbol, decision.advice.timeframe) == ("SECRETCO", "1d")
    assert len(client.requests) == 1


def test_a_model_without_forms_writes_the_json_itself():
    answer = {
        "rationale": "Below.",
        "regime": {"label": "bear", "confidence": 0.8},
        "action": {"type": "exit", "confidence": 0.7, "constraints": {"stop_loss_pct": 0.02}},
    }
    decision, client = decide(answer, forms=False)
    assert decision.status is Status.ADVISED
    assert decision.advice.action.constraints.stop_loss_pct == 0.02
    assert client.requests[0].json_mode


def test_one_repair_attempt_shows_the_model_what_was_wrong():
    decision, client = decide(GOOD | {"label": "bearish"}, GOOD)
    assert decision.status is Status.REPAIRED
    assert decision.repairs == ("second attempt",)
    assert len(decision.exchanges) == 2
    assert "regime.label" in client.requests[1].messages[-1].content


def test_two_wrong_answers_are_an_abstention_that_names_the_field():
    decision, _ = decide(GOOD | {"action": "buy"}, GOOD | {"action": "buy it"})
    assert decision.status is Status.ABSTAINED
    assert decision.advice is None
    assert decision.abstention.reason is AbstentionReason.INVALID
    assert "action.type" in decision.abstention.detail


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (AnswerTimeout("Too slow."), AbstentionReason.TIMEOUT),
        (PromptTooLong("Too long."), AbstentionReason.CONTEXT_OVERFLOW),
        (BackendFailure("Broken."), AbstentionReason.BACKEND_FAILURE),
    ],
)
def test_a_failed_question_is_an_abstention_with_its_reason(failure, reason):
    decision, _ = decide(failure)
    assert decision.abstention.reason is reason
    assert decision.exchanges[0].answer is None


def test_what_may_pass_is_asked_again_at_the_next_bar_and_what_cannot_is_not():
    for failure, status in ((AnswerTimeout("Slow."), Status.ADVISED), (PromptTooLong("Long."), Status.ABSTAINED)):
        advisor = ModelAdvisor(ScriptedClient([failure, GOOD]))
        advisor.decide(SNAPSHOT)
        assert advisor.decide(SNAPSHOT).status is status


def test_a_failure_of_a_backends_own_kind_counts_as_its_parent():
    class RateLimited(BackendFailure):
        pass

    decision, _ = decide(RateLimited("Too many requests."))
    assert decision.abstention.reason is AbstentionReason.BACKEND_FAILURE


def test_no_model_at_all_ends_the_run():
    with pytest.raises(ModelNotLoaded):
        decide(ModelNotLoaded("Damaged."))


def test_a_denied_advice_is_an_abstention():
    decision, _ = decide(GOOD | {"rationale": "It will fall to 1,200."})
    assert decision.abstention.reason is AbstentionReason.DENIED
    assert decision.policy.reasons


def test_the_context_overflow_text_of_an_engine_is_never_advice():
    overflow = "ERROR: The prompt size exceeds the context window size and cannot be processed."
    decision, _ = decide(overflow, overflow)
    assert decision.abstention.reason is AbstentionReason.INVALID


def test_examples_and_system_prompt_are_the_same_for_every_bar():
    client = ScriptedClient([GOOD, GOOD])
    advisor = ModelAdvisor(client)
    advisor.decide(SNAPSHOT)
    advisor.decide(Snapshot("SECRETCO", "1d", "2009-10-10T00:00:00", 1071.49, 0.2, 0.05, 0.01, 0.2, 0.0, 0.9, 0.8))
    first, second = (request.messages for request in client.requests)
    assert first[:-1] == second[:-1]
    assert first[-1] != second[-1]
    assert len(second[-1].content) < 400
    assert "SECRETCO" not in str(first)
    assert "899" not in str(first)


@settings(max_examples=200)
@given(st.text(max_size=300))
def test_any_text_is_an_advice_or_an_abstention(text):
    decision, _ = decide(text, text)
    assert (decision.advice is None) == (decision.status is Status.ABSTAINED)
    assert (decision.abstention is None) == (decision.advice is not None)
