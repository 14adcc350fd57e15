"""Asking again, leaving a dead backend alone, letting another one answer: on scripted failures, without waiting."""

import copy
import random
from dataclasses import replace

import pytest

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.rules import BASELINES
from llm_strategy.errors import (
    AnswerTimeout,
    BackendFailure,
    BackendRefused,
    BreakerOpen,
    ConfigurationError,
    ModelNotLoaded,
    PromptTooLong,
)
from llm_strategy.llm import (
    SUPPORTED_BACKENDS,
    FolderStore,
    Generation,
    MemoryStore,
    Message,
    RecordingClient,
    Request,
    get_llm_client,
    register_backend,
)
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.reliability.client import Fallback, ResilientClient
from llm_strategy.llm.reliability.policy import Breaker, RetryPolicy
from llm_strategy.llm.requests import request_hash
from llm_strategy.llm.settings import LlmSettings
from llm_strategy.types import AbstentionReason, Event, EventKind, Snapshot, Status

SNAPSHOT = Snapshot("SECRETCO", "1d", "2008-10-10T00:00:00", 899.22, -0.2, -0.1, 0.03, 0.99, -0.4, 0.1, 1.5)
GOOD = {"label": "bear", "action": "exit", "action_confidence": "70", "rationale": "Below."}
ASKED = Request((Message("user", "x"),), timeout_s=10)


def down(request=None):
    """A failure that may pass."""
    return BackendFailure("Down.")


class Time:
    """A clock that moves when someone sleeps, or when an answer takes a while."""

    def __init__(self):
        self.now = 0.0
        self.waits = []

    def sleep(self, seconds):
        self.waits.append(seconds)
        self.now += seconds


def resilient(answers, patience=None, fallbacks=(), takes=0.0):
    time = Time()
    script = answers if callable(answers) else iter(answers).__next__

    def answer(request):
        time.now += min(takes, request.timeout_s or takes)
        return answers(request) if callable(answers) else script()

    client = ResilientClient(
        ScriptedClient(answer), patience or RetryPolicy(), fallbacks, sleep=time.sleep, clock=lambda: time.now
    )
    return client, time


def kinds(answer):
    return [event.kind for event in answer.events]


def test_a_failure_that_passes_is_asked_again_with_growing_waits():
    client, time = resilient([down(), down(), down(), "fine"])
    answer = client.complete(ASKED)
    assert answer.text == "fine"
    assert kinds(answer) == [EventKind.RETRY] * 3
    assert [0.5 * 2**number / 2 <= wait <= 0.5 * 2**number for number, wait in enumerate(time.waits)] == [True] * 3


def test_the_waits_are_drawn_from_a_seed():
    def waits(seed):
        client, time = resilient([down(), down(), down(), "fine"], RetryPolicy(seed=seed))
        client.complete(ASKED)
        return time.waits

    assert waits(1) == waits(1) != waits(2)


def test_the_last_failure_is_told_with_what_was_tried():
    client, _ = resilient([down(), down(), BackendFailure("Still down.")], RetryPolicy(attempts=3))
    with pytest.raises(BackendFailure, match="Still down") as caught:
        client.complete(ASKED)
    assert kinds(caught.value) == [EventKind.RETRY] * 2


@pytest.mark.parametrize("refusal", [BackendRefused("No."), PromptTooLong("Long."), ModelNotLoaded("Gone.")])
def test_what_would_be_refused_again_is_not_asked_again(refusal):
    client, time = resilient([refusal, "fine"])
    with pytest.raises(type(refusal)):
        client.complete(ASKED)
    assert time.waits == []


def test_all_attempts_and_waits_stay_within_the_time_of_the_question():
    client, time = resilient(down, RetryPolicy(attempts=100, backoff_s=1, backoff_max_s=3), takes=0.7)
    with pytest.raises(BackendFailure):
        client.complete(ASKED)
    assert 6 < time.now <= 10
    client, time = resilient(lambda request: AnswerTimeout("Slow."), takes=60)
    with pytest.raises(AnswerTimeout):
        client.complete(ASKED)
    assert time.now == 10


def test_each_attempt_is_told_the_time_that_is_left():
    client, _ = resilient([down(), "fine"], RetryPolicy(backoff_s=2), takes=3)
    client.complete(ASKED)
    assert client.inner.requests[0].timeout_s == 10
    assert 5 <= client.inner.requests[1].timeout_s <= 6
    client, _ = resilient(["fine"], RetryPolicy(attempt_timeout_s=4))
    client.complete(ASKED)
    assert client.inner.requests[0].timeout_s == 4


