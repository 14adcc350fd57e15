"""The n-th write, fsync, rename, link or new folder of a run fails, for every n in the long run and for some in the
ordinary one; then the command is run again, and leaves what an undisturbed run does, with nothing asked twice."""

import errno
import itertools
import json
import time

import pytest
from fault_runs import environment, evidence, replays, run_folder, write_experiment
from fuzzing import NIGHTLY
from misbehaving_server import answer, by_turns, serving

pytestmark = [pytest.mark.server, pytest.mark.slow]

EVERY = 1 if NIGHTLY else 110
NOTHING_TO_SAY = '{"sentences": [], "hypotheses": []}'


def slowly(turn, body):
    """Advice about a market, and nothing to say about what came of a run."""
    time.sleep(0.002)
    return answer() if body["messages"][-1]["content"].startswith("Market: ") else answer(NOTHING_TO_SAY)


def place(tmp_path, name, concurrency):
    folder = tmp_path / name
    write_experiment(folder, 6, concurrency=concurrency, output={"folder": "reports", "explain": True})
    return folder


def asked(server):
    return [json.dumps(body["messages"]) for body in server.questions]


@pytest.mark.parametrize(
    ("number", "concurrency", "first"),
    [(errno.ENOSPC, 1, 0.3), (errno.ENOSPC, 4, 0.55), (errno.EIO, 1, 0.8), (errno.EIO, 4, 0.05)],
    ids=["full-1", "full-4", "broken-1", "broken-4"],
)  # together the cases lie four times as close
def test_a_disk_that_fails_at_any_moment_costs_nothing_but_the_command_again(
    tmp_path, commands, number, concurrency, first
):
    with serving(by_turns(slowly)) as server:
        whole = place(tmp_path, "whole", concurrency)
        assert commands.run(whole, environment(server.url, whole / "cache"))[0] == 0
        wanted, questions = evidence(whole), set(asked(server))
        assert len(questions) == len(asked(server)) > 6
        for n in itertools.count(int(first * EVERY), EVERY):
            folder, before = place(tmp_path, f"at-{n}", concurrency), len(server.questions)
            settings = environment(server.url, folder / "cache")
            code, said, fired = commands.run(folder, settings, fail_at=n, number=number, root=str(folder))
            assert "Traceback" not in said
            assert code in (0, 6), said
            if code:
                assert said.strip().splitlines()[-1].startswith("Error: "), said
                assert commands.run(folder, settings)[0] == 0
            assert evidence(folder) == wanted, fired
            again = asked(server)[before:]
            assert set(again) == questions
            # The one whose answer could not be kept, and those under way beside it, are all that is asked again.
            assert len(again) <= len(questions) + concurrency
            if not fired:
                break
        assert n > 100
    assert replays(folder)
    assert not [path.name for path in run_folder(folder).parent.rglob("*") if path.name.endswith((".part", ".open"))]
