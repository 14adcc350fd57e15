"""The command line as a person types it: results on stdout, one sentence for every mistake, exit codes that mean it."""

import json
import os
import subprocess
import sys

import pytest
from command_line import only_error, write_experiment

from simulator.prices.load import load_prices

pytestmark = pytest.mark.slow


def test_help_shows_every_command_with_an_example(btllm):
    code, out, _ = btllm("--help")
    assert code == 0
    assert "--install-completion" in out
    for command in (
        "demo",
        "run",
        "compare",
        "replay",
        "report",
        "view",
        "runs",
        "diff",
        "export",
        "advise",
        "check-lookahead",
        "models",
        "documents",
        "doctor",
        "forget",
        "init",
    ):
        assert command in out
        if command not in ("models", "documents"):
            assert "Example" in btllm(command, "--help")[1]


def test_version(btllm):
    assert btllm("--version")[1].startswith("backtrader-llm ")


def test_init_writes_starters_that_work_and_leaves_existing_files_alone(btllm, tmp_path):
    code, out, _ = btllm("init")
    assert code == 0
    assert "experiment.yaml" in out
    assert (tmp_path / "configs" / "llm.yaml").exists()
    (tmp_path / "experiment.yaml").write_text("name: mine\n")
    assert "left alone" in btllm("init")[2]
    assert (tmp_path / "experiment.yaml").read_text() == "name: mine\n"


def test_a_rule_runs_without_any_model_and_is_replayed_and_reported(btllm, tmp_path):
    write_experiment(tmp_path)
    code, out, _ = btllm("run", "experiment.yaml", "--arm", "momentum")
    assert code == 0
    assert "momentum" in out
    (folder,) = [path for path in (tmp_path / "out").iterdir() if path.is_dir()]
    assert str(folder.relative_to(tmp_path)) in out
    code, out, _ = btllm("replay", folder)
    assert code == 0
    assert "DIFFERS" not in out
    assert btllm("report", folder)[0] == 0
    (folder / "trades.csv").write_text("changed\n" + (folder / "trades.csv").read_text())
    assert btllm("replay", folder)[0] == 6


def test_json_is_for_programs(btllm, tmp_path):
    write_experiment(tmp_path, arms=["buy_and_hold", "momentum"])
    code, out, _ = btllm("compare", "experiment.yaml", "--json")
    assert code == 0
    result = json.loads(out)
    assert result["facts"]["momentum.trades"] >= 0
    assert result["verdict"] == "no model"


def test_a_comparison_with_a_scripted_model(btllm, tmp_path, monkeypatch):
    answer = {
        "label": "bull", "action": "enter_long", "action_confidence": "70", "rationale": "Up."
    }  # fmt: skip
    script = tmp_path / "answers.jsonl"
    script.write_text((json.dumps(answer) + "\n") * 400)
    monkeypatch.setenv("LLM_BACKEND", "scripted")
    monkeypatch.setenv("LLM_SCRIPT", str(script))
    write_experiment(tmp_path, output={"folder": "out", "explain": False})
    code, out, _ = btllm("compare", "experiment.yaml")
    assert code == 0
    assert "dead advisor" in out
    code, out, _ = btllm("advise", "experiment.yaml", "--at", "2001-01-31")
    assert code in (0, 3)


def test_a_missing_model_names_the_command_that_brings_it(btllm, tmp_path):
    write_experiment(tmp_path)
    assert "btllm models pull" in only_error(btllm("compare", "experiment.yaml"), 4)
    assert "btllm models pull" in only_error(btllm("models", "verify"), 4)
    code, out, _ = btllm("doctor")
    assert code == 4
    assert "btllm models pull" in out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("time,open,high,low,close,volume\n", "no rows"),
        ("time,open,high,low,close\n2001-01-01,1,2,1,x\n", "close"),
        (None, "no such file"),
    ],
)
def test_wrong_prices_are_one_sentence(btllm, tmp_path, content, message):
    if content is not None:
        (tmp_path / "prices.csv").write_text(content)
    write_experiment(tmp_path, data={"source": "csv:prices.csv"})
    assert message in only_error(btllm("compare", "experiment.yaml"), 3)


