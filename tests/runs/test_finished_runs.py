"""The finished runs under a folder: all that can be read, the newest first, and a line for what cannot."""

import json
import os

import pytest
from command_line import only_error
from record_factory import write_comparison, write_run

import simulator
from simulator.folder.record import load_record
from simulator.reporting.facts.fact import write_facts
from simulator.reporting.page import build_facts


def reported(made, name, finished):
    """Give a folder its facts, a name and a time."""
    for path in made.folder.rglob("manifest.json"):
        manifest = json.loads(path.read_text()) | {"name": name, "finished": finished}
        path.write_text(json.dumps(manifest))
    write_facts(build_facts(load_record(made.folder)), made.folder / "facts.json")
    return made.folder


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Three runs, one of them deeper, and everything else that may stand among them."""
    place = tmp_path_factory.mktemp("place") / "reports"
    quick = {"bars": 130, "samples": 100}
    both = write_comparison(place / "first-1", arms=("llm", "sma_cross"), **quick)
    reported(both, "First idea", "2026-01-03T10:00:00+00:00")
    rule = write_run(place / "study" / "second-2", arm="sma_cross", symbols=("XYZ",), **quick)
    reported(rule, "second", "2026-01-05T10:00:00+00:00")
    write_run(place / "third-3", failed=True, symbols=("AA", "BB"), **quick)  # without facts
    (place / "broken").mkdir()
    (place / "broken" / "manifest.json").write_text('{"format": ')
    (place / "list").mkdir()
    (place / "list" / "manifest.json").write_text("[]")
    (place / "wrong").mkdir()
    manifest = json.loads((place / "third-3" / "manifest.json").read_text())
    (place / "wrong" / "manifest.json").write_text(json.dumps(manifest | {"prices": {"symbols": 3}}))
    (place / "cut.partial").mkdir()
    (place / "evil\x1b[2Jname").mkdir()
    (place / ".hidden").mkdir()
    (place / "note.txt").write_text("Nothing.")
    os.symlink(place / "first-1", place / "link")
    return place


def test_runs_are_listed_the_newest_first_and_arms_are_none_of_their_own(reports):
    found = simulator.find_runs(reports)
    assert [run.folder.name for run in found.runs] == ["second-2", "first-1", "third-3"]
    second, first, third = found.runs
    assert (first.kind, first.name) == ("comparison", "First idea")
    assert (first.advisors, first.symbols) == (("script",), ("SYN",))
    assert first.verdict == "cannot tell"
    assert first.first < first.last
    assert (second.verdict, second.advisors) == ("no model", ())
    assert (third.verdict, third.symbols) == ("failed", ("AA", "BB"))


def test_a_figure_in_the_list_is_that_of_the_report(reports):
    facts = simulator.Result.load(reports / "first-1").facts
    (run,) = simulator.find_runs(reports, name="first").runs
    assert run.sharpe == facts["llm.sharpe"].value


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ({"name": "FIRST"}, ["first-1"]),
        ({"symbol": "xyz"}, ["second-2"]),
        ({"symbol": "B"}, []),
        ({"verdict": "cannot"}, ["first-1"]),
        ({"name": "moods", "verdict": "failed"}, ["third-3"]),
        ({"name": "first", "symbol": "xyz"}, []),
    ],
    ids=["name", "symbol", "whole symbols alone", "verdict", "several", "none fits all"],
)
def test_a_list_is_narrowed_by_name_symbol_and_verdict(reports, wanted, names):
    assert [run.folder.name for run in simulator.find_runs(reports, **wanted).runs] == names


def test_what_is_no_run_is_told_in_a_line_each_and_ends_nothing(reports, btllm):
    code, out, err = btllm("runs", reports)
    assert code == 0
    assert all(name in out for name in ("First idea", "second", "moods"))
    lines = err.splitlines()
    assert len(lines) == len(simulator.find_runs(reports).others) == 5
    assert all(line.startswith("Not listed: ") for line in lines)
    for name, why in (
        ("broken", "cannot be read"),
        ("list", "is not the manifest of a run"),
        ("wrong", "holds what no run writes"),
        ("cut.partial", "is not finished"),
        ("evil", "holds no run"),
    ):
        assert any(f"{os.sep}{name}" in line and why in line for line in lines), name
    assert "\x1b" not in out + err


def test_a_list_is_sorted_as_one_asks(reports, btllm):
    def order(*words):
        found = json.loads(btllm("runs", reports, "--json", *words)[1])["runs"]
        return [os.path.basename(run["folder"]) for run in found]

    assert order("--sort", "name") == ["first-1", "third-3", "second-2"]
    assert order("--sort", "verdict") == ["first-1", "third-3", "second-2"]
    assert order("--sort", "sharpe")[-1] == "third-3"


def test_a_run_itself_is_a_list_of_one(reports, btllm):
    status, out, err = btllm("runs", reports / "first-1")
    assert (status, err) == (0, "")
    assert out.count("cannot tell") == 1


def test_no_folder_and_no_run_are_told(reports, btllm, tmp_path):
    assert "There is no folder nowhere" in only_error(btllm("runs", "nowhere"), 6)
    (tmp_path / "empty").mkdir()
    assert btllm("runs", "empty") == (0, "No run stands under empty.\n", "")
    assert "No run of these" in btllm("runs", reports, "--name", "nothing like it")[1]


def test_view_answers_a_page_that_is_not_there_and_a_name_that_is_none(reports, btllm):
    assert "There is no page gone.html" in only_error(btllm("view", "gone.html"), 6)
    assert "btllm runs lists them" in only_error(btllm("view", "first"), 6)
    code, _, err = btllm("view", reports / "first-1" / "llm")
    assert code == 6
    assert "make its page with: btllm report" in " ".join(err.split())
