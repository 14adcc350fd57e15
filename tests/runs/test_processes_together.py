"""Several processes on one record of answers: each question is asked once, and nobody waits for the dead for ever."""

import json
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from fault_runs import ended, environment, evidence, write_experiment
from misbehaving_server import answer, by_turns, serving

from llm_strategy.llm import FolderStore, Generation, RecordingClient, get_llm_client
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.requests import ModelIdentity, Request

pytestmark = [pytest.mark.server, pytest.mark.slow]

KEY = "ab" * 32
IDENTITY = ModelIdentity("scripted", "m", "scripted", "1")
HOLDER = """
import sys, time
from pathlib import Path
from llm_strategy.llm import FolderStore
with FolderStore(Path(sys.argv[1])).exclusive(sys.argv[2], 1):
    print("held", flush=True)
    time.sleep(600)
"""

ASKER = """
import sys, time
from pathlib import Path
from llm_strategy.llm import FolderStore, RecordingClient, Request
from llm_strategy.llm.backends.scripted import ScriptedClient
def script(request):
    with open(sys.argv[2], "a") as asked:
        asked.write(str(request.seed))
    time.sleep(0.05)
    return str(request.seed)
model = ScriptedClient(script)
client = RecordingClient(model, model.identity, FolderStore(Path(sys.argv[1])))
print("".join(client.complete(Request((), seed=turn)).text for turn in range(5)), end="")
"""


@pytest.mark.parametrize("concurrency", [1, 8])
def test_two_runs_that_begin_together_ask_each_question_once(tmp_path, commands, concurrency):
    def behave(turn, body):
        time.sleep(0.02)
        return answer()

    with serving(by_turns(behave)) as server:
        settings = environment(server.url, tmp_path / "cache")
        places = [tmp_path / "one", tmp_path / "two"]
        for place in places:
            write_experiment(place, 25, concurrency=concurrency)
        outcomes = [ended(run) for run in [commands.popen(place, settings) for place in places]]
        assert [code for code, _ in outcomes] == [0, 0], outcomes
        asked = [json.dumps(body["messages"]) for body in server.questions]
    assert len(asked) == len(set(asked)) == 25
    assert evidence(places[0]) == evidence(places[1])


def test_four_processes_ask_five_questions(tmp_path):
    command = [sys.executable, "-c", ASKER, tmp_path / "answers", tmp_path / "asked.txt"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert [process.communicate(timeout=120)[0] for process in processes] == ["01234"] * 4
    assert sorted((tmp_path / "asked.txt").read_text()) == list("01234")


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lock of ``KEY`` and never answers."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path, KEY], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_process_that_dies_lets_go(tmp_path, holder):
    threading.Timer(0.1, lambda: holder.send_signal(signal.SIGKILL)).start()
    with FolderStore(tmp_path).exclusive(KEY, 60):
        assert holder.wait(10) == -signal.SIGKILL


def test_a_process_that_hangs_is_waited_for_no_longer_than_allowed(tmp_path, holder, caplog):
    with caplog.at_level(logging.WARNING), FolderStore(tmp_path).exclusive(KEY, 0.1):
        pass
    assert "asked all the same" in caplog.text
    with FolderStore(tmp_path).exclusive("cd" * 32, 0):  # another question goes on
        pass


def test_a_wait_is_told_soon_and_once(tmp_path, holder, caplog, monkeypatch):
    monkeypatch.setattr("llm_strategy.llm.record.store.QUIET_S", 0.05)
    store = FolderStore(tmp_path)
    for _ in range(2):
        with store.exclusive(KEY, 0.1):
            pass
    assert caplog.text.count("Another program is asking") == 1


def in_a_fork(work):
    """The exit code of a forked process that does this."""
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join(60)
    process.kill()
    return process.exitcode


def test_a_process_that_is_forked_while_others_ask_asks_for_itself(tmp_path):
    inside, done = threading.Event(), threading.Event()
    script = ScriptedClient(lambda request: inside.set() or str(done.wait(60)))
    client = RecordingClient(script, IDENTITY, FolderStore(tmp_path))
    asking = threading.Thread(target=client.complete, args=(Request(()),))
    asking.start()
    inside.wait(60)
    threading.Timer(0.2, done.set).start()
    assert in_a_fork(lambda: sys.exit(client.complete(Request(())).text != "True")) == 0
    asking.join(60)


def test_a_client_that_was_used_before_a_fork_answers_after_it():
    with serving(answer()) as server:
        client = get_llm_client(backend="openai", base_url=server.url, api_key="k", model="tiny-model")
        assert client.generate("Before.").text
        assert in_a_fork(lambda: sys.exit(not client.generate("After.").text)) == 0


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_without_a_lock_the_question_is_asked_all_the_same(tmp_path, kind, caplog):
    store = FolderStore(tmp_path)
    if kind == "file":
        (tmp_path / ".locks").write_text("")
    else:
        (tmp_path / ".locks").mkdir()
        place = tmp_path / ".locks" / KEY[:3]
        place.mkdir() if kind == "folder" else place.symlink_to(place)
    with caplog.at_level(logging.INFO, "llm_strategy.llm.record.store"), store.exclusive(KEY, 0.1):
        store.put(KEY, Generation("x", 1, 1, 1.0))
    assert "same question" in caplog.text or "all the same" in caplog.text


def test_threads_wait_for_each_other_as_ever(tmp_path):
    script = ScriptedClient(lambda request: time.sleep(0.01) or "answer")
    client = RecordingClient(script, IDENTITY, FolderStore(tmp_path))
    workers = [threading.Thread(target=client.complete, args=(Request((), seed=turn % 4),)) for turn in range(16)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert len(script.requests) == 4
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".part")]


def test_who_asks_within_a_question_does_not_wait_for_itself(tmp_path):
    store = FolderStore(tmp_path)
    within = RecordingClient(ScriptedClient(["first"]), IDENTITY, store)
    outer = RecordingClient(ScriptedClient(lambda request: within.complete(request).text + "?"), IDENTITY, store)
    begin = time.monotonic()
    assert outer.complete(Request(())).text == "first"  # the first answer on record holds for both
    assert time.monotonic() - begin < 30
