"""Arms of every kind trade in a cell to the last bit as in a comparison, also with a checklist and several symbols."""

from pathlib import Path

import pandas as pd
import pytest
from small_run import recording

import simulator
from llm_strategy.errors import ConfigurationError
from simulator.experiment.configuration import Experiment
from simulator.prices.sources.frames import FrameSource
from simulator.prices.universe import load_universe
from simulator.sweeps.cells import without_frames
from simulator.sweeps.shelf import Shelf, read_universe, universe_bytes
from simulator.sweeps.sweep import plan_sweep

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_strategy.py"
ITEMS = {
    "low": {"when": "returns_by_horizon.bars_20 < 6%", "do": "halve"},
    "turn": {"when": ["advice.label_age < 2", "calendar.weekday is not monday"], "do": "block"},
}
ARMS = ("llm", "momentum", "mine", "market")
TWO = {
    "sources": {"AAA": "synthetic:cycles?bars=350&seed=5", "BBB": "synthetic:calm?bars=340&seed=3"},
    "groups": {"one": ["AAA", "BBB"]},
}


def rider(request):
    """A model that is long while prices rise."""
    rising = "momentum: rising" in request.messages[-1].content
    label, action, why = ("bull", "enter_long", "Rising.") if rising else ("bear", "exit", "Not rising.")
    return {"label": label, "action": action, "action_confidence": "70", "rationale": why}


@pytest.fixture
def experiment(tmp_path):
    return {
        "name": "kinds",
        "data": TWO,
        "risk": {"checklist": {"items": ITEMS}, "min_confidence": 0.3, "max_positions": 2},
        "costs": {"slippage_bps": 3, "commission_bps": 2},
        "arms": {"llm": None, "momentum": None, "mine": {"strategy": f"{EXAMPLE}:Donchian", "params": {"period": 10}}},
        "evaluation": {"bootstrap_samples": 100, "placebos": 0},
        "output": {"folder": str(tmp_path / "alone"), "explain": False},
    }


def test_every_kind_of_arm(experiment, tmp_path):
    client, _ = recording(rider)
    alone = simulator.compare(experiment, client=client)
    experiment["output"]["folder"] = str(tmp_path / "swept")
    document = {"experiment": experiment, "arm": list(ARMS), "grid": {"costs.slippage_bps": [3, 30]}}
    result = simulator.sweep(document, client=client, workers=1)
    for arm in ARMS:
        swept = result.returns[1, arm].dropna()
        assert (swept.to_numpy() == alone.returns[arm].dropna().to_numpy()).all(), arm
        row = result.cells.query("cell == 1 and arm == @arm").iloc[0]
        for name in ("turnover", "trades", "costs", "exposure"):
            assert alone.facts[f"{arm}.{name}"].value == pytest.approx(row[name], abs=1e-9), (arm, name)
    assert result.cells.query("arm == 'llm'")["trades"].min() > 0


def test_prices_come_back_to_the_last_bit(tmp_path):
    data = Experiment.from_mapping(
        {"data": {"sources": TWO["sources"], "groups": TWO["groups"], "decide_on": "1w"}}
    ).data
    universe = load_universe(data)
    shelf = Shelf(tmp_path)
    shelf.put("prices", universe_bytes(universe))
    for held in (universe_bytes(universe), shelf.paths(["prices"])["prices"]):
        again = read_universe(held)
        assert again.sha256 == universe.sha256
        assert again.groups == universe.groups
        assert again.decisions("AAA").sha256 == universe.decisions("AAA").sha256
        for one, other in zip(again.markets, universe.markets, strict=True):
            pd.testing.assert_frame_equal(one.table, other.table)
            assert (one.source, one.volume, one.notes) == (other.source, other.volume, other.notes)
    (tmp_path / "cut.arrow").write_bytes(universe_bytes(universe)[:-40])
    assert not shelf.has("cut")
    assert not shelf.has("absent")


def test_a_table_of_prices_that_was_given_travels_without_itself(tmp_path):
    frame = load_universe(Experiment.from_mapping({"data": {"source": TWO["sources"]["AAA"]}}).data).markets[0].table
    frames = [frame, frame.iloc[:330]]
    document = {
        "experiment": {"data": {"source": frame}, "output": {"folder": str(tmp_path)}},
        "arm": "momentum",
        "grid": {"data.source": frames},
    }
    cell = plan_sweep(document).cells.all[1].experiment
    assert isinstance(cell.data.source, FrameSource)
    assert type(without_frames(cell).data.source) is str
    result = simulator.sweep(document, workers=1)
    assert result.cells["bars"].diff().iloc[1] == -20


RULE = """
from llm_strategy import ActionType, Rule

class Late(Rule):
    rationale = "Holds, and fails at a late bar where it is told to."
    bars_needed = 1

    def __init__(self, fails: bool = False) -> None:
        self.fails, self.seen = fails, 0

    def action(self, snapshot):
        self.seen += 1
        if self.fails and self.seen > 9:
            raise KeyError("volume_1990")
        return ActionType.ENTER_LONG
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_cell_that_fails_only_when_it_trades_is_named(tmp_path, workers):
    (tmp_path / "late.py").write_text(RULE)
    document = {
        "experiment": {
            "data": {"source": "synthetic:cycles?bars=300&seed=5"},
            "arms": ["late"],
            "baselines": {"late": {"rule": f"{tmp_path / 'late.py'}:Late"}},
            "output": {"folder": str(tmp_path / "reports")},
        },
        "arm": "late",
        "grid": {"costs.slippage_bps": [1, 5], "baselines.late.fails": [False, True]},
    }
    told = r"^Cell [24] \(costs.slippage_bps=[15], baselines.late.fails=true\): .*late.*volume_1990"
    with pytest.raises(ConfigurationError, match=told):
        simulator.sweep(document, workers=workers)
    document["grid"]["baselines.late.fails"] = [False]
    assert len(simulator.sweep(document, workers=workers).cells) == 2
