"""Whatever goes wrong, a decision ends with the right status, in time: never a hang, a crash or a silent hold.

Where each cell of the matrix is held, with a real server on loopback or a real process:

    the answer          nothing comes, drips, is reset, cut, empty, no JSON, too long, of another shape: here
    the refusal         every status, throttled, loading, timed out, too long, another model: here
    the words           broken contract, absurd but valid, a forecast: here
    who asks            no credentials, half of them, expired ones, no region: test_fault_aws
    the stream          cut, empty, an error or nonsense in it, reset, endless, dripping: test_fault_streams
    the time            Retry-After, waits, shares of fallbacks and endpoints, repair: test_fault_time
    several servers     one dies, stalls, comes back; another model answers: test_llm_openai, test_fault_time
    failure on failure  retries, breaker, fallback backends and rules, absent voters: test_llm_resilience,
                        test_llm_ensemble, test_run_remote
    the record          every flipped byte and cut, two processes, a full disk: test_fault_record
    the run             Ctrl-C and SIGKILL: test_fault_run; 1,000 decisions of which 30% fail: test_run_remote; a full
                        disk under the run folder, two runs of one folder: test_run
    no server at all    before a run whose answers are on record: test_fault_gone
    size                bodies without end, in memory, journal and audit log: test_fault_size
"""

import misbehaving_server as server_that
import pytest
from fault_wires import (
    ATTEMPTS,
    BEDROCK,
    ENOUGH_S,
    FAILED,
    INVALID,
    OPENAI,
    OVERFLOW,
    PATIENCE_S,
    TIMED_OUT,
    TIMEOUT_S,
    advice,
    aws,
    decide,
    on,
)
from misbehaving_server import GOOD_ADVICE, answer, by_turns, reply, serving

from llm_strategy.risk import Account, Limits, Market, judge
from llm_strategy.types import AbstentionReason, EventKind, Status

pytestmark = [pytest.mark.server, pytest.mark.slow]


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    """Every cell may run over both wires."""
    aws(monkeypatch)


ASKED_AGAIN = {
    "read timeout": (lambda wire: server_that.hang, TIMED_OUT, 1),
    "slow drip": (lambda wire: server_that.drip, TIMED_OUT, 1),
    "reset in mid-answer": (lambda wire: server_that.reset, FAILED, ATTEMPTS),
    "cut in mid-JSON": (lambda wire: server_that.cut(wire.envelope(), 90), FAILED, ATTEMPTS),
    "empty 200": (lambda wire: reply(b""), FAILED, ATTEMPTS),
    "white space": (lambda wire: reply(b" \n "), FAILED, ATTEMPTS),
    "wrong content type": (lambda wire: reply(b"all is well", content_type="text/plain"), FAILED, ATTEMPTS),
    "HTML error page": (lambda wire: reply(b"<html>Bad gateway</html>", content_type="text/html"), FAILED, ATTEMPTS),
    "invalid UTF-8": (
        lambda wire: reply(wire.envelope("\u00e9").replace(b"\\u00e9", b"\xff\xfe")),
        FAILED,
        ATTEMPTS,
    ),
    "deep nesting around the answer": (lambda wire: reply(b"[" * 10_000 + b"]" * 10_000), FAILED, ATTEMPTS),
    "a list": (lambda wire: reply(b"[]"), FAILED, ATTEMPTS),
    "another object": (lambda wire: reply(b'{"hello": "world"}'), FAILED, ATTEMPTS),
    "no content": (lambda wire: reply(wire.envelope("")), FAILED, ATTEMPTS),
    "10 MB": (lambda wire: reply(wire.envelope("x" * 10_000_000)), FAILED, ATTEMPTS),
    "no HTTP at all": (
        lambda wire: lambda connection, server: connection.wfile.write(b"220 smtp\r\n"),
        FAILED,
        ATTEMPTS,
    ),
} | {
    f"status {code}": (lambda wire, code=code: wire.status(code), FAILED, ATTEMPTS)
    for code in (429, 500, 502, 503, 529)
}

