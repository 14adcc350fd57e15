"""The openai backend and models that think before they write: what they refuse is learned, and no thought is cut off in
silence."""

import logging

import pytest
from fault_wires import KEY
from misbehaving_server import GOOD_ADVICE, MODEL, answer, by_turns, serving, status
from thinking_server import EFFORTS, THINKS, THOUGHTS

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.errors import BackendFailure, BackendRefused, ConfigurationError
from llm_strategy.llm import FolderStore, Message, RecordingClient, Request, get_llm_client
from llm_strategy.llm.backends.openai.client import OpenAIBackend
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.settings import LlmSettings
from llm_strategy.types import AbstentionReason, Snapshot, Status

pytestmark = pytest.mark.server

SNAPSHOT = Snapshot("SECRETCO", "1d", "2008-10-10T00:00:00", 899.22, -0.2, -0.1, 0.03, 0.99, -0.4, 0.1, 1.5)
ASKED = Request((Message("user", "x"),), timeout_s=20)
CUT_OFF = r"was cut off while thinking: raise LLM_MAX_TOKENS, or lower openai\.reasoning_effort"


def client_of(server, **options):
    return LLMClient(OpenAIBackend(MODEL, [server.url], KEY, **{"timeout_s": 20} | options))


def test_a_model_that_thinks_is_understood_and_advises(caplog):
    caplog.set_level(logging.WARNING)
    with serving(THINKS) as server, client_of(server) as client:
        identity = client.identity
        decision = ModelAdvisor(client).decide(SNAPSHOT)
        health = client.healthcheck()
    assert dict(identity.settings) == {"answer_format": "json_schema", "temperature": "omitted"}
    assert identity.engine_version == f"{MODEL}-2026-01-01"
    assert decision.status is Status.ADVISED
    asked = server.questions[-2]
    assert asked["max_completion_tokens"] == 512
    assert not {"temperature", "max_tokens", "reasoning_effort"} & set(asked)
    assert "takes no temperature: LLM_TEMPERATURE is not sent" in caplog.text
    assert health.ok
    assert "thinks first" in health.detail


def test_an_answer_that_was_cut_off_while_thinking_says_so_once():
    with serving(THINKS) as server:
        settings = LlmSettings(backend="openai", model=MODEL, base_url=(server.url,), max_tokens=THOUGHTS, timeout_s=20)
        with get_llm_client(settings=settings) as client:
            decision = ModelAdvisor(client).decide(SNAPSHOT)
            before = len(server.questions)
            with pytest.raises(BackendRefused, match=CUT_OFF):
                client.generate("x")
            assert len(server.questions) == before + 1
            with pytest.raises(BackendRefused, match=CUT_OFF):
                list(client.chat([Message("user", "x")], stream=True))
    assert decision.abstention.reason is AbstentionReason.BACKEND_FAILURE
    assert "raise LLM_MAX_TOKENS" in decision.abstention.detail


def test_an_empty_answer_that_has_an_end_is_still_a_failure_that_may_pass():
    with serving(answer("")) as server, client_of(server, answer_format="plain", reported_model=MODEL) as client:
        with pytest.raises(BackendFailure, match="answered with nothing") as problem:
            client.complete(ASKED)
        assert not isinstance(problem.value, BackendRefused)


def test_how_hard_a_model_thinks_is_a_setting_and_a_part_of_the_identity(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path / "cache"))
    with serving(THINKS) as server:
        kept = {"base_url": (server.url,), "model": MODEL, "timeout_s": 20, "max_tokens": THOUGHTS}
        settings = LlmSettings(backend="openai", sections={"openai": {"reasoning_effort": "minimal"}}, **kept)
        with get_llm_client(settings=settings) as client:
            assert dict(client.identity.settings)["reasoning_effort"] == "minimal"
            assert client.generate("x").text == GOOD_ADVICE
            assert server.questions[-1]["reasoning_effort"] == "minimal"
        settings = LlmSettings(backend="openai", sections={"openai": {"reasoning_effort": "heroic"}}, **kept)
        with get_llm_client(settings=settings) as client, pytest.raises(BackendRefused) as refused:
            _ = client.identity
    assert all(effort in str(refused.value) for effort in ("heroic", *EFFORTS))


def test_what_is_as_usual_leaves_the_identity_as_it_was():
    with serving(answer('{"colour": "teal", "share": 0.5}')) as server, client_of(server) as client:
        assert client.identity.settings == (("answer_format", "json_schema"),)


def test_a_temperature_out_of_range_is_no_reason_to_leave_it_out():
    behaviour = status(400, message="temperature must be strictly positive")
    with serving(behaviour) as server, client_of(server) as client, pytest.raises(BackendRefused, match="positive"):
        _ = client.identity


def test_one_endpoint_that_takes_a_temperature_and_one_that_takes_none_are_refused():
    def usual(turn, body):
        return answer('{"colour": "teal", "share": 0.5}', model=f"{MODEL}-2026-01-01")

    with serving(by_turns(usual)) as one, serving(THINKS) as other:
        pair = [one.url, other.url]
        with (
            LLMClient(OpenAIBackend(MODEL, pair, KEY, timeout_s=20)) as client,
            pytest.raises(ConfigurationError, match=r"endpoint 1 .* takes a temperature .* endpoint 2 .* takes none"),
        ):
            _ = client.identity
        with LLMClient(OpenAIBackend(MODEL, pair, KEY, timeout_s=20, omit_temperature=True)) as client:
            assert dict(client.identity.settings)["temperature"] == "omitted"


def test_what_is_pinned_is_not_asked_for():
    known = {"answer_format": "json_schema", "reported_model": f"{MODEL}-2026-01-01", "omit_temperature": True}
    with serving(THINKS) as server, client_of(server, **known) as client:
        assert client.complete(ASKED).text == GOOD_ADVICE
    assert len(server.questions) == 2  # the first taught the name of the bound


def test_what_was_learned_is_noted_and_a_note_from_before_holds(tmp_path):
    with serving(THINKS) as server:
        with client_of(server, notes=tmp_path) as client:
            identity = client.identity
            answers = RecordingClient(client, identity, FolderStore(tmp_path / "answers"))
            assert ModelAdvisor(answers).decide(SNAPSHOT).status is Status.ADVISED
        url = server.url
    with LLMClient(OpenAIBackend(MODEL, [url], KEY, timeout_s=1, notes=tmp_path)) as client:
        assert client.identity == identity
        answers = RecordingClient(client, identity, FolderStore(tmp_path / "answers"))
        assert ModelAdvisor(answers).decide(SNAPSHOT).status is Status.ADVISED
    with (
        LLMClient(OpenAIBackend(MODEL, [url], KEY, timeout_s=1, notes=tmp_path, reasoning_effort="low")) as client,
        pytest.raises(BackendFailure),
    ):
        _ = client.identity