def test_a_csv_of_another_market_works_at_the_first_try(btllm, tmp_path):
    load_prices("synthetic:crash?bars=600&seed=9").write_csv(tmp_path / "mine.csv")
    write_experiment(tmp_path, data={"source": "csv:mine.csv"}, arms=["buy_and_hold", "regime_rule"])
    code, out, _ = btllm("compare", "experiment.yaml")
    assert code == 0
    assert "regime_rule" in out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("compare", "none.yaml"), 2, "btllm init"),
        (("replay", "nowhere"), 6, "not a finished run folder"),
        (("report", "nowhere"), 6, "not a finished run folder"),
        (("replay", "run/report.html"), 6, "run/report.html is no folder: name one that btllm wrote, such as run."),
        (("report", "run/manifest.json"), 6, "run/manifest.json is no folder: name one that btllm wrote, such as run."),
        (("models", "pull", "smollm"), 4, "did you mean"),
    ],
)
def test_a_mistake_is_one_sentence(btllm, tmp_path, words, code, message):
    (tmp_path / "run").mkdir()
    for name in ("report.html", "manifest.json"):
        (tmp_path / "run" / name).write_text("{}")
    assert message in only_error(btllm(*words), code)


def test_an_unknown_option_is_told_with_the_usage(btllm):
    code, _, err = btllm("compare", "--frobnicate")
    assert code == 2
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "words", [("brief", "--at", ""), ("advise", "--symbol="), ("trace", "run", "--arm", ""), ("run", "--arm=")]
)
def test_an_empty_option_is_none_that_is_left_out(btllm, words):
    code, _, err = btllm(*words)
    assert code == 2
    assert "is empty: give it a value, or leave it out." in " ".join(err.split())


def test_a_wrong_setting_of_the_environment_is_one_sentence(btllm, monkeypatch, tmp_path):
    write_experiment(tmp_path)
    monkeypatch.setenv("LLM_TEMPERATURE", "warm")
    assert "LLM_TEMPERATURE" in only_error(btllm("compare", "experiment.yaml"), 2).upper()


BTLLM = [sys.executable, "-c", "from simulator.cli.main import main; main()"]


@pytest.mark.parametrize("words", [("models", "list"), ("models", "list", "--json"), ("run", "e.yaml", "--json")])
def test_a_reader_that_goes_away_ends_a_command_quietly(tmp_path, words):
    write_experiment(tmp_path).rename(tmp_path / "e.yaml")
    reading, writing = os.pipe()
    os.close(reading)
    arm = ["--arm", "momentum"] if words[0] == "run" else []
    done = subprocess.run([*BTLLM, *words, *arm], cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert done.returncode == 141
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_help_needs_none_of_the_heavy_libraries():
    program = "import sys\nfrom simulator.cli.main import app\nprint(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pandas", "numpy", "backtrader", "matplotlib", "pydantic", "jsonschema", "gpt4all"} & set(loaded)


def test_an_interruption_while_libraries_are_imported_is_one_sentence(tmp_path):
    program = (
        "import sys\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'pandas':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "sys.argv = ['btllm', 'compare', 'experiment.yaml']\n"
        "from simulator.cli.main import main\n"
        "main()\n"
    )
    write_experiment(tmp_path)
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 130
    assert done.stderr.startswith("Error: interrupted")
    assert "Traceback" not in done.stderr


def test_debug_shows_our_log_and_not_that_of_others(commands, tmp_path):
    script = tmp_path / "answers.jsonl"
    answer = {"label": "bull", "action": "hold", "action_confidence": "70", "rationale": "Up."}
    script.write_text((json.dumps(answer) + "\n") * 400)
    write_experiment(tmp_path, output={"folder": "out", "explain": False})
    settings = {"LOG_LEVEL": "DEBUG", "LLM_BACKEND": "scripted", "LLM_SCRIPT": str(script)}
    process = commands.popen(tmp_path, settings | {"BTLLM_CACHE_DIR": str(tmp_path / "cache")})
    _, said = process.communicate()
    assert process.returncode == 0, said
    assert "DEBUG llm_strategy.llm.record.client: answers.jsonl answered request" in said
    assert "matplotlib" not in said
    assert "distinct questions in" in said  # the estimate


def test_a_budget_ends_a_command_with_its_own_code(btllm, tmp_path, monkeypatch):
    answer = {"label": "bull", "action": "hold", "action_confidence": "70", "rationale": "Up."}
    script = tmp_path / "answers.jsonl"
    script.write_text((json.dumps(answer) + "\n") * 400)
    monkeypatch.setenv("LLM_BACKEND", "scripted")
    monkeypatch.setenv("LLM_SCRIPT", str(script))
    write_experiment(tmp_path, advisor={"budget": {"max_calls": 2}}, output={"folder": "out", "explain": False})
    code, _, err = btllm("run", "experiment.yaml")
    assert code == 8
    assert "the same command goes on from there" in err
    assert "Traceback" not in err


def test_an_interruption_is_one_sentence(btllm, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("simulator.cli.experiments._compare", interrupted)
    write_experiment(tmp_path)
    assert "goes on from there" in only_error(btllm("compare", "experiment.yaml"), 130)
