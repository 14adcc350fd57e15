"""Mode json over a network: the schema of an advice goes along where a server can be held to it, and nowhere else."""

import json
from dataclasses import replace

import jsonschema
import pytest
from bedrock_server import BedrockServer
from bedrock_server import answer as converse_answer
from fault_wires import KEY, SNAPSHOT, aws
from misbehaving_server import GOOD_ADVICE, MODEL, answer, by_turns, serving, status

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.options import PromptOptions
from llm_strategy.advice.written_prompt import ADVICE_FORM, ADVICE_SCHEMA
from llm_strategy.llm import Message, ModelIdentity, Request
from llm_strategy.llm.backends.bedrock.client import BedrockBackend
from llm_strategy.llm.backends.openai.capabilities import response_format
from llm_strategy.llm.backends.openai.client import OpenAIBackend
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.requests import request_hash
from llm_strategy.llm.structured.schema_form import form_schema
from llm_strategy.types import Status

pytestmark = pytest.mark.server

JSON = PromptOptions(mode="json")
PLAIN_JSON = Request((Message("user", "x"),), json_mode=True)
WITH_SCHEMA = replace(PLAIN_JSON, json_schema='{"type": "object"}')
FORM = Request((Message("user", "x"),), form=('{"a": ', "1}"))
SENT = ModelIdentity(
    "openai", "m", "openai", "m-1", settings=(("answer_format", "json_schema"),), supports_forms=True,
    supports_schemas=True,
)  # fmt: skip


def wrong_in(schema, context=()):
    """What OpenAI's strict mode has against a schema, in its own words; None where it takes it."""
    here = f"Invalid schema for response_format 'answer': In context={context!r}, "
    if "type" not in schema:
        return f"{here}schema must have a 'type' key."
    for keyword in ("minLength", "maxLength", "default", "uniqueItems"):
        if keyword in schema:
            return f"{here}'{keyword}' is not permitted."
    if schema["type"] == "object":
        if schema.get("additionalProperties") is not False:
            return f"{here}'additionalProperties' is required to be supplied and to be false."
        if sorted(schema.get("required", ())) != sorted(schema["properties"]):
            return f"{here}'required' is required to be supplied and to be an array including every key in properties."
    parts = [(name, part) for name, part in schema.get("properties", {}).items()]
    return next(filter(None, (wrong_in(part, (*context, "properties", name)) for name, part in parts)), None)


def strictly(turn, body):
    """Refuse what strict mode refuses."""
    wanted = body["response_format"]
    strict = wanted["type"] == "json_schema" and wanted["json_schema"]["strict"]
    wrong = wrong_in(wanted["json_schema"]["schema"]) if strict else None
    return status(400, message=wrong) if wrong else answer(GOOD_ADVICE)


def openai_at(server, answer_format):
    return LLMClient(
        OpenAIBackend(MODEL, [server.url], KEY, answer_format=answer_format, reported_model=MODEL, timeout_s=20)
    )


def test_openai_is_sent_the_schema_of_an_advice_as_strict_mode_wants_it():
    with serving(by_turns(strictly)) as server, openai_at(server, "json_schema") as client:
        decision = ModelAdvisor(client, options=JSON).decide(SNAPSHOT)
    assert decision.status is Status.ADVISED
    wanted = server.questions[0]["response_format"]
    assert wanted["type"] == "json_schema"
    assert wanted["json_schema"]["strict"] is True
    schema = wanted["json_schema"]["schema"]
    confidence = schema["properties"]["action"]["properties"]["confidence"]
    assert confidence == {"type": "number", "enum": [round(0.05 * step, 2) for step in range(1, 20)]}
    assert schema["properties"]["regime"]["properties"]["label"]["type"] == "string"
    jsonschema.validate(json.loads(GOOD_ADVICE), schema)
    jsonschema.validate(json.loads(GOOD_ADVICE), json.loads(ADVICE_SCHEMA))


def test_the_schema_of_a_form_is_one_that_strict_mode_takes():
    for form in (ADVICE_FORM, ('{"kind": "fixed", "n": 2, ', *ADVICE_FORM[0][1:], *ADVICE_FORM[1:])):
        schema = form_schema(form)
        assert wrong_in(response_format(schema)["json_schema"]["schema"]) is None
    assert response_format(form_schema(ADVICE_FORM))["json_schema"]["schema"] == form_schema(ADVICE_FORM)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False},
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
        {"type": "array", "items": {"type": "string"}},
    ],
)
def test_a_schema_that_leaves_something_open_is_sent_as_it_is_and_not_strictly(schema):
    assert response_format(schema)["json_schema"] == {"name": "answer", "strict": False, "schema": schema}


def test_a_server_without_schemas_is_sent_none():
    with serving(by_turns(strictly)) as server, openai_at(server, "json_object") as client:
        ModelAdvisor(client, options=JSON).decide(SNAPSHOT)
    assert server.questions[0]["response_format"] == {"type": "json_object"}


def test_bedrock_is_sent_the_schema_of_an_advice_as_the_input_of_the_tool(monkeypatch):
    aws(monkeypatch)
    server = BedrockServer()
    used = {"toolUse": {"toolUseId": "1", "name": "answer", "input": json.loads(GOOD_ADVICE)}}
    server.reply = converse_answer("", stop="tool_use") | {"output": {"message": {"role": "a", "content": [used]}}}
    with LLMClient(BedrockBackend(MODEL, endpoint_url=server.url, json_way="tool", timeout_s=20)) as client:
        decision = ModelAdvisor(client, options=JSON).decide(SNAPSHOT)
        client.generate("x", json_mode=True)
    server.close()
    assert decision.status is Status.ADVISED
    inputs = [asked["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"] for asked in server.requests]
    assert inputs == [json.loads(ADVICE_SCHEMA), {"type": "object"}]


def test_answers_on_record_are_found_except_where_the_schema_goes_along_now():
    before = replace(SENT, supports_schemas=False)
    for request, key in (
        (PLAIN_JSON, "81d0b8c0cfa76cfec6a28d68e8f4674b009d8713b5600071313aba11a11436ba"),
        (WITH_SCHEMA, "995abaf6bead508dc2a14d91fc058946e6979eb68cb410581fa32994ce44a268"),
        (FORM, "5ea0d3044b6f50a8fbb5e4b65ca455f7240a96c7cbc5dddaf0dc00ff47db794d"),
    ):
        assert request_hash(request, before) == key
        assert (request_hash(request, SENT) == key) is (request is not WITH_SCHEMA)
    assert "supports_schemas" not in before.as_dict()
    assert ModelIdentity.from_dict(before.as_dict()) == before
    assert ModelIdentity.from_dict(SENT.as_dict()) == SENT
