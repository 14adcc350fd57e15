"""What is said of a server that fails ends with what to do about it, by the kind of the failure."""

import json

import bedrock_server
import misbehaving_server as server_that
import pytest
from fault_wires import BEDROCK, OPENAI, aws
from misbehaving_server import answer, reply, serving

from llm_strategy.errors import ModelError
from llm_strategy.llm import Message, Request

pytestmark = pytest.mark.server

ASKED = Request((Message("user", "x"),), timeout_s=20)


def openai(code, message="No."):
    return OPENAI.status(code, message=message)


def refused_by_the_model():
    body = server_that.completion("")
    body["choices"][0]["message"] |= {"content": None, "refusal": "I cannot help with that."}
    return reply(json.dumps(body).encode())


def converse(stop):
    return reply(json.dumps(bedrock_server.answer("", stop)).encode())


OPENAI_KINDS = {
    "400": (openai(400), "correct the setting that it names, or choose another LLM_MODEL"),
    "400 temperature": (openai(400, "'temperature' does not support 0"), "openai.omit_temperature to true"),
    "400 effort": (openai(400, "Unknown argument: reasoning_effort"), "correct openai.reasoning_effort"),
    "400 format": (
        openai(400, "response_format is unavailable"),
        "set openai.answer_format to json_object or plain",
    ),
    "400 seed": (openai(400, "Unrecognized argument: seed"), "leave LLM_SEED out"),
    "400 length": (openai(400, "exceeds the context length"), "show fewer examples, or choose a model with a larger"),
    "401": (openai(401), "set LLM_API_KEY"),
    "402": (openai(402), "top up the account"),
    "403": (openai(403), "use a key that may ask this model"),
    "404": (openai(404), "set LLM_MODEL and LLM_BASE_URL to what the server has"),
    "405": (openai(405), "LLM_BASE_URL names the API itself"),
    "408": (openai(408), "raise LLM_TIMEOUT_S"),
    "409": (openai(409), "try later, or check LLM_BASE_URL"),
    "429": (openai(429, "Rate limit reached."), "lower openai.concurrency, or ask for a higher limit"),
    "429 quota": (openai(429, "You exceeded your current quota."), "top up the account"),
    "500": (openai(500), "look into the server's log"),
    "503": (openai(503), "try later, or name another server in LLM_BASE_URL or a backend in LLM_FALLBACK"),
    "HTML": (reply(b"<html>Sign in</html>"), "LLM_BASE_URL names the API itself, which often ends in /v1"),
    "no JSON": (reply(b"OK"), "check that LLM_BASE_URL names a server of chat completions"),
    "no UTF-8": (reply(b"\xff\xfe\xfd"), "check that LLM_BASE_URL names a server of chat completions"),
    "no object": (reply(b"[]"), "check that LLM_BASE_URL names a server of chat completions"),
    "another object": (reply(b'{"hello": 1}'), "check that LLM_BASE_URL names a server of chat completions"),
    "an error in a 200": (reply(b'{"error": {"message": "overloaded"}}'), "look into the server's log"),
    "nothing": (reply(b""), "try another openai.answer_format, or choose another LLM_MODEL"),
    "empty": (answer(""), "try another openai.answer_format, or choose another LLM_MODEL"),
    "content filter": (answer("x", finish="content_filter"), "change the prompt, or choose another LLM_MODEL"),
    "refusal": (refused_by_the_model(), "(I cannot help with that.): change the prompt, or choose another LLM_MODEL"),
    "cut off": (answer("", finish="length"), "raise LLM_MAX_TOKENS, or lower openai.reasoning_effort"),
    "too much": (reply(b" " * 2_000_000), "lower LLM_MAX_TOKENS, or check LLM_BASE_URL"),
    "reset": (server_that.reset, "start it, or set LLM_BASE_URL"),
    "another model": (answer(model="other"), "name the new one in LLM_MODEL or start the run again"),
}

BEDROCK_KINDS = {
    "400": (BEDROCK.status(400), "check LLM_MODEL and the prompt"),
    "400 profile": (
        BEDROCK.status(400, message="Retry your request with the ID of an inference profile."),
        "set LLM_MODEL to an inference profile",
    ),
    "400 tool": (
        BEDROCK.status(400, message="It doesn't support tool use."),
        "set json under bedrock: to prompt",
    ),
    "401": (BEDROCK.status(401), "check the credentials"),
    "403": (BEDROCK.status(403), "check the credentials, and that the account may use the model"),
    "403 signature": (BEDROCK.status(403, error="InvalidSignatureException"), "check the credentials"),
    "404": (BEDROCK.status(404), "check LLM_MODEL and the region"),
    "429": (BEDROCK.status(429), "lower concurrency under bedrock:, or ask AWS for a higher quota"),
    "429 not ready": (BEDROCK.status(429, error="ModelNotReadyException"), "try again in a few minutes"),
    "500": (BEDROCK.status(500), "try later, or in another region"),
    "503": (BEDROCK.status(503), "try later, or in another region"),
    "HTML": (reply(b"<html>Sign in</html>"), "check endpoint_url"),
    "no object": (reply(b"[]"), "check endpoint_url"),
    "empty": (converse("end_turn"), "change the prompt, or choose another LLM_MODEL"),
    "cut off": (converse("max_tokens"), "was cut off while thinking: raise LLM_MAX_TOKENS"),
    "content filter": (converse("content_filtered"), "change the guardrail or the prompt"),
    "malformed": (converse("malformed_tool_use"), "set json under bedrock: to prompt, or choose another LLM_MODEL"),
    "too much": (reply(b" " * 2_000_000), "lower LLM_MAX_TOKENS, or check endpoint_url"),
}

CELLS = [
    pytest.param(wire, *cell, id=f"{wire.name}: {name}")
    for wire, kinds in ((OPENAI, OPENAI_KINDS), (BEDROCK, BEDROCK_KINDS))
    for name, cell in kinds.items()
]


@pytest.mark.parametrize(("wire", "behaviour", "cure"), CELLS)
def test_each_kind_of_failure_has_its_cure(wire, behaviour, cure, monkeypatch):
    aws(monkeypatch)
    with serving(behaviour) as server, wire.client([server.url]) as client, pytest.raises(ModelError) as failed:
        client.complete(ASKED)
    said = str(failed.value)
    assert cure in said
    assert said.endswith(".")
    assert "\n" not in said
    assert len(said) < 450
