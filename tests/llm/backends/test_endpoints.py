"""Several servers of one model behind the openai backend: who is left out, who comes back, and that all speak alike."""

import logging
import threading

import misbehaving_server as server_that
import pytest
from fault_wires import KEY
from misbehaving_server import GOOD_ADVICE, MODEL, answer, by_turns, serving, status

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.errors import BackendFailure, BackendRefused, ConfigurationError, ModelChanged
from llm_strategy.llm import Message, Request
from llm_strategy.llm.backends.openai.client import OpenAIBackend
from llm_strategy.llm.backends.openai.endpoints import LOOK_AGAIN_AFTER
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.reliability.client import ResilientClient
from llm_strategy.llm.reliability.policy import RetryPolicy
from llm_strategy.types import EventKind, Snapshot, Status

pytestmark = pytest.mark.server

KNOWN = {"answer_format": "json_schema", "reported_model": MODEL}
APART = {"timeout_s": 20, "probe": False}
"""Who is left out and comes back; whether all serve the same weights is asked in ``test_weights``."""
ASKED = Request((Message("user", "x"),), timeout_s=20)
TRIAL_ANSWER = '{"colour": "teal", "share": 0.5}'
SNAPSHOT = Snapshot("SECRETCO", "1d", "2008-10-10T00:00:00", 899.22, -0.2, -0.1, 0.03, 0.99, -0.4, 0.1, 1.5)


def client_of(*servers, **options):
    return LLMClient(OpenAIBackend(MODEL, [server.url for server in servers], KEY, **APART | options))


def is_trial(body):
    return "colour" in body["messages"][-1]["content"]


def speaking(formats, text=GOOD_ADVICE, model=MODEL):
    """A server that takes these formats besides plain text, and no others."""

    def behave(turn, body):
        wanted = body.get("response_format", {}).get("type", "plain")
        if wanted not in (*formats, "plain"):
            return status(400, message=f"response_format.type: '{wanted}' is not supported.")
        return answer(TRIAL_ANSWER if is_trial(body) else text, model=model)

    return by_turns(behave)


def failovers(answer_or_problem):
    return [event.detail for event in answer_or_problem.events if event.kind is EventKind.FAILOVER]


@pytest.mark.parametrize(
    ("code", "cure"), [(401, "set LLM_API_KEY"), (403, "use a key"), (404, "set LLM_MODEL and LLM_BASE_URL")]
)
def test_an_endpoint_that_refuses_the_key_or_the_model_loses_no_decision(code, cure, caplog):
    caplog.set_level(logging.WARNING)
    with (
        serving(status(code, message="No such model.")) as refuses,
        serving(answer()) as well,
        client_of(refuses, well, **KNOWN) as model,
        ResilientClient(model, sleep=lambda seconds: None) as client,
    ):
        advisor = ModelAdvisor(client, remember=False)
        decisions = [advisor.decide(SNAPSHOT) for _ in range(3)]
        health = client.healthcheck()
    assert [decision.status for decision in decisions] == [Status.ADVISED] * 3
    assert (len(refuses.questions), len(well.questions)) == (1, 4)
    told = [detail for decision in decisions for detail in failovers(decision.exchanges[0])]
    assert len(told) == 1
    assert f"endpoint 1 (127.0.0.1:{refuses.port}) answered with HTTP status {code} (No such model): {cure}" in told[0]
    assert [record.message for record in caplog.records] == [f"{told[0]} It is left out until it answers again."]
    assert not health.ok
    assert health.detail == told[0]


def test_an_endpoint_that_refused_comes_back_once_it_answers_well():
    fate = {"now": status(404)}
    with (
        serving(by_turns(lambda turn, body: fate["now"])) as one,
        serving(speaking(("json_schema",), text="x")) as other,
        client_of(one, other, **KNOWN) as client,
    ):
        client.complete(ASKED)
        client.batch(["x"] * (LOOK_AGAIN_AFTER - 2))
        assert len(one.questions) == 1
        fate["now"] = answer(TRIAL_ANSWER)
        for _ in range(400):
            if client.complete(ASKED).text == TRIAL_ANSWER:
                break
        else:
            pytest.fail("the endpoint was never asked again")
        assert is_trial(one.questions[1])
        assert not is_trial(one.questions[2])
        assert client.healthcheck().ok


def test_a_look_at_an_endpoint_that_still_refuses_costs_no_answer():
    with serving(status(404)) as one, serving(answer("x")) as other, client_of(one, other, **KNOWN) as client:
        answers = [client.complete(ASKED) for _ in range(3 * LOOK_AGAIN_AFTER)]
    assert sum(len(failovers(got)) for got in answers) == 1
    assert len(one.questions) <= 4


def test_where_all_refuse_it_is_a_final_refusal_and_one_alone_is_refused_as_ever():
    with serving(status(401)) as one, serving(status(404)) as other, client_of(one, other, **KNOWN) as model:
        client = ResilientClient(model, RetryPolicy(attempts=4), sleep=lambda seconds: None)
        with pytest.raises(BackendRefused, match="404"):
            client.complete(ASKED)
        assert (len(one.questions), len(other.questions)) == (1, 1)
    with serving(status(401)) as alone, client_of(alone, **KNOWN) as client:
        for _ in range(2):
            with pytest.raises(BackendRefused, match="401"):
                client.complete(ASKED)
        assert [is_trial(question) for question in alone.questions] == [False, False]


