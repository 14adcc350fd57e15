"""Folders whose manifests, journals and tables were edited by hand: one sentence, whatever was put there."""

import contextlib
import json
import re
import shutil

import pytest
from small_run import recording, seal, small
from typer.testing import CliRunner

import simulator
from llm_strategy.errors import RunFolderError
from simulator.cli.main import app
from simulator.folder.record_check import DAMAGE as DAMAGE_ERRORS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    experiment = small(tmp_path_factory.mktemp("run"), arms=["llm", "buy_and_hold"], evaluation={"draws": 2})
    return simulator.compare(experiment, client=recording()[0], progress=False).folder


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "copy")


def put(path, value):
    """Edit JSON at a path of keys: ``(keys, value)``, or ``(keys,)`` to take it away; a journal's first line."""

    def change(file):
        first, *rest = [file.read_text()] if file.suffix == ".json" else file.read_text().splitlines()
        whole = json.loads(first)
        *outer, last = path.split(".")
        part = whole
        for key in outer:
            part = part[key]
        if value is ...:
            del part[last]
        else:
            part[last] = value
        file.write_text("\n".join([json.dumps(whole), *rest]))

    return change


def text(old, new):
    return lambda file: file.write_text(re.sub(old, new, file.read_text(), count=1))


def whole(content):
    return lambda file: file.write_text(content)


DAMAGE = [
    ("manifest.json", whole("[" * 100_000), "manifest.json cannot be read"),
    ("manifest.json", whole("null"), "is not the manifest of a run"),
    ("manifest.json", put("experiment", []), "no valid 'experiment'"),
    ("manifest.json", put("experiment.costs", ...), "'costs'"),
    ("manifest.json", put("experiment.evaluation.confidence_level", "x"), "no run writes|cannot be run"),
    ("manifest.json", put("usage.tokens_out", [None]), "no run writes"),
    ("llm/manifest.json", put("prices", ...), "no valid 'prices'"),
    ("llm/manifest.json", put("experiment.evaluation.draws", "two"), "no run writes"),
    ("llm/manifest.json", put("model", 7), "no valid 'model'"),
    ("llm/decisions.jsonl", whole("[" * 100_000), "no run writes"),
    ("llm/decisions.jsonl", text("^.*", "null"), "line 1, is no decision"),
    ("llm/decisions.jsonl", put("verdict.reason", ...), "no valid 'verdict.reason'"),
    ("llm/decisions.jsonl", put("snapshot.volatility_rank", "high"), "no valid 'snapshot.volatility_rank'"),
    ("llm/draw-2/decisions.jsonl", put("advice", "buy"), "no valid 'advice'"),
    ("buy_and_hold/orders.csv", text("status", "state"), "no column 'status'"),
    ("buy_and_hold/orders.csv", text("\n", "\norder,symbol,created,kind,side,type,size,price,status,done,fill_price,"
     "filled,commission,reason\n"), "holds more than"),
    ("buy_and_hold/equity.csv", text(r"\n(\S+?),", r"\nlast Monday,"), "holds more than times in the column 'time'"),
    ("llm/equity.csv", text(r"00,100000\.0", "00,inf"), "holds more than numbers in the column 'equity'"),
    ("prices.csv", text("close", "last"), "no column 'close'"),
    ("explanation.json", put("paragraphs", 5), "no run writes"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "change", "said"), DAMAGE)
def test_damage_is_told_in_one_sentence(copy, name, change, said):
    change(copy / name)
    with contextlib.suppress(*DAMAGE_ERRORS, RunFolderError):  # what nobody can seal is refused as it is
        seal(copy)
    for use in (simulator.rebuild_report, simulator.replay, lambda copy: simulator.rebuild_report(copy, anyway=True)):
        with pytest.raises(RunFolderError, match=said) as told:
            use(copy)
        assert "btllm-replay-" not in str(told.value)  # the folder of the user, not that of the replay
        assert "\n" not in str(told.value)


@pytest.mark.parametrize("words", [["report"], ["replay"], ["trace"]])
def test_the_command_ends_with_the_code_of_run_folders(copy, words):
    put("verdict", None)(copy / "llm" / "decisions.jsonl")
    done = CliRunner().invoke(app, [*words, str(seal(copy))])
    assert (done.exit_code, done.stdout) == (6, "")
    assert "no valid 'verdict'" in " ".join(done.stderr.split())


@pytest.mark.parametrize("words", [["report"], ["replay"], ["view"], ["trace"]])
def test_a_folder_of_runs_is_answered_by_one_of_them(finished, words):
    done = CliRunner().invoke(app, [*words, str(finished.parent)])
    assert done.exit_code == 6
    assert f"name a folder that btllm wrote, such as {finished}." in done.stderr.replace("\n", "")


def test_a_page_that_is_gone_is_made_again_as_view_says(copy):
    (copy / "report.html").unlink()
    done = CliRunner().invoke(app, ["view", str(copy)])
    assert done.exit_code == 6
    (cure,) = re.findall(r"with: btllm (.*)\n", done.stderr)
    assert CliRunner().invoke(app, cure.split()).exit_code == 0
    assert (copy / "report.html").exists()
