"""What backtrader's feeds and engine let through: the facts without a number, each shown by backtrader itself."""

import math

import backtrader as bt
import pandas as pd
import pytest
from small_broker import play, play_table, table_of

RISING = [(price,) * 4 for price in (100, 101, 102, 103)]


def see_tomorrow(player):
    return [player.data.close[0], player.data.close[1]]


def seen(table):
    """Days and closes of a table as a strategy meets them."""
    steps = {bar: lambda player: (player.data.datetime.datetime(0), player.data.close[0]) for bar in range(len(table))}
    return play_table(table, steps).orders


@pytest.mark.parametrize("runonce", [True, False])
def test_fact_feed_preloaded_tomorrows_close_can_be_read(runonce):
    assert play(RISING, {1: see_tomorrow}, preload=True, runonce=runonce).orders == [101, 102]


@pytest.mark.parametrize("runonce", [True, False])
def test_fact_feed_without_preload_tomorrows_close_is_an_error(runonce):
    with pytest.raises(IndexError):
        play(RISING, {1: see_tomorrow}, preload=False, runonce=runonce)


def test_fact_feed_pandas_data_takes_descending_times():
    days = [day for day, _ in seen(table_of(RISING).iloc[::-1])]
    assert days == sorted(days, reverse=True)


def test_fact_feed_pandas_data_takes_duplicate_times():
    table = table_of(RISING)
    assert len(seen(pd.concat([table, table.iloc[-1:]]))) == len(table) + 1


def test_fact_feed_pandas_data_takes_a_close_that_is_no_number():
    table = table_of(RISING)
    table.loc[table.index[2], "close"] = math.nan
    assert [math.isnan(close) for _, close in seen(table)] == [False, False, True, False]


def test_fact_feed_pandas_data_crashes_on_columns_of_two_levels():
    table = table_of(RISING)
    table.columns = pd.MultiIndex.from_product([table.columns, ["ABC"]])
    with pytest.raises(AttributeError, match="lower"):
        seen(table)


def test_fact_feed_times_with_a_zone_become_utc():
    table = table_of(RISING)
    tokyo_midnight = table.index[1].tz_localize("Asia/Tokyo")
    day, _ = seen(table.tz_localize("Asia/Tokyo"))[1]
    assert (day.day, day.hour) == (tokyo_midnight.day - 1, 15)


class Holder(bt.Strategy):
    """Buys at the first close at which its average of ten bars has a value, and counts the closes from there."""

    def __init__(self):
        self.average = bt.ind.SMA(period=10)
        self.closes = 0

    def next(self):
        self.closes += 1
        if self.closes == 1:
            self.buy(size=10)


def hold(bars, sharpe=None, **engine):
    cerebro = bt.Cerebro(stdstats=False, **engine)
    prices = [100 + bar + bar % 3 for bar in range(bars)]
    cerebro.adddata(bt.feeds.PandasData(dataname=table_of([(price,) * 4 for price in prices])))
    cerebro.addstrategy(Holder)
    cerebro.addanalyzer(bt.analyzers.SharpeRatio, _name="sharpe", **(sharpe or {}))
    return cerebro.run()[0]


def test_fact_feed_too_few_bars_for_an_indicator_raise_a_bare_index_error():
    with pytest.raises(IndexError, match=r"^array assignment index out of range$"):
        hold(bars=5)


def test_fact_feed_too_few_bars_pass_in_silence_bar_by_bar():
    assert hold(bars=5, runonce=False).closes == 0


def test_fact_feed_the_sharpe_ratio_of_150_bars_is_none_by_default():
    strategy = hold(bars=150)
    assert strategy.broker.getvalue() > 11_000
    assert strategy.analyzers.sharpe.get_analysis()["sharperatio"] is None


def test_fact_feed_the_sharpe_ratio_of_150_daily_returns_is_a_number():
    strategy = hold(bars=150, sharpe={"timeframe": bt.TimeFrame.Days, "riskfreerate": 0})
    assert strategy.analyzers.sharpe.get_analysis()["sharperatio"] > 0
