"""A server that is gone when a run begins: what is on record needs none; see test_fault_matrix for the other cells."""

from dataclasses import replace

import misbehaving_server as server_that
import pytest
from fault_runs import decisions, environment, evidence, replays, run_here, write_experiment
from fault_wires import FAILED, KEY, SNAPSHOT
from misbehaving_server import MODEL, answer, by_turns, serving, status

from llm_strategy.advisor import ModelAdvisor
from llm_strategy.errors import BackendFailure, ServerNotReached
from llm_strategy.llm import FolderStore, RecordingClient, Request
from llm_strategy.llm.backends.openai_api import OpenAIClient
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.fallback import Fallback
from llm_strategy.llm.patience import Patience
from llm_strategy.llm.resilience import ResilientClient
from llm_strategy.types import AbstentionReason, Status

PATIENCE = Patience(attempts=2, backoff_s=0.001)


def met(url, folder, fallbacks=()):
    """A client of a server that has to say who it is, behind the record."""
    client = ResilientClient(OpenAIClient(MODEL, [url], KEY, notes=folder / "servers"), PATIENCE, fallbacks)
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
    good = {"label": "bear", "action": "exit", "action_confidence": "70", "rationale": "Below."}
    other = Fallback("other", lambda: ScriptedClient([good]))
    with serving(answer()) as server:
        met(server.url, tmp_path).close()
    with met(server.url, tmp_path, [other]) as client:
        assert ModelAdvisor(client).decide(SNAPSHOT).status is Status.FALLBACK


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
