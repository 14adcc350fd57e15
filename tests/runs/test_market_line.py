"""The market itself in every comparison: there by itself, without the gate, and once."""

import json
import math
import shutil

import pytest
from small_run import SMALL, recording, seal, small, strip_seals

import simulator
from llm_strategy.errors import ConfigurationError
from simulator import Experiment
from simulator.evaluation.attribution import STEPS
from simulator.folder.record import load_record
from simulator.reporting.facts.run import benchmark_arms, main_arms

SOURCES = {"sources": {"A": "synthetic:cycles?bars=340&seed=5", "B": "synthetic:cycles?bars=340&seed=6"}}
SHORT = {"data": {"source": "synthetic:cycles?bars=320&seed=5"}}


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """A comparison of two rules on two symbols."""
    output = {"folder": str(tmp_path_factory.mktemp("market")), "explain": False}
    return simulator.compare(
        SMALL | {"output": output, "data": SOURCES, "arms": ["regime_rule", "buy_and_hold"]}, progress=False
    )


def test_it_is_there_by_itself_and_stands_in_manifest_and_table_alone(compared):
    manifest = json.loads((compared.folder / "manifest.json").read_text())
    assert manifest["arms"] == ["regime_rule", "buy_and_hold", "market"]
    assert manifest["experiment"]["arms"] == ["regime_rule", "buy_and_hold"], "what a person wrote stays as it was"
    assert list(compared.table.index) == manifest["arms"]


def test_it_enters_once_a_symbol_at_the_first_decision_with_equal_purses(compared):
    market, holder = compared.record.arm("market"), compared.record.arm("buy_and_hold")
    assert list(market.trades["symbol"]) == ["A", "B"]
    assert list(market.orders["created"].unique()) == [market.equity.index[0]]
    spent = market.orders["filled"] * market.orders["fill_price"] + market.orders["commission"]
    assert list(spent) == pytest.approx([50_000, 50_000])
    assert market.equity["cash"].iloc[-1] == pytest.approx(0, abs=1e-3)
    assert list(market.equity.index) == list(holder.equity.index)


def test_it_is_replayed(compared):
    checks = simulator.replay(compared.folder)
    assert all(check.same for check in checks)
    assert "market/equity.csv" in [check.name for check in checks]


def never(snapshot):
    """A rule that holds nothing."""
    return "hold"


def steps(result, arm="regime_rule"):
    return {name: result.facts[found].value for name in STEPS if (found := f"{arm}.steps.{name}") in result.facts}


def test_the_steps_from_the_market_add_up_to_the_account(compared):
    told = steps(compared)
    assert set(told) == {"gate", "choices", "costs"}, "nothing was placed at other moments"
    market, own = (compared.facts[f"regime_rule.steps.{end}"].value for end in ("market", "own"))
    assert market + math.fsum(told.values()) == pytest.approx(own, abs=1e-11)
    growth = compared.record.arm("regime_rule").equity["equity"].pct_change().mean()
    assert own == pytest.approx(growth * compared.facts["run.bars_per_year"].value)


def test_a_holder_that_is_no_arm_is_measured_and_replayed(compared, tmp_path):
    arms = {"regime_rule": None, "never": {"rule": never}}
    without = simulator.compare(small(tmp_path, data=SOURCES, arms=arms), progress=False)
    assert steps(without) == pytest.approx(steps(compared), abs=1e-11)
    for figure in ("total_return", "max_drawdown", "sharpe"):
        assert without.facts[f"run.holder_{figure}"].value == compared.facts[f"buy_and_hold.{figure}"].value
    checks = {check.name: check.same for check in simulator.replay(without.folder)}
    assert checks["attribution.json"]
    assert all(checks.values())
    assert without.facts["never.alpha"].value == "n/a"
    assert "never: its account never moved." in without.folder.joinpath("report.md").read_text()


def test_a_holder_behind_the_gate_stands_with_the_gate_and_no_verdict_rests_on_it(compared):
    assert benchmark_arms(compared.record) == ["market", "regime_rule"]
    assert [arm.name for arm in main_arms(compared.record)] == ["regime_rule", "market"]
    page = compared.folder.joinpath("report.md").read_text()
    arms, gate = page.split("## Arms")[1].split("## ")[0], page.split("## What the risk gate did")[1]
    assert "| market (no gate) |" in arms
    assert "buy_and_hold" not in arms
    assert "| market (no gate) |" in gate
    assert "### What the gate alone does to a holder" in gate


def test_a_folder_without_a_market_is_shown_and_replayed_without_one(compared, tmp_path):
    folder = strip_seals(shutil.copytree(compared.folder, tmp_path / "earlier"))
    shutil.rmtree(folder / "market")
    (folder / "explanation.json").unlink()  # it speaks of the market
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"arms": manifest["arms"][:-1], "files": {}}))
    seal(folder)
    simulator.rebuild_report(folder)
    page = (folder / "report.md").read_text()
    assert "## Beside the market" not in page
    assert "| buy_and_hold |" in page.split("## Arms")[1].split("## ")[0]
    assert benchmark_arms(load_record(folder)) == ["regime_rule"]
    assert all(check.same for check in simulator.replay(folder))


def test_one_advised_arm_is_compared_with_it(tmp_path):
    result = simulator.compare(small(tmp_path, arms=["llm"], **SHORT), client=recording()[0], progress=False)
    assert [arm.name for arm in result.record.arms] == ["llm", "market"]
    assert "llm-market.sharpe_difference" in result.facts


def test_a_run_of_one_arm_and_a_rule_alone_have_none(tmp_path):
    alone = simulator.compare(small(tmp_path, arms=["regime_rule"], **SHORT), progress=False)
    assert [arm.name for arm in alone.record.arms] == ["regime_rule"]
    one = simulator.run(small(tmp_path, **SHORT), "momentum", progress=False)
    assert [arm.name for arm in one.record.arms] == ["momentum"]
    market = simulator.run(small(tmp_path, **SHORT), "market", progress=False)
    assert len(market.record.arms[0].trades) == 1


@pytest.mark.parametrize(
    "arms",
    [
        {"llm": None, "index": {"ungated": "buy_and_hold"}},
        {"llm": None, "market": {"ungated": "buy_and_hold"}},
        ["market", "llm"],
    ],
)
def test_an_arm_that_is_the_market_already_is_it(arms):
    assert Experiment.from_mapping({"arms": arms}).compared == tuple(arms)


def test_an_ungated_rule_is_not_the_market():
    arms = {"llm": None, "free": {"ungated": "regime_rule"}}
    assert Experiment.from_mapping({"arms": arms}).compared == ("llm", "free", "market")


@pytest.mark.parametrize(
    "document",
    [
        {"arms": {"market": {"ungated": "regime_rule"}}},
        {"arms": {"market": {"rule": "momentum"}}},
        {"arms": {"market": {"advisor": "llm"}}},
        {"arms": {"market": {"strategy": "package.module:Strategy"}}},
        {"arms": ["market"], "baselines": {"market": {"rule": "my_rules.py:Mine"}}},
        {"advisors": {"market": {}}},
    ],
)
def test_no_other_thing_has_the_name(document):
    with pytest.raises(ConfigurationError, match="market"):
        Experiment.from_mapping(SMALL | document)
