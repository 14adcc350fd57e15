"""The real embedded model from prices to report: the commands a person types, in processes of their own."""

import json
import os
import re
import signal
import time

import pytest
from fault_runs import start_run
from page_parser import without_script

from llm_strategy import ModelAdvisor, Snapshot
from llm_strategy.types import Status
from simulator.prices.load import load_prices

pytestmark = pytest.mark.slow


def settings_of(model_path, cache):
    """What the environment says of the embedded model, with a record of answers of its own."""
    threads = {"LLM_THREADS": os.environ["LLM_THREADS"]} if "LLM_THREADS" in os.environ else {}
    return {"LLM_INSTRUCT_MODEL_PATH": str(model_path), "BTLLM_CACHE_DIR": str(cache), "COLUMNS": "200"} | threads


@pytest.fixture
def btllm(commands, model_path, tmp_path):
    """Start a command in an empty folder, with the embedded model and an empty record of answers."""
    settings = settings_of(model_path, tmp_path / "cache")

    def start(*words):
        return commands.popen(tmp_path, settings, words)

    return start


def finish(process):
    out, err = process.communicate(timeout=500)
    return process.returncode, out, err


def write_experiment(folder, bars, **sections):
    load_prices("sample:nasdaq").window("2002-01-01").write_csv(folder / "whole.csv")
    lines = (folder / "whole.csv").read_text().splitlines()[: bars + 1]
    (folder / "mine.csv").write_text("\n".join(lines) + "\n")
    experiment = {"name": "mine", "data": {"source": "csv:mine.csv"}, "evaluation": {"bootstrap_samples": 100}}
    (folder / "experiment.yaml").write_text(json.dumps(experiment | sections))


@pytest.fixture(scope="module")
def stopped(commands, model_path, tmp_path_factory):
    """A comparison that was killed and interrupted and then went on to its end: its folder, the ends of all three
    commands, and the answers that were on record before the last."""
    folder = tmp_path_factory.mktemp("stopped")
    settings = settings_of(model_path, folder / "cache")
    numbers = {"style": "numbers", "decimals": 2}  # every bar is another question
    write_experiment(folder, 275, advisor=numbers, output={"explain": False})
    answers = folder / "cache" / "answers"
    ends, known = [], 0
    for stop in (signal.SIGKILL, signal.SIGINT):
        process = commands.popen(folder, settings, ("compare", "experiment.yaml"))
        begin = time.monotonic()
        while len(list(answers.rglob("*.json"))) < known + 2 and time.monotonic() - begin < 300:
            time.sleep(0.05)
        process.send_signal(stop)
        ends.append(finish(process))
        known = len(list(answers.rglob("*.json")))
        assert known >= 2 * len(ends)
    ends.append(finish(commands.popen(folder, settings, ("compare", "experiment.yaml", "--json"))))
    return folder, ends, known


def test_killed_and_interrupted_runs_go_on(stopped):
    _, (killed, interrupted, (code, out, err)), known = stopped
    assert killed[0] == -signal.SIGKILL
    assert interrupted[0] == 130
    last = interrupted[2].strip().splitlines()[-1]
    assert last.startswith("Error: interrupted; every answer of the model so far is kept")
    assert "Traceback" not in interrupted[2]
    assert code == 0, err
    usage = json.loads(out)["usage"]
    assert usage["asked"] <= usage["distinct"] - known


def test_compare_then_replay_with_the_model_gone(commands, model_path, stopped):
    home, *_ = stopped
    settings = settings_of(model_path, home / "cache")
    (folder,) = [path for path in (home / "reports").iterdir() if (path / "manifest.json").is_file()]
    decisions = [json.loads(line) for line in (folder / "llm" / "decisions.jsonl").read_text().splitlines()]
    assert len(decisions) == 275 - 269
    assert all(decision["status"] == "advised" for decision in decisions)
    page = (folder / "report.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "<script" not in without_script(page)

    gone = settings | {"LLM_INSTRUCT_MODEL_PATH": "gone.gguf"}
    code, out, err = finish(commands.popen(home, gone, ("replay", str(folder))))
    assert code == 0, err
    assert "DIFFERS" not in out

    code, out, err = finish(commands.popen(home, settings, ("compare", "experiment.yaml")))
    assert code == 0, err
    assert "regime_rule" in out
    assert "distinct; 0 asked now in" in out


def test_a_healthy_model_passes_the_doctor(model_path, tmp_path):
    code, out, err = finish(
        start_run(tmp_path, settings_of(model_path, tmp_path / "cache"), words=("doctor", "--json"))
    )
    told = {check["name"]: check["detail"] for check in json.loads(out)}
    assert told["initialization"].endswith(", on the device cpu")
    assert re.fullmatch(r"slots: 3 decisions, valid at once, .*; [\d.e+]+ s a decision", told["decision"])
    checks = {check["name"]: check["ok"] for check in json.loads(out)}
    assert len(checks) == 8
    quick = checks.pop("speed")  # that of this machine, and of what else it does
    assert all(checks.values()), out
    assert code == (0 if quick else 4), err


def test_one_decision_shows_everything_that_was_asked_and_answered(btllm, tmp_path):
    write_experiment(tmp_path, 300)
    code, out, err = finish(btllm("advise", "experiment.yaml", "--at", "2003-02-14"))
    assert code == 0, err
    for part in ("[system]", "[user]", "Bar ", "Status ", "Advice ", "Policy ", "Gate "):
        assert part in out
    code, out, _ = finish(btllm("advise", "experiment.yaml", "--json"))
    assert json.loads(out)["status"] == "advised"


def test_the_embedded_model_meets_the_contract_over_a_spread_of_states(local_model):
    advisor = ModelAdvisor(local_model)
    statuses = []
    for trend, rank in ((-0.2, 0.9), (0.0, 0.1), (0.05, 0.9), (0.2, 0.1)):
        momentum, drawdown = trend / 3, min(0.0, trend)
        snapshot = Snapshot("ABC", "1d", "2001-01-01", 100, trend, momentum, 0.01, rank, drawdown, 0.5, 1.0)
        statuses.append(advisor.decide(snapshot).status)
    assert statuses == [Status.ADVISED] * 4
