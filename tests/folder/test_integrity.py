"""A run folder that was changed after the run: refused by name, or told above everything else."""

import json
import shutil

import pytest
from small_run import recording, small, strip_seals
from typer.testing import CliRunner

import simulator
from llm_strategy.errors import RunFolderError
from simulator.cli.main import app

pytestmark = pytest.mark.slow

STAMP = "evidence changed since the run: "


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    experiment = small(
        tmp_path_factory.mktemp("run"),
        arms=["llm", "buy_and_hold", "momentum"],
        evaluation={"draws": 2, "bootstrap_samples": 100},
    )
    return simulator.compare(experiment, client=recording()[0]).folder


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "copy")


def double_last_number(path):
    """The last line with its second cell doubled: a file that reads well and is wrong."""
    *lines, last = path.read_text().splitlines()
    cells = last.split(",")
    cells[1] = str(2 * float(cells[1]))
    path.write_text("\n".join([*lines, ",".join(cells)]) + "\n")


def drop_last_line(path):
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("llm/equity.csv", double_last_number),
        ("momentum/equity.csv", double_last_number),
        ("buy_and_hold/trades.csv", drop_last_line),
        ("llm/draw-2/decisions.jsonl", drop_last_line),
        ("momentum/orders.csv", lambda path: path.unlink()),
        ("prices.csv", drop_last_line),
        ("harm.json", lambda path: path.write_text(path.read_text().replace("bound", "bound "))),
        ("explanation.json", lambda path: path.write_text(path.read_text().replace("No model", "A model") + " ")),
    ],
)
def test_report_and_replay_name_the_file_that_was_changed(copy, name, change):
    before = (copy / "report.html").read_bytes()
    change(copy / name)
    for use in (simulator.rebuild_report, simulator.replay):
        with pytest.raises(RunFolderError, match=rf"^{name} in .* was changed after the run: restore"):
            use(copy)
    assert (copy / "report.html").read_bytes() == before


def test_several_changed_files_are_all_named(copy):
    double_last_number(copy / "llm" / "equity.csv")
    drop_last_line(copy / "momentum" / "decisions.jsonl")
    with pytest.raises(RunFolderError, match=r"llm/equity\.csv, momentum/decisions\.jsonl in .* were changed"):
        simulator.rebuild_report(copy)


def test_anyway_stamps_every_page_and_the_result(copy):
    double_last_number(copy / "llm" / "equity.csv")
    for folder, name in ((copy, "llm/equity.csv"), (copy / "llm", "equity.csv")):
        with pytest.raises(RunFolderError):
            simulator.rebuild_report(folder)
        page = simulator.rebuild_report(folder, anyway=True)
        for text, title in ((page.read_text(), "<h1>"), (page.with_suffix(".md").read_text(), "\n# ")):
            assert text.index(STAMP + name) < text.index(title)
        assert name in simulator.Result.load(folder).warning
    assert STAMP not in simulator.rebuild_report(copy / "momentum").read_text()  # nothing of it was changed


def test_an_untouched_folder_passes_and_carries_no_stamp(copy):
    before = (copy / "report.html").read_bytes(), (copy / "report.md").read_bytes()
    for anyway in (False, True):
        simulator.rebuild_report(copy, anyway=anyway)
        assert ((copy / "report.html").read_bytes(), (copy / "report.md").read_bytes()) == before
    assert simulator.rebuild_report(copy / "momentum").exists()
    assert all(check.same for check in simulator.replay(copy))
    assert simulator.Result.load(copy).warning == ""


def test_a_folder_of_an_earlier_version_passes(copy):
    """Its manifests held the hashes of the arms' evidence alone."""
    path = strip_seals(copy) / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["files"]
    path.write_text(json.dumps(manifest))
    simulator.rebuild_report(copy)
    assert all(check.same for check in simulator.replay(copy))


@pytest.mark.parametrize(
    "change",
    [
        {"arms": ["../../elsewhere"]}, {"arms": ["/elsewhere"]}, {"arms": ["llm/../momentum"]}, {"arms": [".."]},
        {"arms": "llm"}, {"arms": []}, {"arms": [["llm"]]}, {"kind": "run", "arm": "../x"}, {"kind": "run"},
    ],
)  # fmt: skip
def test_an_arm_in_a_manifest_is_a_name_and_no_path(copy, change):
    path = copy / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    for use in (simulator.rebuild_report, simulator.replay):
        with pytest.raises(RunFolderError, match="names no arms but"):
            use(copy)


def test_an_arm_of_another_name_than_its_folder_is_refused(copy):
    path = copy / "momentum" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"arm": "llm"}))
    with pytest.raises(RunFolderError, match="is that of the arm 'llm'"):
        simulator.rebuild_report(copy)


def test_the_command_ends_with_the_code_of_run_folders(copy):
    double_last_number(copy / "llm" / "equity.csv")
    call = CliRunner().invoke
    for words in (["report", str(copy)], ["replay", str(copy)]):
        done = call(app, words)
        assert done.exit_code == 6
        assert "llm/equity.csv" in done.stderr
        assert not done.stdout
    assert call(app, ["report", str(copy), "--anyway"]).exit_code == 0
