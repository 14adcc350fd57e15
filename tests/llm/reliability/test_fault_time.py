"""What a decision may wait for, and for how long; see test_fault_matrix for the other cells."""

import datetime
import time

import misbehaving_server as server_that
import pytest
from fault_wires import FAILED, OPENAI, PATIENCE_S, SNAPSHOT, TIMED_OUT, aws, connected, decide, on
from misbehaving_server import answer, by_turns, reply, serving

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.llm import FolderStore, RecordingClient
from llm_strategy.llm.reliability.client import Fallback
from llm_strategy.llm.reliability.policy import RetryPolicy
from llm_strategy.types import EventKind, Status

pytestmark = [pytest.mark.server, pytest.mark.slow]


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    """Every cell may run over both wires."""
    aws(monkeypatch)


def in_seconds(seconds):
    return server_that.http_date(datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds))


def first_then_good(wire, behaviour):
    """A server that answers well after a first failure."""
    return by_turns(lambda turn, body: behaviour if turn == 0 else reply(wire.envelope()))


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("3", 3, 3),
        ("0", 0, 0),
        ("-5", 0, 0),
        (lambda: in_seconds(10), 1, 10),
        (lambda: in_seconds(-100), 0, 0),
        ("86400", 12, 12),
        ("1e999", 12, 12),
        (lambda: in_seconds(10**8), 12, 12),
        ("nan", 0.5, 1),
        ("soon", 0.5, 1),
        (None, 0.5, 1),
    ],
)
@pytest.mark.parametrize(**on())
def test_retry_after_is_kept_to_up_to_the_longest_wait(wire, header, least, most):
    value = header() if callable(header) else header
    headers = [] if value is None else [("Retry-After", value)]
    waits = []
    patience = RetryPolicy(attempts=2, backoff_s=1.0, backoff_max_s=12.0)
    with serving(first_then_good(wire, wire.status(429, *headers))) as server:
        decision, _ = decide(wire, server.url, patience=patience, sleep=waits.append, timeout_s=60)
    assert decision.status is Status.ADVISED
    assert len(waits) == 1
    assert least <= waits[0] <= most


@pytest.mark.parametrize(**on())
def test_a_wait_beyond_the_decisions_time_is_not_begun(wire):
    waits = []
    with serving(wire.status(429, ("Retry-After", "9"))) as server:
        patience = RetryPolicy(backoff_max_s=100)
        decision, _ = decide(wire, server.url, patience=patience, sleep=waits.append, timeout_s=5)
    assert decision.abstention.reason is FAILED
    assert waits == []


@pytest.mark.parametrize(**on())
def test_the_repair_attempt_has_only_the_time_that_is_left(wire):
    def late(connection, server):
        server.stopping.wait(1.0)
        reply(wire.envelope("What?"))(connection, server)

    with serving(by_turns(lambda turn, body: late if turn == 0 else server_that.hang)) as server:
        decision, seconds = decide(wire, server.url, timeout_s=1.5)
    assert decision.abstention.reason is TIMED_OUT
    assert [exchange.answer for exchange in decision.exchanges] == ["What?", None]
    assert 1.0 < seconds < 1.5 + PATIENCE_S


@pytest.mark.parametrize(**on())
def test_one_attempt_may_have_less_time_than_the_decision(wire):
    with serving(first_then_good(wire, server_that.hang)) as server:
        patience = RetryPolicy(attempts=2, attempt_timeout_s=0.3, backoff_s=0.0)
        decision, _ = decide(wire, server.url, patience=patience, timeout_s=10)
    assert decision.status is Status.ADVISED
    assert decision.exchanges[0].events[0].kind is EventKind.RETRY


def in_place_of(wire, url, name="other"):
    """A fallback that is a server of its own."""
    return Fallback(name, lambda: wire.client([url]))


