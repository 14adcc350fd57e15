"""Accounts at other moments: written down by a comparison, told on its page, and the same wherever they are traded."""

import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from markets import random_prices
from small_run import files, recording, seal, small

import simulator
from llm_strategy import BASELINES, Journal
from llm_strategy.advice.rules import MatchedRandom
from llm_strategy.errors import ConfigurationError, RunFolderError
from simulator.evaluation.placebo_record import read_placebos, why_unmeasured
from simulator.evaluation.timing import p_value
from simulator.experiment.arms import Arm
from simulator.experiment.configuration import Experiment
from simulator.folder.evidence import write_json
from simulator.folder.record import load_record
from simulator.folder.tally import Tally
from simulator.prices.universe import Universe
from simulator.reporting.facts.fact import FactTable
from simulator.reporting.page import build_facts
from simulator.reporting.render_markdown import MarkdownWriter
from simulator.reporting.sections import timing
from simulator.runs.placebos import processes
from simulator.runs.placebos.measure import work_of
from simulator.runs.placebos.write import write_placebos
from simulator.runs.recorded import experiment_of, universe_of
from simulator.runs.replaying import replay
from simulator.runs.simulation import simulate
from simulator.runs.strategies.trade import trade_arm


def blind(request):
    """Says what the hash of its question says: no skill, and many short stretches."""
    chance = hashlib.sha256(request.messages[-1].content.encode()).digest()[0]
    label, action = [("bull", "enter_long"), ("bear", "exit"), ("sideways", "hold")][chance % 3]
    return {"label": label, "action": action, "action_confidence": "70", "rationale": "As shown."}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    experiment = small(
        tmp_path_factory.mktemp("placebos"),
        data={"source": "synthetic:cycles?bars=530&seed=12"},
        arms=["llm", "regime_rule", "random"],
        evaluation={"bootstrap_samples": 200, "placebos": 19},
    )
    return simulator.compare(experiment, client=recording(blind)[0], progress=False)


def test_the_arm_random_is_the_accounts_at_other_moments(run):
    assert "random" not in [arm.name for arm in run.record.arms]
    assert not (run.folder / "random").exists()
    found = read_placebos(run.folder)["llm"].timing
    assert len(found.sharpe) == 19
    assert found.own_sharpe == pytest.approx(run.facts["llm.sharpe"].value, abs=1e-9)
    for page in ("report.md", "report.html"):
        text = (run.folder / page).read_text()
        assert "other moments (" in text
        assert run.facts["llm.timing.percentile"].text in text


def test_the_page_tells_where_the_account_stands(run):
    facts = run.facts
    stands = {name: facts[f"llm.timing.{name}"].value for name in ("own", "mean", "effect", "percentile", "p")}
    assert stands["effect"] == pytest.approx(stands["own"] - stands["mean"])
    assert 0 < stands["p"] <= 1
    assert facts["llm.timing.low"].value < stands["mean"] < facts["llm.timing.high"].value
    assert facts["llm.timing.runs"].value >= 10
    assert facts["llm.beyond_rule.placebos"].value == 19
    assert build_facts(load_record(run.folder)) == dict(facts)


def test_so_few_that_nothing_can_stand_out_are_said_with_what_helps(run):
    facts = run.facts
    assert facts["llm.timing.least_p"].value == 0.1
    assert facts["llm.timing.placebos_needed"].value == 39
    report = (run.folder / "report.md").read_text()
    for said in report.split("\n## ")[0], report.split("\n## Timing")[1]:
        assert "even the best moments of all would have a p of 0.10, where 0.05 is needed." in said
        assert "Set evaluation.placebos to at least 39." in said


def test_a_replay_trades_them_again_where_it_is_asked_to(run):
    checks = {check.name: check.same for check in replay(run.folder, placebos=True)}
    assert checks["placebos.json"]
    assert all(checks.values()), checks


@pytest.mark.slow
def test_processes_write_the_same_bytes(run, tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "_WORTH_A_PROCESS", 0)
    monkeypatch.setenv(processes.VARIABLE, "2")
    experiment = experiment_of(run.record)
    universe = universe_of(run.record, experiment)
    write_placebos(universe, experiment, experiment.plan, lambda arm: run.folder / arm.name, tmp_path)
    assert files(tmp_path)["placebos.json"] == files(run.folder)["placebos.json"]


