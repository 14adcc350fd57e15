"""check-lookahead: three planted look-aheads are found through every door, and their honest twins pass."""

import json
from itertools import pairwise

import pytest
from own_strategies import STRATEGIES

from llm_strategy.errors import ConfigurationError
from simulator import Experiment, check_lookahead
from simulator.prices.load import load_prices
from simulator.prices.universe import load_universe
from simulator.runs.lookahead.histories import cut, cut_points, rewritten

pytestmark = pytest.mark.slow

LOOKBACKS = {"trend": 40, "momentum": 20, "volatility_rank": 30, "drawdown": 40}
DATA = {"source": "csv:prices.csv"}
SIGNALS = """
import pandas as pd
import backtrader as bt
from llm_strategy import Rule, Feature

def table(data):
    bars = data.buflen()
    times = [bt.num2date(day) for day in list(data.datetime.array)[:bars]]
    return pd.Series(list(data.close.array)[:bars], index=pd.DatetimeIndex(times))

def tomorrow(close): return close.shift(-1) > close
def yesterday(close): return close > close.shift(1)
def whole_mean(close): return close < close.mean()
def mean_so_far(close): return close < close.expanding().mean()
def this_week(close): return close.resample("W").last().reindex(close.index, method="bfill") > close.rolling(20).mean()
def last_week(close):
    return close.resample("W").last().shift(1).reindex(close.index, method="bfill") > close.rolling(20).mean()

class SignalRule(Rule):
    rationale = "Follows a signal."
    def prepare(self, data):
        self.data, self.signal = data, type(self).wanted(table(data)).to_numpy()
    def action(self, snapshot):
        return "enter_long" if self.signal[len(self.data) - 1] else "exit"

class Tomorrow(SignalRule): wanted = staticmethod(tomorrow)
class Yesterday(SignalRule): wanted = staticmethod(yesterday)
class WholeMean(SignalRule): wanted = staticmethod(whole_mean)
class MeanSoFar(SignalRule): wanted = staticmethod(mean_so_far)
class ThisWeek(SignalRule): wanted = staticmethod(this_week)
class LastWeek(SignalRule): wanted = staticmethod(last_week)

CLOSES = pd.read_csv("prices.csv", parse_dates=["time"], index_col="time")["close"]  # the file of the experiment

def as_feature(wanted):
    by_close = dict(zip(CLOSES, wanted(CLOSES)))
    def one_bar(bars):
        return float(by_close[bars.close[-1]])
    return Feature("signal", 1, one_bar, buckets=((0.5, "down"), (float("inf"), "up")))

def as_rule(wanted):
    signal = wanted(CLOSES)
    def decide(snapshot):
        return "enter_long" if signal.loc[snapshot.time] else "exit"
    return decide

def as_context(wanted):
    signal = wanted(CLOSES)
    def show(snapshot):
        return "signal: up" if signal.loc[snapshot.time] else "signal: down"
    return show

"""
PEEKS = ("tomorrow", "whole_mean", "this_week")
TWINS = ("yesterday", "mean_so_far", "last_week")


