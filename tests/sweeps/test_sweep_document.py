"""What a sweep may say: each mistake is one sentence that names the key, and that of a cell the cell."""

import json

import pytest
from command_line import only_error
from small_run import recording
from small_sweep import BASE, buyer, small_sweep

import simulator
from llm_strategy.errors import BacktraderLLMError, ConfigurationError
from simulator.sweeps.cells import cells_of
from simulator.sweeps.document import Sweep, sweep_schema
from simulator.sweeps.sweep import plan_sweep

MISTAKES = {
    "unknown": ({"gird": {}}, "gird is an unknown key, did you mean 'grid'"),
    "nothing": ({"grid": {}, "walk_forward": None}, "The sweep varies nothing"),
    "no list": ({"grid": {"risk.max_position_size": 0.5}}, "must be of type array"),
    "no key": ({"grid": {"risk max": [1]}}, "a key of the experiment with dots"),
    "twice": ({"grid": {"costs.slippage_bps": [1, 1]}}, "grid.costs.slippage_bps holds 1 twice"),
    "both": ({"list": [{"costs.slippage_bps": 2}]}, "costs.slippage_bps stands in grid and in list"),
    "inside": ({"grid": {"costs": [{}], "costs.slippage_bps": [1]}}, "costs holds costs.slippage_bps"),
    "output": ({"grid": {"output.folder": ["a"]}}, "output.folder changes no result"),
    "draws": ({"grid": {"evaluation.draws": [1, 2]}}, "is no key of a sweep: it draws each answer once. To see"),
    "windows twice": ({"windows": [{"start": "2001-02-01", "end": "2001-03-01"}]}, "walk_forward and windows"),
    "start": ({"grid": {"data.start": ["2001-02-01"]}}, "data.start and windows are given"),
    "seal": ({"grid": {"evaluation.holdout": [0.2, None]}}, "evaluation.holdout is no key of a sweep: what evaluation"),
    "seal in evaluation": ({"list": [{"evaluation": {"bars_per_year": 250}}]}, "evaluation is no key of a sweep: what"),
    "seed": ({"grid": {"evaluation.seed": [1, 2]}}, "changes no result of a sweep: leave it out, or vary advisor.opt"),
    "watch": ({"grid": {"watch.speed": [1, 2]}}, "watch.speed changes no result of a sweep: leave it out."),
    "whole costs": ({"grid": {"costs": [{"slippage_bps": 1}]}}, "costs is varied as a whole: write its keys, such as"),
    "start in data": (
        {"list": [{"data": {"source": "synthetic:calm", "end": "2001-02-01"}}]},
        "data.end and windows are given",
    ),
    "walk": ({"walk_forward": {"bars": 1}}, "walk_forward.bars is 1, it must be at least 2"),
    "too long": ({"walk_forward": {"bars": 5000}}, "and the prices have 191 decisions"),
    "backwards": (
        {"walk_forward": None, "windows": [{"start": "2001-03-01", "end": "2001-02-01"}]},
        "lies after its end",
    ),
    "no arm": ({"arm": "momentun"}, "there is no arm 'momentun', did you mean 'momentum'"),
    "many": ({"grid": {"evaluation.seed": list(range(400)), "costs.slippage_bps": list(range(300))}}, "120,000 cells"),
    "no file": ({"experiment": "absent.yaml"}, "there is no such file"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence(tmp_path, name):
    changes, said = MISTAKES[name]
    document = small_sweep(tmp_path)
    client, model = recording(buyer)
    with pytest.raises(ConfigurationError) as problem:
        plan_sweep(document | changes, client=client)
    assert said in str(problem.value)
    assert not model.requests


def test_every_wrong_value_is_told_with_its_cell(tmp_path):
    grid = {"risk.max_position_size": [0.1, 7], "costs.slippage_bps": [1, -2]}
    with pytest.raises(BacktraderLLMError) as problem:
        cells_of(Sweep.from_mapping(small_sweep(tmp_path, grid=grid)))
    lines = str(problem.value).splitlines()
    assert lines[0].startswith("Cell 2 (risk.max_position_size=0.1, costs.slippage_bps=-2) and 1 more: ") or (
        lines[0].startswith("Cell 2 (")
    )
    assert "slippage_bps" in str(problem.value)
    assert "max_position_size" in str(problem.value)
    assert "cell 3 (risk.max_position_size=7" in str(problem.value)


def test_a_key_that_the_experiment_does_not_have(tmp_path):
    with pytest.raises(BacktraderLLMError, match=r"did you mean 'max_position_size'"):
        cells_of(Sweep.from_mapping(small_sweep(tmp_path, grid={"risk.max_positoin_size": [0.1, 0.2]})))


def test_an_experiment_in_place_of_a_sweep(tmp_path):
    (tmp_path / "experiment.yaml").write_text("data: {source: 'synthetic:cycles?bars=300&seed=1'}\n")
    with pytest.raises(ConfigurationError, match="is an experiment and no sweep: write a file that names it"):
        Sweep.from_file(tmp_path / "experiment.yaml")


def test_sealed_bars_stay_sealed(tmp_path):
    sealed = {"evaluation": BASE["evaluation"] | {"holdout": 0.4}}
    cells = cells_of(Sweep.from_mapping(small_sweep(tmp_path, experiment=sealed)))
    last = cells.prices.visible(cells.base)
    assert max(cell.experiment.data.end for cell in cells.all) < last.sealed.first
    assert all(
        cells.prices.visible(cell.experiment).universe.markets[0].table.index[-1].isoformat() < last.sealed.first
        for cell in cells.all
    )
    window = {"start": "2001-03-01", "end": last.sealed.first[:10]}
    with pytest.raises(ConfigurationError, match="seals: end it before"):
        cells_of(Sweep.from_mapping(small_sweep(tmp_path, experiment=sealed, walk_forward=None, windows=[window])))


def test_ranges_of_the_same_prices_show_nothing_that_is_sealed(tmp_path):
    sealed = {"evaluation": BASE["evaluation"] | {"holdout": 0.4}}
    document = small_sweep(tmp_path, experiment=sealed, walk_forward=None)
    whole = cells_of(Sweep.from_mapping(document))
    first = whole.prices.visible(whole.base).sealed.first
    starts = {"data.start": [None, "2001-05-01"]}
    with pytest.raises(
        ConfigurationError, match=f'data.start="2001-05-01".*Its range would show bars from {first[:10]}'
    ):
        cells_of(Sweep.from_mapping(document | {"grid": starts}))
    dated = {"evaluation": BASE["evaluation"] | {"holdout": first[:10]}}
    document = small_sweep(tmp_path, experiment=dated, walk_forward=None, grid=starts)
    assert len(cells_of(Sweep.from_mapping(document)).all) == 2


def test_windows_begin_where_the_slowest_cell_can_decide(tmp_path):
    document = small_sweep(tmp_path, grid={"advisor.lookbacks.trend": [100, 300]})
    cells = cells_of(Sweep.from_mapping(document))
    assert len({cell.experiment.data.start for cell in cells.all}) == len(cells.windows)
    free = cells_of(Sweep.from_mapping(document | {"walk_forward": None}))
    assert "begin to trade at different ones" in free.notes[0]


def test_the_schema_is_that_of_the_fields():
    from importlib.resources import files

    kept = json.loads((files("llm_strategy.contracts") / "sweep.schema.json").read_text(encoding="utf-8"))
    assert sweep_schema() == kept, "write it again with: make contracts"


def test_the_command_tells_a_mistake(btllm, tmp_path):
    (tmp_path / "sweep.yaml").write_text("experiment: {}\ngird: {}\n")
    assert "gird is an unknown key" in only_error(btllm("sweep"), 2)
    assert "There is no file absent.yaml" in only_error(btllm("sweep", "absent.yaml"), 2)


@pytest.mark.parametrize("workers", [0, "two", True], ids=str)
def test_a_wrong_number_of_workers(tmp_path, workers):
    with pytest.raises(ConfigurationError, match="workers is"):
        simulator.sweep(small_sweep(tmp_path, arm="momentum"), workers=workers)