def test_a_wrong_number_of_processes_is_told(monkeypatch):
    monkeypatch.setenv(processes.VARIABLE, "many")
    with pytest.raises(ConfigurationError, match="BTLLM_PROCESSES is 'many': give a whole number of processes"):
        processes.processes()


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("few_closes", "llm has 211 closes from its first decision on: below 250 moments cannot be told from luck."),
        ("off", "the experiment says evaluation.placebos: 0."),
        ("few_runs", "llm wanted to hold in 3 separate stretches: below 10 their moments cannot be told from luck."),
        ("failed", "because the arm failed."),
        ("too_long", "its 211 closes are too many to be traded again so often."),
    ],
)
def test_why_nothing_is_told_stands_in_its_place(run, reason, said, tmp_path):
    unmeasured = {"unmeasured": reason, "closes": 211, "runs": 3}
    write_json({"llm": {"timing": unmeasured, "beyond_rule": unmeasured}}, tmp_path / "placebos.json")
    record, table = replace(run.record, folder=tmp_path), FactTable()
    timing.facts(table, record)
    told = MarkdownWriter(table.facts).section(list(timing.blocks(record, table.facts)))
    assert said in told
    assert "llm.timing.p" not in table.facts


def test_too_few_closes_too_few_stretches_and_none_wanted_are_told_apart():
    enough = {"number": 999, "failed": False, "closes": 900, "runs": 40}
    assert why_unmeasured(**enough) is None
    changes = ({"number": 0}, {"failed": True}, {"closes": 249}, {"runs": 9})
    assert [str(why_unmeasured(**enough | one)) for one in changes] == ["off", "failed", "few_closes", "few_runs"]


@pytest.mark.parametrize(
    "change",
    [
        lambda of: of.update(sharpe=["high"]),
        lambda of: of.update(method="guess"),
        lambda of: of.update(runs=-1),
        lambda of: of["band"].update(time=[]),
        lambda of: of.pop("total_return"),
    ],
    ids=["text", "method", "count", "band", "missing"],
)
def test_a_file_that_no_run_writes_is_refused_in_a_sentence(run, change, tmp_path):
    content = json.loads((run.folder / "placebos.json").read_text())
    change(content["llm"]["timing"])
    write_json(content, tmp_path / "placebos.json")
    with pytest.raises(RunFolderError, match=r"placebos.json cannot be read \(.*\): restore it, or run"):
        read_placebos(tmp_path)


def test_a_folder_of_an_earlier_version_with_the_arm_random_is_read_and_replayed(run, tmp_path):
    copy = shutil.copytree(run.folder, tmp_path / "copy")
    (copy / "placebos.json").unlink()
    record = load_record(run.folder)
    experiment, made = experiment_of(record), Tally(None)
    for entry in record.arm("llm").entries:
        made.take(entry)
    arm, folder = Arm("random", "random"), copy / "random"
    folder.mkdir()
    advisor = MatchedRandom(made.advised, experiment.evaluation.seed)
    trade_arm(universe_of(record, experiment), arm, advisor, experiment, lambda _: None, folder)
    manifest = json.loads((copy / "regime_rule" / "manifest.json").read_text())
    hashes = {name: "" for name in manifest["files"] if (folder / name).exists()}
    (folder / "manifest.json").write_text(json.dumps(manifest | {"arm": "random", "files": hashes}))
    whole = json.loads((copy / "manifest.json").read_text())
    del whole["files"]["placebos.json"]
    (copy / "manifest.json").write_text(json.dumps(whole | {"arms": [*whole["arms"], "random"]}))
    seal(copy)
    simulator.Result.load(copy)
    again = simulator.replay(copy)
    assert {"random/decisions.jsonl", "random/equity.csv"} <= {check.name for check in again if check.same}
    assert "random.sharpe" in build_facts(load_record(copy))


def test_advice_without_skill_is_seldom_called_skilled():
    """A small form of the calibration: of advisors that toss a coin few stand out on either side."""
    universe, experiment = Universe((random_prices(521, seed=9, daily=0.01),)), Experiment(arms=("llm",))
    found = []
    for seed in range(8):
        journal = simulate(universe, _Coin(seed), experiment, Journal())
        work = work_of(universe, experiment, [one.decision for one in journal.entries], seed, "llm")
        own, *others = [outcome.sharpe for outcome in work.outcomes(range(40))]
        found.append(p_value(own, np.array(others)))
    assert sum(p <= 0.05 for p in found) <= 3
    assert min(found) < 0.5 < max(found)


class _Coin(BASELINES["buy_and_hold"]):
    """Holds and lets go as a coin falls."""

    def __init__(self, seed):
        self.seed, self.closes, self.long = seed, 0, False

    def action(self, snapshot):
        self.closes += 1
        if hashlib.sha256(f"{self.seed} {self.closes}".encode()).digest()[0] < 45:
            self.long = not self.long
        return "enter_long" if self.long else "exit"
