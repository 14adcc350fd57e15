"""The advised strategy on feeds of every kind: resampled, replayed, of other lengths and zones, unnamed."""

import backtrader as bt
import pandas as pd
import pytest
from markets import random_prices
from own_cerebro import EXPECTED, MODES, OTHER, RULE, SAVING, TABLE, own_cerebro, pandas_feed, run

from llm_strategy import AdvisedStrategy, Limits
from llm_strategy.errors import ConfigurationError

pytestmark = pytest.mark.slow

DAYS = random_prices(2200, seed=4, gap=0.004).table


DAYS = DAYS[DAYS.index.day_of_week < 5]


def weekly(calendar=False, **mode):
    cerebro = own_cerebro(pandas_feed(DAYS), **mode)
    if calendar:
        cerebro.addcalendar(bt.TradingCalendar())
    cerebro.resampledata(cerebro.datas[0], timeframe=bt.TimeFrame.Weeks, name="A weekly")
    return run(cerebro, decide_on={"A": "A weekly"}, limits=Limits(stop_loss_pct=0.03))


@pytest.mark.parametrize("calendar", [False, True])
def test_decisions_on_resampled_weeks_and_exits_on_days_are_the_same_in_all_modes(calendar):
    results = [weekly(calendar, **mode) for mode in (*MODES, *SAVING)]
    assert all(result == results[0] for result in results)
    entries, orders, trades, equity = results[0]
    assert len(equity) > 4 * len(entries)
    assert {pd.Timestamp(entry.decision.snapshot.time).day_name() for entry in entries} == {"Friday"}
    sent = {pd.Timestamp(order.created).day_name() for order in orders if order.kind == "entry"}
    assert sent == ({"Friday"} if calendar else {"Monday"})
    stopped = {pd.Timestamp(trade.exited).day_name() for trade in trades if trade.exit_reason == "stop"}
    assert stopped


def test_decisions_on_resampled_weeks_know_no_later_day():
    cut = DAYS.index[-40]
    changed = DAYS.copy()
    changed.loc[changed.index > cut, ["open", "high", "low", "close"]] *= 3
    before, after = (
        [
            entry
            for entry in run(weekly_cerebro(table), decide_on={"A": "A weekly"})[0]
            if entry.decision.snapshot.time < str(cut)
        ]
        for table in (DAYS, changed)
    )
    assert before == after
    assert before


def weekly_cerebro(table):
    cerebro = own_cerebro(pandas_feed(table))
    cerebro.resampledata(cerebro.datas[0], timeframe=bt.TimeFrame.Weeks, name="A weekly")
    return cerebro


@pytest.mark.parametrize("decide_on", [None, {"A": "A weekly"}])
def test_replayed_feeds_are_refused_because_their_bars_are_not_closed(decide_on):
    cerebro = bt.Cerebro(stdstats=False)
    if decide_on:
        cerebro.adddata(pandas_feed(DAYS))
        cerebro.replaydata(cerebro.datas[0], timeframe=bt.TimeFrame.Weeks, name="A weekly")
    else:
        cerebro.replaydata(pandas_feed(DAYS), timeframe=bt.TimeFrame.Weeks, name="A weekly")
    cerebro.addstrategy(AdvisedStrategy, advisor=RULE, decide_on=decide_on)
    with pytest.raises(ConfigurationError, match=r"A weekly is replayed.*resampledata"):
        cerebro.run()


def test_a_replayed_feed_that_is_not_traded_changes_no_decision():
    cerebro = own_cerebro()
    cerebro.replaydata(pandas_feed(OTHER, "B"), timeframe=bt.TimeFrame.Weeks)
    entries, orders, _, _ = run(cerebro)
    assert (entries, orders) == (EXPECTED[0], EXPECTED[1])


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_feeds_of_other_lengths_and_zones_change_nothing_and_times_are_utc(mode):
    hours = OTHER.copy()
    hours.index = pd.date_range("2001-06-01", periods=len(hours), freq="h")
    feeds = [
        pandas_feed(tz="America/New_York"),
        pandas_feed(hours, "B", tz="Asia/Tokyo", timeframe=bt.TimeFrame.Minutes, compression=60),
    ]
    cerebro = own_cerebro(*feeds, **mode)
    cerebro.addtz("Europe/Berlin")
    assert run(cerebro)[:3] == EXPECTED[:3]


def test_a_csv_feed_decides_and_trades_as_the_same_table(tmp_path):
    path = tmp_path / "prices.csv"
    TABLE.reset_index().to_csv(path, index=False, float_format="%.17g", date_format="%Y-%m-%d %H:%M:%S")
    columns = {"datetime": 0, "open": 1, "high": 2, "low": 3, "close": 4, "volume": 5, "openinterest": -1}
    for mode in MODES:
        feed = bt.feeds.GenericCSVData(dataname=str(path), name="A", dtformat="%Y-%m-%d %H:%M:%S", **columns)
        result = run(own_cerebro(feed, **mode))
        assert [order.size for order in result[1]] == [order.size for order in EXPECTED[1]]
        assert [trade.net for trade in result[2]] == pytest.approx([trade.net for trade in EXPECTED[2]])


def test_feeds_without_names_are_told_apart_by_their_place():
    named = run(own_cerebro(pandas_feed(name="data0"), pandas_feed(OTHER, "data1")), trade="all")
    unnamed = run(own_cerebro(pandas_feed(name=None), pandas_feed(OTHER, name=None)), trade="all")
    assert unnamed == named
    assert {entry.decision.snapshot.symbol for entry in unnamed[0]} == {"data0", "data1"}
    assert {row.symbol for row in unnamed[1]} == {"data0", "data1"}
    second = run(own_cerebro(pandas_feed(name=None), pandas_feed(OTHER, name=None)), trade=["data1"])
    assert {row.symbol for row in second[1]} == {"data1"}


@pytest.mark.parametrize("names", [("A", "A"), ("x" * 50 + "1", "x" * 50 + "2")])
def test_feeds_of_the_same_name_are_refused(names):
    with pytest.raises(ConfigurationError, match="cannot be told apart"):
        run(
            own_cerebro(*[pandas_feed(table, name) for table, name in zip((TABLE, OTHER), names, strict=True)]),
            trade="all",
        )
