"""The column feed against backtrader's own ``PandasData``, in all four modes of the engine."""

from itertools import product

import backtrader as bt
import numpy as np
import pandas as pd
import pytest

from simulator.feed import backtrader_days, make_feed
from simulator.market import load_prices

MODES = list(product([True, False], repeat=2))
NAMES = ("open", "high", "low", "close", "volume")


class Recorder(bt.Strategy):
    """Keeps every bar as the strategy sees it at its close, with an indicator beside it."""

    def __init__(self):
        self.mean = bt.indicators.SMA(self.data.close, period=3)
        self.bars = []

    def next(self):
        data = self.data
        self.bars.append(
            (data.datetime.datetime(0), data.datetime[0], *(getattr(data, name)[0] for name in NAMES), self.mean[0])
        )


def seen(feed, runonce, preload):
    cerebro = bt.Cerebro(runonce=runonce, preload=preload, stdstats=False)
    cerebro.adddata(feed)
    cerebro.addstrategy(Recorder)
    return cerebro.run()[0].bars


@pytest.fixture(scope="module")
def sample():
    return load_prices("sample:sp500", start="2008-01-01", end="2009-12-31")


@pytest.mark.parametrize(("runonce", "preload"), MODES)
def test_equals_pandas_data_bar_by_bar(sample, runonce, preload):
    ours = seen(make_feed(sample), runonce, preload)
    theirs = seen(bt.feeds.PandasData(dataname=sample.table), runonce, preload)
    assert len(ours) == len(sample.table) - 2
    assert ours == theirs
    assert [bar[0] for bar in ours] == [time.to_pydatetime() for time in sample.table.index[2:]]


@pytest.mark.parametrize("timeframe", ["7s", "5m", "1h"])
def test_intraday_times_are_exact(timeframe):
    prices = load_prices("synthetic:cycles?bars=2000", timeframe=timeframe)
    for runonce, preload in MODES:
        times = [bar[0] for bar in seen(make_feed(prices), runonce, preload)]
        assert times == [time.to_pydatetime() for time in prices.table.index[2:]]


def test_day_numbers_are_those_of_backtrader_at_every_second_of_a_day():
    times = pd.date_range("2024-02-29", periods=86_400, freq="s")
    assert (backtrader_days(times) == np.array([bt.date2num(time) for time in times.to_pydatetime()])).all()


@pytest.mark.parametrize(
    ("timeframe", "expected"),
    [
        ("30s", (bt.TimeFrame.Seconds, 30)),
        ("5m", (bt.TimeFrame.Minutes, 5)),
        ("4h", (bt.TimeFrame.Minutes, 240)),
        ("1d", (bt.TimeFrame.Days, 1)),
    ],
)
def test_name_and_timeframe_follow_the_prices(timeframe, expected):
    feed = make_feed(load_prices("synthetic:calm?bars=10", timeframe=timeframe, symbol="ABC"))
    assert feed._name == "ABC"
    assert (feed._timeframe, feed._compression) == expected


def test_a_feed_can_run_twice(sample):
    feed = make_feed(sample)
    cerebro = bt.Cerebro(stdstats=False, preload=False, runonce=False)
    cerebro.adddata(feed)
    cerebro.addstrategy(Recorder)
    first, second = cerebro.run()[0].bars, cerebro.run()[0].bars
    assert len(first) > 0
    assert first == second


def test_resampling_works_on_it(sample):
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.resampledata(make_feed(sample), timeframe=bt.TimeFrame.Weeks)
    cerebro.addstrategy(Recorder)
    weekly = cerebro.run()[0].bars
    closes = sample.table["close"].resample("W-SUN").last()
    assert [bar[5] for bar in weekly] == closes.tolist()[2:]