REFUSED = {
    f"status {code}": (lambda wire, code=code: wire.status(code), FAILED, 1) for code in (400, 401, 403, 404)
} | {
    "too long": (
        lambda wire: wire.status(400, message="Input is too long: it exceeds the context size"),
        OVERFLOW,
        1,
    ),
}

OPENAI_ALONE = {
    "NaN for the answer": (
        lambda wire: reply(wire.envelope("x").replace(b'"content": "x"', b'"content": NaN')),
        FAILED,
        ATTEMPTS,
    ),
    "duplicate keys around the answer": (lambda wire: reply(b'{"choices": [], "choices": []}'), FAILED, ATTEMPTS),
    "no choices": (lambda wire: reply(b'{"choices": []}'), FAILED, ATTEMPTS),
    "choices of another kind": (lambda wire: reply(b'{"choices": [3]}'), FAILED, ATTEMPTS),
    "message of another kind": (lambda wire: reply(b'{"choices": [{"message": "x"}]}'), FAILED, ATTEMPTS),
    "content of another kind": (lambda wire: reply(b'{"choices": [{"message": {"content": 3}}]}'), FAILED, ATTEMPTS),
    "null content": (lambda wire: reply(b'{"choices": [{"message": {"content": null}}]}'), FAILED, ATTEMPTS),
    "withheld": (lambda wire: answer("x", finish="content_filter"), FAILED, ATTEMPTS),
    "an error in a 200": (lambda wire: reply(b'{"error": {"message": "overloaded"}}'), FAILED, ATTEMPTS),
    "another model": (lambda wire: answer(model="other-model"), AbstentionReason.MODEL_CHANGED, 1),
} | {f"status {code}": (lambda wire, code=code: wire.status(code), FAILED, ATTEMPTS) for code in (408, 409)}

BEDROCK_ALONE = {
    "ModelTimeoutException": (lambda wire: wire.status(408), TIMED_OUT, ATTEMPTS),
    "ModelErrorException": (lambda wire: wire.status(424), FAILED, ATTEMPTS),
    "ModelNotReadyException": (lambda wire: wire.status(429, error="ModelNotReadyException"), FAILED, ATTEMPTS),
    "ExpiredTokenException": (lambda wire: wire.status(403, error="ExpiredTokenException"), FAILED, 1),
    "output of another kind": (lambda wire: reply(b'{"output": 3, "stopReason": "end_turn"}'), FAILED, ATTEMPTS),
    "content of another kind": (
        lambda wire: reply(wire.envelope().replace(b'[{"text"', b'{"x": [3], "text"')),
        FAILED,
        ATTEMPTS,
    ),
    "withheld": (lambda wire: reply(wire.envelope().replace(b"end_turn", b"content_filtered")), FAILED, 1),
    "cut by the context": (
        lambda wire: reply(wire.envelope().replace(b"end_turn", b"model_context_window_exceeded")),
        OVERFLOW,
        1,
    ),
}

CELLS = [
    pytest.param(wire, *cell, id=f"{wire.name}: {name}")
    for wire, own in ((OPENAI, OPENAI_ALONE), (BEDROCK, BEDROCK_ALONE))
    for name, cell in (ASKED_AGAIN | REFUSED | own).items()
]

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


@pytest.mark.parametrize(("wire", "fault", "reason", "asked"), CELLS)
def test_a_server_that_fails_makes_an_abstention_with_its_reason(wire, fault, reason, asked):
    allowed = TIMEOUT_S if (reason, asked) == (TIMED_OUT, 1) else ENOUGH_S
    with serving(fault(wire)) as server:
        decision, seconds = decide(wire, server.url, timeout_s=allowed)
    assert decision.status is Status.ABSTAINED
    assert decision.advice is None
    assert decision.abstention.reason is reason
    assert "\n" not in decision.abstention.detail
    assert len(decision.abstention.detail) < 500
    assert len(server.questions) == asked
    events = [event.kind for exchange in decision.exchanges for event in exchange.events]
    changed = [EventKind.MODEL_CHANGED] if reason is AbstentionReason.MODEL_CHANGED else []
    assert events == [EventKind.RETRY] * (asked - 1) + changed
    assert seconds < allowed + PATIENCE_S


