"""SIGKILL at random moments, again and again until the command comes to its end: the bytes of an undisturbed run,
nothing asked again that was on record, and no question missing from the audit log. The long run has a hundred kills."""

import itertools
import json
import os
import random
import signal
import time
from collections import Counter

import pytest
import yaml
from fault_runs import EVIDENCE, environment, evidence, replays, run_folder, write_experiment
from fuzzing import NIGHTLY
from misbehaving_server import answer, by_turns, serving

pytestmark = [pytest.mark.server, pytest.mark.slow]

KILLS = 100 if NIGHTLY else 4
ROUND = 5
"""Kills of one run before it may come to its end."""
MOST_S = 120


def audit(folder):
    """Lines of all audit logs of the finished run."""
    logs = run_folder(folder).glob("audit*.jsonl")
    return [json.loads(line) for log in logs for line in log.read_text().splitlines()]


def whole(server):
    """The questions that came whole: of some the program was killed before the end."""
    return [json.dumps(body["messages"]) for body in server.questions if body]


def on_record(folder):
    """Keys of the answers on record."""
    return {file.stem for file in (folder / "cache" / "answers").glob("??/*.json")}


def begun(folder):
    """How many questions have an answer on record or are open, as the files tell."""
    return len(on_record(folder)) + len(list((folder / "reports").glob("*.partial/.audit.jsonl.*.open")))


def kill_one(commands, folder, settings, rng, decisions, words=("run", "experiment.yaml")):
    """Start the command and kill it, at one of its questions or some time after; whether it was still there."""
    process = commands.start(folder, settings, words)
    goal, deadline = rng.randint(1, decisions), time.monotonic() + MOST_S
    after = rng.choice([0.0, 0.0, rng.uniform(0, 0.05), rng.uniform(0, 2)])
    while begun(folder) < goal and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(after)
    os.kill(process, signal.SIGKILL)
    return commands.ended()[0] == -signal.SIGKILL


def test_eight_questions_under_way(tmp_path, commands):
    rng = random.Random(11)

    def behave(turn, body):
        time.sleep(rng.uniform(0.01, 0.03))
        return answer()

    with serving(by_turns(behave)) as server:
        decisions = 30

        def place(name):
            write_experiment(tmp_path / name, decisions, concurrency=8)
            return tmp_path / name, environment(server.url, tmp_path / name / "cache")

        folder, settings = place("whole")
        assert commands.run(folder, settings)[0] == 0
        wanted = evidence(folder)
        killed, asked_again, under_way = 0, 0, 0
        for turn in itertools.count():
            folder, settings = place(f"round-{turn}")
            first, kept = len(whole(server)), []
            for _ in range(ROUND):
                if kill_one(commands, folder, settings, rng, decisions):
                    killed += 1
                    while server.open_now:  # what the dead process sent is counted for it
                        time.sleep(0.001)
                    kept.append((len(whole(server)), on_record(folder)))
            code, said, _ = commands.run(folder, settings)
            assert code == 0, said
            assert evidence(folder) == wanted
            noted = audit(folder)
            key = {json.dumps(line["messages"]): line["request"] for line in noted}
            seen = [key[question] for question in whole(server)[first:]]  # KeyError: one is missing
            told = Counter()
            for line in noted:
                told[line["request"]] += line["attempts"]
            assert not Counter(seen) - told, "a question that the server saw is not in the log"
            for count, known in kept:
                assert not set(seen[count - first :]) & known, "a question on record was asked again"
            asked_again += len(seen) - len(set(seen))
            under_way += sum(told.values()) - len(seen)
            assert len(seen) - len(set(seen)) <= 8 * len(kept)
            assert not list(folder.rglob("*.open"))
            if killed >= KILLS:
                break
    assert replays(folder)
    print(
        f"{killed} kills, {turn + 1} runs: {asked_again} asked again while under way, {under_way} noted and never sent"
    )


