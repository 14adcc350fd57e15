"""A server that is gone when a run begins: what is on record needs none; see test_fault_matrix for the other cells."""

from dataclasses import replace

import misbehaving_server as server_that
import pytest
from fault_runs import decisions, environment, evidence, replays, run_here, write_experiment
from fault_wires import FAILED, KEY, SNAPSHOT
from misbehaving_server import MODEL, answer, by_turns, serving, status

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.errors import BackendFailure, ServerNotReached
from llm_strategy.llm import FolderStore, RecordingClient, Request, get_llm_client
from llm_strategy.llm.backends.openai.client import OpenAIBackend
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.loader import SUPPORTED_BACKENDS, register_backend
from llm_strategy.llm.reliability.client import Fallback, ResilientClient
from llm_strategy.llm.reliability.policy import RetryPolicy
from llm_strategy.llm.settings import LlmSettings
from llm_strategy.types import AbstentionReason, Status

pytestmark = [pytest.mark.server, pytest.mark.slow]

GOOD = {"label": "bear", "action": "exit", "action_confidence": "70", "rationale": "Below."}
PATIENCE = RetryPolicy(attempts=2, backoff_s=0.001)


def met(url, folder, fallbacks=()):
    """A client of a server that has to say who it is, behind the record."""
    client = ResilientClient(LLMClient(OpenAIBackend(MODEL, [url], KEY, notes=folder / "servers")), PATIENCE, fallbacks)
    client.defaults = Request((), timeout_s=2)
    return RecordingClient(client, client.identity, FolderStore(folder / "answers"))


def test_a_run_whose_answers_are_on_record_needs_no_server(tmp_path, monkeypatch):
    write_experiment(tmp_path, 20, known=False)
    with serving(answer()) as server:
        settings = environment(server.url, tmp_path / "cache") | {"LLM_BACKOFF_S": "0"}
        run_here(monkeypatch, tmp_path, settings)
    first = evidence(tmp_path)
    again = run_here(monkeypatch, tmp_path, settings)
    assert again.record.manifest["usage"]["asked"] == 0
    assert evidence(tmp_path) == first
    assert len(decisions(tmp_path)) == 20
    assert replays(tmp_path)
    (note,) = (tmp_path / "cache" / "servers").iterdir()
    assert KEY not in note.read_text()
    assert "127.0.0.1" not in note.read_text()


def test_what_is_not_on_record_ends_the_run_as_a_server_that_was_never_met_does(tmp_path, monkeypatch):
    write_experiment(tmp_path, 20, known=False)
    with serving(answer()) as server:
        settings = environment(server.url, tmp_path / "cache") | {"LLM_BACKOFF_S": "0"}
        run_here(monkeypatch, tmp_path, settings)
    (tmp_path / "more").mkdir()
    write_experiment(tmp_path / "more", 22, known=False)
    with pytest.raises(ServerNotReached, match=r"cannot be reached .* start it") as ended:
        run_here(monkeypatch, tmp_path / "more", settings)
    assert ended.value.exit_code == 4


def test_a_server_that_comes_back_is_asked_and_another_model_is_not_mixed_in(tmp_path):
    fate = {"now": answer()}
    with serving(by_turns(lambda turn, body: fate["now"])) as server:
        with met(server.url, tmp_path) as client:
            identity = client.identity
        fate["now"] = status(503)
        with server_that.nobody_listens() as elsewhere, pytest.raises(BackendFailure):
            met(elsewhere, tmp_path)
        with met(server.url, tmp_path) as client:
            assert client.identity == identity
            advisor = ModelAdvisor(client)
            with pytest.raises(ServerNotReached):
                advisor.decide(SNAPSHOT)
            fate["now"] = answer(model="other-model")
            assert advisor.decide(SNAPSHOT).abstention.reason is AbstentionReason.MODEL_CHANGED
            fate["now"] = answer()
            assert advisor.decide(SNAPSHOT).status is Status.ADVISED
            fate["now"] = status(503)  # it was met by now: from here on a failure is one of its question
            client.defaults = replace(client.defaults, max_tokens=99)
            assert ModelAdvisor(client).decide(SNAPSHOT).abstention.reason is FAILED


def test_a_fallback_answers_in_the_place_of_a_server_that_is_only_remembered(tmp_path):
    other = Fallback("other", lambda: ScriptedClient([GOOD]))
    with serving(answer()) as server:
        met(server.url, tmp_path).close()
    with met(server.url, tmp_path, [other]) as client:
        assert ModelAdvisor(client).decide(SNAPSHOT).status is Status.FALLBACK


@pytest.fixture
def at_hand():
    """A backend that needs no server."""
    register_backend("at_hand", lambda settings: ScriptedClient(lambda request: GOOD))
    yield
    del SUPPORTED_BACKENDS["at_hand"]


@pytest.mark.usefixtures("at_hand")
@pytest.mark.parametrize("noted", [False, True])
def test_a_run_whose_server_is_gone_from_the_start_begins_with_the_fallback(tmp_path, monkeypatch, noted):
    write_experiment(tmp_path, 20, known=not noted, concurrency=3)
    with serving(answer()) as server:
        settings = environment(server.url, tmp_path / "cache", LLM_BACKOFF_S="0", LLM_FALLBACK="at_hand")
        if noted:
            for name, value in settings.items():
                monkeypatch.setenv(name, value)
            monkeypatch.chdir(tmp_path)
            with get_llm_client() as client:
                assert client.identity.engine_version == MODEL
    run_here(monkeypatch, tmp_path, settings)
    made = decisions(tmp_path)
    assert len(made) == 20
    assert {decision["status"] for decision in made} == {"fallback"}


@pytest.mark.usefixtures("at_hand")
@pytest.mark.parametrize("known", ["answer_format", "reported_model", ""])
def test_a_fallback_that_cannot_begin_says_what_it_would_have_to_know(tmp_path, monkeypatch, known):
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path))
    given = {known: {"answer_format": "plain", "reported_model": MODEL}[known]} if known else {}
    unset = [name for name in ("answer_format", "reported_model") if name != known]
    with server_that.nobody_listens() as gone:
        kept = {"backend": "openai", "base_url": (gone,), "backoff_s": 0.0, "sections": {"openai": given}}
        told = f"for at_hand to begin in its place, set {' and '.join('openai.' + name for name in unset)} in configs"
        with (
            get_llm_client(settings=LlmSettings(fallback=("at_hand",), **kept)) as client,
            pytest.raises(BackendFailure, match=told),
        ):
            _ = client.identity
        with get_llm_client(settings=LlmSettings(**kept)) as client, pytest.raises(BackendFailure) as alone:
            _ = client.identity
    assert "to begin" not in str(alone.value)


@pytest.mark.parametrize(
    "damage", [lambda note: note[:50], lambda note: note.replace("plain", "plaim"), lambda _: "[]"]
)
def test_a_damaged_note_counts_as_none(tmp_path, damage):
    with serving(answer("Well.")) as server:
        met(server.url, tmp_path).close()
    (note,) = (tmp_path / "servers").iterdir()
    met(server.url, tmp_path).close()
    note.write_text(damage(note.read_text()))
    with pytest.raises(BackendFailure):
        met(server.url, tmp_path)
