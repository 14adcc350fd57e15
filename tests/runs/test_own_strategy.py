"""A person's own ``bt.Strategy`` as an arm: behind the gate, on the evidence of every arm, and told where it fails."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from own_strategies import STRATEGIES

from llm_strategy.errors import ConfigurationError, MarketDataError, RunFolderError
from llm_strategy.trading.decision_lines import read_decision, write_decision
from simulator import Experiment, compare, replay
from simulator.prices.universe import load_universe
from simulator.runs.simulation import trade
from simulator.runs.strategies.own_strategy import OwnStrategy, trade_strategy

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_strategy.py"
SMALL = {
    "data": {"source": "synthetic:cycles?bars=300&seed=5"},
    "advisor": {"lookbacks": {"trend": 40, "volatility_rank": 30, "drawdown": 40}},
    "arms": ["buy_and_hold"],
}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("mine") / "strategies.py"
    path.write_text(STRATEGIES)
    return path


def traded(folder, name, reference, params=None, **sections):
    """The evidence of a strategy, as tables, and its decisions."""
    experiment = Experiment.from_mapping(SMALL | sections)
    universe = load_universe(experiment.data)
    folder.mkdir(exist_ok=True)
    entries = []
    trade_strategy(universe, OwnStrategy(name, str(reference), params or {}), experiment, entries.append, folder)
    return {table: pd.read_csv(folder / f"{table}.csv") for table in ("orders", "trades", "equity")}, entries


def test_an_own_strategy_leaves_the_evidence_of_every_arm(tmp_path):
    made, entries = traded(tmp_path / "mine", "donchian", f"{EXAMPLE}:Donchian", {"period": 10})
    experiment = Experiment.from_mapping(SMALL)
    beside, others = tmp_path / "held", []
    beside.mkdir()
    trade(load_universe(experiment.data), experiment.rule("buy_and_hold"), experiment, others.append, beside)
    held = pd.read_csv(beside / "equity.csv")
    assert list(made["equity"].time) == list(held.time)  # the account of every arm begins at the same bar
    assert made["equity"].equity[0] == held.equity[0] == 100_000
    assert [entry.decision.snapshot for entry in entries] == [entry.decision.snapshot for entry in others]
    assert [entry.bar for entry in entries] == [entry.bar for entry in others]
    assert len(made["trades"]) > 3
    assert made["trades"].net.sum() == pytest.approx(made["equity"].equity.iloc[-1] - 100_000)
    actions = [str(entry.decision.advice.action.type) for entry in entries]
    assert actions.count("enter_long") == (made["orders"].kind == "entry").sum()
    assert actions.count("exit") == (made["orders"].kind == "exit").sum()
    lines = (tmp_path / "mine" / "decisions.jsonl").read_text().splitlines(keepends=True)
    assert [write_decision(read_decision(line)) for line in lines] == lines


def test_orders_without_a_size_are_of_the_size_that_the_limits_give(file, tmp_path):
    tight, _ = traded(tmp_path / "a", "always", f"{file}:Always", risk={"max_position_size": 0.1})
    wide, _ = traded(tmp_path / "b", "always", f"{file}:Always", risk={"max_position_size": 0.2})
    shares = [made["equity"].gross.iloc[5] / 100_000 for made in (tight, wide)]
    assert shares == [pytest.approx(0.1, rel=0.1), pytest.approx(0.2, rel=0.1)]


def test_the_gate_holds_for_an_own_strategy(file, tmp_path):
    made, entries = traded(tmp_path, "pieces", f"{file}:Pieces", risk={"max_position_size": 0.01})
    assert (made["equity"].gross / made["equity"].equity).max() < 0.0125
    assert any(entry.verdict.clamps for entry in entries)


@pytest.mark.parametrize("name", ["Pieces", "Bracket"])
def test_round_trips_of_any_orders_add_up(file, tmp_path, name):
    made, _ = traded(tmp_path, "mine", f"{file}:{name}")
    trades, orders = made["trades"], made["orders"]
    assert len(trades) > 3
    assert trades.net.sum() == pytest.approx(made["equity"].equity.iloc[-1] - 100_000)
    assert trades.commission.sum() == pytest.approx(orders.commission.sum())
    bought = orders[orders.side == "buy"]
    assert (bought.filled * bought.fill_price).sum() == pytest.approx((trades["size"] * trades.entry_price).sum())
    if name == "Bracket":
        assert {"stop", "target"} <= set(trades.exit_reason)
        assert {"entry", "stop", "target"} == set(orders.kind)


def test_the_kill_switch_closes_an_own_strategy_and_its_line_says_so(file, tmp_path):
    made, entries = traded(
        tmp_path, "always", f"{file}:Always", data={"source": "synthetic:crash?bars=300&seed=1"},
        risk={"max_position_size": 1.0, "max_drawdown": 0.03, "max_risk_per_trade": 1.0},
    )  # fmt: skip
    assert "kill_switch" in set(made["trades"].exit_reason)
    assert "The gate closes the position: max_drawdown." in {entry.verdict.reason for entry in entries}


def test_several_symbols_and_longer_decision_bars(file, tmp_path):
    data = {"sources": {"A": "synthetic:cycles?bars=500&seed=5", "B": "synthetic:calm?bars=480&seed=2"}}
    _, entries = traded(tmp_path / "two", "always", f"{file}:Always", data=data)
    assert {entry.decision.snapshot.symbol for entry in entries} == {"A", "B"}
    weekly, entries = traded(
        tmp_path / "weekly", "always", f"{file}:Always", data=SMALL["data"] | {"decide_on": "1w"} | {
            "source": "synthetic:cycles?bars=600&seed=5"}
    )  # fmt: skip
    assert len(weekly["equity"]) > 4 * len(entries)


@pytest.mark.parametrize(
    ("name", "params", "problem"),
    [
        ("NoStrategy", {}, "is no bt.Strategy: derive a class from backtrader.Strategy"),
        ("FailsWhenMade", {}, r"fails before its first bar, line \d+ of strategies.py \(IndexError: .*\): correct it"),
        ("FailsLater", {}, r"fails at 2000-\d\d-\d\dT00:00:00, line \d+ of strategies.py \(KeyError: 'missing'\)"),
        ("NoSize", {}, "asks for nan shares of CYCLES at 2000-.*: correct its size there"),
        ("Rich", {}, "changes the broker"),
        ("Gift", {}, "changes the broker"),
        ("Past", {}, "sends an order to the broker itself, past the gate: use buy, sell, close"),
        ("Short", {}, "stops the run at 2000-.*: let it go on to the end"),
        ("Open", {}, "has next_open, which runs with cheat-on-open alone: decide in next"),
        ("Bigger", {}, "overrides buy or sell and sends more than the gate allows"),
        ("Skips", {}, "skips itself"),
        ("Always", {"size": 3}, "has no param 'size'"),
        ("Alway", {}, "has no 'Alway', did you mean 'Always'"),
    ],
)
def test_what_is_wrong_with_a_strategy_is_one_sentence(file, tmp_path, name, params, problem):
    with pytest.raises(ConfigurationError, match=problem) as raised:
        traded(tmp_path, "mine", f"{file}:{name}", params)
    assert "\n" not in str(raised.value)
    assert str(raised.value).endswith((".", "?"))


def test_a_file_that_is_not_there_and_too_few_bars_are_one_sentence(file, tmp_path):
    with pytest.raises(ConfigurationError, match=r"names the file .*nowhere\.py, which is not there"):
        traded(tmp_path, "mine", f"{tmp_path / 'nowhere.py'}:Mine")
    with pytest.raises(MarketDataError, match="needs 5000 bars of CYCLES before its first, and there are 300"):
        traded(tmp_path, "mine", f"{file}:Hungry")


def test_a_misspelled_param_names_the_nearest(tmp_path):
    with pytest.raises(ConfigurationError, match="has no param 'perod', did you mean 'period'"):
        traded(tmp_path, "mine", f"{EXAMPLE}:Donchian", {"perod": 3})


def test_another_file_than_that_of_the_hash_is_refused(file):
    with pytest.raises(ConfigurationError, match="has changed: its file has the sha256"):
        OwnStrategy("mine", f"{file}:Always", {}, sha256="0" * 64).find()


@pytest.mark.slow
def test_strategy_function_and_market_are_arms_of_a_comparison_and_are_replayed(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mine = tmp_path / "mine.py"
    shutil.copy(EXAMPLE, mine)
    (tmp_path / "rules.py").write_text(
        'def decide(snapshot, limit=0.5):\n    return "enter_long" if snapshot.range_position > limit else "exit"\n'
    )
    result = compare(
        SMALL
        | {
            "arms": {
                "donchian": {"strategy": "mine.py:Donchian", "params": {"period": 10}},
                "function": {"rule": "rules.py:decide", "limit": 0.6},
                "market": {"ungated": "buy_and_hold"},
                "buy_and_hold": None,
            },
            "evaluation": {"bootstrap_samples": 100},
            "output": {"explain": False},
        }
    )
    assert list(result.table.index) == ["donchian", "function", "market", "buy_and_hold"]
    assert all(check.same for check in replay(result.folder))
    mine.write_text(mine.read_text().replace("self.buy()", "self.buy(size=1)"))
    with pytest.raises(RunFolderError, match="has changed: its file has the sha256"):
        replay(result.folder)
    mine.unlink()
    with pytest.raises(RunFolderError, match=r"names the file mine\.py, which is not there"):
        replay(result.folder)


def test_what_is_wrong_with_a_strategy_is_told_before_anything_runs(btllm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(EXAMPLE, tmp_path / "mine.py")
    (tmp_path / "experiment.yaml").write_text('arms: {donchian: {strategy: "mine.py:Donchian", params: {perod: 20}}}\n')
    code, _, err = btllm("compare")
    assert code == 2
    assert "The strategy 'donchian' (mine.py:Donchian) has no param 'perod', did you mean 'period'?" in err
    assert not (tmp_path / "reports").exists()
