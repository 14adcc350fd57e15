"""The real embedded model from prices to report: the commands a person types, in processes of their own."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from llm_strategy import ModelAdvisor, Snapshot
from llm_strategy.types import Status
from simulator.prices.load import load_prices

pytestmark = pytest.mark.slow


@pytest.fixture
def btllm(model_path, tmp_path):
    """Start the installed command in an empty folder, with the embedded model and an empty record of answers."""
    environment = os.environ | {
        "LLM_INSTRUCT_MODEL_PATH": str(model_path),
        "BTLLM_CACHE_DIR": str(tmp_path / "cache"),
        "COLUMNS": "200",
    }

    def start(*words, **overrides):
        return subprocess.Popen(
            [sys.executable, "-c", "from simulator.cli.main import main; main()", *words],
            cwd=tmp_path,
            env=environment | overrides,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def finish(process):
    out, err = process.communicate(timeout=500)
    return process.returncode, out, err


def write_experiment(folder, bars):
    load_prices("sample:nasdaq").window("2002-01-01").write_csv(folder / "whole.csv")
    lines = (folder / "whole.csv").read_text().splitlines()[: bars + 1]
    (folder / "mine.csv").write_text("\n".join(lines) + "\n")
    experiment = {"name": "mine", "data": {"source": "csv:mine.csv"}, "evaluation": {"bootstrap_samples": 200}}
    (folder / "experiment.yaml").write_text(json.dumps(experiment))


def test_compare_then_replay_with_the_model_gone(btllm, tmp_path):
    write_experiment(tmp_path, 300)
    code, out, err = finish(btllm("compare", "experiment.yaml"))
    assert code == 0, err
    assert "regime_rule" in out
    (folder,) = [path for path in (tmp_path / "reports").iterdir() if path.is_dir()]
    decisions = [json.loads(line) for line in (folder / "llm" / "decisions.jsonl").read_text().splitlines()]
    assert len(decisions) == 31
    assert all(decision["status"] == "advised" for decision in decisions)
    page = (folder / "report.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "<script" not in page

    code, out, err = finish(btllm("replay", str(folder), LLM_INSTRUCT_MODEL_PATH="gone.gguf"))
    assert code == 0, err
    assert "DIFFERS" not in out

    code, out, err = finish(btllm("compare", "experiment.yaml", "--json"))
    assert code == 0, err
    assert json.loads(out)["usage"]["asked"] == 0


def test_killed_and_interrupted_runs_go_on(btllm, tmp_path):
    write_experiment(tmp_path, 300)
    answers = tmp_path / "cache" / "answers"
    known = 0
    for stop in (signal.SIGKILL, signal.SIGINT):
        process = btllm("compare", "experiment.yaml")
        begin = time.monotonic()
        while len(list(answers.rglob("*.json"))) < known + 3 and time.monotonic() - begin < 300:
            time.sleep(0.05)
        process.send_signal(stop)
        code, _, err = finish(process)
        if stop is signal.SIGINT:
            assert code == 130
            assert (
                err.strip().splitlines()[-1].startswith("Error: interrupted; every answer of the model so far is kept")
            )
            assert "Traceback" not in err
        known = len(list(answers.rglob("*.json")))
        assert known >= 3
    code, out, err = finish(btllm("compare", "experiment.yaml", "--json"))
    assert code == 0, err
    usage = json.loads(out)["usage"]
    assert usage["asked"] <= usage["distinct"] - known


def test_a_healthy_model_passes_the_doctor(btllm):
    code, out, err = finish(btllm("doctor", "--json"))
    assert code == 0, err
    assert all(check["ok"] for check in json.loads(out))
    assert len(json.loads(out)) == 8


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
    for trend in (-0.2, -0.05, 0.0, 0.05, 0.2):
        for rank in (0.1, 0.5, 0.9):
            momentum, drawdown = trend / 3, min(0.0, trend)
            snapshot = Snapshot("ABC", "1d", "2001-01-01", 100, trend, momentum, 0.01, rank, drawdown, 0.5, 1.0)
            statuses.append(advisor.decide(snapshot).status)
    assert statuses == [Status.ADVISED] * 15
