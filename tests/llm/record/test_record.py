"""The record of answers: keys, stores, and the client in front of a model."""

import json
import logging
import resource
from dataclasses import replace

import pytest

from llm_strategy.errors import AnswerNotRecorded, AnswerTimeout, ConfigurationError, RunFolderError
from llm_strategy.llm import FolderStore, Generation, MemoryStore, Message, RecordingClient, Request, Slot
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.requests import ModelIdentity, request_hash

IDENTITY = ModelIdentity("local_llama", "small", "gpt4all", "2.8.2", "ab", "cd", (("batch_tokens", 128),), True)
REQUEST = Request((Message("system", "s"), Message("user", "ü")), form=('{"a": "', Slot("a", 3), '"}'))
ANSWER = Generation('{"a": "ü"}', 12, 3, 40.5, "length", {"a": "ü"})


@pytest.mark.parametrize(
    "change",
    [
        {"messages": (Message("user", "s"), Message("user", "ü"))},
        {"messages": (Message("system", "s"), Message("user", "ü "))},
        {"form": ()},
        {"form": ('{"a": "', Slot("a", 4), '"}')},
        {"form": ('{"a": "', Slot("a", 3, choices=("x",)), '"}')},
        {"json_mode": True},
        {"temperature": 0.1},
        {"max_tokens": 511},
        {"seed": 0},
    ],
)
def test_what_can_change_an_answer_changes_the_key(change):
    assert request_hash(replace(REQUEST, **change), IDENTITY) != request_hash(REQUEST, IDENTITY)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "large"},
        {"engine_version": "2.8.3"},
        {"weights_sha256": "ac"},
        {"chat_template_sha256": "ce"},
        {"settings": (("batch_tokens", 8),)},
    ],
)
def test_another_model_has_other_keys(change):
    assert request_hash(REQUEST, replace(IDENTITY, **change)) != request_hash(REQUEST, IDENTITY)


def test_a_timeout_does_not_change_the_key():
    assert request_hash(replace(REQUEST, timeout_s=1.0), IDENTITY) == request_hash(REQUEST, IDENTITY)


def test_keys_stay_the_same_over_releases():
    # Recorded runs depend on this: a change means that every recorded answer is lost.
    assert request_hash(REQUEST, IDENTITY) == "f320ed2aff27b7249b2b636ae0b6f51d8ecacb16c0dc97e3fc95574382f34643"


def test_an_identity_survives_the_manifest():
    assert ModelIdentity.from_dict(json.loads(json.dumps(IDENTITY.as_dict()))) == IDENTITY


def test_a_folder_gives_back_what_was_put(tmp_path):
    store = FolderStore(tmp_path / "answers")
    key = request_hash(REQUEST, IDENTITY)
    assert store.get(key) is None
    store.put(key, ANSWER)
    assert FolderStore(tmp_path / "answers").get(key) == ANSWER
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == [f"{key}.json"]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda content: content[:40], id="cut short"),
        pytest.param(lambda content: b"", id="empty"),
        pytest.param(lambda content: content.replace(b'"a": "x"', b'"a": "z"'), id="a changed letter"),
        pytest.param(lambda content: b"[]", id="another shape"),
        pytest.param(lambda content: b"\xff\xfe\x00", id="not text"),
    ],
)
def test_a_damaged_entry_is_reported_and_asked_again(tmp_path, caplog, damage):
    store = FolderStore(tmp_path)
    RecordingClient(ScriptedClient([{"a": "x"}]), IDENTITY, store).complete(REQUEST)
    (file,) = tmp_path.rglob("*.json")
    file.write_bytes(damage(file.read_bytes()))
    with caplog.at_level(logging.WARNING):
        again = RecordingClient(ScriptedClient([{"a": "y"}]), IDENTITY, store).complete(REQUEST)
    assert again.values == {"a": "y"}
    assert "damaged" in caplog.text
    assert str(file) in caplog.text
    assert store.get(file.stem).values == {"a": "y"}


