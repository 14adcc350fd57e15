"""A run that is cut off goes on, and ends with the bytes of one that was not; see test_fault_matrix for the other
cells."""

import json
import signal
import threading
from collections import Counter

import pytest
from fault_runs import decisions, ended, environment, evidence, replays, run_here, write_experiment
from misbehaving_server import GOOD_ADVICE, answer, by_turns, hang, serving

pytestmark = [pytest.mark.server, pytest.mark.slow]

DECISIONS = 40
STOPS = {7: signal.SIGKILL, 19: signal.SIGINT}
"""The questions at which a run is stopped, and how; all of them count, those of the earlier runs too."""


class Stalls:
    """Answers each question in its own way, and stalls once at each of some turns; ``stalled`` says when."""

    def __init__(self, turns):
        self.answered = Counter()
        self._counting = threading.Lock()
        self.stalled = {turn: threading.Event() for turn in turns}

    def __call__(self, turn, body):
        if turn in self.stalled:
            self.stalled[turn].set()
            return hang
        asked = body["messages"][-1]["content"]
        with self._counting:
            self.answered[asked] += 1
        document = json.loads(GOOD_ADVICE)
        document["action"]["confidence"] = sum(asked.encode()) % 100 / 100
        return answer(json.dumps(document))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The evidence of a run that was never cut off."""
    folder = tmp_path_factory.mktemp("whole")
    write_experiment(folder, DECISIONS)
    with pytest.MonkeyPatch.context() as patch, serving(by_turns(Stalls(()))) as server:
        run_here(patch, folder, environment(server.url, folder / "cache"))
    return evidence(folder)


def test_killed_and_interrupted_runs_go_on_to_the_bytes_of_one_that_was_not(tmp_path, monkeypatch, commands, whole):
    write_experiment(tmp_path, DECISIONS)
    stalls = Stalls(STOPS)
    with serving(by_turns(stalls)) as server:
        settings = environment(server.url, tmp_path / "cache")
        for turn, stop in STOPS.items():
            process = commands.popen(tmp_path, settings)
            assert stalls.stalled[turn].wait(200)
            process.send_signal(stop)
            code, said = ended(process)
            assert code == (130 if stop is signal.SIGINT else -stop)
            assert "Traceback" not in said
        run_here(monkeypatch, tmp_path, settings)
        asked = len(server.questions)
    journal = decisions(tmp_path)
    assert set(stalls.answered.values()) == {1}
    assert asked == len(stalls.answered) + len(STOPS)
    assert [decision["bar"] for decision in journal] == list(range(269, 269 + DECISIONS))
    assert evidence(tmp_path) == whole
    assert replays(tmp_path)


def test_a_run_killed_with_eight_questions_under_way_asks_nothing_twice_but_those(
    tmp_path, monkeypatch, commands, whole
):
    at_once, kills = 8, (13, 27)
    write_experiment(tmp_path, DECISIONS, concurrency=at_once)
    stalls = Stalls(kills)
    with serving(by_turns(stalls)) as server:
        settings = environment(server.url, tmp_path / "cache")
        for turn in kills:
            process = commands.popen(tmp_path, settings)
            assert stalls.stalled[turn].wait(200)
            process.kill()
            assert ended(process)[0] == -signal.SIGKILL
            for record in (tmp_path / "cache").rglob("*.json"):
                json.loads(record.read_text())
        run_here(monkeypatch, tmp_path, settings)
        asked = len(server.questions)
    journal = decisions(tmp_path)
    twice = sum(stalls.answered.values()) - len(stalls.answered)
    assert set(stalls.answered.values()) <= {1, 2, 3}
    assert twice <= len(kills) * (at_once - 1)
    assert asked <= len(stalls.answered) + len(kills) * at_once
    assert [decision["bar"] for decision in journal] == list(range(269, 269 + DECISIONS))
    assert evidence(tmp_path) == whole
    assert replays(tmp_path)
