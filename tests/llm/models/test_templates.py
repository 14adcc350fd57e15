"""The openai backend and chat templates without a place for a system message: found out once, told, a part of the
identity, and spoken to without one."""

import json
import logging

import pytest
from fault_wires import KEY
from misbehaving_server import GOOD_ADVICE, MODEL, answer, by_turns, reply, serving

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.errors import BackendRefused, ConfigurationError
from llm_strategy.llm import Message, Request
from llm_strategy.llm.backends.openai.client import OpenAIBackend
from llm_strategy.llm.client import LLMClient
from llm_strategy.types import Snapshot, Status

pytestmark = pytest.mark.server

SNAPSHOT = Snapshot("SECRETCO", "1d", "2008-10-10T00:00:00", 899.22, -0.2, -0.1, 0.03, 0.99, -0.4, 0.1, 1.5)
TRIAL_ANSWER = '{"colour": "teal", "share": 0.5}'
REFUSALS = [
    (400, {"object": "error", "message": "System role not supported", "code": 400}),
    (400, {"error": {"message": "Conversation roles must alternate user/assistant/user/assistant/..."}}),
    (422, {"error": "Template error: invalid operation: System role not supported (in <string>:1)"}),
    (500, {"error": {"code": 500, "message": "Only user and assistant roles are supported, no 'system'"}}),
    (400, {"detail": "System messages are not allowed: this model has no system message"}),
    (400, {"error": {"message": "Developer instruction is not enabled for this model"}}),
    (400, {"error": {"message": "System prompts are not permitted for this model."}}),
    (400, {"error": {"message": 'Unexpected role "system" in the first message'}}),
    (422, {"detail": [{"loc": ["body", "messages", 0, "role"], "msg": "Input should be 'user' or 'assistant'"}]}),
]


def without_system(status, body):
    """A server that refuses system messages so, and answers as it is asked otherwise."""

    def behave(turn, asked):
        if any(message["role"] == "system" for message in asked["messages"]):
            return reply(json.dumps(body).encode(), status=status)
        return answer(TRIAL_ANSWER if "colour" in asked["messages"][-1]["content"] else GOOD_ADVICE)

    return by_turns(behave)


def takes_all(turn, asked):
    return answer(TRIAL_ANSWER if "colour" in asked["messages"][-1]["content"] else GOOD_ADVICE)


def client_of(*servers, **options):
    return LLMClient(OpenAIBackend(MODEL, [server.url for server in servers], KEY, **{"timeout_s": 20} | options))


@pytest.mark.parametrize(("status", "body"), REFUSALS)
def test_a_template_without_a_system_role_is_found_out_and_spoken_to_without_one(status, body, caplog):
    caplog.set_level(logging.WARNING)
    with serving(without_system(status, body)) as server, client_of(server) as client:
        identity = client.identity
        advisor = ModelAdvisor(client)
        decision = advisor.decide(SNAPSHOT)
    assert decision.status is Status.ADVISED
    assert dict(identity.settings) == {"answer_format": "json_schema", "system": "merged"}
    assert "takes no system message: it is written above the first question" in caplog.text
    meant, sent = advisor.request(SNAPSHOT).messages, server.questions[-1]["messages"]
    assert sent[0] == {"role": "user", "content": f"{meant[0].content}\n\n{meant[1].content}"}
    assert [(message["role"], message["content"]) for message in sent[1:]] == [
        (message.role, message.content) for message in meant[2:]
    ]


def test_a_server_that_takes_one_is_spoken_to_as_before():
    with serving(by_turns(takes_all)) as server, client_of(server) as client:
        assert client.identity.settings == (("answer_format", "json_schema"),)
        client.complete(Request((Message("system", "s"), Message("user", "u")), timeout_s=20))
    assert [message["role"] for message in server.questions[-1]["messages"]] == ["system", "user"]


@pytest.mark.parametrize(
    ("messages", "sent"),
    [
        ((Message("user", "u"),), [("user", "u")]),
        ((Message("system", "s"),), [("user", "s")]),
        ((Message("system", "s"), Message("assistant", "a")), [("user", "s"), ("assistant", "a")]),
        ((Message("system", "s"), Message("user", "u"), Message("system", "t")), [("user", "s\n\nt\n\nu")]),
    ],
)
def test_what_is_said_to_be_so_is_not_asked_for(messages, sent):
    known = {"answer_format": "plain", "reported_model": MODEL, "merge_system": True}
    with serving(answer("x")) as server, client_of(server, **known) as client:
        client.complete(Request(messages, timeout_s=20))
    assert [(message["role"], message["content"]) for message in server.questions[0]["messages"]] == sent


def test_where_nothing_was_found_out_the_refusal_names_the_option():
    known = {"answer_format": "plain", "reported_model": MODEL}
    asked = Request((Message("system", "s"), Message("user", "u")), timeout_s=20)
    with (
        serving(without_system(*REFUSALS[0])) as server,
        client_of(server, **known) as client,
        pytest.raises(BackendRefused, match=r"set openai\.merge_system to true"),
    ):
        client.complete(asked)


def test_two_servers_of_which_one_takes_none_are_refused_until_a_person_says_how():
    with serving(without_system(*REFUSALS[1])) as one, serving(by_turns(takes_all)) as other:
        with client_of(one, other) as client, pytest.raises(ConfigurationError, match=r"openai\.merge_system to true"):
            _ = client.identity
        with client_of(one, other, merge_system=True) as client:
            assert dict(client.identity.settings)["system"] == "merged"


def test_what_was_found_out_is_noted(tmp_path):
    with serving(without_system(*REFUSALS[0])) as server:
        with client_of(server, notes=tmp_path) as client:
            identity = client.identity
        url = server.url
    with LLMClient(OpenAIBackend(MODEL, [url], KEY, timeout_s=1, notes=tmp_path)) as client:
        assert client.identity == identity
