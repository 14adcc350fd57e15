"""The questions of a sweep go out as files, as those of an experiment do."""

import json

from fault_runs import environment
from misbehaving_server import answer, serving
from small_sweep import write_sweep


def test_a_sweep_is_exported(tmp_path, btllm, monkeypatch):
    write_sweep(tmp_path, 12)
    with serving(answer()) as server:
        for name, value in environment(server.url, tmp_path / "cache").items():
            monkeypatch.setenv(name, value)
        code, out, err = btllm("questions", "export", "sweep.yaml", "--json")
        assert code == 0, err
        _, planned, _ = btllm("sweep", "--dry-run", "--json")
    lines = (tmp_path / "questions.jsonl").read_text().splitlines()
    assert len(lines) == json.loads(planned)["to_ask"] == 12
    assert len({json.loads(line)["custom_id"] for line in lines}) == 12
    assert json.loads(out)["models"][0]["decisions"] == 12
