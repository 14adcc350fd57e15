"""Two finished runs beside each other: what differs is named, the rest is not, and bars decide what is subtracted."""

import json
import re
import shutil
from collections import Counter
from dataclasses import replace

import pytest
from command_line import only_error
from page_parser import Page
from record_factory import write_comparison, write_run
from small_run import seal

import simulator
from simulator.evaluation.sharpe import compare_sharpe
from simulator.folder.integrity import changed_evidence
from simulator.folder.record import load_record
from simulator.reporting.differences.settings import Setting
from simulator.reporting.facts.fact import write_facts
from simulator.reporting.page import build_facts

QUICK = {"bars": 320, "samples": 100}


def reported(made):
    arm = made.folder / "llm"
    for folder in (made.folder, *([arm] if arm.exists() else [])):
        write_facts(build_facts(load_record(folder)), folder / "facts.json")
    return seal(made.folder)


def told_otherwise(folder, **experiment):
    """Another experiment in all manifests, and another number for each bar."""
    for path in folder.rglob("manifest.json"):
        manifest = json.loads(path.read_text())
        for section, settings in experiment.items():
            manifest["experiment"][section] |= settings
        path.write_text(json.dumps(manifest))
    for path in folder.rglob("decisions.jsonl"):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        path.write_text("".join(f"{json.dumps(line | {'bar': line['bar'] + 1000})}\n" for line in lines))
    return seal(folder)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A run; one on the same prices whose model says one thing; the first with fewer bars; one of another market."""
    place = tmp_path_factory.mktemp("runs")
    made = {
        "a": write_comparison(place / "a", arms=("llm", "sma_cross"), **QUICK),
        "b": write_comparison(place / "b", arms=("llm", "never"), dead=True, **QUICK),
        "short": write_comparison(place / "short", arms=("llm", "sma_cross"), ended=60, **QUICK),
        "elsewhere": write_run(place / "elsewhere", symbols=("<script>alert(1)</script>",), seed=9, **QUICK),
        "other name": write_run(place / "other", arm="other", advisors=("other",), **QUICK),
    }
    told_otherwise(made["b"].folder, risk={"max_position_size": 0.5}, advisor={"mode": "slots"})
    return {name: reported(each) for name, each in made.items()}


@pytest.fixture(scope="module")
def found(folders):
    return simulator.diff_runs(folders["a"], folders["b"])


def value(found, identity):
    return found.facts[identity].value


def test_a_run_beside_itself_differs_in_nothing(folders):
    found = simulator.diff_runs(folders["a"], folders["a"])
    assert len(found.settings) == len(found.first_partings) == 0
    assert found.results.loc["llm", "sharpe_difference"] == 0
    said = "\n".join(found.lines())
    assert "No setting differs." in said
    assert "are the same on all" in said
    assert "earned the same on every bar" in said


def test_settings_that_differ_are_named_with_both_values_and_no_others(found):
    settings = found.settings.set_index("key")
    assert set(settings.index) == {"risk.max_position_size", "advisor.mode"}
    assert tuple(settings.loc["risk.max_position_size", ["A", "B"]]) == (0.9, 0.5)
    assert value(found, "both.settings") == 2
    assert "2 settings differ: " in "\n".join(found.lines())


def test_decisions_are_matched_by_their_closes_and_counted_as_one_counts_by_hand(folders, found):
    """The bars of B have other numbers, as where the data of a run begin earlier."""
    one, other = (simulator.Result.load(folders[name]).decisions.loc["llm"] for name in ("a", "b"))
    both = one.add_suffix("_A").join(other.add_suffix("_B")).dropna(subset=["action_A", "action_B"])
    apart = both[(both["action_A"] != both["action_B"]) | (both["label_A"] != both["label_B"])]
    assert len(apart) > 20
    row = found.decisions.loc["llm"]
    assert (row["bars"], row["both"], row["parted"]) == (len(one), len(both), len(apart))
    assert list(found.first_partings["time"]) == list(apart.index[:20])
    agree = (both["action_A"] == both["action_B"]).mean()
    shares = [Counter(both[f"action_{side}"]) for side in "AB"]
    chance = sum(shares[0][action] * shares[1][action] for action in shares[0]) / len(both) ** 2
    assert row["action_kappa"] == pytest.approx((agree - chance) / (1 - chance))
    counts = {name: fact.value for name, fact in found.facts.items() if name.startswith("llm.decisions.actions.")}
    assert sum(counts.values()) == (both["action_A"] != both["action_B"]).sum()


def test_accounts_on_the_same_bars_are_compared_bar_by_bar(folders, found):
    sides = [simulator.Result.load(folders[name]).returns["llm"].to_numpy() for name in ("a", "b")]
    how = load_record(folders["a"]).manifest["experiment"]["evaluation"]
    tested = compare_sharpe(*sides, 252, confidence_level=0.95, samples=100, seed=how["seed"])
    row = found.results.loc["llm"]
    assert row["sharpe_difference"] == pytest.approx(tested.sharpe_difference)
    assert (row["low"], row["p_value"]) == (pytest.approx(tested.low), pytest.approx(tested.p_value))
    returns = [value(found, f"llm.{side}.total_return") for side in ("A", "B", "difference")]
    assert returns[2] == pytest.approx(returns[0] - returns[1])


def test_figures_of_whole_runs_are_not_subtracted_where_one_has_more_bars(folders):
    found = simulator.diff_runs(folders["a"], folders["short"])
    assert value(found, "llm.difference.total_return") == "n/a"
    assert found.results.loc["sma_cross", "sharpe_difference"] == pytest.approx(0, abs=1e-9)
    assert value(found, "both.bars") < len(simulator.Result.load(folders["a"]).equity)


def test_runs_of_other_prices_stand_beside_each_other_and_nothing_is_subtracted(folders):
    found = simulator.diff_runs(folders["a"], folders["elsewhere"])
    said = "\n".join(found.lines())
    assert "No close is in common" in said
    assert "did not see the same prices" in said
    assert found.results.isna().all(axis=None)
    assert value(found, "llm.difference.sharpe") == "n/a"


def test_advisors_of_other_names_are_held_against_each_other(folders):
    found = simulator.diff_runs(folders["a"], folders["other name"])
    assert list(found.decisions.index) == ["llm-other"]
    assert found.decisions.loc["llm-other", "bars"] > 200


def test_the_page_shows_facts_alone_and_nothing_of_it_is_obeyed(folders, found, tmp_path):
    hostile = Setting("experiment", "x{both.bars}", "<script>alert(1)</script>", "`*[a](javascript:b)*` {llm.A.sharpe}")
    page = replace(found, differing=[*found.differing, hostile]).write(tmp_path / "one.html").read_text()
    read = Page(page)
    assert not read.problems
    assert not read.open
    assert all(href.startswith("#") for href in read.hrefs)
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert all(text == found.facts[name].text for name, text in read.facts)
    shown = {name for name, _ in read.facts}
    assert {"llm.decisions.parted", "llm.paired.low", "llm.difference.costs", "both.verdict.B"} <= shown
    assert not re.findall(r"(?<![\w.-])\d+\.\d", read.said)  # every figure is a fact
    elsewhere = simulator.diff_runs(folders["a"], folders["elsewhere"]).write(tmp_path / "two.html").read_text()
    assert "<script" not in elsewhere


def test_evidence_that_was_changed_stands_above_everything(folders, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(folders["elsewhere"], copy)
    (copy / "trades.csv").write_text((copy / "trades.csv").read_text() + "\n")
    found = simulator.diff_runs(folders["elsewhere"], copy)
    assert found.as_dict()["changed"] == {"A": (), "B": ("trades.csv",)}
    page = found.write(tmp_path / "d.html").read_text()
    assert page.index("evidence of B changed since the run: trades.csv") < page.index("<h1")


def test_the_same_folders_give_the_same_bytes(folders, found, tmp_path):
    again = simulator.diff_runs(folders["a"], folders["b"])
    assert found.write(tmp_path / "1.html").read_bytes() == again.write(tmp_path / "2.html").read_bytes()


def test_the_command_writes_the_page_beside_the_runs_and_says_it_in_short(folders, btllm, tmp_path):
    code, out, _ = btllm("diff", folders["a"], folders["b"])
    page = folders["a"].parent / "diff.html"
    assert code == 0
    assert str(page) in out
    assert "The decisions of llm differ on" in out
    assert "risk.max_position_size: 0.9 -> 0.5" in out
    arms = [folders[name] / "llm" for name in ("a", "b")]  # of comparisons, which are no place for a page either
    told = json.loads(btllm("diff", *arms, "--json")[1])
    assert told["page"] == str(page)
    assert told["facts"]["llm.decisions.bars"] > 0
    assert changed_evidence(folders["a"]) == ()


def test_a_page_is_not_written_into_a_run_and_what_is_no_run_is_told(folders, btllm):
    inside = btllm("diff", folders["a"], folders["b"], "--to", folders["a"] / "diff.html")
    assert "which would count as changed" in only_error(inside, 6)
    assert "no manifest.json" in only_error(btllm("diff", folders["a"], folders["a"].parent / "nothing"), 6)
