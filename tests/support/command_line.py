"""The command line in this process: a command with what it says, an experiment's file, and its one sentence."""

import json
import re
import sys

import pytest
from small_run import SMALL

from simulator.cli.main import main

_SIGN_OF_LIFE = re.compile(r"[a-z, ]+, [0-9.]+ (s|min)")
"""What a stage says that takes long, as the imports do on a busy machine."""


@pytest.fixture
def btllm(monkeypatch, capsys, tmp_path):
    """Run a command in an empty folder with a scripted model; gives exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("LLM_BACKEND", "LLM_INSTRUCT_MODEL_PATH", "LLM_SCRIPT", "LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["btllm", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return ended.value.code, said.out, said.err

    return call


def write_experiment(folder, **sections):
    path = folder / "experiment.yaml"
    path.write_text(json.dumps(SMALL | {"output": {"folder": "out"}} | sections))
    return path


def only_error(answer, code):
    status, _, err = answer
    assert status == code, answer
    lines = [line for line in err.splitlines() if line.strip() and not _SIGN_OF_LIFE.fullmatch(line)]
    assert "Traceback" not in err
    assert len(lines) == 1, err
    assert lines[0].startswith("Error: ")
    return lines[0]