SEVERAL = {
    "advisor": None,
    "advisors": {
        "first": {"style": "numbers", "decimals": 2, "max_failure_rate": 1.0, "mode": "json"},
        "words": {"like": "first", "style": "words", "decimals": 0},
        "same": {"like": "first"},
    },
    "arms": {"first": None, "words": None, "same": None, "buy_and_hold": None},
}
COMPARE = ("compare", "experiment.yaml")


def evidence_of_arms(folder):
    """The bytes of the one finished comparison that depend on no clock, by arm and file."""
    found = {arm: (run_folder(folder) / arm) for arm in SEVERAL["arms"]}
    return {(arm, name): (path / name).read_bytes() for arm, path in found.items() for name in EVIDENCE}


def test_several_advisors_go_on_where_they_were(tmp_path, commands):
    rng, decisions = random.Random(3), 12
    with serving(by_turns(lambda turn, body: answer())) as server:

        def place(name):
            write_experiment(tmp_path / name, decisions, **SEVERAL)
            return tmp_path / name, environment(server.url, tmp_path / name / "cache")

        folder, settings = place("whole")
        code, said, _ = commands.run(folder, settings, COMPARE)
        assert code == 0, said
        wanted, questions = evidence_of_arms(folder), len(on_record(folder))
        assert len(whole(server)) == questions, "what two advisors ask is asked once"
        folder, settings = place("killed")
        kept, first = [], len(whole(server))
        for _ in range(KILLS):
            if kill_one(commands, folder, settings, rng, questions, COMPARE):
                while server.open_now:
                    time.sleep(0.001)
                kept.append((len(whole(server)), on_record(folder)))
        code, said, _ = commands.run(folder, settings, COMPARE)
        assert code == 0, said
        assert evidence_of_arms(folder) == wanted
        noted = audit(folder)
        key = {json.dumps(line["messages"]): line["request"] for line in noted}
        seen = [key[question] for question in whole(server)[first:]]  # KeyError: one is missing
        for count, known in kept:
            assert not set(seen[count - first :]) & known, "a question on record was asked again"
        assert {line["advisor"] for line in noted} == {"first", "words", "same"}
    assert kept, "every run was through before it could be killed"
    assert replays(folder)


@pytest.mark.skipif(not NIGHTLY, reason="loading the model again and again takes minutes: HYPOTHESIS_PROFILE=nightly")
@pytest.mark.parametrize("backend", ["llama_cpp", "local_llama"])
def test_the_embedded_model(tmp_path, commands, backend, model_path):
    rng, decisions = random.Random(7), 6

    def place(name):
        folder = tmp_path / name
        write_experiment(folder, decisions)
        (folder / "configs" / "llm.yaml").write_text(yaml.safe_dump({"backend": backend}))
        model = {"LLM_BACKEND": backend, "LLM_INSTRUCT_MODEL_PATH": str(model_path)}
        # How many threads are the fastest depends on the moment, and the last digits of a score on how many there are.
        settings = environment("", folder / "cache", LLM_THREADS="1", **model)
        return folder, {name: value for name, value in settings.items() if name not in ("LLM_BASE_URL", "LLM_MODEL")}

    folder, settings = place("whole")
    code, said, _ = commands.run(folder, settings)
    assert code == 0, said
    wanted, questions = evidence(folder), {line["request"] for line in audit(folder)}
    killed = asked_again = 0
    for turn in itertools.count():
        folder, settings = place(f"round-{turn}")
        kills = sum(kill_one(commands, folder, settings, rng, len(questions)) for _ in range(ROUND))
        code, said, _ = commands.run(folder, settings)
        assert code == 0, said
        assert evidence(folder) == wanted
        told = Counter()
        for line in audit(folder):
            told[line["request"]] += line["attempts"]
        assert set(told) == questions
        assert min(told.values()) >= 1, "an answer on record has no call in the log"
        assert sum(told.values()) - len(told) <= kills
        asked_again += sum(told.values()) - len(told)
        killed += kills
        if killed >= KILLS // 2:
            break
    print(f"{backend}: {killed} kills, {turn + 1} runs: {asked_again} asked again while under way")
