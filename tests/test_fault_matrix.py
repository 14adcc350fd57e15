"""Whatever a server does, a decision ends with the right status, in time: never a hang, a crash or a silent hold."""

import datetime
import json
import time

import misbehaving_server as server_that
import pytest
from misbehaving_server import GOOD_ADVICE, MODEL, answer, by_turns, reply, serving, status

from llm_strategy.advisor import ModelAdvisor
from llm_strategy.errors import AnswerTimeout, BackendFailure
from llm_strategy.llm import FolderStore, RecordingClient, Request
from llm_strategy.llm.backends.openai_api import OpenAIClient
from llm_strategy.llm.resilience import Patience, ResilientClient
from llm_strategy.risk import Account, Limits, Market, judge
from llm_strategy.types import AbstentionReason, EventKind, Snapshot, Status

SNAPSHOT = Snapshot("SECRETCO", "1d", "2008-10-10T00:00:00", 899.22, -0.2, -0.1, 0.03, 0.99, -0.4, 0.1, 1.5)
KEY = "sk-planted-4711"
TIMEOUT_S = 0.5
ATTEMPTS = 3
PATIENCE = Patience(attempts=ATTEMPTS, backoff_s=0.001, backoff_max_s=0.02)
FAILED, TIMED_OUT, INVALID = AbstentionReason.BACKEND_FAILURE, AbstentionReason.TIMEOUT, AbstentionReason.INVALID


def connected(*urls, patience=PATIENCE, sleep=time.sleep, timeout_s=TIMEOUT_S, **options):
    known = {"answer_format": "json_schema", "reported_model": MODEL} | options
    client = ResilientClient(OpenAIClient(MODEL, urls, KEY, **known), patience, sleep=sleep)
    client.defaults = Request((), timeout_s=timeout_s)
    return client


def decide(url, **options):
    """The decision, and the seconds that it took."""
    with connected(url, **options) as client:
        begin = time.perf_counter()
        return ModelAdvisor(client).decide(SNAPSHOT), time.perf_counter() - begin


def advice(**changes):
    document = json.loads(GOOD_ADVICE)
    for path, value in changes.items():
        *parents, name = path.split("__")
        inside = document
        for parent in parents:
            inside = inside[parent]
        inside[name] = value
    return json.dumps(document)


def envelope(text):
    return json.dumps(server_that.completion(text)).encode()


ASKED_AGAIN = {
    "read timeout": (server_that.hang, TIMED_OUT, 1),
    "slow drip": (server_that.drip, TIMED_OUT, 1),
    "reset in mid-answer": (server_that.reset, FAILED, ATTEMPTS),
    "cut in mid-JSON": (server_that.cut(envelope(GOOD_ADVICE), 90), FAILED, ATTEMPTS),
    "empty 200": (reply(b""), FAILED, ATTEMPTS),
    "white space": (reply(b" \n "), FAILED, ATTEMPTS),
    "wrong content type": (reply(b"all is well", content_type="text/plain"), FAILED, ATTEMPTS),
    "HTML error page": (reply(b"<html>Bad gateway</html>", content_type="text/html"), FAILED, ATTEMPTS),
    "invalid UTF-8": (reply(envelope("\u00e9").replace(b"\\u00e9", b"\xff\xfe")), FAILED, ATTEMPTS),
    "NaN around the answer": (reply(envelope("x").replace(b'"created": 1', b'"created": NaN')), FAILED, ATTEMPTS),
    "duplicate keys around the answer": (reply(b'{"choices": [], "choices": []}'), FAILED, ATTEMPTS),
    "deep nesting around the answer": (reply(b"[" * 10_000 + b"]" * 10_000), FAILED, ATTEMPTS),
    "a list": (reply(b"[]"), FAILED, ATTEMPTS),
    "another object": (reply(b'{"hello": "world"}'), FAILED, ATTEMPTS),
    "no choices": (reply(b'{"choices": []}'), FAILED, ATTEMPTS),
    "choices of another kind": (reply(b'{"choices": [3]}'), FAILED, ATTEMPTS),
    "message of another kind": (reply(b'{"choices": [{"message": "x"}]}'), FAILED, ATTEMPTS),
    "content of another kind": (reply(b'{"choices": [{"message": {"content": 3}}]}'), FAILED, ATTEMPTS),
    "no content": (reply(b'{"choices": [{"message": {"content": null}}]}'), FAILED, ATTEMPTS),
    "withheld": (answer("x", finish="content_filter"), FAILED, ATTEMPTS),
    "an error in a 200": (reply(b'{"error": {"message": "overloaded"}}'), FAILED, ATTEMPTS),
    "10 MB": (answer("x" * 10_000_000), FAILED, ATTEMPTS),
    "no HTTP at all": (lambda connection, server: connection.wfile.write(b"220 smtp\r\n"), FAILED, ATTEMPTS),
} | {f"status {code}": (status(code), FAILED, ATTEMPTS) for code in (408, 409, 429, 500, 502, 503, 529)}

