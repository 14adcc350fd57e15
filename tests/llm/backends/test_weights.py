"""Several addresses of one model: all must serve the same weights, which is asked once, and each has its own room."""

import json
import math
import threading

import pytest
from fault_wires import KEY
from misbehaving_server import GOOD_ADVICE, MODEL, answer, by_turns, completion, reply, serving, status

from llm_strategy.errors import ConfigurationError
from llm_strategy.llm import LLMClient, Message, Request, get_llm_client
from llm_strategy.llm.backends.openai.client import OpenAIBackend
from llm_strategy.llm.backends.openai.endpoints import LOOK_AGAIN_AFTER
from llm_strategy.llm.backends.openai.weights import QUESTIONS, TOLERANCE

pytestmark = pytest.mark.server

KNOWN = {"answer_format": "plain", "reported_model": MODEL, "timeout_s": 20}
ASKED = Request((Message("user", "x"),), timeout_s=20)
FIXED = [question.messages[0].content for question in QUESTIONS]
SURE = {"rising": 0.6, "falling": 0.3, "up": 0.05}


def client_of(*servers, **options):
    return LLMClient(OpenAIBackend(MODEL, [server.url for server in servers], KEY, **KNOWN | options))


def is_fixed(body):
    return body["messages"][-1]["content"] in FIXED


def model(shares=None, texts=("falling", "red", "down"), fingerprint=None, takes_logprobs=True):
    """A server whose first tokens have these probabilities, where it serves any."""

    def behave(turn, body):
        if not is_fixed(body):
            return answer(GOOD_ADVICE, fingerprint=fingerprint)
        if body.get("logprobs") and not takes_logprobs:
            return status(400, message="logprobs are not supported")
        document = completion(texts[FIXED.index(body["messages"][-1]["content"])], fingerprint=fingerprint)
        if body.get("logprobs") and shares:
            likeliest = [{"token": token, "logprob": math.log(share)} for token, share in shares.items()]
            document["choices"][0]["logprobs"] = {"content": [{**likeliest[0], "top_logprobs": likeliest}]}
        return reply(json.dumps(document).encode())

    return by_turns(behave)


def test_servers_of_the_same_weights_are_asked_the_fixed_questions_once():
    near = {**SURE, "rising": SURE["rising"] - 0.9 * TOLERANCE, "falling": SURE["falling"] + 0.9 * TOLERANCE}
    with serving(model(SURE)) as one, serving(model(near, texts=("up", "blue", "up"))) as other:
        with client_of(one, other) as client:
            identity = client.identity
            assert len(one.questions) == len(other.questions) == 0  # what is on record needs no server
            client.batch(["x"] * 6)
        for server in (one, other):
            assert [is_fixed(body) for body in server.questions].count(True) == len(FIXED)
            assert {body["temperature"] for body in server.questions} == {0.0}
        with client_of(one) as alone:
            assert alone.identity == identity
            alone.complete(ASKED)
            assert not is_fixed(one.questions[-1])


