"""A line of answers is read as the same answer over a connection: the same text, tokens, events, the same failure."""

import json
from dataclasses import replace

import pytest
from fault_wires import KEY
from misbehaving_server import GOOD_ADVICE, MODEL, completion, reply, serving

from llm_strategy.advice.written_prompt import ask_for_advice
from llm_strategy.errors import ModelError
from llm_strategy.llm import LLMClient, Message, Request
from llm_strategy.llm.backends.openai.client import OpenAIBackend

pytestmark = pytest.mark.server

ASKED = Request((Message("system", "s"), Message("user", "u")), timeout_s=20, max_tokens=64, seed=3)
KNOWN = {"answer_format": "json_schema", "reported_model": MODEL, "timeout_s": 20}


def message(**fields):
    document = completion("")
    document["choices"][0]["message"] = fields
    return document


ANSWERS = {
    "plain": completion(GOOD_ADVICE),
    "cut off": completion(GOOD_ADVICE[:30], finish="length"),
    "no fingerprint": completion(GOOD_ADVICE, fingerprint=None),
    "parts": message(content=[{"type": "text", "text": "one"}, {"type": "thinking", "text": "hm"}]),
    "a key in it": completion(f"the key is {KEY}"),
    "thought alone": completion("", finish="length"),
    "refused by the model": message(content=None, refusal="I cannot."),
    "withheld": completion("x", finish="content_filter"),
    "another model": completion(GOOD_ADVICE, model="other"),
    "an error with status 200": {"error": {"message": "Broken."}},
    "no completion": {"object": "list", "data": []},
}
REFUSALS = {
    "overloaded": (503, {"error": {"message": "Overloaded."}}),
    "too long": (400, {"error": {"message": "too long", "code": "context_length_exceeded"}}),
    "unknown model": (404, {"error": {"message": "No such model.", "type": "t"}}),
    "broken format": (400, {"error": {"message": "no", "code": "json_validate_failed", "failed_generation": "{"}}),
    "detail": (422, {"detail": [{"loc": ["body", "seed"], "msg": "not taken"}]}),
}


def client_of(server):
    return LLMClient(OpenAIBackend(MODEL, [server.url], KEY, **KNOWN))


def outcome(call):
    """What a question comes to, without the time it took and the place that it came from."""
    try:
        answer = call()
    except ModelError as problem:
        said = str(problem)
        begin = next(begin for begin in ("The batch service ", "The endpoint 1 (127.0.0.1:") if said.startswith(begin))
        return type(problem), said[len(begin) :].partition(") ")[2] if "127" in begin else said[len(begin) :]
    return replace(answer, latency_ms=0.0)


def both(status, body):
    """The outcome of a question over a connection, and of its line in a file."""
    with serving(reply(json.dumps(body).encode(), status=status)) as server, client_of(server) as client:
        alive = outcome(lambda: client.complete(ASKED))
        form = client.batch_form()
        line = json.dumps({"custom_id": "k", "response": {"status_code": status, "body": body}, "error": None})
        return alive, outcome(lambda: form.read(form.parse(line.encode()), ASKED)), server.questions[0]


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_in_a_file_is_the_answer_over_a_connection(name):
    alive, filed, _ = both(200, ANSWERS[name])
    assert filed == alive


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_in_a_file_is_the_refusal_over_a_connection(name):
    alive, filed, _ = both(*REFUSALS[name])
    assert filed == alive


def test_a_question_in_a_file_has_the_body_of_one_over_a_connection():
    for request in (ASKED, replace(ASKED, draw=2), ask_for_advice("trend: above", with_form=True, defaults=ASKED)):
        with serving(reply(json.dumps(completion(GOOD_ADVICE)).encode())) as server, client_of(server) as client:
            client.complete(request)
            line = client.batch_form().line("k" * 64, request)
        assert line == {
            "custom_id": "k" * 64,
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": server.questions[0],
        }
        assert KEY not in json.dumps(line)


@pytest.mark.parametrize(
    "line",
    [
        {"response": {"status_code": 503, "request_id": "r", "body": None}, "error": {"error": {"message": "Gone."}}},
        {"response": {"status_code": 503}, "error": {"object": "error", "message": "Gone.", "type": "t"}},
        {"response": None, "error": {"code": "batch_expired", "message": "Gone."}},
        {"response": {"status_code": 200, "body": {"error": {"message": "Gone."}}}, "error": None},
    ],
    ids=["vllm", "older vllm", "expired", "error with status 200"],
)
def test_every_way_to_say_that_there_is_no_answer_is_told_in_its_words(line):
    with (
        LLMClient(OpenAIBackend(MODEL, ["http://127.0.0.1:9/v1"], **KNOWN)) as client,
        pytest.raises(ModelError, match=r"The batch service .*\(Gone"),
    ):
        client.batch_form().read(line, ASKED)