REFUSED = {f"status {code}": (status(code), FAILED, 1) for code in (400, 401, 403, 404)} | {
    "too long": (status(400, message="exceeds the available context size"), AbstentionReason.CONTEXT_OVERFLOW, 1),
    "another model": (answer(model="other-model"), AbstentionReason.MODEL_CHANGED, 1),
}

BROKEN_CONTRACT = {
    "NaN": advice().replace("0.7", "NaN"),
    "1e999": advice().replace("0.7", "1e999"),
    "duplicate keys": advice().replace('"action"', '"regime"'),
    "deep nesting": "[" * 10_000 + "]" * 10_000,
    "deep nesting in an object": '{"a":' * 10_000 + "1" + "}" * 10_000,
    "prose": "I would sell.",
    "cut JSON": GOOD_ADVICE[:40],
    "absurd confidence": advice(action__confidence=55),
    "absurd size": advice(action__constraints={"max_position_size": 40}),
    "unknown action": advice(action__type="short everything"),
    "half a surrogate pair": GOOD_ADVICE.replace("Below", "\\ud800"),
}


@pytest.mark.parametrize(("behaviour", "reason", "asked"), (ASKED_AGAIN | REFUSED).values(), ids=ASKED_AGAIN | REFUSED)
def test_a_server_that_fails_makes_an_abstention_with_its_reason(behaviour, reason, asked):
    with serving(behaviour) as server:
        decision, seconds = decide(server.url)
    assert decision.status is Status.ABSTAINED
    assert decision.advice is None
    assert decision.abstention.reason is reason
    assert len(server.questions) == asked
    events = [event.kind for exchange in decision.exchanges for event in exchange.events]
    assert events == [EventKind.RETRY] * (asked - 1)
    assert seconds < TIMEOUT_S + 1.5


@pytest.mark.parametrize("text", BROKEN_CONTRACT.values(), ids=BROKEN_CONTRACT)
def test_an_answer_that_breaks_the_contract_is_asked_for_once_more_and_then_invalid(text):
    with serving(answer(text)) as server:
        decision, _ = decide(server.url)
    assert decision.abstention.reason is INVALID
    assert len(server.questions) == 2


@pytest.mark.parametrize(
    "address", [server_that.nobody_listens, server_that.nobody_accepts], ids=["connect refused", "connect timeout"]
)
def test_a_server_that_is_not_there(address):
    with address() as url:
        decision, seconds = decide(url)
    expected = FAILED if address is server_that.nobody_listens else TIMED_OUT
    assert decision.abstention.reason is expected
    assert seconds < TIMEOUT_S + 1.5


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (answer(), Status.ADVISED),
        (reply(b"\xef\xbb\xbf" + envelope(GOOD_ADVICE)), Status.ADVISED),
        (reply(envelope(GOOD_ADVICE), content_type="text/plain"), Status.ADVISED),
        (answer("\ufeff" + GOOD_ADVICE), Status.REPAIRED),
        (answer(f"```json\n{GOOD_ADVICE}\n```"), Status.REPAIRED),
        (by_turns(lambda turn, body: answer("What?" if turn == 0 else GOOD_ADVICE)), Status.REPAIRED),
        (by_turns(lambda turn, body: status(503) if turn == 0 else answer()), Status.ADVISED),
    ],
    ids=["good", "BOM before it", "wrong content type", "BOM in it", "fenced", "second attempt", "second try"],
)
def test_what_can_be_understood_is_advice(behaviour, expected):
    with serving(behaviour) as server:
        decision, _ = decide(server.url)
    assert decision.status is expected
    assert decision.advice.action.type == "exit"


def test_absurd_requests_that_keep_the_contract_are_cut_by_the_gate():
    wild = {"max_position_size": 1.0, "stop_loss_pct": 0.99, "take_profit_pct": 1.0}
    text = advice(regime__label="bull", action__type="enter_long", action__constraints=wild, rationale="Above.")
    with serving(answer(text)) as server:
        decision, _ = decide(server.url)
    assert decision.status is Status.ADVISED
    limits = Limits()
    verdict = judge(decision.advice, Market(100.0), Account(equity=10_000.0, cash=10_000.0), limits)
    assert 0 < verdict.size * 100.0 <= limits.max_position_size * 10_000.0
    assert verdict.stop_pct <= limits.max_stop_pct


def test_a_forecast_is_denied():
    with serving(answer(advice(rationale="It will fall to 1,200."))) as server:
        decision, _ = decide(server.url)
    assert decision.abstention.reason is AbstentionReason.DENIED


