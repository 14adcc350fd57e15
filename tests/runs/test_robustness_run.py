"""The recorded decisions of an arm traded again: on record, on the page, and the same in a replay."""

import json
import re
import shutil

import pytest
from page_parser import Page
from small_run import recording, small

import simulator
from simulator.evaluation.robustness import read_robustness
from simulator.folder.record import load_record
from simulator.reporting.facts.fact import FactTable
from simulator.reporting.page import build_facts, render
from simulator.reporting.render_markdown import MarkdownWriter
from simulator.reporting.sections import robustness as section
from simulator.runs import robustness
from simulator.runs.recorded import experiment_of, universe_of
from simulator.runs.replaying import replay


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    experiment = small(
        tmp_path_factory.mktemp("robust"),
        data={"source": "synthetic:cycles?bars=560&seed=12"},
        arms=["llm", "buy_and_hold"],
        advisor={"decide_every": 2},
        output={"folder": str(tmp_path_factory.mktemp("robust")), "explain": False},
    )
    client, _ = recording()
    return simulator.compare(experiment, client=client, progress=False)


def numbers_that_are_no_facts(told, facts):
    known = {word.strip(".,;:()|") for fact in facts.values() for word in fact.text.split()}
    words = (word.strip(".,;:()|") for word in told.split())
    return [word for word in words if re.search(r"\d", word) and word not in known]


def told_of(record):
    """The section alone."""
    table = FactTable()
    section.facts(table, record)
    return MarkdownWriter(table.facts).section([*section.blocks(record, table.facts)])


def equity_of(run):
    return load_record(run.folder).arm("llm").equity["equity"]


def test_the_account_of_the_run_is_the_one_on_record(run):
    robust = read_robustness(run.folder)["llm"]
    equity = equity_of(run)
    assert robust.own.total_return == pytest.approx(equity.iloc[-1] / equity.iloc[0] - 1)
    assert build_facts(load_record(run.folder))["llm.sharpe"].value == pytest.approx(robust.own.sharpe)
    assert [step.multiple for step in robust.costs] == [0, 1, 2, 4]
    assert robust.costs[0].outcome.total_return > robust.costs[3].outcome.total_return
    assert robust.late.total_return != robust.own.total_return
    assert robust.ungated.total_return != robust.own.total_return
    assert [start.later for start in robust.starts] == [*range(1, 21)]


@pytest.fixture(scope="module")
def dear(run, tmp_path_factory):
    """The same arm alone, at four times the costs."""
    whole = load_record(run.folder).manifest["experiment"]
    costs = {"commission_bps": 20.0, "slippage_bps": 20.0}
    output = {"folder": str(tmp_path_factory.mktemp("dear"))}
    return simulator.run(whole | {"costs": costs, "output": output}, client=recording()[0], progress=False)


def test_other_costs_are_those_of_a_run_with_them(run, dear):
    equity = equity_of(dear)
    step = next(step for step in read_robustness(run.folder)["llm"].costs if step.multiple == 4)
    assert step.outcome.total_return == pytest.approx(equity.iloc[-1] / equity.iloc[0] - 1)


def test_the_page_tells_it_in_facts_and_a_replay_writes_the_same(run):
    record = load_record(run.folder)
    facts, text = build_facts(record), (run.folder / "report.md").read_text()
    assert Page(render(record, facts, None).html).problems == []
    for title in ("Costs, years and starts", "What the labels were worth", "How sure the model was"):
        told = text[text.index(f"## {title}") :].split("\n## ")[0]
        assert numbers_that_are_no_facts(told, facts) == []
    assert "## Costs, years and starts" in text
    assert f"{facts['llm.robust.doubling'].text} off the Sharpe ratio" in text
    assert "each decision one bar late" in text
    assert "2002 (part) |" in text
    assert all(check.same for check in replay(run.folder))


def test_what_is_not_traded_again_is_told_so(run, tmp_path, monkeypatch):
    folder = tmp_path / "copy"
    shutil.copytree(run.folder, folder)
    record = load_record(folder)
    experiment = experiment_of(record)
    monkeypatch.setattr(robustness, "MOST_CLOSES", 100)
    robustness.write_robustness(universe_of(record, experiment), experiment, folder)
    assert "too many bars for the decisions of llm to be traded again" in told_of(record)
    path = folder / "llm" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"status": "failed"}))
    robustness.write_robustness(universe_of(record, experiment), experiment, folder)
    assert "The arm llm failed" in told_of(record)


def test_a_folder_without_the_file_tells_nothing_of_it(run, dear):
    assert json.loads((run.folder / "manifest.json").read_text())["files"]["robustness.json"]
    assert not (dear.folder / "robustness.json").exists()
    assert "Costs, years and starts" not in (dear.folder / "report.md").read_text()
