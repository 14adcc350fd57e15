"""A backend, a rule, a source, a feature, an analytic and a section of one's own in one run, wherever it is started."""

import json
import shutil
from pathlib import Path

import pytest

from llm_strategy.errors import RunFolderError
from simulator import compare, replay

EXAMPLES = Path(__file__).parents[2] / "examples"
EXPERIMENT = """
name: six
data: {source: "own_source.py:random_walk:MINE?bars=130"}
advisor: {features: [trend, "own_feature.py:GAP"], lookbacks: {trend: 40, volatility_rank: 30, drawdown: 40},
          context: [features, analytics: {names: ["own_analytic.py:CALM"]}],
          max_failure_rate: 1}   # what the example answers is no advice
arms: [llm, mine]
baselines: {mine: {rule: "own_rule.py:UpperHalf"}}
evaluation: {bootstrap_samples: 100}
output: {sections: ["own_section.py:BestMonth"], explain: false}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of an experiment with all the examples; the working folder is the one above it."""
    folder = tmp_path / "mine"
    (folder / "configs").mkdir(parents=True)
    for example in EXAMPLES.glob("own_*.py"):
        shutil.copy(example, folder)
    (folder / "configs" / "llm.yaml").write_text('backend: "../own_backend.py:Keywords"\n')
    (folder / "experiment.yaml").write_text(EXPERIMENT)
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("LLM_BACKEND", "LLM_INSTRUCT_MODEL_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return folder


def test_a_run_is_the_same_from_every_folder_and_replays_where_its_files_are(folder, monkeypatch):
    above = compare("mine/experiment.yaml")
    assert all(check.same for check in replay(above.folder))
    above_folder = above.folder.absolute()
    monkeypatch.chdir(folder)
    beside = compare("experiment.yaml")
    assert beside.folder.name == above.folder.name
    manifests = [json.loads((made / "manifest.json").read_text()) for made in (above_folder, beside.folder)]
    assert manifests[0]["identity"] == manifests[1]["identity"]
    assert manifests[0]["model"]["name"] == "keywords"
    assert "section.BestMonth.mine" in beside.facts
    assert str(folder.parent) not in "".join(
        file.read_text() for file in beside.folder.rglob("*") if file.is_file() and file.name != "manifest.json"
    )
    moved = folder.rename(folder.parent / "moved")
    monkeypatch.chdir(moved)
    assert all(check.same for check in replay(beside.folder))


@pytest.mark.parametrize("part", ["analytic", "feature", "rule", "section"])
def test_a_replay_without_a_file_says_which(folder, monkeypatch, part):
    monkeypatch.chdir(folder)
    made = compare("experiment.yaml").folder
    (folder / f"own_{part}.py").unlink()
    with pytest.raises(RunFolderError, match=rf"names the file own_{part}\.py, which is not there"):
        replay(made)


def test_a_replay_needs_no_file_of_the_source_and_the_backend(folder, monkeypatch):
    monkeypatch.chdir(folder)
    made = compare("experiment.yaml").folder
    (folder / "own_source.py").unlink()
    (folder / "own_backend.py").unlink()
    assert all(check.same for check in replay(made))


def test_a_changed_section_is_named_where_a_replay_differs(btllm, folder):
    btllm("compare", "mine/experiment.yaml")
    (made,) = (folder.parent / "reports").glob("six-*")
    section = folder / "own_section.py"
    section.write_text(section.read_text().replace("in its best month", "at its best"))
    code, out, err = btllm("replay", made)
    assert code == 6
    assert "a section of your own (mine/own_section.py:BestMonth), was changed" in err, out
