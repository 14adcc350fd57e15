"""A run in two processes: the files of one process, and nothing lost where the other one ends."""

import json
import os
import select
import signal
import subprocess
import sys

import pytest

from simulator.runs.parts import Part

PROGRAM = """
import json, os, pathlib, sys, threading
import simulator
from llm_strategy.llm import MemoryStore
from small_run import files, recording, small
from simulator.runs import parts

parts.WORTH_A_PROCESS = 1
store, copies = MemoryStore(), []
os.register_at_fork(after_in_parent=lambda: copies.append(1))

def run(place, processes):
    os.environ["BTLLM_PROCESSES"] = processes
    copies.clear()
    result = simulator.compare(small(place), client=recording(store=store)[0], progress=False)
    clocked = lambda name: name.endswith("manifest.json") or name.startswith("audit")
    kept = {name: content for name, content in files(result.folder).items() if not clocked(name)}
    return kept, len(copies)

def compute():
    if os.getpid() != here:
        os._exit(3)
    return "computed here"

def refuse():
    raise ValueError("no part")

here, place = os.getpid(), pathlib.Path(sys.argv[1])
run(place / "none", "1")  # from here on every answer is on record, and takes no time
(one, none), (two, another) = run(place / "one", "1"), run(place / "two", "2")
with parts.Part(compute, 1) as lost:
    told = [lost.is_beside, lost.result()]
with parts.Part(refuse, 1) as refused:
    try:
        refused.result()
    except ValueError as problem:
        told.append(str(problem))
with parts.Part(threading.Event().wait, 1) as left:
    pass
over = threading.Event()
thread = threading.Thread(target=over.wait)
thread.start()
alone = parts.Part(lambda: os.getpid() == here, 1)
told += [alone.is_beside, alone.result()]
over.set()
print(json.dumps({
    "files": sorted(two), "same": one == two, "differ": sorted(name for name in one if one[name] != two.get(name)),
    "processes": [none, another], "told": told, "left": left.is_beside,
}))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    place = tmp_path_factory.mktemp("parts")
    path = os.pathsep.join([os.path.join(os.path.dirname(__file__), "..", "support"), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(place)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": path, "BTLLM_DATA_DIR": str(place / "data")},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no process is copied")


@linux
def test_two_processes_write_the_files_of_one(told):
    assert told["processes"] == [0, 3]
    assert told["differ"] == []
    assert told["same"]
    assert {"report.html", "facts.json", "robustness.json", "buy_and_hold/facts.json"} <= {*told["files"]}


@linux
def test_what_another_process_does_not_give_is_computed_here(told):
    assert told["told"][:2] == [True, "computed here"]


@linux
def test_what_a_part_raises_is_raised_here(told):
    assert told["told"][2] == "no part"


@linux
def test_a_part_that_nobody_asks_for_is_ended(told):
    assert told["left"] is False


@linux
def test_a_program_with_threads_of_its_own_is_not_copied(told):
    assert told["told"][3:] == [False, True]


BEGINS = """
import time
from simulator.runs.parts import Part

with Part(lambda: time.sleep(600), 10**6) as part:
    print(part._process, flush=True)
    time.sleep(600)
"""


@linux
def test_a_part_ends_with_the_process_that_began_it_though_that_is_killed():
    with subprocess.Popen([sys.executable, "-c", BEGINS], stdout=subprocess.PIPE, text=True) as first:
        copy = int(first.stdout.readline())
        first.kill()
        closed, _, _ = select.select([first.stdout], [], [], 60)
        if not closed:
            os.kill(copy, signal.SIGKILL)
    assert closed  # by both, far sooner than the part would have been done


def test_little_work_stays_in_one_process():
    with Part(os.getpid, 10) as part:
        assert not part.is_beside
        assert part.result() == os.getpid()
