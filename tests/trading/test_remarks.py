"""That nothing, or next to nothing, was traded is said with its reason: in one's own Cerebro, on console and page."""

import logging

import backtrader as bt
import pandas as pd
import pytest
from markets import random_prices
from own_cerebro import TABLE, own_cerebro, pandas_feed
from small_run import small

from llm_strategy import AdvisedStrategy, Limits, ModelAdvisor, OrderRules
from llm_strategy.advice.rules import BuyAndHold, Rule
from llm_strategy.errors import AnswerTimeout
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.trading.remarks import Activity, remarks
from llm_strategy.types import ActionType
from simulator import Result, compare
from simulator.cli.console import print_result

pytestmark = pytest.mark.slow


class Always(Rule):
    rationale = "Does the same."

    def __init__(self, action):
        self._action = action

    def action(self, snapshot):
        return self._action


def dear(factor):
    table = TABLE.copy()
    table[["open", "high", "low", "close"]] *= factor
    return table


def thin(volume):
    table = TABLE.copy()
    table["volume"] = volume
    return table


def no_json(request):
    return "I would rather not say."


def silent(request):
    raise AnswerTimeout("No answer within 1 s.")


CASES = {
    "a share dearer than the account": (
        {"table": dear(5_000)},
        {},
        r"the gate refused every entry that was advised, by lot_step \(151\); the allowed size was less than one lot",
    ),
    "lots of a hundred": ({}, {"limits": Limits(lot_step=1_000)}, r"by lot_step \(151\)"),
    "a few shares a bar": (
        {"table": thin(3.0)},
        {},
        r"by lot_step \(151\), after max_participation had cut the size; the bars have too little volume",
    ),
    "short alone": ({}, {"advisor": Always(ActionType.ENTER_SHORT)}, r"by allow_short \(151\); short positions are"),
    "never an entry": (
        {},
        {"advisor": Always(ActionType.HOLD)},
        r"no entry was advised in 151 decisions \(hold 151\)",
    ),
    "no answer that keeps the contract": (
        {},
        {"advisor": ModelAdvisor(ScriptedClient(no_json))},
        r"all 151 decisions were abstentions \(invalid 151\); the commonest: .*not JSON",
    ),
    "no answer in time": (
        {},
        {"advisor": ModelAdvisor(ScriptedClient(silent))},
        r"all 151 decisions were abstentions \(timeout 151\); the commonest: No answer within 1 s",
    ),
    "limits far below the market": (
        {},
        {"orders": OrderRules(entry="limit", limit_offset_pct=0.2)},
        r"no entry order was filled \(canceled \d+, pending 1\)",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_nothing_traded_is_said_with_its_reason(name, caplog):
    how, parameters, words = CASES[name]
    cerebro = own_cerebro(pandas_feed(how.get("table", TABLE)))
    cerebro.addstrategy(AdvisedStrategy, **{"advisor": BuyAndHold()} | parameters)
    with caplog.at_level(logging.WARNING, "llm_strategy"):
        (strategy,) = cerebro.run()
    (said,) = strategy.remarks
    assert said.startswith("Nothing was traded: ")
    assert pd.Series([said]).str.contains(words).all(), said
    assert said in caplog.text


def test_next_to_nothing_traded_names_the_limit_that_cut():
    cerebro = own_cerebro(pandas_feed(thin(40.0)))
    cerebro.addstrategy(AdvisedStrategy, advisor=BuyAndHold())
    (strategy,) = cerebro.run()
    (said,) = strategy.remarks
    assert said.startswith("Next to nothing was traded: no position came to a hundredth of the account")
    assert "max_participation (the bars have too little volume" in said


def test_a_small_position_that_was_wanted_small_is_nothing_to_tell():
    cerebro = own_cerebro()
    cerebro.addstrategy(AdvisedStrategy, advisor=BuyAndHold(), limits=Limits(max_position_size=0.005))
    assert cerebro.run()[0].remarks == []


def sometimes_silent(request):
    if "falling" in request.messages[-1].content:
        raise AnswerTimeout("No answer within 1 s.")
    return {"label": "bull", "action": "enter_long", "action_confidence": "70", "rationale": "Calm."}


def test_many_abstentions_are_told_in_ones_own_cerebro_also_where_something_was_traded():
    cerebro = own_cerebro()
    cerebro.addstrategy(AdvisedStrategy, advisor=ModelAdvisor(ScriptedClient(sometimes_silent)))
    (strategy,) = cerebro.run()
    (said,) = strategy.remarks
    assert said.startswith("Decisions without advice: ")
    assert said.endswith("the commonest: No answer within 1 s.")


def test_an_open_breaker_is_told_by_the_failure_before_it():
    seen = Activity()
    for reason, detail in [("backend_failure", "HTTP 402: no credit.")] * 3 + [("breaker_open", "Left alone.")] * 40:
        seen.decided(None, (reason, detail))
        seen.judged("none", [])
    (said,) = remarks(seen)
    assert "(breaker_open 40, backend_failure 3); the commonest: HTTP 402: no credit." in said


def test_a_sizer_that_was_added_in_vain_is_told(caplog):
    cerebro = own_cerebro()
    cerebro.addsizer(bt.sizers.PercentSizer, percents=50)
    cerebro.addstrategy(AdvisedStrategy, advisor=BuyAndHold())
    (strategy,) = cerebro.run()
    assert strategy.remarks == [
        "The sizer PercentSizer is not used: sizes come from the limits (sizing, max_position_size, lot_step), so set "
        "those and leave the sizer out."
    ]
    assert "PercentSizer is not used" in caplog.text


def test_nothing_goes_to_the_log_where_it_is_not_wanted_and_nothing_is_told_of_a_usual_run(caplog):
    for parameters in ({"tell": False, "limits": Limits(lot_step=1_000)}, {}):
        cerebro = own_cerebro()
        cerebro.addstrategy(AdvisedStrategy, advisor=BuyAndHold(), **parameters)
        (strategy,) = cerebro.run()
        assert bool(strategy.remarks) == bool(parameters)
    assert caplog.text == ""


def test_a_progress_line_is_shown_where_it_is_wanted(capsys, monkeypatch):
    monkeypatch.setattr("llm_strategy.support.logs.QUIET_S", 0.0)
    for wanted, seen in ((True, True), (False, False), (None, False)):
        cerebro = own_cerebro()
        cerebro.addstrategy(AdvisedStrategy, advisor=BuyAndHold(), progress=wanted)
        cerebro.run()
        assert ("deciding 1 of 151" in capsys.readouterr().err) is seen


@pytest.mark.parametrize(
    ("arms", "risk", "words"),
    [
        (["buy_and_hold"], {"lot_step": 5_000}, "by lot_step (151); the allowed size was less than one lot"),
        (["buy_and_hold", "regime_rule"], {"min_notional": 1e9}, "by min_notional (151); the allowed size was worth"),
    ],
)
def test_console_and_page_say_that_nothing_was_traded_and_why(tmp_path, capsys, arms, risk, words):
    result = compare(small(tmp_path, arms=arms, risk=risk, output={"folder": str(tmp_path), "explain": False}))
    assert isinstance(result, Result)
    print_result(result, as_json=False)
    shown = capsys.readouterr().out
    page = (result.folder / "report.md").read_text()
    assert f"Nothing was traded by buy_and_hold: the gate refused every entry that was advised, {words}" in page
    assert f"mostly by {next(iter(risk))}: " in shown  # why, under the table, and said once
    assert "\nNothing was traded by buy_and_hold.\n" in shown
    assert len(result.remarks) == len(arms)


def test_arms_that_traded_nothing_for_one_reason_share_a_sentence(tmp_path):
    """Two arms that want the same: every entry is cut to next to nothing by the volume of the bars."""
    prices = random_prices(420, seed=5).table.assign(volume=300.0)
    prices.to_csv(tmp_path / "p.csv")
    experiment = small(
        tmp_path,
        data={"source": f"csv:{tmp_path / 'p.csv'}", "volume": "shares"},
        arms=["buy_and_hold", "momentum"],
        baselines={"momentum": {"bars": 2}},
        risk={"lot_step": 0.01, "max_participation": 0.001},
    )
    result = compare(experiment, progress=False)
    assert isinstance(result, Result)
    (said,) = result.remarks
    assert said.startswith("Next to nothing was traded by buy_and_hold and momentum: no position came to")
    assert said.partition(":")[2] in (result.folder / "report.md").read_text().replace("\\", "")