def test_the_breaker_of_a_client_used_alone_counts_calls_and_knows_no_time():
    fates = iter([down() for _ in range(4)] + ["fine"])
    client, _ = resilient(lambda request: next(fates), RetryPolicy(attempts=1, breaker_failures=3, breaker_pause=2))
    told = []
    for _ in range(11):
        try:
            told.append(kinds(client.complete(ASKED)))
        except (BackendFailure, BreakerOpen) as problem:
            told.append([type(problem).__name__, *kinds(problem)])
        except StopIteration:
            break
        if len(client.inner.requests) == 5:
            break
    assert told == [
        ["BackendFailure"],
        ["BackendFailure"],
        ["BackendFailure", "breaker_opened"],
        ["BreakerOpen"],
        ["BreakerOpen"],
        ["BackendFailure", "breaker_probed", "breaker_opened"],
        ["BreakerOpen"],
        ["BreakerOpen"],
        ["breaker_probed", "breaker_closed"],
    ]


def test_a_breaker_may_be_switched_off():
    breaker = Breaker(0, 5)
    for _ in range(50):
        assert breaker.admit() == breaker.record(failed=True, probe=False) == ()


def test_a_probe_that_is_given_up_does_not_lock_the_breaker():
    breaker = Breaker(1, 1)
    breaker.record(failed=True, probe=False)
    for _ in range(2):  # the first probe is never told of
        with pytest.raises(BreakerOpen):
            breaker.admit()
        assert breaker.admit()[0].kind is EventKind.BREAKER_PROBED
    assert breaker.record(failed=False, probe=True)[0].kind is EventKind.BREAKER_CLOSED
    assert breaker.admit() == ()


def test_success_in_between_keeps_the_breaker_closed():
    breaker = Breaker(2, 5)
    for _ in range(20):
        assert breaker.record(failed=True, probe=False) == ()
        breaker.record(failed=False, probe=False)
    assert breaker.admit() == ()


def test_a_copy_of_a_breaker_counts_for_itself():
    breaker = Breaker(1, 3)
    breaker.record(failed=True, probe=False)
    other = copy.copy(breaker)
    assert other.admit() == ()
    assert [event.kind for event in other.record(failed=True, probe=False)] == [EventKind.BREAKER_OPENED]
    with pytest.raises(BreakerOpen):
        breaker.admit()


def test_a_late_failure_from_before_the_opening_opens_nothing_again():
    breaker = Breaker(2, 3)
    told = [len(breaker.record(failed=True, probe=False)) for _ in range(4)]
    assert told == [0, 1, 0, 0]
    for _ in range(3):
        with pytest.raises(BreakerOpen):
            breaker.admit()
    assert breaker.admit()[0].kind is EventKind.BREAKER_PROBED


def test_what_happened_is_in_the_decision_and_an_open_breaker_is_a_reason():
    client, _ = resilient(down, RetryPolicy(attempts=2, breaker_failures=1, breaker_pause=1))
    advisor = ModelAdvisor(client)
    first, second, third = (advisor.decide(SNAPSHOT) for _ in range(3))
    assert first.abstention.reason is AbstentionReason.BACKEND_FAILURE
    assert kinds(first.exchanges[0]) == [EventKind.RETRY, EventKind.BREAKER_OPENED]
    assert second.abstention.reason is AbstentionReason.BREAKER_OPEN
    assert kinds(third.exchanges[0]) == [EventKind.BREAKER_PROBED, EventKind.RETRY, EventKind.BREAKER_OPENED]


def test_another_backend_answers_in_turn_and_its_answers_are_not_recorded_as_the_models():
    broken, fine = ScriptedClient(down), ScriptedClient(lambda request: GOOD)
    connected = []

    def connect():
        connected.append(1)
        return fine

    fallbacks = [Fallback("broken", lambda: broken), Fallback("fine", connect)]
    client, _ = resilient(down, RetryPolicy(attempts=1), fallbacks)
    store = MemoryStore()
    recorded = RecordingClient(client, client.identity, store)
    advisor = ModelAdvisor(recorded)
    decisions = [advisor.decide(SNAPSHOT) for _ in range(2)]
    for decision in decisions:
        assert decision.status is Status.FALLBACK
        assert decision.advice.action.type == "exit"
        details = [event.detail for event in decision.exchanges[0].events]
        assert details == ["broken failed in its turn: Down.", "fine answered, because: Down."]
    assert store == {}
    assert connected == [1]
    assert recorded.fallbacks == ("broken", "fine")


def test_a_chain_shares_the_time_of_the_question_evenly():
    slow = ScriptedClient(lambda request: AnswerTimeout("Slow."))
    fine = ScriptedClient(["fine"])
    chain = [Fallback("slow", lambda: slow), Fallback("fine", lambda: fine)]
    client, time = resilient(lambda request: AnswerTimeout("Slow."), fallbacks=chain, takes=60)
    assert client.complete(replace(ASKED, timeout_s=12)).text == "fine"
    assert client.inner.requests[0].timeout_s == 4
    assert slow.requests[0].timeout_s == 4  # of the 8 s that are left
    assert fine.requests[0].timeout_s == 8  # the second one gave up at once
    assert time.now == 4