def test_an_entry_under_another_key_is_not_believed(tmp_path):
    store = FolderStore(tmp_path)
    store.put("aa11", ANSWER)
    (tmp_path / "aa" / "aa11.json").rename(tmp_path / "aa" / "aa22.json")
    assert store.get("aa22") is None


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "answers").write_text("a file, not a folder")
    with pytest.raises(RunFolderError, match=r"could not be recorded in .*answers"):
        FolderStore(tmp_path / "answers").put("aa11", ANSWER)


def test_a_full_disk_leaves_the_earlier_entry_whole(tmp_path):
    store = FolderStore(tmp_path)
    store.put("aa11", ANSWER)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, limits[1]))
    try:
        with pytest.raises(RunFolderError, match="free some space"):
            store.put("aa11", replace(ANSWER, text="other"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert store.get("aa11") == ANSWER
    assert len(list((tmp_path / "aa").iterdir())) == 1


def test_live_asks_once_and_counts():
    model = ScriptedClient([{"a": "x"}, {"a": "y"}])
    client = RecordingClient(model, IDENTITY, MemoryStore())
    other = replace(REQUEST, messages=(Message("user", "z"),))
    answers = [client.complete(request) for request in (REQUEST, REQUEST, other, REQUEST)]
    assert [answer.values["a"] for answer in answers] == ["x", "x", "y", "x"]
    assert [answer.cached for answer in answers] == [False, True, False, True]
    assert len(model.requests) == 2
    usage = client.usage
    assert usage.asked == 2
    assert usage.tokens_in == answers[0].tokens_in + answers[2].tokens_in
    assert usage.tokens_out == answers[0].tokens_out + answers[2].tokens_out


def test_replay_answers_from_the_record_or_not_at_all():
    store = MemoryStore()
    RecordingClient(ScriptedClient([{"a": "x"}]), IDENTITY, store).complete(REQUEST)
    replay = RecordingClient(None, IDENTITY, store, "replay")
    assert replay.complete(REQUEST).cached
    assert replay.supports_forms
    assert replay.healthcheck().ok
    with pytest.raises(AnswerNotRecorded, match="no recorded answer"):
        replay.complete(replace(REQUEST, seed=1))
    with pytest.raises(ConfigurationError, match="no model to ask"):
        RecordingClient(None, IDENTITY, store)


def test_refresh_asks_each_question_again_once():
    store = MemoryStore()
    RecordingClient(ScriptedClient([{"a": "old"}]), IDENTITY, store).complete(REQUEST)
    client = RecordingClient(ScriptedClient([{"a": "new"}]), IDENTITY, store, "refresh")
    assert [client.complete(REQUEST).values["a"] for _ in range(3)] == ["new"] * 3
    assert client.usage.asked == 1


def test_a_failure_is_not_recorded_and_does_not_bring_back_an_old_answer():
    store = MemoryStore()
    RecordingClient(ScriptedClient([{"a": "old"}]), IDENTITY, store).complete(REQUEST)
    client = RecordingClient(ScriptedClient([AnswerTimeout("slow"), {"a": "new"}]), IDENTITY, store, "refresh")
    with pytest.raises(AnswerTimeout):
        client.complete(REQUEST)
    assert client.complete(REQUEST).values == {"a": "new"}
    assert client.usage.asked == 2


def test_an_answer_that_was_stopped_is_not_recorded():
    store = MemoryStore()
    client = RecordingClient(ScriptedClient(["one two three"]), IDENTITY, store)
    client.complete(Request((Message("user", "x"),)), lambda piece: False)
    assert not store


def test_a_recorded_answer_streams():
    client = RecordingClient(ScriptedClient(["one two"]), IDENTITY, MemoryStore())
    client.generate("x")
    chunks = list(client.chat([Message("user", "x")], stream=True))
    assert [chunk.delta for chunk in chunks] == ["one two", ""]
    assert chunks[-1].generation.cached
