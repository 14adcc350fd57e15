"""The openai backend and the shapes in which servers answer, stream and refuse: what can be understood is, and what
cannot is named for what it is."""

import json

import pytest
from fault_wires import KEY
from misbehaving_server import GOOD_ADVICE, MODEL, by_turns, completion, head, reply, serving

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.errors import BackendFailure, BackendRefused, ModelError, PromptTooLong
from llm_strategy.llm import Message, Request
from llm_strategy.llm.backends.http import words_of
from llm_strategy.llm.backends.openai.client import OpenAIBackend
from llm_strategy.llm.backends.openai.transport import EventStream
from llm_strategy.llm.client import LLMClient
from llm_strategy.types import AbstentionReason, Snapshot, Status

pytestmark = [pytest.mark.server, pytest.mark.slow]

ASKED = Request((Message("user", "x"),), timeout_s=20)
SNAPSHOT = Snapshot("SECRETCO", "1d", "2008-10-10T00:00:00", 899.22, -0.2, -0.1, 0.03, 0.99, -0.4, 0.1, 1.5)


def client_of(server, **options):
    known = {"answer_format": "json_schema", "reported_model": MODEL, "timeout_s": 20}
    return LLMClient(OpenAIBackend(MODEL, [server.url], KEY, **known | options))


def whole(message=None, choice=None, **fields):
    """The body of an answer with other things in its message, its choice and around them."""
    document = completion("One.")
    document["choices"][0] |= choice or {}
    document["choices"][0]["message"] |= message or {}
    return json.dumps(document | fields).encode()


def parts(*kinds):
    return whole({"content": list(kinds)})


TEXT = {"type": "text", "text": "One."}

UNDERSTOOD = {
    "parts of text": parts({"type": "text", "text": "On"}, {"type": "output_text", "text": "e."}),
    "a part without a type": parts({"text": "One."}),
    "parts that are bare text": parts("On", "e."),
    "one part alone": whole({"content": TEXT}),
    "a part that is a thought": parts({"type": "reasoning", "text": "Hm."}, TEXT),
    "a part of nested thoughts": parts({"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, TEXT),
    "thoughts beside it": whole({"reasoning_content": "Hm.", "reasoning": "Hm."}),
    "a fingerprint that is a number": whole(system_fingerprint=17),
    "a fingerprint that is a list": whole(system_fingerprint=["a"]),
    "a reason that is a number": whole(choice={"finish_reason": 1}),
    "an id that is a number": whole(id=5, created="now"),
    "usage as text and fractions": whole(usage={"prompt_tokens": "10", "completion_tokens": 5.0}),
    "usage that is none": whole(usage={"prompt_tokens": "many", "completion_tokens": -1}),
    "usage beyond all bounds": whole(usage={"prompt_tokens": 10**30, "completion_tokens": 1e300}),
    "minus infinity": whole(choice={"logprobs": {"content": [{"logprob": float("-inf")}]}}),
    "NaN beside it": whole(created=float("nan")),
    "an empty error": whole(error=None),
    "a key twice, alike": whole()[:-1] + b', "object": "chat.completion"}',
}


@pytest.mark.parametrize("body", UNDERSTOOD.values(), ids=UNDERSTOOD)
def test_an_answer_is_understood_in_every_shape_that_leaves_no_doubt(body):
    with serving(reply(body)) as server, client_of(server) as client:
        assert client.complete(ASKED).text == "One."


def test_usage_is_counted_however_it_is_written():
    with serving(reply(UNDERSTOOD["usage as text and fractions"])) as server, client_of(server) as client:
        answer = client.complete(ASKED)
    assert (answer.tokens_in, answer.tokens_out) == (10, 5)


NAMED = {
    "thoughts alone": (whole({"content": "", "reasoning_content": "Hm."}), "thought and did not answer: raise LLM_MAX"),
    "thoughts in a part": (parts({"type": "thinking", "thinking": "Hm."}), "thought and did not answer"),
    "a tool": (
        whole({"content": None, "tool_calls": [{"function": {"name": "advise", "arguments": GOOD_ADVICE}}]}),
        "called the tool 'advise' and wrote no answer",
    ),
    "a function": (whole({"content": None, "function_call": {"name": "advise"}}), "called the tool 'advise'"),
    "an error object": (b'{"object": "error", "message": "Too busy.", "code": 5}', "reported an error (Too busy."),
    "a list of errors": (b'{"error": [{"message": "Busy"}, {"message": "Full"}]}', "reported an error (Busy; Full)"),
    "a detail": (b'{"detail": "Unknown model"}', "reported an error (Unknown model)"),
    "a message alone": (b'{"message": "Out of memory", "code": 7}', "reported an error (Out of memory)"),
    "a message in events": (
        b'event: error\ndata: {"message": "Out of memory"}\n\n',
        "reported an error (Out of memory)",
    ),
    "a key twice, otherwise": (whole()[:-1] + b', "model": "other"}', "a key appears twice"),
}


@pytest.mark.parametrize(("body", "words"), NAMED.values(), ids=NAMED)
def test_what_is_no_answer_is_named_for_what_it_is(body, words):
    with serving(reply(body)) as server, client_of(server) as client, pytest.raises(BackendFailure) as failed:
        client.complete(ASKED)
    assert words in str(failed.value)


REFUSALS = {
    "a list": ([{"error": {"code": 400, "message": "Unknown name seed"}}], "(Unknown name seed): leave LLM_SEED out"),
    "a detail": ({"detail": "No such adapter"}, "(No such adapter)"),
    "a fault": ({"fault": {"faultstring": "Quota used up"}}, "(Quota used up)"),
    "words under a field": ({"errors": {"model": ["is not served"]}}, "(is not served)"),
    "places": ({"detail": [{"loc": ["body", "seed"], "msg": "not permitted"}]}, "(body.seed: not permitted)"),
    "errors": ({"errors": [{"title": "Bad", "description": "Wrong field"}]}, "(Wrong field)"),
    "a text in a field": ({"error": "wrong field"}, "(wrong field)"),
    "nothing": ({}, "status 400: "),
    "a number": (7, "status 400: "),
}


@pytest.mark.parametrize(("body", "words"), REFUSALS.values(), ids=REFUSALS)
def test_the_words_of_a_refusal_are_kept_whatever_its_shape(body, words):
    behaviour = reply(json.dumps(body).encode(), status=400)
    with serving(behaviour) as server, client_of(server) as client, pytest.raises(BackendRefused) as refused:
        client.complete(ASKED)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"Upstream is down", "(Upstream is down)"),
        (b"<html><head><title>502 Bad Gateway</title></head></html>", "(an HTML page: 502 Bad Gateway)"),
        (b"<!doctype html><p>Sorry", "(an HTML page)"),
    ],
)
def test_a_refusal_in_plain_text_or_as_a_page_keeps_its_words(body, words):
    with serving(reply(body, status=502)) as server, client_of(server) as client, pytest.raises(ModelError) as failed:
        client.complete(ASKED)
    assert words in str(failed.value)