def in_seconds(seconds):
    return server_that.http_date(datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("3", 3, 3),
        ("0", 0, 0),
        ("-5", 0, 0),
        (lambda: in_seconds(10), 7, 10),
        (lambda: in_seconds(-100), 0, 0),
        ("86400", 12, 12),
        ("1e999", 12, 12),
        (lambda: in_seconds(10**8), 12, 12),
        ("nan", 0.5, 1),
        ("soon", 0.5, 1),
        (None, 0.5, 1),
    ],
)
def test_retry_after_is_kept_to_up_to_the_longest_wait(header, least, most):
    value = header() if callable(header) else header
    headers = [] if value is None else [("Retry-After", value)]
    waits = []
    behaviour = by_turns(lambda turn, body: status(429, *headers) if turn == 0 else answer())
    patience = Patience(attempts=2, backoff_s=1.0, backoff_max_s=12.0)
    with serving(behaviour) as server:
        decision, _ = decide(server.url, patience=patience, sleep=waits.append, timeout_s=60)
    assert decision.status is Status.ADVISED
    assert len(waits) == 1
    assert least <= waits[0] <= most


def test_a_wait_beyond_the_decisions_time_is_not_begun():
    waits = []
    with serving(status(429, ("Retry-After", "9"))) as server:
        decision, _ = decide(server.url, patience=Patience(backoff_max_s=100), sleep=waits.append, timeout_s=5)
    assert decision.abstention.reason is FAILED
    assert waits == []


def test_the_repair_attempt_has_only_the_time_that_is_left():
    def late(connection, server):
        server.stopping.wait(1.0)
        answer("What?")(connection, server)

    with serving(by_turns(lambda turn, body: late if turn == 0 else server_that.hang)) as server:
        decision, seconds = decide(server.url, timeout_s=1.5)
    assert decision.abstention.reason is TIMED_OUT
    assert [exchange.answer for exchange in decision.exchanges] == ["What?", None]
    assert 1.0 < seconds < 2.3


def test_one_attempt_may_have_less_time_than_the_decision():
    behaviour = by_turns(lambda turn, body: server_that.hang if turn == 0 else answer())
    with serving(behaviour) as server:
        patience = Patience(attempts=2, attempt_timeout_s=0.2, backoff_s=0.0)
        decision, _ = decide(server.url, patience=patience, timeout_s=10)
    assert decision.status is Status.ADVISED
    assert [event.kind for event in decision.exchanges[0].events] == [EventKind.RETRY, EventKind.FINGERPRINT]


def test_a_changed_fingerprint_is_told_and_recorded_with_each_answer(caplog, tmp_path):
    behaviour = by_turns(lambda turn, body: answer(fingerprint="build-1" if turn == 0 else "build-2"))
    with serving(behaviour) as server, connected(server.url) as client:
        decisions = [ModelAdvisor(client).decide(SNAPSHOT) for _ in range(2)]
        recorded = ModelAdvisor(RecordingClient(client, client.identity, FolderStore(tmp_path)))
        decisions += [recorded.decide(SNAPSHOT), recorded.decide(SNAPSHOT)]
    told = [decision.exchanges[0].events[0].detail for decision in decisions]
    assert told == ["build-1", "build-2", "build-2", "build-2"]
    assert len(server.questions) == 3
    assert "from build-1 to build-2" in caplog.text


BAD_STREAMS = {
    "cut in mid-JSON": server_that.stream("a", finish="", end=b'data: {"choices": [{"del'),
    "no end": server_that.stream("a", finish="", end=b""),
    "nothing": server_that.stream(finish="", end=b""),
    "no JSON": server_that.stream(end=b"data: what?\n\n"),
    "invalid UTF-8": server_that.stream(end=b"data: \xff\n\n"),
    "an error in it": server_that.stream("a", end=b'data: {"error": {"message": "overloaded"}}\n\n'),
    "another model": server_that.stream("a", model="other-model"),
    "HTML": reply(b"<html>\n</html>", content_type="text/html"),
    "endless comments": lambda connection, server: [
        connection.wfile.write(server_that.head(content_type="text/event-stream")),
        *(connection.wfile.write(b": wait\n" * 1000) for _ in range(2000)),
    ],
    "reset": server_that.reset,
    "status 500": status(500),
}


@pytest.mark.parametrize("behaviour", BAD_STREAMS.values(), ids=BAD_STREAMS)
def test_a_bad_stream_is_an_error_and_never_half_an_answer(behaviour):
    failure = (BackendFailure, AnswerTimeout)  # on a busy machine the time may be over before the fault is met
    with serving(behaviour) as server, connected(server.url) as client, pytest.raises(failure):
        list(client.chat([{"role": "user", "content": "x"}], stream=True))


def test_a_stream_that_drips_ends_at_its_time():
    with serving(server_that.drip) as server, connected(server.url) as client, pytest.raises(AnswerTimeout):
        list(client.chat([{"role": "user", "content": "x"}], stream=True))


def test_a_stream_is_not_begun_again_once_text_came():
    behaviour = server_that.stream("one ", finish="", end=b"")
    read = []
    with serving(behaviour) as server, connected(server.url) as client:
        stream = client.chat([{"role": "user", "content": "x"}], stream=True)
        with pytest.raises(BackendFailure, match="middle of a stream"):
            read.extend(chunk.delta for chunk in stream)
    assert read == ["one "]
    assert len(server.questions) == 1