@pytest.mark.parametrize(**on())
def test_a_backend_that_stalls_leaves_its_fallback_half_of_the_time(wire):
    with serving(server_that.hang) as stalls, serving(reply(wire.envelope())) as well:
        decision, seconds = decide(wire, stalls.url, timeout_s=3, fallbacks=[in_place_of(wire, well.url)])
    assert decision.status is Status.FALLBACK
    assert 1.4 < seconds < 3 + PATIENCE_S
    assert len(stalls.questions) == len(well.questions) == 1


@pytest.mark.parametrize(**on())
def test_backends_that_all_stall_end_within_the_time_of_one_decision(wire):
    with serving(server_that.hang) as stalls:
        others = [in_place_of(wire, stalls.url, name) for name in ("second", "third")]
        decision, seconds = decide(wire, stalls.url, timeout_s=1.2, fallbacks=others)
    assert decision.abstention.reason is TIMED_OUT
    details = [event.detail for event in decision.exchanges[0].events]
    assert [detail.split(":")[0] for detail in details] == [
        "second failed in its turn",
        "third failed in its turn",
    ]
    assert 1.1 < seconds < 1.2 + PATIENCE_S


def test_a_fallback_that_will_not_say_who_it_is_ends_within_the_time():
    with serving(server_that.hang) as stalls, serving(OPENAI.status(500)) as fails:
        unknown = Fallback("unknown", lambda: OPENAI.client([stalls.url], answer_format=None, reported_model=None))
        decision, seconds = decide(OPENAI, fails.url, timeout_s=1, fallbacks=[unknown])
    assert decision.status is Status.ABSTAINED
    assert seconds < 1 + PATIENCE_S


def test_an_endpoint_that_stalls_leaves_its_sibling_half_of_the_time_and_is_left_alone_then():
    with (
        serving(server_that.hang) as stalls,
        serving(answer()) as well,
        connected(OPENAI, stalls.url, well.url, timeout_s=2) as client,
    ):
        advisor = ModelAdvisor(client, remember=False)
        begin = time.perf_counter()
        decisions = [advisor.decide(SNAPSHOT) for _ in range(4)]
        seconds = time.perf_counter() - begin
    assert [decision.status for decision in decisions] == [Status.ADVISED] * 4
    assert decisions[0].exchanges[0].events[0].kind is EventKind.FAILOVER
    assert "within 1 s" in decisions[0].exchanges[0].events[0].detail
    assert (len(stalls.questions), len(well.questions)) == (1, 4)
    assert 0.9 < seconds < 2 + PATIENCE_S


def test_an_endpoint_whose_sibling_is_lost_has_all_of_the_time():
    def late(connection, server):
        server.stopping.wait(1.2)
        answer()(connection, server)

    with (
        serving(by_turns(lambda turn, body: late if turn else answer())) as slow,
        server_that.nobody_listens() as gone,
        connected(OPENAI, gone, slow.url, timeout_s=2) as client,
    ):
        advisor = ModelAdvisor(client, remember=False)
        statuses = [advisor.decide(SNAPSHOT).status for _ in range(2)]
    assert statuses == [Status.ADVISED] * 2


def test_a_changed_fingerprint_is_told_and_recorded_with_each_answer(caplog, tmp_path):
    behaviour = by_turns(lambda turn, body: answer(fingerprint="build-1" if turn == 0 else "build-2"))
    with serving(behaviour) as server, connected(OPENAI, server.url) as client:
        decisions = [ModelAdvisor(client).decide(SNAPSHOT) for _ in range(2)]
        recorded = ModelAdvisor(RecordingClient(client, client.identity, FolderStore(tmp_path)))
        decisions += [recorded.decide(SNAPSHOT), recorded.decide(SNAPSHOT)]
    told = [decision.exchanges[0].events[0].detail for decision in decisions]
    assert told == ["build-1", "build-2", "build-2", "build-2"]
    assert len(server.questions) == 3
    assert "from build-1 to build-2" in caplog.text
