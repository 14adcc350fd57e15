"""A run in the ledger of trials: entered once, told on its page, and read again without the ledger."""

import json
import shutil

import pytest
from small_run import files, seal
from tuned_run import tuned

import simulator
from simulator.evaluation.trials import read_trials
from simulator.trials.ledger import Ledger

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tried(tmp_path_factory):
    """Two configurations on the same bars, one after the other, and where their ledger is."""
    folder = tmp_path_factory.mktemp("tried")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BTLLM_DATA_DIR", str(folder / "data"))
        results = [simulator.compare(tuned(folder, fast=fast), progress=False) for fast in (10, 20)]
    return folder, results


@pytest.fixture
def data_folder(tried, tmp_path, monkeypatch):
    """The ledger that those two left."""
    monkeypatch.setenv("BTLLM_DATA_DIR", str(tmp_path / "data"))
    Ledger().bring_in(Ledger(tried[0] / "data" / "trials.sqlite").export(), "theirs")
    return tmp_path / "data"


def test_the_page_says_how_many_configurations_were_tried_and_what_luck_would_show(tried):
    first, second = (result.facts for result in tried[1])
    assert first["run.trials_overlap"].value == 1
    assert second["run.trials_overlap"].value == second["run.trials"].value == 2
    assert second["run.expected_best"].value > 0
    page = (tried[1][1].folder / "report.md").read_text()
    best = second["run.expected_best"].text
    assert "At least 2 configurations have been tried on these bars, this run included." in page
    assert f"By luck alone the best of 2 without any skill would show an annual Sharpe ratio of about {best}" in page


def test_the_ledger_holds_the_tuned_arm_alone_with_its_bars_and_result(tried):
    folder, results = tried
    ledger = Ledger(folder / "data" / "trials.sqlite")
    assert [entry.content["arm"] for entry in ledger.entries()] == ["mine", "mine"]
    entry = ledger.entries()[1]
    assert entry.content["sharpe"] == pytest.approx(results[1].facts["mine.sharpe"].value)
    assert entry.content["run"] == results[1].record.manifest["identity"]
    (bars,) = ledger.window(entry).symbols
    assert (bars.symbol, bars.bars) == ("CYCLES", results[1].facts["run.decision_bars"].value)


def test_a_replay_has_the_same_bytes_without_the_ledger(tried, tmp_path, monkeypatch):
    monkeypatch.setenv("BTLLM_DATA_DIR", str(tmp_path / "none"))
    checks = {check.name: check.same for check in simulator.replay(tried[1][1].folder)}
    assert checks["trials.json"]
    assert all(checks.values())
    assert not (tmp_path / "none").exists()
    day = tried[1][1].record.manifest["trials"]["entries"]["mine"]["at"][:10]
    assert day not in (tried[1][1].folder / "trials.json").read_text()  # of the wall clock the manifest tells alone


def test_a_replay_finds_an_entry_that_was_changed(tried, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(tried[1][1].folder, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["trials"]["entries"]["mine"]["at"] = "2019-01-01T00:00:00+00:00"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    seal(folder)
    assert {check.name: check.same for check in simulator.replay(folder)}["trials.json"] is False


def test_the_same_run_again_is_no_other_trial_and_writes_the_same_again(tried, monkeypatch):
    folder, (_, second) = tried
    monkeypatch.setenv("BTLLM_DATA_DIR", str(folder / "data"))
    before = files(second.folder)
    simulator.compare(tuned(folder, fast=20), progress=False)
    after = files(second.folder)
    changed = {name for name in before if before[name] != after[name]}
    assert all(name.endswith("manifest.json") for name in changed)
    assert len(Ledger().entries()) == 2


def test_another_seed_is_no_other_configuration(data_folder, tmp_path):
    result = simulator.run(tuned(tmp_path, evaluation={"seed": 8}), "mine", progress=False)
    assert read_trials(result.folder).number == 2
    assert len(Ledger().entries()) == 3


@pytest.mark.parametrize("place", ["file", "cut"])
def test_a_ledger_that_cannot_be_used_ends_no_run_and_is_said(data_folder, tmp_path, place):
    path = data_folder / "trials.sqlite"
    if place == "cut":
        path.unlink()
    else:
        shutil.rmtree(data_folder)
        data_folder.write_text("no folder")
    notes = []
    result = simulator.run(tuned(tmp_path), "mine", progress=False, on_note=notes.append)
    count = read_trials(result.folder)
    assert count.number == 1
    assert any("ledger of trials" in note for note in notes)
    page = (result.folder / "report.md").read_text()
    assert "The ledger of trials could not be used" in page
    assert str(tmp_path) not in json.dumps(count.as_document())
