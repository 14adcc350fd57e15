"""The questions of a sweep go out as files, as those of an experiment do."""

import json
from pathlib import Path

import pytest
from batch_service import live, run_batch
from fault_runs import environment
from misbehaving_server import answer, by_turns, nobody_listens, serving
from small_sweep import finished, sums, write_sweep

import simulator

pytestmark = pytest.mark.server


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


def test_a_sweep_on_answers_that_came_as_files_is_the_live_one(tmp_path, btllm, monkeypatch):
    def go_to(name, url):
        write_sweep(tmp_path / name, 12)
        monkeypatch.chdir(tmp_path / name)
        for variable, value in environment(url, tmp_path / name / "cache").items():
            monkeypatch.setenv(variable, value)

    def imported(number):
        code, out, err = btllm("questions", "import", "sweep.yaml", f"answers-{number}.jsonl", "--json")
        assert code == 0, err
        return json.loads(out)

    with serving(by_turns(live)) as server:
        go_to("live", server.url)
        simulator.sweep("sweep.yaml", workers=1)
        asked = len(server.questions)
    with nobody_listens() as url:
        go_to("files", url)
        written, done = 0, {"missing": 1}
        while done["missing"]:
            written += 1
            _, out, err = btllm("questions", "export", "sweep.yaml", "--out", f"questions-{written}.jsonl", "--json")
            assert json.loads(out)["models"][0]["written"] == done.get("further", 12), err
            run_batch(Path(f"questions-{written}.jsonl"), Path(f"answers-{written}.jsonl"))
            done = imported(written)
        again = imported(1)["counts"]
        assert again == {"answered": 0} | again
        assert again["on record already"] == 12
        result = simulator.sweep("sweep.yaml", workers=1)
    (usage,) = json.loads((result.folder / "manifest.json").read_text())["usage"].values()
    assert (usage["asked"], written) == (0, 2), "a second file has the repairs"
    assert asked > 12
    assert sums(result.folder) == sums(finished(tmp_path / "live"))
