"""Whatever stands at the address of a batch service, handing in and fetching come to a value or to one sentence."""

import json

import pytest
from fault_wires import KEY
from misbehaving_server import MODEL, cut, nobody_listens, reply, reset, serving, status

from llm_strategy.errors import BackendFailure, BackendRefused
from llm_strategy.llm import LLMClient
from llm_strategy.llm.backends.openai.client import OpenAIBackend

pytestmark = pytest.mark.server

KNOWN = {"answer_format": "json_schema", "reported_model": MODEL}


def form_at(url):
    return LLMClient(OpenAIBackend(MODEL, [url], KEY, **KNOWN)).batch_form()


FAULTS = {
    "no batch": (reply(b"[1]"), "answers as no batch service does"),
    "no JSON": (reply(b"<html>"), "answers as no batch service does"),
    "no name": (reply(json.dumps({"id": ""}).encode()), "answers as no batch service does"),
    "endless": (reply(b'{"id": "' + b"x" * 5_000_000), "answers as no batch service does"),
    "packed twice": (reply(b"{}", headers=[("Content-Encoding", "gzip, gzip")]), "packed its answer more than once"),
    "cut": (cut(b'{"id": "b", "status": "completed"}', 10), "cannot be reached or broke off"),
    "reset": (reset, "cannot be reached or broke off"),
    "wrong key": (status(401, message=f"Incorrect key {KEY}."), "set LLM_API_KEY"),
    "none here": (status(404, message="Not Found"), "answer the files with vllm run-batch"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_no_batch_service_is_one_sentence(fault, tmp_path, monkeypatch):
    monkeypatch.setattr("llm_strategy.llm.backends.openai.service.RETRIES", 0)
    behaviour, told = FAULTS[fault]
    with serving(behaviour) as server:
        form = form_at(server.url)
        server.listed = behaviour
        with pytest.raises(BackendFailure, match=told) as failed:
            form.fetch("batch_1", tmp_path)
    said = str(failed.value)
    assert said.startswith("The endpoint 1 (127.0.0.1:")
    assert KEY not in said
    assert "\n" not in said
    assert isinstance(failed.value, BackendRefused) == (fault in ("wrong key", "none here"))
    assert not list(tmp_path.iterdir())


def test_a_service_that_is_not_there_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("llm_strategy.llm.backends.openai.service.RETRIES", 0)
    (tmp_path / "questions.jsonl").write_text("{}\n")
    with nobody_listens() as url, pytest.raises(BackendFailure, match="start it, or set LLM_BASE_URL"):
        form_at(url).submit(tmp_path / "questions.jsonl")