@pytest.mark.parametrize("text", BROKEN_CONTRACT.values(), ids=BROKEN_CONTRACT)
@pytest.mark.parametrize(**on())
def test_an_answer_that_breaks_the_contract_is_asked_for_once_more_and_then_invalid(wire, text):
    with serving(reply(wire.envelope(text))) as server:
        decision, _ = decide(wire, server.url)
    assert decision.abstention.reason is INVALID
    assert len(server.questions) == 2


@pytest.mark.parametrize(
    "address", [server_that.nobody_listens, server_that.nobody_accepts], ids=["connect refused", "connect timeout"]
)
@pytest.mark.parametrize(**on())
def test_a_server_that_is_not_there(wire, address):
    with address() as url:
        decision, seconds = decide(wire, url, timeout_s=TIMEOUT_S)
    expected = FAILED if address is server_that.nobody_listens else TIMED_OUT
    assert decision.abstention.reason is expected
    assert seconds < TIMEOUT_S + PATIENCE_S


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (lambda wire: reply(wire.envelope()), Status.ADVISED),
        (lambda wire: reply(wire.envelope(), content_type="text/plain"), Status.ADVISED),
        (lambda wire: reply(wire.envelope("\ufeff" + GOOD_ADVICE)), Status.REPAIRED),
        (lambda wire: reply(wire.envelope(f"```json\n{GOOD_ADVICE}\n```")), Status.REPAIRED),
        (
            lambda wire: by_turns(lambda turn, body: reply(wire.envelope("What?" if turn == 0 else GOOD_ADVICE))),
            Status.REPAIRED,
        ),
        (
            lambda wire: by_turns(lambda turn, body: wire.status(503) if turn == 0 else reply(wire.envelope())),
            Status.ADVISED,
        ),
    ],
    ids=["good", "wrong content type", "BOM in it", "fenced", "second attempt", "second try"],
)
@pytest.mark.parametrize(**on())
def test_what_can_be_understood_is_advice(wire, behaviour, expected):
    with serving(behaviour(wire)) as server:
        decision, _ = decide(wire, server.url)
    assert decision.status is expected
    assert decision.advice.action.type == "exit"


def test_a_byte_order_mark_before_an_answer_is_forgiven():
    with serving(reply(b"\xef\xbb\xbf" + OPENAI.envelope())) as server:
        decision, _ = decide(OPENAI, server.url)
    assert decision.status is Status.ADVISED


@pytest.mark.parametrize(**on())
def test_absurd_requests_that_keep_the_contract_are_cut_by_the_gate(wire):
    wild = {"max_position_size": 1.0, "stop_loss_pct": 0.99, "take_profit_pct": 1.0}
    text = advice(regime__label="bull", action__type="enter_long", action__constraints=wild, rationale="Above.")
    with serving(reply(wire.envelope(text))) as server:
        decision, _ = decide(wire, server.url)
    assert decision.status is Status.ADVISED
    limits = Limits()
    verdict = judge(decision.advice, Market(100.0), Account(equity=10_000.0, cash=10_000.0), limits)
    assert 0 < verdict.size * 100.0 <= limits.max_position_size * 10_000.0
    assert verdict.stop_pct <= limits.max_stop_pct


@pytest.mark.parametrize(**on())
def test_a_forecast_is_denied(wire):
    with serving(reply(wire.envelope(advice(rationale="It will fall to 1,200.")))) as server:
        decision, _ = decide(wire, server.url)
    assert decision.abstention.reason is AbstentionReason.DENIED
