"""Parameters of an AdvisedStrategy that are of a wrong kind, or name what is not there, are one sentence each."""

import pytest
from own_cerebro import EXPECTED, OTHER, RULE, own_cerebro, pandas_feed, run
from small_study import study

from llm_strategy import Limits
from llm_strategy.advice.rules import BuyAndHold
from llm_strategy.errors import ConfigurationError, MarketDataError
from llm_strategy.llm.backends.scripted import ScriptedClient

pytestmark = pytest.mark.slow

WRONG = {
    "advisor": [
        (ScriptedClient([]), r"is a client: give advisor=ModelAdvisor\(client\)"),
        (BuyAndHold, r"give advisor=BuyAndHold\(\.\.\.\)"),
        ("buy_and_hold", "advisor is 'buy_and_hold': give a ModelAdvisor"),
    ],
    "start": [("2001-06-01", r"start is '2001-06-01': give a datetime\.date"), (20010601, "give a datetime")],
    "warm_up": [(-5, "warm_up is -5"), ("50", "whole number of bars from 0")],
    "decide_every": [(2.5, "decide_every is 2.5"), ("2", "whole number of bars from 1")],
    "lookbacks": [({"trend": 10}, r"give Lookbacks\(\.\.\.\)")],
    "limits": [({"max_position_size": 0.5}, r"give Limits\(\.\.\.\)")],
    "orders": [({"entry": "limit"}, r"give OrderRules\(\.\.\.\)")],
    "decide_when_changed": [(True, r"give a View\(\.\.\.\)")],
    "trade": [([], "trade is empty"), ("C", "no feed named 'C'; known are A, B")],
    "decide_on": [({"C": "A"}, "'C', which is no traded feed; known are A"), ("A", "give a dictionary")],
    "symbols": [({"C": "X"}, "symbols names 'C', which is no feed")],
    "groups": [({"C": "shares"}, "groups names 'C', which is no traded symbol")],
    "tick_volume": [("A", "give a list of symbols"), (["B"], "tick_volume names 'B', which is no traded symbol")],
    "bars_per_year": [(0, "bars_per_year is 0"), ("252", "above zero")],
    "journal": [("journal.jsonl", r"give a Journal\(\.\.\.\)")],
    "progress": [("yes", "give True or False")],
}


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        pytest.param(name, value, told, id=f"{name} {number}")
        for name, cases in WRONG.items()
        for number, (value, told) in enumerate(cases)
    ],
)
def test_a_wrong_parameter_is_one_sentence(name, value, told):
    with pytest.raises(ConfigurationError, match=told):
        run(own_cerebro(pandas_feed(), pandas_feed(OTHER, "B")), **{name: value})


def test_one_feed_is_named_as_it_is_whatever_its_length(tmp_path):
    named = own_cerebro(pandas_feed(OTHER, "SPY"), pandas_feed(name="QQQ"))
    entries, *books = run(named, trade="QQQ", symbols={"QQQ": "A"})
    assert (entries, *books) == EXPECTED
    result = study(tmp_path, own_cerebro(pandas_feed(OTHER, "SPY"), pandas_feed(name="QQQ")), trade="QQQ").run()
    assert set(result.decisions["symbol"]) == {"QQQ"}


@pytest.mark.parametrize("preload", [True, False])
def test_a_warm_up_beyond_the_bars_is_named_as_the_cause(preload):
    with pytest.raises(MarketDataError, match=r"warm_up wants 5000, .*: lower warm_up"):
        run(own_cerebro(preload=preload), advisor=RULE, warm_up=5000, limits=Limits())