def test_what_a_backend_did_not_use_is_its_fallbacks_and_connecting_takes_nothing_of_it():
    fine = ScriptedClient(["fine"])
    client, time = resilient(down, RetryPolicy(attempts=1), takes=3, fallbacks=[Fallback("fine", lambda: connect())])

    def connect():
        time.now += 100
        return fine

    client.complete(ASKED)
    assert fine.requests[0].timeout_s == 7


def test_a_fallback_that_fills_no_forms_is_asked_for_the_whole_object():
    whole = ScriptedClient(["{}"], supports_forms=False)
    client, _ = resilient([down()], RetryPolicy(attempts=1), [Fallback("whole", lambda: whole)])
    client.complete(ModelAdvisor(client).request(SNAPSHOT))
    assert whole.requests[0].form == ()
    assert whole.requests[0].json_mode


def test_no_fallback_takes_over_in_the_middle_of_a_stream():
    def halfway(request):
        raise AssertionError("never asked")

    class Breaks(ScriptedClient):
        def complete(self, request, on_delta=None):
            on_delta("half ")
            raise down()

    client = ResilientClient(Breaks([]), fallbacks=[Fallback("other", lambda: ScriptedClient(halfway))])
    with pytest.raises(BackendFailure):
        client.complete(ASKED, lambda text: True)


def test_a_rule_decides_where_the_model_fails_and_the_failure_stays_on_record():
    advisor = ModelAdvisor(ScriptedClient([down(), GOOD]), fallback=BASELINES["buy_and_hold"]())
    decision, fine = advisor.decide(SNAPSHOT), advisor.decide(SNAPSHOT)
    assert decision.status is Status.FALLBACK
    assert decision.advice.action.type == "enter_long"
    assert decision.abstention is None
    assert decision.instead_of.reason is AbstentionReason.BACKEND_FAILURE
    assert (fine.status, fine.instead_of) == (Status.ADVISED, None)


def test_a_remembered_answer_does_not_repeat_what_happened_on_the_way_to_it():
    client, _ = resilient([down(), GOOD])
    advisor = ModelAdvisor(client)
    first, second = advisor.decide(SNAPSHOT), advisor.decide(SNAPSHOT)
    assert kinds(first.exchanges[0]) == [EventKind.RETRY]
    assert kinds(second.exchanges[0]) == []


def test_an_event_of_an_answer_is_recorded_with_it(tmp_path):
    store = FolderStore(tmp_path)
    client = ScriptedClient([])
    key = request_hash(ASKED, client.identity)
    store.put(key, Generation("x", 1, 1, 1.0, events=(Event(EventKind.DISAGREEMENT, "a; b", 0.5),)))
    assert store.get(key).events == (Event(EventKind.DISAGREEMENT, "a; b", 0.5),)


@pytest.fixture
def backends():
    """Two backends for the length of a test: one far away, one at hand."""

    class Far(ScriptedClient):
        remote = True

    register_backend("far", lambda settings: Far(down))
    register_backend("near", lambda settings: ScriptedClient(lambda request: f"near {settings.max_tokens}"))
    yield
    del SUPPORTED_BACKENDS["far"], SUPPORTED_BACKENDS["near"]


@pytest.mark.usefixtures("backends")
def test_settings_make_the_chain_and_a_backends_own_settings_go_before():
    settings = LlmSettings(
        backend="far", fallback="near", attempts=2, backoff_s=0, sections={"near": {"max_tokens": 7}}
    )
    with get_llm_client(settings=settings) as client:
        answer = client.generate("x")
    assert answer.text == "near 7"
    assert kinds(answer) == [EventKind.RETRY, EventKind.FALLBACK]
    assert not isinstance(get_llm_client(settings=LlmSettings(backend="near")), ResilientClient)


@pytest.mark.usefixtures("backends")
def test_an_unknown_fallback_is_told():
    with pytest.raises(ConfigurationError, match=r"LLM_FALLBACK 'neer' is not installed, did you mean 'near'"):
        get_llm_client(settings=LlmSettings(backend="far", fallback=("neer",)))


def test_1000_decisions_of_which_30_percent_fail_have_each_its_fate():
    generator = random.Random(11)

    def unsteady(request):
        return down() if generator.random() < 0.3 else GOOD

    client, time = resilient(unsteady, RetryPolicy(attempts=3))
    advisor = ModelAdvisor(client, remember=False)
    decisions = [advisor.decide(SNAPSHOT) for _ in range(1000)]
    asked = len(client.inner.requests)
    retries = sum(kinds(exchange).count(EventKind.RETRY) for one in decisions for exchange in one.exchanges)
    failed = [one for one in decisions if one.status is Status.ABSTAINED]
    assert asked == 1000 + retries
    assert len(time.waits) == retries
    assert 10 <= len(failed) <= 50
    assert all(one.abstention.reason is AbstentionReason.BACKEND_FAILURE for one in failed)
