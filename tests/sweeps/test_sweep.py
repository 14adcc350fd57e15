"""A sweep from its document to its folder: each distinct question once, the same bytes in however many processes, and
the figures of the same experiment run alone."""

import json

import duckdb
import numpy as np
import pandas as pd
import pytest
from small_run import files, recording
from small_sweep import BASE, GRID, WALK, buyer, small_sweep, sums

import simulator
from llm_strategy.errors import ConfigurationError
from simulator.folder.sweep import is_whole
from simulator.runs.finished import find_runs
from simulator.sweeps.sweep import plan_sweep
from simulator.trials.ledger import Ledger

ARMS = ["llm", "momentum"]


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A sweep of 24 cells with two arms in this process, and the model that it asked."""
    client, model = recording(buyer)
    result = simulator.sweep(small_sweep(tmp_path_factory.mktemp("swept"), arm=ARMS), client=client, workers=1)
    return result, client, model


def test_what_is_planned_is_what_is_asked(swept, tmp_path):
    result, _, model = swept
    fresh, unasked = recording(buyer)
    plan = plan_sweep(small_sweep(tmp_path, arm=ARMS), client=fresh)
    assert not unasked.requests
    assert not list(tmp_path.iterdir())
    told = plan.as_dict()
    assert (told["cells"], told["windows"], told["decisions"], told["on_record"]) == (24, 4, 24 * 60, 0)
    assert told["to_ask"] == told["questions"] == len(plan.requests) == len(model.requests)
    assert len(model.requests) == len(set(model.requests)) < told["decisions"] / 20
    assert result.about["questions"] == told["questions"]
    assert "24 cells of 2 arms, 4 windows." in plan.as_text()


def test_the_tables_are_read_by_pandas_and_duckdb(swept):
    result, _, _ = swept
    cells = pd.read_parquet(result.folder / "cells.parquet")
    assert len(cells) == 48
    assert list(cells.columns[:6]) == ["cell", *GRID, "window", "arm", "start"]
    assert cells[["cell", "arm"]].to_records(index=False).tolist() == sorted(
        zip(cells["cell"], cells["arm"], strict=True)
    )
    assert cells["risk.max_position_size"].dtype == cells["costs.slippage_bps"].dtype == np.float64
    assert cells["cell"].dtype == np.int64
    assert (cells["decisions"] == 60).all()
    assert (cells["bars"] == 60).all()
    assert (cells.loc[cells["arm"] == "llm", "trades"] > 0).any()
    assert cells.groupby("window")["market_sharpe"].nunique().eq(2).all(), "one for each of the costs"
    with duckdb.connect() as base:
        table = base.read_parquet(str(result.folder / "returns.parquet"))
        ((count, least),) = table.filter("arm = 'llm'").aggregate("count(*), min(cell)").fetchall()
    assert (count, least) == (24 * 59, 1)
    assert result.returns.shape[1] == 48
    assert result.best["sharpe"] == result.cells["sharpe"].max()


def test_a_cell_is_the_experiment_run_alone(swept, tmp_path):
    result, client, model = swept
    asked = len(model.requests)
    row = result.cells.query("arm == 'llm'").iloc[5]
    window = next(each for each in result.about["windows"] if each["name"] == row["window"])
    alone = simulator.compare(
        BASE
        | {
            "data": BASE["data"] | {"start": window["start"], "end": window["end"]},
            "risk": BASE["risk"] | {"max_position_size": row["risk.max_position_size"]},
            "costs": {"slippage_bps": row["costs.slippage_bps"]},
            "arms": ["llm", "buy_and_hold", "momentum"],
            "output": {"folder": str(tmp_path), "explain": False},
        },
        client=client,
    )
    assert len(model.requests) == asked, "what a sweep was answered is on record"
    returns = result.returns[int(row["cell"]), "llm"].dropna()
    assert (returns.to_numpy() == alone.returns["llm"].to_numpy()).all()
    assert list(returns.index) == list(alone.returns.index)
    for name in ("sharpe", "total_return", "volatility", "max_drawdown", "exposure", "turnover", "trades", "costs"):
        assert alone.facts[f"llm.{name}"].value == pytest.approx(row[name], abs=1e-9), name
    assert alone.facts["market.sharpe"].value == pytest.approx(row["market_sharpe"], abs=1e-9)


def test_what_is_finished_is_not_run_again(swept):
    result, client, _ = swept
    before = files(result.folder)
    again = simulator.sweep(small_sweep(result.folder.parent, arm=ARMS), client=client, workers=1)
    assert again.folder == result.folder
    assert files(again.folder) == before


def test_the_folder_is_sealed_and_no_run(swept, tmp_path):
    result, _, _ = swept
    assert is_whole(result.folder)
    text = (result.folder / "sweep.json").read_text()
    assert str(result.folder.parent) not in text
    assert not [path.name for path in result.folder.parent.iterdir() if path.name.endswith(".partial")]
    found = find_runs(result.folder.parent)
    assert not found.runs
    assert ["is a sweep and no run" in each.why for each in found.others] == [True]


def test_a_changed_folder_is_run_again(swept, tmp_path):
    _, client, _ = swept
    document = small_sweep(tmp_path, grid={"costs.slippage_bps": [1]}, walk_forward=None)
    first = simulator.sweep(document, client=client, workers=1)
    whole = sums(first.folder)
    (first.folder / "cells.parquet").write_bytes(b"")
    assert not is_whole(first.folder)
    assert sums(simulator.sweep(document, client=client, workers=1).folder) == whole


def test_every_cell_is_a_trial(swept):
    result, _, _ = swept
    tried = [entry for entry in Ledger().entries("tried") if entry.content["run"] == result.about["identity"]]
    assert len(tried) == 24, "momentum with its usual settings is a benchmark"
    assert {entry.content["arm"] for entry in tried} == {"llm"}
    assert len({entry.content["window"] for entry in tried}) == 4
    assert len({entry.statement for entry in tried}) == 24


def test_settings_that_belong_together(tmp_path):
    client, _ = recording(buyer)
    document = small_sweep(
        tmp_path,
        grid={"costs.slippage_bps": [1]},
        list=[{"risk.allow_short": True, "advisor.decide_every": 5}, {"advisor.style": "numbers"}],
        walk_forward=None,
        windows=[{"start": "2001-02-01", "end": "2001-05-01"}, {"start": "2001-05-02", "end": "2001-08-01"}],
    )
    result = simulator.sweep(document, client=client, workers=1)
    axes = {axis["key"]: axis["values"] for axis in result.about["axes"]}
    assert axes["advisor.style"] == ["numbers"]
    assert axes["risk.allow_short"] == [True]
    assert result.cells["advisor.style"].isna().tolist() == [True, True, False, False]
    assert result.cells["risk.allow_short"].dropna().tolist() == ["true", "true"]
    assert result.cells["advisor.decide_every"].dtype == np.float64
    assert result.cells["window"].nunique() == 2
    few, many = result.cells["decisions"].iloc[0], result.cells["decisions"].iloc[2]
    assert few < many / 4


def test_money_is_bounded(tmp_path, monkeypatch):
    client, model = recording(buyer)
    document = small_sweep(tmp_path, walk_forward=None)
    with pytest.raises(ConfigurationError, match="needs the price"):
        simulator.sweep(document, client=client, workers=1, max_cost=5)
    monkeypatch.setenv("LLM_PRICE_IN", "1000")
    monkeypatch.setenv("LLM_PRICE_OUT", "1000")
    with pytest.raises(ConfigurationError, match="would cost about"):
        simulator.sweep(document, client=client, workers=1, max_cost=0.001)
    assert not model.requests


def test_a_cell_equal_to_another_is_left_out_and_told(tmp_path):
    client, _ = recording(buyer)
    same = [{"costs.slippage_bps": 5}, {"costs.slippage_bps": 5, "risk.min_confidence": 0.3}]
    plan = plan_sweep(small_sweep(tmp_path, grid={}, list=same, walk_forward=None), client=client)
    assert [cell.number for cell in plan.cells.all] == [1]
    assert dict(plan.cells.equal) == {2: 1}
    assert "cell 2 to cell 1" in plan.cells.notes[0]


def test_the_command(btllm, tmp_path):
    document = small_sweep(tmp_path / "reports", arm="momentum", walk_forward=WALK | {"step": 120})
    (tmp_path / "sweep.yaml").write_text(json.dumps(document))
    _, out, _ = btllm("sweep", "--dry-run", "--json")
    assert json.loads(out)["cells"] == 12
    assert not (tmp_path / "reports").exists()
    code, out, err = btllm("sweep", "--workers", "1")
    assert code == 0, err
    assert "12 cells" in out
    assert "risk.max_position_size" in out
    _, out, err = btllm("sweep", "--json")
    assert json.loads(out)["sweep"]["cells"] == 12
    assert "nothing is run" in err
