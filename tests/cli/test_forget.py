"""``btllm forget``: an answer is removed from the record of answers, as it was printed, and asked again."""

import json
import os
from dataclasses import replace

import pytest
from command_line import only_error, write_experiment

from llm_strategy.llm import FolderStore, Generation, Message, RecordingClient, Request
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.requests import request_hash

QUESTION = Request((Message("user", "How is it?"),))


def slots(label):
    return {"label": label, "action": "hold", "action_confidence": "70", "rationale": "Calm."}


@pytest.fixture
def store(tmp_path):
    return FolderStore(tmp_path / "cache" / "answers")


def answered(store, *draws, question=QUESTION):
    """The keys of these draws of a question, which a model answers for the record."""
    model = ScriptedClient(lambda request: f"draw {request.draw}: sk-other-key-4711-4711", name="scripted")
    client = RecordingClient(model, model.identity, store)
    asked = [replace(question, draw=draw) for draw in draws]
    for request in asked:
        client.complete(request)
    return [request_hash(request, model.identity) for request in asked]


def test_what_was_forgotten_is_asked_again_and_nothing_else(btllm, tmp_path, monkeypatch):
    write_experiment(tmp_path)
    monkeypatch.setenv("LLM_BACKEND", "scripted")
    monkeypatch.setenv("LLM_SCRIPT", "script.jsonl")
    script = tmp_path / "script.jsonl"

    def advised(label, at):
        script.write_text(json.dumps(slots(label)) + "\n")
        code, out, err = btllm("advise", "--at", at, "--json")
        assert code == 0, err
        return json.loads(out)

    first, other = advised("bull", "2001-02-20"), advised("sideways", "2001-06-20")
    assert first["request"] != other["request"]
    assert advised("bear", "2001-02-20")["answer"] == first["answer"]
    code, out, _ = btllm("forget", first["request"][:12])
    assert code == 0
    assert out.startswith(f"Forgot {first['request'][:12]}; the next run asks it again. It was: ")
    assert advised("bear", "2001-02-20")["advice"]["regime"]["label"] == "bear"
    assert advised("bull", "2001-06-20")["answer"] == other["answer"]


def test_every_further_draw_goes_along_and_a_secret_is_not_shown(btllm, store):
    first, second, third = answered(store, 0, 2, 3)
    (bystander,) = answered(store, 0, question=Request((Message("user", "And now?"),)))
    code, out, _ = btllm("forget", first.upper())
    assert code == 0
    assert "and 2 further of its draws" in out
    assert "4711" not in out
    assert [store.get(key) for key in (first, second, third)] == [None] * 3
    assert store.get(bystander) is not None
    assert [path.name for path in store.path.glob("??/*")] == [f"{bystander}.json"]


def test_a_draw_is_forgotten_alone(btllm, store):
    first, second = answered(store, 0, 2)
    assert btllm("forget", second)[0] == 0
    assert (store.get(first) is None, store.get(second) is None) == (False, True)
    assert "further" not in btllm("forget", first)[1]


def test_several_are_forgotten_at_once_and_a_damaged_one_too(btllm, store):
    keys = [*answered(store, 0), "ab" + "0" * 62]
    store.put(keys[1], Generation("{}", 1, 1, 1.0))
    (store.path / "ab" / f"{keys[1]}.json").write_text("{")
    code, out, _ = btllm("forget", *keys, keys[0][:8])
    assert code == 0
    assert len(out.splitlines()) == 2
    assert [store.get(key) for key in keys] == [None, None]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["ffff0000ffff"], "No answer to request ffff0000ffff is on record"),
        (["abcd"], "2 answers are on record to requests abcd...: give more, abcd10000000 or abcd20000000."),
        (["ab"], "'ab' is no request: give 4 letters of its hash or more"),
        (["../../etc"], "is no request"),
        (["abc*"], "is no request"),
        ([""], "is no request"),
        (["x" * 9_000], "is no request"),
        (["abcd1", "ffff"], "No answer to request ffff is on record"),
    ],
    ids=["none", "two", "short", "path", "pattern", "empty", "long", "one of two"],
)
def test_a_wrong_one_is_one_sentence_and_removes_nothing(btllm, store, words, told):
    keys = ["abcd1" + "0" * 59, "abcd2" + "0" * 59]
    for key in keys:
        store.put(key, Generation("{}", 1, 1, 1.0))
    assert told in only_error(btllm("forget", *words), 2)
    assert None not in [store.get(key) for key in keys]


def test_an_empty_record_is_one_sentence(btllm):
    assert "No answer to request abcd" in only_error(btllm("forget", "abcd"), 2)


def test_what_stands_for_a_draw_and_is_no_key_removes_nothing(btllm, store, tmp_path):
    """The name of a further draw is a stranger's where the record is."""
    (key,) = answered(store, 0)
    precious = tmp_path / "precious.json"
    precious.write_text("{}")
    out_of_here = "/".join([".."] * len(store.path.parts))
    (store.path / key[:2] / f"{key}.draws").write_bytes(f"{out_of_here}{tmp_path}/precious\n\u00ff".encode("latin-1"))
    assert (store.path / "..").is_dir()
    code, out, _ = btllm("forget", key)
    assert (code, precious.read_text()) == (0, "{}")
    assert out.startswith(f"Forgot {key[:12]}; the next run")
    assert store.get(key) is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_for_the_draws_keeps_nobody_waiting(btllm, store):
    (key,) = answered(store, 0)
    os.mkfifo(store.path / key[:2] / f"{key}.draws")
    answered(store, 2)
    code, out, _ = btllm("forget", key)
    assert code == 0
    assert "and 1 further of its draws" in out
