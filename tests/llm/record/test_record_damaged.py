"""Entries of the record of answers that nobody may trust: each counts as missing, is told in the log, and is replaced;
entries of earlier versions are read as ever."""

import json
import logging
import os
import random

import pytest

from llm_strategy.llm import FolderStore, Generation, RecordingClient
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.requests import ModelIdentity, Request, digest

KEY, OTHER = "ab" * 32, "cd" * 32
ANSWER = Generation('{"a": "ü"}', 12, 3, 40.5, "length", {"a": "ü"})


def entry_of(store, key=KEY):
    return store.path / key[:2] / f"{key}.json"


def sealed(answer, key=KEY, **more):
    """An entry whose checksums are right, whatever it says."""
    record = {"answer": answer, "checksum": digest(answer), "key": key, "key_checksum": digest([key, answer])}
    return json.dumps(record | more).encode()


def said(**change):
    return json.loads(json.dumps({"text": "x", "tokens_in": 1, "tokens_out": 1, "latency_ms": 1.0} | change))


@pytest.fixture
def store(tmp_path):
    kept = FolderStore(tmp_path / "answers")
    kept.put(KEY, ANSWER)
    return kept


def refused(store, caplog, key=KEY):
    """Whether the entry counts as missing with a word in the log, and the next answer takes its place."""
    with caplog.at_level(logging.WARNING):
        missing = store.get(key) is None
    assert "damaged" in caplog.text
    new = Generation("new", 1, 1, 1.0)
    assert store.add(key, new) == new
    return missing and store.get(key) == new


def edit_key(content):
    return content.replace(KEY.encode(), OTHER.encode())


def test_an_entry_copied_under_another_key_is_damage(store, caplog):
    entry_of(store, OTHER).parent.mkdir()
    entry_of(store, OTHER).write_bytes(entry_of(store).read_bytes())
    assert refused(store, caplog, OTHER)


def test_an_entry_copied_with_its_key_edited_is_damage(store, caplog):
    entry_of(store, OTHER).parent.mkdir()
    entry_of(store, OTHER).write_bytes(edit_key(entry_of(store).read_bytes()))
    assert refused(store, caplog, OTHER)


def test_an_entry_of_an_earlier_version_is_read(store, caplog):
    whole = json.loads(entry_of(store).read_bytes())
    del whole["key_checksum"]
    entry_of(store).write_text(json.dumps(whole, sort_keys=True, indent=1))
    assert store.get(KEY) == ANSWER
    assert not caplog.text


def test_no_cut_and_no_flipped_bit_gives_another_answer(store):
    content, rng = entry_of(store).read_bytes(), random.Random(3)
    for _ in range(150):
        entry_of(store).write_bytes(content[: rng.randrange(len(content) - 2)])
        assert store.get(KEY) is None
        flipped = bytearray(content)
        flipped[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        entry_of(store).write_bytes(flipped)
        assert store.get(KEY) in (None, ANSWER)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b"\xff\xfe\x00",
        b"[" * 200_000,
        b'{"answer": ' * 50_000,
        b'{"answer": ' + b"9" * 5_000 + b"}",
        b'{"answer": NaN, "checksum": "", "key": ""}',
        sealed([]),
        sealed(None),
        sealed("text"),
        sealed({}),
        sealed(said(text=5)),
        sealed(said(text=None)),
        sealed(said(tokens_in="many")),
        sealed(said(tokens_in=10**300)),
        sealed(said(tokens_out=-1)),
        sealed(said(tokens_out=True)),
        sealed(said(latency_ms="soon")),
        sealed(said(engine_ms="x")),
        sealed(said(finish="never")),
        sealed(said(values=[1, 2])),
        sealed(said(values={"a": 1})),
        sealed(said(events=5)),
        sealed(said(events=["x"])),
        sealed(said(events=[{"kind": "nonsense", "detail": ""}])),
        sealed(said(cached=True)),
        sealed(said(parsed={"a": 1})),
        sealed(said(unknown=1)),
        sealed(said(), checksum=5),
        sealed(said(), key_checksum=None),
        sealed(said(), key=[]),
    ],
    ids=map(str, range(34)),
)
def test_what_is_no_answer_counts_as_missing(store, caplog, content):
    entry_of(store).write_bytes(content)
    assert refused(store, caplog)


@pytest.mark.parametrize("kind", ["folder", "full folder", "pipe", "device", "loop", "unreadable", "huge"])
def test_what_is_no_file_counts_as_missing(store, caplog, kind):
    place = entry_of(store)
    place.unlink()
    if "folder" in kind:
        place.mkdir()
        if kind == "full folder":
            (place / "mine.txt").write_text("kept")
    elif kind == "pipe":
        os.mkfifo(place)
    elif kind == "device":
        place.symlink_to("/dev/zero")
    elif kind == "loop":
        place.symlink_to(place)
    elif kind == "huge":
        with place.open("wb") as file:
            file.truncate(10**12)
    else:
        place.write_bytes(b"{}")
        place.chmod(0)
    assert refused(store, caplog)
    if kind == "full folder":
        assert [path.read_text() for path in store.path.rglob("mine.txt")] == ["kept"]


def test_a_file_at_the_place_of_a_subfolder_is_put_aside(store, caplog):
    (store.path / OTHER[:2]).write_text("")
    assert refused(store, caplog, OTHER)


def test_a_client_asks_again_what_is_damaged(store):
    identity = ModelIdentity("scripted", "m", "scripted", "1")
    clients = [RecordingClient(ScriptedClient([text]), identity, store) for text in ("one", "two")]
    assert clients[0].complete(Request(())).text == "one"
    for file in store.path.rglob("*.json"):
        file.write_bytes(sealed(said(text=5), file.stem))
    assert clients[1].complete(Request(())).text == "two"