def test_a_failure_that_may_pass_is_tried_again_where_its_sibling_refuses():
    behaviour = by_turns(lambda turn, body: answer("x") if turn else status(503))
    with serving(behaviour) as fails, serving(status(404)) as refuses, client_of(fails, refuses, **KNOWN) as model:
        client = ResilientClient(model, RetryPolicy(attempts=3), sleep=lambda seconds: None)
        got = client.complete(ASKED)
    assert got.text == "x"
    assert [event.kind for event in got.events][:2] == [EventKind.FAILOVER, EventKind.RETRY]
    assert (len(fails.questions), len(refuses.questions)) == (2, 1)


@pytest.mark.parametrize("swapped", [False, True])
def test_endpoints_that_keep_to_different_formats_are_refused_with_both_names_and_the_cure(swapped):
    with (
        serving(speaking(("json_schema", "json_object", "plain"))) as strict,
        serving(speaking(("json_object", "plain"))) as loose,
    ):
        pair = (loose, strict) if swapped else (strict, loose)
        with client_of(*pair) as client, pytest.raises(ConfigurationError) as refused:
            _ = client.identity
        said = str(refused.value)
        assert all(f"(127.0.0.1:{server.port})" in said for server in pair)
        assert "openai.answer_format in configs/llm.yaml to json_object" in said
        with client_of(*pair, answer_format="json_object") as client:
            assert dict(client.identity.settings) == {"answer_format": "json_object"}
            advisor = ModelAdvisor(client, remember=False)
            assert {advisor.decide(SNAPSHOT).status for _ in range(4)} == {Status.ADVISED}
            assert all(question["response_format"]["type"] == "json_object" for question in pair[0].questions[-1:])


def test_endpoints_of_different_models_are_refused():
    with (
        serving(speaking(("json_schema",), model="one")) as one,
        serving(speaking(("json_schema",), model="two")) as two,
        client_of(one, two) as client,
        pytest.raises(ConfigurationError, match=r"endpoint 1 .* answers as 'one' and the endpoint 2 .* as 'two'"),
    ):
        _ = client.identity


def test_each_endpoint_may_bound_an_answer_by_its_own_name():
    def newer(turn, body):
        if "max_tokens" in body:
            told = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'"
            return status(400, message=f"{told} instead.")
        return answer(TRIAL_ANSWER)

    everybody = threading.Barrier(2, timeout=20)

    def together(behaviour):
        def behave(connection, server):
            everybody.wait()
            behaviour(connection, server)

        return behave

    def older(turn, body):
        if "max_completion_tokens" in body:
            return status(400, message="unknown field max_completion_tokens")
        return answer(TRIAL_ANSWER) if is_trial(body) else together(answer("old"))

    def newest(turn, body):
        return newer(turn, body) if is_trial(body) else together(newer(turn, body))

    with serving(by_turns(older)) as one, serving(by_turns(newest)) as other, client_of(one, other) as client:
        assert dict(client.identity.settings) == {"answer_format": "json_schema"}
        answers = client.batch(["a", "b"])
    assert sorted(got.text for got in answers) == ["old", TRIAL_ANSWER]
    assert "max_completion_tokens" in other.questions[-1]


def test_an_endpoint_that_was_away_at_the_start_is_heard_before_it_answers_for_the_others(caplog):
    away = {"now": True}

    def late(turn, body):
        return status(503) if away["now"] else speaking(("json_object", "plain"))(turn, body)

    with (
        serving(by_turns(late)) as one,
        serving(speaking(("json_schema",))) as other,
        client_of(one, other) as client,
    ):
        assert dict(client.identity.settings) == {"answer_format": "json_schema"}
        assert "endpoint 1" in caplog.text
        away["now"] = False
        answers = [client.complete(ASKED) for _ in range(2 * LOOK_AGAIN_AFTER)]
        assert {got.text for got in answers} == {GOOD_ADVICE}
        assert all(is_trial(question) for question in one.questions)
        for _ in range(400):
            if "the other servers take this question" in client.healthcheck().detail:
                break
        else:
            pytest.fail("nothing tells that the endpoint is left out")


def test_one_dead_endpoint_at_the_start_is_no_hindrance_and_all_dead_are():
    with server_that.nobody_listens() as gone, serving(speaking(("json_schema",))) as well:
        with LLMClient(OpenAIBackend(MODEL, [gone, well.url], KEY, **APART)) as client:
            assert client.identity.engine_version == MODEL
            assert client.complete(ASKED).text == GOOD_ADVICE
        with (
            LLMClient(OpenAIBackend(MODEL, [gone, gone], KEY, **APART)) as client,
            pytest.raises(BackendFailure, match="start"),
        ):
            _ = client.identity


def test_another_model_than_the_one_that_was_named_is_no_answer():
    with serving(answer(model="other")) as one, serving(answer(model="other")) as two:
        with client_of(one, two, **KNOWN) as client, pytest.raises(ModelChanged):
            client.complete(ASKED)
        with client_of(one, two, reported_model=MODEL) as client, pytest.raises(ModelChanged):
            _ = client.identity
