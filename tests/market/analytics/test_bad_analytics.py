"""What is wrong with a person's own analytic, or with the choice of one, is one sentence with where and the cure."""

import math
from dataclasses import replace

import numpy as np
import pytest
from all_snapshots import read_all
from markets import random_prices, with_table

from llm_strategy import Analytic, Quantity
from llm_strategy.errors import ConfigurationError
from llm_strategy.market.analytics.past import PastReader
from llm_strategy.market.analytics.registry import ANALYTICS, analytic_names, find_analytic, vocabulary
from llm_strategy.market.analytics.symbols import correlation_to
from llm_strategy.market.context.context import Context

OUTPUTS = {"size": Quantity("ratio", "how large"), "side": Quantity("word", "which side", ("up", "down"))}


def made(measure=None, name="mine", lookback=5, outputs=OUTPUTS, text="what is mine", **more):
    return Analytic(name, text, lookback, measure or (lambda past: {"size": 1, "side": "up"}), outputs, **more)


@pytest.fixture(scope="module")
def past():
    """The past of one symbol at its last close."""
    return PastReader().at(read_all(random_prices(280, seed=3), window=30)[-1])


def raises(past):
    return {"size": 1 / 0, "side": "up"}


def leaves(past):
    raise SystemExit(3)


WRONG_VALUES = {
    "raises": (
        raises,
        r"failed at the bar of 2001-10-07T00:00:00 \(ZeroDivisionError: division by zero\): correct its",
    ),
    "leaves": (leaves, r"failed at the bar of .*SystemExit.*correct its function\."),
    "NaN": (lambda past: {"size": math.nan, "side": None}, r"gave nan as size at .* is no finite number: return None"),
    "infinite": (lambda past: {"size": np.inf, "side": None}, r"gave inf as size at"),
    "text": (lambda past: {"size": "1", "side": None}, r"gave '1' as size at .*, which is no finite number"),
    "truth": (lambda past: {"size": True, "side": None}, r"gave True as size at .*, which is no finite number"),
    "array": (lambda past: {"size": past.bars.close, "side": None}, r"gave array\(.* as size at"),
    "other word": (
        lambda past: {"size": 1, "side": "upp"},
        r"gave 'upp' as side at .* none of its words, did you mean",
    ),
    "number as word": (lambda past: {"size": 1, "side": 1}, r"gave 1 as side at .* which is none of its words"),
    "fewer keys": (lambda past: {"size": 1}, r"gave \['size'\] at the bar of .*: return a mapping with size, side\."),
    "more keys": (lambda past: {"size": 1, "side": "up", "x": 1}, r"gave \['size', 'side', 'x'\] at the bar of"),
    "no mapping": (lambda past: 3, r"gave 3 at the bar of .*: return a mapping with size, side\."),
    "too far back": (lambda past: {"size": past.bars.close[-9], "side": None}, r"failed at .* out of bounds"),
    "writes": (lambda past: past.bars.close.sort(), r"failed at .* read-only"),
}


@pytest.mark.parametrize(("measure", "told"), WRONG_VALUES.values(), ids=WRONG_VALUES)
def test_a_wrong_value_is_one_sentence(past, measure, told):
    with pytest.raises(ConfigurationError, match=rf"^The analytic 'mine' {told}") as caught:
        made(measure).run(past)
    assert "\n" not in str(caught.value)


WRONG = {
    "name": ({"name": "My own"}, "needs another name: at most 40 small letters"),
    "lookback": ({"lookback": 10_001}, "has the lookback 10001: give a whole number of bars from 0 to 10000."),
    "negative lookback": ({"lookback": -1}, "has the lookback -1: give a whole number"),
    "lookback in parts": ({"lookback": 2.5}, "has the lookback 2.5: give a whole number"),
    "function": ({"measure": lambda: 3}, "has no function that can be called with the past alone"),
    "no function": ({"measure": 3}, "has no function that can be called with the past alone"),
    "description": ({"text": "a\nb"}, "has the description 'a\\nb': write one line"),
    "no outputs": ({"outputs": {}}, "has no outputs: write"),
    "output without a unit": ({"outputs": {"x": "ratio"}}, "has the output x without a unit"),
    "unknown unit": ({"outputs": {"x": Quantity("percent", "x")}}, "has the output x without a unit: write Quantity"),
    "name of an output": ({"outputs": {"a b": Quantity("ratio", "x")}}, "has the output 'a b': write at most 40"),
    "words of a number": ({"outputs": {"x": Quantity("ratio", "x", ("up",))}}, "words belong to the unit word alone"),
    "no words": ({"outputs": {"x": Quantity("word", "x")}}, "words belong to the unit word alone"),
    "words as text": ({"outputs": {"x": Quantity("word", "x", "up")}}, "the words 'up': write a tuple of names"),
    "words of several lines": ({"outputs": {"x": Quantity("word", "x", ("a\nb",))}}, "write a tuple of names"),
    "a word twice": ({"outputs": {"x": Quantity("word", "x", ("up", "up"))}}, "write a tuple of names, each once"),
    "output's description": ({"outputs": {"x": Quantity("ratio", "")}}, "with the description '': write one line"),
}


