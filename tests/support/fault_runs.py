"""Whole runs in processes of their own, against a server on loopback, as a person starts them."""

import json
import os
import subprocess
import sys

import yaml

import simulator

BARS_BEFORE_THE_FIRST_DECISION = 269
WHO_IT_IS = {"answer_format": "json_schema", "reported_model": "tiny-model"}
EVIDENCE = ("decisions.jsonl", "orders.csv", "trades.csv", "equity.csv")


def write_experiment(folder, decisions, *, known=True, concurrency=1, **sections):
    """An experiment of one arm whose every state is another question, ``concurrency`` of them asked at once; the server
    is asked who it is where that is not ``known``."""
    experiment = {
        "name": "remote",
        "data": {"source": f"synthetic:cycles?bars={BARS_BEFORE_THE_FIRST_DECISION + decisions}&seed=5"},
        "advisor": {"style": "numbers", "decimals": 2, "max_failure_rate": 1.0},
        "evaluation": {"bootstrap_samples": 200, "placebos": 19},
        "output": {"folder": "reports", "explain": False},
    }
    (folder / "configs").mkdir(parents=True)
    (folder / "configs" / "llm.yaml").write_text(
        yaml.safe_dump({"openai": {"concurrency": concurrency} | (WHO_IT_IS if known else {})})
    )
    (folder / "experiment.yaml").write_text(json.dumps(experiment | sections))


def environment(url, cache, **settings):
    """The environment of a run that asks this server and keeps its record of answers in ``cache``."""
    return {
        "LLM_BACKEND": "openai",
        "LLM_BASE_URL": url,
        "LLM_MODEL": "tiny-model",
        "LLM_API_KEY": "sk-planted-4711",
        "LLM_TIMEOUT_S": "60",
        "BTLLM_CACHE_DIR": str(cache),
        **settings,
    }


def start_run(folder, settings, before="", words=("run", "experiment.yaml")):
    """Start a command in ``folder``, in a process that loads the libraries itself; ``before`` is Python that it does
    first."""
    program = f"{before}\nfrom simulator.cli.main import main\nmain()"
    return subprocess.Popen(
        [sys.executable, "-c", program, *words],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("LLM_")} | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_here(patch, folder, settings):
    """The same run in this process."""
    patch.chdir(folder)
    for name, value in settings.items():
        patch.setenv(name, value)
    return simulator.run("experiment.yaml")


def ended(process):
    """Exit code and what it said on stderr."""
    _, said = process.communicate(timeout=300)
    return process.returncode, said


def run_folder(folder):
    """The one finished run."""
    (found,) = [path for path in (folder / "reports").iterdir() if (path / "manifest.json").is_file()]
    return found


def evidence(folder):
    """The bytes of the one finished run that depend on no clock."""
    return {name: (run_folder(folder) / name).read_bytes() for name in EVIDENCE}


def decisions(folder):
    """The journal of the one finished run."""
    return [json.loads(line) for line in (run_folder(folder) / "decisions.jsonl").read_text().splitlines()]


def replays(folder):
    """Whether the one finished run replays byte for byte."""
    return all(check.same for check in simulator.replay(run_folder(folder)))
