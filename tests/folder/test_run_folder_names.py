"""Whatever stands under the names of a run folder: links, files, and what a kill between two renames left."""

import json
import os
import shutil

import pytest
from small_run import small

import simulator
from llm_strategy.errors import RunFolderError
from simulator.folder.workspace import Workspace
from simulator.runs.report import rebuild_report

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of a rule, and the experiment."""
    experiment = small(tmp_path_factory.mktemp("finished"))
    return simulator.run(experiment, "regime_rule").folder


@pytest.fixture
def folder(finished, tmp_path):
    """A copy of the run, where the same experiment writes to."""
    return shutil.copytree(finished, tmp_path / "reports" / finished.name)


def again(folder):
    """The command once more."""
    result = simulator.run(small(folder.parent.parent), "regime_rule")
    assert result.folder == folder
    assert not folder.is_symlink()


def names(folder):
    """What stands beside a run folder, locks aside."""
    return sorted(path.name for path in folder.parent.iterdir() if not path.name.startswith("."))


def test_a_folder_that_was_moved_away_and_linked_is_written_again_and_again(folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    folder.rename(elsewhere)
    before = (elsewhere / "manifest.json").read_bytes()
    folder.symlink_to(elsewhere)
    for _ in range(3):
        again(folder)
        assert names(folder) == [folder.name]
    assert (elsewhere / "manifest.json").read_bytes() == before


@pytest.mark.parametrize("kind", ["link", "dangling", "file", "pipe", "folder"])
@pytest.mark.parametrize("suffix", ["", ".partial", ".replaced"])
def test_what_stands_under_a_name_is_no_hindrance(folder, tmp_path, suffix, kind):
    place = folder.with_name(folder.name + suffix)
    if not suffix:
        shutil.rmtree(folder)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "kept.txt").write_text("kept")
    if kind == "link":
        place.symlink_to(tmp_path / "mine")
    elif kind == "dangling":
        place.symlink_to(tmp_path / "nowhere")
    elif kind == "file":
        place.write_text("a file")
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        place.mkdir()
    again(folder)
    assert names(folder) == [folder.name]
    assert os.listdir(tmp_path / "mine") == ["kept.txt"]


@pytest.mark.parametrize("kind", ["link", "pipe", "part"])
def test_what_a_run_that_was_cut_off_never_left_is_taken_away(folder, tmp_path, kind):
    inside = folder.with_name(f"{folder.name}.partial") / "decisions.jsonl"
    inside.parent.mkdir()
    (tmp_path / "mine.txt").write_text("kept")
    if kind == "link":
        inside.symlink_to(tmp_path / "mine.txt")
    elif kind == "pipe":
        os.mkfifo(inside)
    else:
        inside.with_name(".facts.json.77-abcd.part").write_text("half")
    again(folder)
    assert (tmp_path / "mine.txt").read_text() == "kept"
    assert not list(folder.rglob("*.part"))


def failed(manifest):
    """The text of a manifest as that of a failed run."""
    return json.dumps(json.loads(manifest) | {"status": "failed"})


def between_the_renames(folder):
    folder.rename(folder.with_name(f"{folder.name}.replaced"))


@pytest.mark.parametrize(
    "command",
    [simulator.replay, rebuild_report, simulator.Result.load, again],
    ids=["replay", "report", "load", "run"],
)
def test_a_run_that_only_stands_under_the_name_of_a_replaced_one_is_found(folder, command):
    between_the_renames(folder)
    command(folder)
    assert names(folder) == [folder.name]
    assert json.loads((folder / "manifest.json").read_text())["status"] == "complete"


def test_a_failed_run_takes_no_complete_one_that_a_kill_left_aside(folder):
    whole = (folder / "manifest.json").read_bytes()
    between_the_renames(folder)
    with Workspace(folder) as work:
        (work.path / "manifest.json").write_text(failed(whole))
        written = work.finish(failed=True)
    assert written.name.endswith(".failed")
    assert (folder / "manifest.json").read_bytes() == whole


@pytest.mark.parametrize("content", ["[]", "null", "[" * 100_000, "\xff"], ids=["list", "null", "deep", "no text"])
def test_an_earlier_manifest_that_is_none_is_no_complete_run(folder, content):
    whole = (folder / "manifest.json").read_bytes()
    (folder / "manifest.json").write_text(content, encoding="latin-1")
    with Workspace(folder) as work:
        (work.path / "manifest.json").write_text(failed(whole))
        assert work.finish(failed=True) == folder


@pytest.mark.parametrize("given", [".", "/", "nothing/here"])
def test_a_folder_without_a_run_is_told(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunFolderError, match="not a finished run folder"):
        rebuild_report(given)


def test_everything_is_on_the_disk_before_the_folder_has_its_name(folder, monkeypatch):
    done, fsync, rename = [], os.fsync, os.rename

    def synced(descriptor):
        done.append(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))
        fsync(descriptor)

    def renamed(old, new):
        done.append(f"to {os.path.basename(new)}")
        rename(old, new)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "rename", renamed)
    again(folder)
    named = done.index(f"to {folder.name}")
    files = {path.name for path in folder.iterdir()}
    assert files | {f"{folder.name}.partial", "reports"} <= set(done[:named])
    assert "reports" in done[named:]