DIFFERENT = {
    "probabilities": (
        model(SURE),
        model(SURE | {"rising": 0.3, "falling": 0.6}),
        "at 60% and the endpoint 2 .* at 30%",
    ),
    "tokens": (model(SURE), model({"one": 0.9, "two": 0.05}), "begins with 'one' at 5% or less and"),
    "texts": (
        model(takes_logprobs=False),
        model(texts=("rising", "blue", "down"), takes_logprobs=False),
        "To 2 of 3 fixed questions .* answer otherwise .'falling' and 'rising'.",
    ),
    "builds": (model(SURE, fingerprint="b1"), model(SURE, fingerprint="b2"), "the build b1 with its answers, .* b2"),
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_servers_of_other_weights_are_refused_with_both_names_and_where_they_differ(what):
    first, second, where = DIFFERENT[what]
    with serving(first) as one, serving(second) as other, client_of(one, other) as client:
        with pytest.raises(ConfigurationError, match=where) as refused:
            client.complete(ASKED)
        said = str(refused.value)
        assert all(f"(127.0.0.1:{server.port})" in said for server in (one, other))
        assert "leave one out of LLM_BASE_URL, or set openai.probe to false" in said
        assert not any(map(is_fixed, one.questions)) or len(one.questions) <= 2 * len(FIXED)


def test_what_a_list_of_models_tells_of_the_weights_counts():
    with serving(model(SURE)) as one, serving(model(SURE)) as other:
        for server, size in ((one, 100), (other, 200)):
            server.models = [{"id": MODEL, "object": "model", "created": 1, "owned_by": "x", "meta": {"size": size}}]
        with (
            client_of(one, other) as client,
            pytest.raises(ConfigurationError, match=r"with size '100', .* with '200'"),
        ):
            client.complete(ASKED)


def test_one_answer_of_three_may_be_another_where_no_probabilities_are_served():
    almost = model(texts=("falling", "blue", "down"))
    with serving(model()) as one, serving(almost) as other, client_of(one, other) as client:
        assert client.complete(ASKED).text == GOOD_ADVICE


def test_answers_that_are_drawn_are_not_compared():
    drawn = {"omit_temperature": True}
    with serving(model(SURE)) as one, serving(model({"one": 0.9})) as two, client_of(one, two, **drawn) as client:
        assert client.complete(ASKED).text == GOOD_ADVICE


def test_a_server_that_was_away_is_compared_before_it_answers_for_the_others():
    away = {"now": True}
    behind = model({"one": 0.9, "two": 0.05})

    def late(turn, body):
        return status(503) if away["now"] else behind(turn, body)

    with serving(by_turns(late)) as one, serving(model(SURE)) as other, client_of(one, other) as client:
        client.complete(ASKED)
        away["now"] = False
        for _ in range(3 * LOOK_AGAIN_AFTER):
            assert client.complete(ASKED).text == GOOD_ADVICE
        for _ in range(400):
            if "they do not serve the same weights" in client.healthcheck().detail:
                break
        else:
            pytest.fail("nothing tells that the address is left out")
        assert all(is_fixed(body) or "colour" in body["messages"][-1]["content"] for body in one.questions)


def test_without_the_probe_nothing_is_asked_and_the_client_says_so():
    with serving(model(SURE)) as one, serving(model({"one": 0.9})) as other:
        with client_of(one, other, probe=False) as client:
            client.batch(["x"] * 6)
            (caveat,) = client.caveats
        assert "Any of 2 addresses may have answered" in caveat
        assert not any(map(is_fixed, [*one.questions, *other.questions]))
        with client_of(one, probe=False) as alone:
            assert alone.caveats == ()


def test_each_address_has_its_own_room_and_all_of_it_is_used():
    together = threading.Barrier(4, timeout=20)

    def waits(connection, server):
        together.wait()
        answer("x")(connection, server)

    with serving(waits) as one, serving(waits) as other:
        with client_of(one, other, endpoint_concurrency=[3, 1], probe=False) as client:
            assert client.concurrency == 4
            assert len(client.batch(["x"] * 40)) == 40
        assert (one.most_open, other.most_open) == (3, 1)


def test_rooms_that_do_not_fit_the_addresses_are_one_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").mkdir()
    for name in ("LLM_BACKEND", "LLM_MODEL", "LLM_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    for options, told in (
        ({"concurrency": 4, "endpoint_concurrency": [3, 1]}, "vllm.concurrency and vllm.endpoint_concurrency are both"),
        ({"endpoint_concurrency": [3]}, "vllm.endpoint_concurrency has 1 numbers for 2 addresses"),
        ({"endpoint_concurrency": [0, 1]}, "give a number for each address"),
        ({"prob": False}, "did you mean 'probe'"),
    ):
        section = {"base_url": ["http://127.0.0.1:9/v1", "http://127.0.0.1:8/v1"], **options}
        settings = {"backend": "vllm", "model": MODEL, "vllm": section}
        (tmp_path / "configs" / "llm.yaml").write_text(json.dumps(settings))
        with pytest.raises(ConfigurationError, match=told):
            get_llm_client()
    with pytest.raises(ConfigurationError, match="has 1 numbers for 2 addresses: give one for each address"):
        OpenAIBackend(MODEL, ["http://127.0.0.1:9/v1"] * 2, **KNOWN, endpoint_concurrency=[3])
