"""Runs that are interrupted, killed, locked out or short of disk: what they leave, and how they go on."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from small_run import asks_advice, reader, recording, small

import simulator
from llm_strategy.errors import (
    RunFolderError,
)
from llm_strategy.llm import FolderStore

pytestmark = pytest.mark.slow


def test_an_interrupted_run_goes_on_without_asking_again(tmp_path):
    store = FolderStore(tmp_path / "answers")
    asked = []

    def interrupted(request):
        if len(asked) == 20:
            raise KeyboardInterrupt
        asked.append(request)
        return reader(request)

    with pytest.raises(KeyboardInterrupt):
        simulator.compare(small(tmp_path), client=recording(interrupted, store)[0])
    client, model = recording(reader, store)
    result = simulator.compare(small(tmp_path), client=client)
    again = [request for request in model.requests if asks_advice(request)]
    assert not set(asked) & set(again)
    assert result.record.manifest["usage"]["asked"] == len(again)
    assert not list((tmp_path / "reports").glob("*.partial"))


def test_a_refreshing_run_that_was_cut_off_does_not_ask_again_what_it_had_asked(tmp_path):
    store = FolderStore(tmp_path / "answers")
    simulator.compare(small(tmp_path), client=recording(reader, store)[0])
    experiment = small(tmp_path, advisor={"answers": "refresh"})
    asked = []

    def interrupted(request):
        if len(asked) == 10:
            raise KeyboardInterrupt
        asked.append(request)
        return reader(request)

    with pytest.raises(KeyboardInterrupt):
        simulator.compare(experiment, client=recording(interrupted, store, "refresh")[0])
    client, model = recording(reader, store, "refresh")
    simulator.compare(experiment, client=client)
    assert not set(asked) & {request for request in model.requests if asks_advice(request)}


def test_a_killed_run_resumes(tmp_path):
    program = tmp_path / "killed.py"
    program.write_text(
        textwrap.dedent(
            f"""
            import sys, time
            sys.path.insert(0, {str(Path(__file__).parents[1] / "support")!r})
            import simulator
            from pathlib import Path
            from small_run import small, reader, recording
            from llm_strategy.llm import FolderStore
            tmp = Path({str(tmp_path)!r})
            def slow(request):
                with (tmp / "asked").open("a") as log:
                    log.write(request.messages[-1].content + "\\n")
                time.sleep(0.05)
                return reader(request)
            simulator.compare(small(tmp), client=recording(slow, FolderStore(tmp / "answers"))[0])
            """
        )
    )
    asked = tmp_path / "asked"
    killed = subprocess.Popen([sys.executable, str(program)])
    for _ in range(600):
        if asked.exists() and len(asked.read_text().splitlines()) >= 12:
            break
        time.sleep(0.1)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    before = asked.read_text().splitlines()
    store = FolderStore(tmp_path / "answers")
    client, model = recording(reader, store)
    result = simulator.compare(small(tmp_path), client=client)
    again = [request.messages[-1].content for request in model.requests if asks_advice(request)]
    assert set(before[:-1]).isdisjoint(again)  # the answer to the last one may not have come
    assert all(check.same for check in simulator.replay(result.folder))


def test_two_processes_do_not_write_one_folder(tmp_path):
    experiment = small(tmp_path)

    def nested(request):
        with pytest.raises(RunFolderError, match="Another process"):
            simulator.compare(experiment, client=recording()[0])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulator.compare(experiment, client=recording(nested)[0])


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    blocked = tmp_path / "reports"
    blocked.write_text("a file where a folder should be")
    with pytest.raises(RunFolderError, match=r"cannot be written .* output.folder"):
        simulator.compare(small(tmp_path), client=recording()[0])


def test_a_full_disk_is_one_sentence_and_keeps_the_answers(tmp_path, monkeypatch):
    store = FolderStore(tmp_path / "answers")
    experiment = small(tmp_path, arms=["llm", "buy_and_hold"])
    program = textwrap.dedent(
        f"""
        import resource, sys
        sys.path.insert(0, {str(Path(__file__).parents[1] / "support")!r})
        from pathlib import Path
        import simulator
        from llm_strategy.errors import BacktraderLLMError
        from llm_strategy.llm import FolderStore
        from small_run import small, reader, recording
        import signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
        try:
            simulator.compare(
                small(Path({str(tmp_path)!r}), arms=["llm", "buy_and_hold"]),
                client=recording(reader, FolderStore(Path({str(tmp_path / "answers")!r})))[0],
            )
        except BacktraderLLMError as problem:
            print(type(problem).__name__, problem)
        """
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("RunFolderError"), done.stderr
    assert done.stdout.count("\n") == 1
    client, model = recording(reader, store)
    simulator.compare(experiment, client=client)
    kept = {path.stem for path in (tmp_path / "answers").rglob("*.json")}
    assert len(kept) > len([request for request in model.requests if asks_advice(request)])
