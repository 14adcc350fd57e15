"""A sweep that is killed, or whose disk is full, goes on with the same command and ends with the same bytes; nothing is
asked twice that was on record."""

import errno
import itertools
import json
import os
import random
import signal
import time

import pytest
from fault_runs import environment
from fuzzing import NIGHTLY
from misbehaving_server import answer, by_turns, serving
from small_sweep import finished, sums, write_sweep

pytestmark = [pytest.mark.server, pytest.mark.slow]

DECISIONS = 12
WORDS = ("sweep", "sweep.yaml", "--workers", "1")
KILLS = 10 if NIGHTLY else 3
EVERY = 1 if NIGHTLY else 150


def slowly(turn, body):
    time.sleep(0.01)
    return answer()


def place(tmp_path, server, name):
    folder = tmp_path / name
    write_sweep(folder, DECISIONS)
    return folder, environment(server.url, folder / "cache")


def written(folder):
    """How far a sweep is, by the files of it and of the record."""
    return len(list(folder.glob("cache/answers/??/*.json"))) + len(list(folder.glob("reports/*.partial/work/*.arrow")))


def asked(server):
    return [json.dumps(body["messages"]) for body in server.questions if body]


@pytest.fixture(scope="module")
def whole(tmp_path_factory, commands):
    """A server, the bytes of an undisturbed sweep that asked it, and its questions."""
    with serving(by_turns(slowly)) as server:
        folder, settings = place(tmp_path_factory.mktemp("sweep"), server, "whole")
        code, said, _ = commands.run(folder, settings, WORDS)
        assert code == 0, said
        questions = set(asked(server))
        assert len(questions) == len(asked(server)) == DECISIONS
        yield server, sums(finished(folder)), questions


def test_killed_at_random_and_finished_with_the_same_bytes(tmp_path, commands, whole):
    server, wanted, questions = whole
    rng, killed = random.Random(17), 0
    for turn in itertools.count():
        folder, settings = place(tmp_path, server, f"killed-{turn}")
        first = len(asked(server))
        for goal in sorted(rng.sample(range(1, DECISIONS + 10), KILLS)):
            process, deadline = commands.start(folder, settings, WORDS), time.monotonic() + 120
            while written(folder) < goal and time.monotonic() < deadline:
                time.sleep(0.001)
            os.kill(process, signal.SIGKILL)
            killed += commands.ended()[0] == -signal.SIGKILL
        code, said, _ = commands.run(folder, settings, WORDS)
        assert code == 0, said
        assert sums(finished(folder)) == wanted
        assert not list((folder / "reports").glob("*.partial"))
        assert set(asked(server)[first:]) == questions
        assert len(asked(server)) - first <= DECISIONS + KILLS, "only the one under way is asked again"
        if killed >= KILLS:
            break


def test_a_disk_that_is_full_at_any_moment(tmp_path, commands, whole):
    server, wanted, _ = whole
    for n in itertools.count(EVERY // 2, EVERY):
        folder, settings = place(tmp_path, server, f"at-{n}")
        code, said, fired = commands.run(folder, settings, WORDS, fail_at=n, number=errno.ENOSPC, root=str(folder))
        assert "Traceback" not in said
        assert code in (0, 6), said
        if code:
            assert said.strip().splitlines()[-1].startswith("Error: "), said
            assert commands.run(folder, settings, WORDS)[0] == 0
        assert sums(finished(folder)) == wanted, fired
        if not fired:
            break
    assert n > EVERY


def test_a_disk_that_is_full_while_others_trade(tmp_path, commands, whole):
    folder, settings = place(tmp_path, whole[0], "beside")
    words, full = (*WORDS[:-1], "2"), {"number": errno.ENOSPC, "root": str(folder / "reports")}
    ended = []
    for n in (60, 90, 120):
        code, said, fired = commands.run(folder, settings, words, fail_at=n, **full)
        assert "Traceback" not in said
        if fired:
            assert code == 6, said
            assert said.strip().splitlines()[-1].startswith("Error: "), said
            ended.append(fired)
    assert ended
    assert commands.run(folder, settings, words)[0] == 0
    assert sums(finished(folder)) == whole[1]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_interruption_is_one_sentence(tmp_path, commands, whole, workers):
    folder, settings = place(tmp_path, whole[0], "interrupted")
    alone = "import os; os.setpgrp()"  # a terminal interrupts the command with all that it began
    command = commands.popen(folder, settings, (*WORDS[:-1], workers), before=alone)
    deadline = time.monotonic() + 120
    while written(folder) < DECISIONS + 3 and time.monotonic() < deadline:
        time.sleep(0.001)
    os.killpg(command.pid, signal.SIGINT)
    out, err = command.communicate()
    code, said = command.returncode, out + err
    assert code == 130, said
    assert "Traceback" not in said
    assert "Warning" not in said
    assert said.strip().splitlines()[-1].startswith("Error: interrupted; every answer of the model so far is kept")
    assert commands.run(folder, settings, WORDS)[0] == 0
    assert sums(finished(folder)) == whole[1]
