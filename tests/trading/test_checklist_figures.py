"""Figures of a checklist that no close can reach, times that no calendar has, a person's own file that changes, and a
feed with a bar that cannot be true."""

import math

import backtrader as bt
import numpy as np
import pandas as pd
import pytest

from llm_strategy.errors import ConfigurationError
from llm_strategy.risk import Limits
from llm_strategy.trading.checklist_file import read_checklist
from llm_strategy.trading.gated.strategy import Gated

OWN = """
from llm_strategy.market.analytics.analytic import Analytic
from llm_strategy.support.condition import Quantity

MINE = Analytic("mine", "what is mine", 0, lambda past: {{"{0}": 1.0}}, {{"{0}": Quantity("ratio", "a number")}})
"""


@pytest.mark.parametrize(
    "item",
    [
        {"drawdown_brake": {"at": math.nan}},
        {"stale_data": {"gap_days": math.nan}},
        {"event_blackout": {"events": ["2024-01-31"], "hours_after": math.nan}},
    ],
    ids=["drawdown", "gap", "hours"],
)
def test_a_figure_that_is_no_number_is_refused(item):
    with pytest.raises(ConfigurationError, match=r"is nan: write a number\.$"):
        read_checklist([item])


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_a_limit_that_is_endless_is_refused(value):
    checklist = read_checklist({"items": {"drawdown_brake": None}, "limits": {"cooldown_bars": value}})
    with pytest.raises(ConfigurationError, match=r"limits\.cooldown_bars is .*: write a number\.$"):
        Limits(checklist=checklist)


@pytest.mark.parametrize("event", ["9999-12-31T23:00:00-05:00", "0001-01-01T00:00:00+05:00"])
def test_an_event_outside_every_calendar_is_refused(event):
    with pytest.raises(ConfigurationError, match=r"has the event .* which is no time: write a date"):
        read_checklist([{"event_blackout": {"events": [event]}}])


def test_conditions_speak_of_an_own_analytic_as_its_file_is_now(tmp_path):
    for output in ("level", "height"):
        (tmp_path / "own.py").write_text(OWN.format(output))
        items = {"high": {"when": f"mine.{output} > 0", "do": "block"}}
        checklist = read_checklist({"items": items, "analytics": ["own.py:MINE"]}, tmp_path)
        assert checklist.fields == (f"mine.{output}",)


class BuysLate(bt.Strategy):
    def next(self):
        if len(self.data) > 320 and not self.position:
            self.buy(size=1)


def walk(seed, hole=None):
    closes = 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.01, 340)))
    columns = {"open": closes, "high": closes * 1.01, "low": closes * 0.99, "close": closes, "volume": 1000.0}
    table = pd.DataFrame(columns, index=pd.bdate_range("2020-01-01", periods=340))
    if hole is not None:
        table.iloc[hole, :4] = np.nan
    return bt.feeds.PandasData(dataname=table)


def test_a_bar_without_prices_of_another_feed_ends_no_strategy_behind_the_gate():
    checklist = read_checklist([{"tied": {"when": "correlation.beta > -100", "do": "flag"}}])
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(walk(1), name="held")
    cerebro.adddata(walk(2, hole=250), name="seen")
    cerebro.addstrategy(type("Late", (Gated, BuysLate), {"limits": Limits(checklist=checklist)}))
    (strategy,) = cerebro.run()
    assert strategy.position.size == 1
    assert strategy.gate_log[0].events[0].limit == "checklist.tied"