def test_words_are_found_in_no_depth_that_costs():
    deep = "end"
    for _ in range(500):
        deep = {"error": deep}
    assert words_of(deep) == ""


@pytest.mark.parametrize(
    "message",
    [
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 512. Given: 900",
        "The prompt is too long: 900 tokens",
    ],
)
def test_a_question_that_is_too_long_is_understood_in_other_words(message):
    behaviour = reply(json.dumps({"error": message}).encode(), status=422)
    with serving(behaviour) as server, client_of(server) as client, pytest.raises(PromptTooLong):
        client.complete(ASKED)


def chunk(**delta):
    finish = delta.pop("finish", None)
    return {"model": MODEL, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


CHUNKS = [chunk(role="assistant", content=""), chunk(content="On"), chunk(content="e."), chunk(finish="stop")]
USAGE = {"prompt_tokens": 10, "completion_tokens": 5}


def events(*documents, before="data: ", behind="\n\n", end="data: [DONE]\n\n", **how):
    return ("".join(before + json.dumps(one, **how) + behind for one in documents) + end).encode()


STREAMS = {
    "as usual": events(*CHUNKS),
    "without a blank": events(*CHUNKS, before="data:", end="data:[DONE]\n\n"),
    "without an end": events(*CHUNKS, end=""),
    "without a finish": events(*CHUNKS[:-1]),
    "without blank lines": events(*CHUNKS, behind="\n", end="data: [DONE]\n"),
    "without a last line end": events(*CHUNKS, end="").rstrip(b"\n"),
    "with carriage returns": events(*CHUNKS).replace(b"\n", b"\r\n"),
    "with carriage returns alone": events(*CHUNKS).replace(b"\n", b"\r"),
    "with comments": b": wait\n\n" + events(*CHUNKS, behind="\n: wait\n\n"),
    "with names and numbers": events(*CHUNKS, before="id: 1\nevent: message\nretry: 5\ndata: "),
    "with empty data": b"data:\n\n" + events(*CHUNKS),
    "with a mark": b"\xef\xbb\xbf" + events(*CHUNKS),
    "with a sign of life": b"event: ping\ndata: {}\n\n" + events({"type": "ping"}, *CHUNKS),
    "over several lines": "".join(
        "data: " + json.dumps(one, indent=1).replace("\n", "\ndata: ") + "\n\n" for one in CHUNKS
    ).encode(),
    "usage without choices": events(*CHUNKS, {"model": MODEL, "usage": USAGE}),
    "usage with none": events(*CHUNKS, {"model": MODEL, "choices": None, "usage": USAGE}),
    "usage with an empty list": events(*CHUNKS, {"model": MODEL, "choices": [], "usage": USAGE}),
    "no delta": events(*CHUNKS[:-1], {"choices": [{"index": 0, "delta": None, "finish_reason": "stop"}]}),
    "no content": events(CHUNKS[0], chunk(content=None), *CHUNKS[1:]),
    "content in parts": events(chunk(content=[{"type": "text", "text": "One."}]), CHUNKS[-1]),
    "a whole answer in its place": whole(),
    "a whole answer over many lines": b"\n" + json.dumps(json.loads(whole()), indent=2).encode(),
}


def in_pieces(body, size):
    """Send a body piece by piece."""

    def behave(connection, server):
        connection.wfile.write(head(content_type="text/event-stream"))
        for begin in range(0, len(body), size):
            connection.wfile.write(body[begin : begin + size])
            connection.wfile.flush()

    return behave


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize("body", STREAMS.values(), ids=STREAMS)
def test_a_stream_is_read_however_its_lines_are_written(body, size):
    heard = []
    with serving(in_pieces(body, size)) as server, client_of(server) as client:
        answer = client.complete(ASKED, on_delta=lambda text: heard.append(text) or True)
    assert answer.text == "".join(heard) == "One."


@pytest.mark.parametrize("name", ["as usual", "with comments", "over several lines", "without a finish"])
def test_a_stream_that_nobody_asked_for_is_read_too(name):
    with serving(reply(STREAMS[name], content_type="text/event-stream")) as server, client_of(server) as client:
        assert client.complete(ASKED).text == "One."


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_events_are_the_same_wherever_the_pieces_are_cut(end):
    body = f"data: a{end}data: b{end}{end}: c{end}data: {{}}{end}".encode()
    for cut in range(len(body)):
        stream = EventStream()
        assert [*stream.feed(body[:cut]), *stream.feed(body[cut:]), *stream.end()] == [b"a\nb", b"{}"]


def refused_answer(**error):
    return reply(json.dumps({"error": {"message": "Failed to generate JSON.", **error}}).encode(), status=400)


REFUSED_ANSWERS = [
    {"code": "json_validate_failed", "failed_generation": '{"regime": bull'},
    {"code": "json_validate_failed"},
    {"code": "tool_use_failed", "failed_generation": "<tool>"},
    {"code": 400, "failed_generation": "Bull."},
]


@pytest.mark.parametrize("error", REFUSED_ANSWERS)
def test_a_refused_answer_is_an_invalid_one_and_asked_for_again(error):
    good = reply(json.dumps(completion(GOOD_ADVICE)).encode())
    behaviour = by_turns(lambda turn, body: refused_answer(**error) if turn == 0 else good)
    with serving(behaviour) as server, client_of(server) as client:
        decision = ModelAdvisor(client).decide(SNAPSHOT)
    assert decision.status is Status.REPAIRED
    assert decision.repairs == ("second attempt",)
    assert decision.exchanges[0].answer == error.get("failed_generation", "")
    shown = server.questions[1]["messages"][-2]
    assert shown == {"role": "assistant", "content": error.get("failed_generation") or "(empty)"}


def test_an_answer_that_is_refused_twice_is_invalid():
    with serving(refused_answer(**REFUSED_ANSWERS[0])) as server, client_of(server) as client:
        decision = ModelAdvisor(client).decide(SNAPSHOT)
    assert decision.abstention.reason is AbstentionReason.INVALID
    assert len(server.questions) == 2


def half_a_pair(text):
    """An answer as a server sends it that escapes half of a pair in its JSON."""
    return reply(json.dumps(completion(text)).encode())


@pytest.mark.parametrize("text", ["Half \ud83d of a pair.", '{"\udc00": 1, "\udc00": 2}', "\ud800" * 3])
def test_half_a_surrogate_pair_in_a_bad_answer_ends_no_run(text):
    with serving(half_a_pair(text)) as server, client_of(server) as client:
        decision = ModelAdvisor(client).decide(SNAPSHOT)
    assert decision.abstention.reason is AbstentionReason.INVALID
    assert "\ufffd" in server.questions[1]["messages"][-2]["content"]
    decision.abstention.detail.encode()


def test_a_repair_is_shown_the_beginning_of_a_long_answer_alone():
    with serving(reply(json.dumps(completion("long " * 100_000)).encode())) as server, client_of(server) as client:
        ModelAdvisor(client).decide(SNAPSHOT)
    shown = server.questions[1]["messages"][-2]["content"]
    assert shown.startswith("long long")
    assert len(shown) < 5_000
