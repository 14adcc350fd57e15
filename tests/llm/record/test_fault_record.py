"""The record of answers when a file is damaged, two processes write it at once, or the disk is full; see
test_fault_matrix for the other cells."""

import json
import logging
from dataclasses import replace

import pytest
from fault_runs import decisions, ended, environment, evidence, replays, run_here, start_run, write_experiment
from misbehaving_server import GOOD_ADVICE, answer, by_turns, serving

from llm_strategy.llm import FolderStore, Generation, Message, RecordingClient, Request
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.requests import request_hash
from llm_strategy.types import Event, EventKind

pytestmark = [pytest.mark.server, pytest.mark.slow]

REQUEST = Request((Message("user", "How is it?"),))
ANSWER = Generation(
    '{"a": "\u00fc"}', 12, 3, 40.5, "length", {"a": "\u00fc"}, events=(Event(EventKind.FINGERPRINT, "b1"),)
)


@pytest.fixture
def entry(tmp_path):
    """A store with one answer, its key, and its file."""
    store = FolderStore(tmp_path / "answers")
    key = request_hash(REQUEST, ScriptedClient([]).identity)
    store.put(key, ANSWER)
    (file,) = tmp_path.rglob("*.json")
    logging.getLogger("llm_strategy.llm.record.store").disabled = True
    yield store, key, file
    logging.getLogger("llm_strategy.llm.record.store").disabled = False


def test_no_flipped_bit_and_no_cut_makes_another_answer(entry):
    store, key, file = entry
    whole = file.read_bytes()
    unnoticed = 0
    for place in range(len(whole)):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
        found = store.get(key)
        assert found in (None, ANSWER), place
        unnoticed += found is not None
    assert unnoticed < 0.02 * len(whole)  # white space alone may change unnoticed
    for length in range(len(whole) - 1):  # the last byte is a line feed
        file.write_bytes(whole[:length])
        assert store.get(key) is None, length


def test_what_is_damaged_is_asked_again_and_replaced(entry):
    store, key, file = entry
    whole = file.read_bytes()
    damaged = [whole[:length] for length in range(0, len(whole) - 1, 17)]
    damaged += [whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :] for place in range(0, len(whole), 17)]
    noticed = 0
    for number, content in enumerate(damaged):
        file.write_bytes(content)
        if store.get(key) is not None:
            continue
        noticed += 1
        model = ScriptedClient([f"answer {number}"])
        client = RecordingClient(model, model.identity, store)
        assert client.complete(REQUEST).text == f"answer {number}"
        assert store.get(key).text == f"answer {number}"
        assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert noticed > 0.9 * len(damaged)


def test_of_two_that_answer_at_once_the_first_is_right_for_both(tmp_path):
    store = FolderStore(tmp_path)
    identity = ScriptedClient([]).identity
    late = RecordingClient(ScriptedClient(lambda request: "late"), identity, store)

    def overtaken(request):
        late.complete(REQUEST)
        return "first to be asked"

    client = RecordingClient(ScriptedClient(overtaken), identity, store)
    assert [client.complete(REQUEST).text for _ in range(2)] == ["late", "late"]
    assert client.usage.asked == 1


def test_a_file_system_without_links_records_all_the_same(tmp_path, monkeypatch):
    def unknown(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("os.link", unknown)
    store = FolderStore(tmp_path)
    assert store.add("aa11", ANSWER) == ANSWER
    assert store.add("aa11", replace(ANSWER, text="other")) == ANSWER
    assert len(list((tmp_path / "aa").iterdir())) == 1


def test_two_processes_with_one_record_end_with_the_same_journal(tmp_path, monkeypatch, commands):
    def never_the_same_twice(turn, body):
        document = json.loads(GOOD_ADVICE)
        document["action"]["confidence"] = 0.5 + turn % 50 / 100
        return answer(json.dumps(document))

    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        write_experiment(folder, 40)
    with serving(by_turns(never_the_same_twice)) as server:
        settings = environment(server.url, tmp_path / "cache")
        process = commands.popen(there, settings)
        run_here(monkeypatch, here, settings)
        code, said = ended(process)
        assert code == 0, said
        asked = len(server.questions)
    journal = decisions(here)
    assert evidence(here) == evidence(there)
    assert [decision["status"] for decision in journal] == ["advised"] * 40
    assert len({decision["answer"] for decision in journal}) > 15
    assert len({decision["request"] for decision in journal}) == asked  # nothing that the other asks
    assert replays(here)
    assert replays(there)


FULL_AT_THE_SIXTH_ANSWER = """
import resource, signal
from llm_strategy.llm.record.store import FolderStore
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
add, left = FolderStore.add, iter(range(5, -1, -1))
def add_on_a_disk_that_fills(*answer):
    if not next(left, 0):
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
    return add(*answer)
FolderStore.add = add_on_a_disk_that_fills
"""


@pytest.mark.parametrize("at_once", [1, 8])
def test_a_disk_that_fills_up_under_the_record_ends_the_run_and_loses_what_was_in_hand(tmp_path, monkeypatch, at_once):
    write_experiment(tmp_path, 30, concurrency=at_once)
    with serving(answer()) as server:
        settings = environment(server.url, tmp_path / "cache")
        code, said = ended(start_run(tmp_path, settings, before=FULL_AT_THE_SIXTH_ANSWER))
        assert code > 1, said
        told = ("Error: The answer could not be recorded in", "Error: The audit log ")  # whichever was written last
        assert said.strip().splitlines()[-1].startswith(told)
        assert "Traceback" not in said
        assert 6 <= (before := len(server.questions)) < 6 + at_once
        run_here(monkeypatch, tmp_path, settings)
        assert len(server.questions) == before + 25
    assert len({decision["request"] for decision in decisions(tmp_path)}) == 30
    assert replays(tmp_path)