@pytest.mark.parametrize(("change", "told"), WRONG.values(), ids=WRONG)
def test_what_is_no_analytic_is_one_sentence(change, told):
    with pytest.raises(ConfigurationError) as caught:
        made(**change)
    assert str(caught.value).startswith("The analytic ")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


FILES = {
    "another type": (
        "MINE = 3",
        "is of type int: write it as Analytic(name, description, lookback, function, outputs).",
    ),
    "a function": ("def MINE(past): ...", "is of type function: write it as Analytic("),
    "a taken name": ('MINE = Analytic("rsi", "x", 2, len, {"x": Quantity("ratio", "x")})', "is called 'rsi', which is"),
    "not there": ("OTHER = 3", "has no 'MINE'"),
    "not importable": ("import not_there", "cannot be imported (ModuleNotFoundError"),
    "wrong in itself": ('MINE = Analytic("x", "x", -1, len, {})', "The analytic 'x' has the lookback -1"),
}


@pytest.mark.parametrize(("text", "told"), FILES.values(), ids=FILES)
def test_what_a_file_holds_is_told_in_one_sentence(tmp_path, text, told):
    path = tmp_path / "mine.py"
    path.write_text(f"from llm_strategy import Analytic, Quantity\n\n{text}\n")
    with pytest.raises(ConfigurationError) as caught:
        find_analytic(f"{path}:MINE")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


CHOICES = {
    "unknown": (["trendstrength"], "There is no analytic 'trendstrength', did you mean 'trend_strength'?"),
    "twice": (["rsi", "rsi"], "analytics names 'rsi' twice: name each once."),
    "none": ([], "names is []: Tuple should have at least 1 item"),
    "a number": ([3], "names.0 is 3: it should be a valid string"),
    "a text": ("rsi", "names is 'rsi': it should be a valid tuple"),
}


@pytest.mark.parametrize(("names", "told"), CHOICES.values(), ids=CHOICES)
def test_a_wrong_choice_is_told_in_one_sentence(names, told):
    with pytest.raises(ConfigurationError) as caught:
        Context([{"analytics": {"names": names}}])
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_behind_a_bar_without_true_prices_nothing_is_known():
    prices = random_prices(300, seed=4)
    table = prices.table.copy()
    table.iloc[290, 3] = math.nan
    seen = read_all(with_table(prices, table), window=30)
    told = [made().run(PastReader().at(snapshot))["size"] for snapshot in seen[-12:]]
    assert told == [1.0, 1.0, *[None] * 5, *[1.0] * 5]
    assert set(ANALYTICS["market"].run(PastReader().at(seen[-5])).values()) >= {None}


def test_an_installed_one_is_listed_and_found_by_its_name(tmp_path, monkeypatch):
    (tmp_path / "of_mine.py").write_text(
        "from llm_strategy import Analytic, Quantity\n"
        'SIZE = Analytic("size", "x", 0, lambda past: {"x": 1}, {"x": Quantity("ratio", "x")})\n'
    )
    info = tmp_path / "of_mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: of-mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[backtrader_llm.analytics]\nsizes = of_mine:SIZE\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert analytic_names()[-1] == "sizes"
    assert find_analytic("sizes").name == "size"
    assert vocabulary(["sizes"])["size.x"] == Quantity("ratio", "x")
    with pytest.raises(ConfigurationError, match="There is no analytic 'sizess', did you mean 'sizes'"):
        find_analytic("sizess")


def test_the_correlation_to_one_symbol_can_be_asked_for():
    to = correlation_to("BRK.B")
    assert to.name == "correlation_to_brk_b"
    assert "BRK" not in correlation_to("BRK.B", "correlation_to_holding").description
    markets = [random_prices(300, seed=5), random_prices(300, seed=5)]
    own, other = (read_all(prices, window=1) for prices in markets)
    reader = PastReader()
    for snapshot in own[:-1]:
        reader.take(snapshot)
    assert set(to.run(reader.at(own[-1])).values()) == {None}
    for snapshot in other:
        reader.take(replace(snapshot, symbol="BRK.B"))
    values = to.run(reader.at(own[-1]))
    assert values["correlation"] == pytest.approx(1)
    assert values["beta"] == pytest.approx(1)
    with pytest.raises(ConfigurationError, match="correlation_to was given '': give the name of a symbol of the run"):
        correlation_to("")