def write_signals(folder, name):
    """The code of signals, with one of them as a feature, as a rule and as a source of context."""
    made = "".join(f"{kind}_{name} = as_{kind}({name})\n" for kind in ("feature", "rule", "context"))
    (folder / "signals.py").write_text(SIGNALS + made)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A working folder with prices, strategies and signals."""
    monkeypatch.chdir(tmp_path)
    prices = load_prices("synthetic:cycles?bars=260&seed=5").table
    prices.rename_axis("time").to_csv("prices.csv")
    write_signals(tmp_path, "tomorrow")
    (tmp_path / "strategies.py").write_text(STRATEGIES)
    return tmp_path


def document(**sections):
    advisor = {"lookbacks": LOOKBACKS} | sections.pop("advisor", {})
    return {"data": DATA, "advisor": advisor, "arms": ["buy_and_hold"]} | sections


def checked_strategy(name, cuts=6):
    result = check_lookahead(document(arms={"mine": {"strategy": f"strategies.py:{name}"}}), cuts=cuts)
    (found,) = result.parts
    assert found.part == "strategy mine"
    return found


def camel(name):
    return "".join(word.title() for word in name.split("_"))


@pytest.mark.parametrize("name", [*PEEKS, *TWINS])
def test_strategies(name):
    found = checked_strategy(camel(name))
    assert found.outcome == ("looks ahead" if name in PEEKS else "passes")
    if name in PEEKS:
        assert found.before != found.after
        assert found.time <= found.cut_at
        assert "looks ahead, its decision at 2000-" in found.as_text()


@pytest.mark.parametrize("name", [*PEEKS, *TWINS])
@pytest.mark.parametrize("kind", ["class", "function"])
def test_rules(folder, name, kind):
    write_signals(folder, name)
    reference = f"signals.py:{camel(name) if kind == 'class' else f'rule_{name}'}"
    result = check_lookahead(document(arms=["buy_and_hold", "mine"], baselines={"mine": {"rule": reference}}), cuts=4)
    (found,) = result.parts
    assert found.part == "rule mine"
    assert found.outcome == ("looks ahead" if name in PEEKS else "passes")
    assert result.passed == (name in TWINS)


@pytest.mark.parametrize("name", [*PEEKS, *TWINS])
def test_features_and_sources_of_context_and_the_requests_that_show_them(folder, name):
    write_signals(folder, name)
    shown = {
        "features": ["trend", f"signals.py:feature_{name}"],
        "context": ["features", f"signals.py:context_{name}"],
    }
    result = check_lookahead(document(advisor=shown, arms=["llm"]), cuts=6)
    outcomes = {part.part: part.outcome for part in result.parts}
    wanted = "looks ahead" if name in PEEKS else "passes"
    assert outcomes == dict.fromkeys(["feature signal", f"context context_{name} of llm", "requests of llm"], wanted)


def test_the_built_in_parts_pass():
    result = check_lookahead(
        document(arms=["llm", "regime_rule"], advisor={"context": ["legend", "features", {"history": {"bars": 5}}]}),
        cuts=3,
        built_in=True,
    )
    assert {part.outcome for part in result.parts} == {"passes"}
    names = [part.part for part in result.parts]
    assert "rule regime_rule" in names
    assert "feature trend" in names
    assert {"context legend of llm", "context history of llm"} <= set(names)
    assert "requests of llm" in names


def test_what_is_random_is_told_as_such_and_not_as_look_ahead():
    found = checked_strategy("Dice")
    assert found.outcome == "not deterministic"
    assert "two runs on the same history differ first at 2000-" in found.as_text()


def test_a_strategy_that_reads_the_next_bar_fails_at_the_cut_and_is_found():
    found = checked_strategy("NextClose")
    assert found.outcome == "looks ahead"
    assert "IndexError" in found.after or found.before != found.after


def test_a_part_that_fails_at_once_is_told():
    found = checked_strategy("FailsWhenMade")
    assert found.outcome == "fails"
    assert "line" in found.as_text()


def test_what_a_module_keeps_between_runs_hides_nothing(folder):
    (folder / "beside_kept.py").write_bytes((folder / "signals.py").read_bytes())  # no other test imports this name
    (folder / "kept.py").write_text(
        "seen = {}\n"
        "def decide(snapshot):\n"
        "    from beside_kept import rule_tomorrow\n"
        "    return seen.setdefault(snapshot.time, rule_tomorrow(snapshot))\n"
    )
    result = check_lookahead(
        document(arms=["buy_and_hold", "mine"], baselines={"mine": {"rule": "kept.py:decide"}}), cuts=6
    )
    assert [part.outcome for part in result.parts] == ["looks ahead"]


def test_files_that_are_not_cut_are_named(folder):
    (folder / "other.csv").write_text("a\n1\n")
    (folder / "reads.py").write_text("def decide(snapshot):\n    open('other.csv').close()\n")
    result = check_lookahead(
        document(arms=["buy_and_hold", "mine"], baselines={"mine": {"rule": "reads.py:decide"}}), cuts=2
    )
    assert result.files == ("other.csv",)
    assert "Not cut, as they are no file of the prices: other.csv." in result.as_text()


def test_histories_are_the_same_up_to_the_cut_and_otherwise_after_it():
    universe = load_universe(Experiment.from_mapping(document()).data)
    table = universe.markets[0].table
    at = table.index[150]
    assert cut(universe, at).markets[0].table.equals(table.iloc[:151])
    other = rewritten(universe, at).markets[0].table
    assert other.iloc[:151].equals(table.iloc[:151])
    close = table["close"]
    assert other["close"].iloc[151] / close.iloc[150] == pytest.approx(close.iloc[150] / close.iloc[151])
    assert (other["high"] >= other[["open", "close"]].max(axis=1) - 1e-9).all()


def test_cuts_are_seeded_spread_and_half_of_them_where_something_was_done():
    times = [f"{number:03}" for number in range(200)]
    acts = ["020", "021", "100", "199"]
    points = cut_points(times, acts, 20, 7)
    assert points == cut_points(times, acts, 20, 7) != cut_points(times, acts, 20, 8)
    assert {"020", "021", "100"} <= set(points)
    assert len(points) == 20
    assert "199" not in points
    assert max(int(after) - int(before) for before, after in pairwise(points)) < 30


@pytest.mark.parametrize("cuts", [0, -1, 1.5, True])
def test_a_wrong_number_of_cuts_is_one_sentence(cuts):
    with pytest.raises(ConfigurationError, match=r"cuts is .*: give a whole number of bars from 1 upwards\."):
        check_lookahead(document(), cuts=cuts)


def test_the_command_tells_a_line_a_part_and_ends_with_1_where_one_looks_ahead(btllm, folder):
    text = json.dumps(document(arms=["buy_and_hold", "mine"], baselines={"mine": {"rule": "signals.py:Tomorrow"}}))
    (folder / "experiment.yaml").write_text(text)
    code, out, _ = btllm("check-lookahead", "--cuts", "4")
    assert code == 1
    assert "rule mine: looks ahead, its decision at 2000-" in out
    assert "The check cannot see" in out
    (folder / "experiment.yaml").write_text(text.replace("Tomorrow", "Yesterday"))
    code, out, _ = btllm("check-lookahead", "--cuts", "2", "--json")
    assert code == 0
    assert json.loads(out)["passed"] is True
    (folder / "experiment.yaml").write_text(json.dumps(document()))
    code, out, _ = btllm("check-lookahead")
    assert code == 0
    assert "no part of your own" in out
