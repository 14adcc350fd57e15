"""The column feed against backtrader's own ``PandasData``, in all four modes of the engine."""

from itertools import product

import backtrader as bt
import numpy as np
import pandas as pd
import pytest
from markets import clocked_prices, from_bars, minutes, several_symbols

from simulator.prices.feed import add_feeds, backtrader_days, make_feed
from simulator.prices.load import Prices, load_prices
from simulator.prices.universe import Universe, decisions_name

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


# Several symbols in one engine


class Watcher(bt.Strategy):
    """Keeps at every step what has arrived on each feed: its length, and time and close of its newest bar."""

    def __init__(self):
        self.steps = []

    def next(self):
        self.steps.append(
            (
                self.datetime.datetime(0),
                {
                    data._name: (len(data), data.datetime.datetime(0), data.close[0]) if len(data) else None
                    for data in self.datas
                },
            )
        )

    def prenext(self):
        self.next()


def watched(universe, runonce, preload, strategy=Watcher):
    cerebro = bt.Cerebro(runonce=runonce, preload=preload, stdstats=False)
    cerebro.broker.set_checksubmit(False)
    add_feeds(cerebro, universe)
    cerebro.addstrategy(strategy)
    return cerebro.run()[0]


def expected_steps(universe):
    """What has arrived by each time at which any symbol has a bar, read from the tables."""
    tables = {}
    for prices in universe.markets:
        tables[prices.symbol] = prices.table
        if universe.decide_on:
            tables[decisions_name(prices.symbol)] = universe.decisions(prices.symbol).table
    steps = []
    for time in sorted(set().union(*(prices.table.index for prices in universe.markets))):
        arrived = {name: table.loc[:time] for name, table in tables.items()}
        steps.append(
            (
                time.to_pydatetime(),
                {
                    name: (len(past), past.index[-1].to_pydatetime(), past["close"].iloc[-1]) if len(past) else None
                    for name, past in arrived.items()
                },
            )
        )
    return steps


@pytest.mark.parametrize(("runonce", "preload"), MODES)
def test_symbols_with_gaps_late_starts_and_an_early_end_arrive_by_the_clock(runonce, preload):
    universe = several_symbols()
    expected = expected_steps(universe)
    assert watched(universe, runonce, preload).steps == expected
    together = [sum(bar is not None and bar[1] == time for bar in bars.values()) for time, bars in expected]
    assert set(together) >= {1, 2, 3, 4}, "some steps deliver every symbol, some a few of them"
    assert expected[0][1]["S03"] is None
    assert expected[-1][1]["S01"][0] < expected[-1][1]["S00"][0]


def day_and_minute_universe():
    """Two symbols of 5-minute bars in New York across daylight saving; the second begins late and lacks bars."""
    times = minutes("2024-03-07", "2024-03-14", "09:30-16:00", "America/New_York", "5min")
    lacking = times[100:].delete([3, 4, 60, 76, 77])
    markets = (clocked_prices(times, "5m", "AAA"), clocked_prices(lacking, "5m", "BBB", seed=2))
    return Universe(markets, decide_on="1d", session="09:30-16:00", timezone="America/New_York")


@pytest.mark.parametrize(("runonce", "preload"), MODES)
def test_a_decision_bar_arrives_with_the_last_trading_bar_in_it(runonce, preload):
    universe = day_and_minute_universe()
    steps = watched(universe, runonce, preload).steps
    assert steps == expected_steps(universe)
    seen, days = 0, []
    for _, bars in steps:
        decision = bars["AAA decisions"]
        if decision is not None and decision[0] > seen:
            seen = decision[0]
            days.append(decision[1])
            assert decision[1:] == bars["AAA"][1:], "same time and same close as the trading bar of that step"
    assert days == [time.to_pydatetime() for time in universe.decisions("AAA").table.index]
    assert len(days) == 6


class BuysOnDecision(bt.Strategy):
    """Buys one share of a symbol in the step in which a decision bar of it arrives."""

    def __init__(self):
        self.fills, self.decided = [], {}

    def next(self):
        for trading in (data for data in self.datas if not data._name.endswith(" decisions")):
            count = len(self.getdatabyname(decisions_name(trading._name)))
            if count > self.decided.get(trading._name, 0):
                self.decided[trading._name] = count
                self.buy(trading, size=1)

    def prenext(self):
        self.next()

    def notify_order(self, order):
        if order.status == order.Completed:
            self.fills.append((order.data._name, bt.num2date(order.executed.dt), order.executed.price))


@pytest.mark.parametrize(("runonce", "preload"), MODES)
def test_an_order_decided_on_a_decision_bar_fills_at_the_next_trading_bars_open(runonce, preload):
    universe = day_and_minute_universe()
    expected = []
    for prices in universe.markets:
        table = prices.table
        for time in universe.decisions(prices.symbol).table.index:
            following = table.index.get_loc(time) + 1
            if following < len(table):
                expected.append((prices.symbol, table.index[following].to_pydatetime(), table["open"].iloc[following]))
    fills = watched(universe, runonce, preload, BuysOnDecision).fills
    assert len(fills) > 8
    assert sorted(fills) == sorted(expected)


def test_feeds_stand_sorted_with_decisions_behind_their_symbol():
    cerebro = bt.Cerebro()
    add_feeds(cerebro, Universe(day_and_minute_universe().markets[::-1], decide_on="1h"))
    assert [(data._name, data._timeframe, data._compression) for data in cerebro.datas] == [
        ("AAA", bt.TimeFrame.Minutes, 5),
        ("AAA decisions", bt.TimeFrame.Minutes, 60),
        ("BBB", bt.TimeFrame.Minutes, 5),
        ("BBB decisions", bt.TimeFrame.Minutes, 60),
    ]
    alone = bt.Cerebro()
    add_feeds(alone, several_symbols(2))
    assert [data._name for data in alone.datas] == ["S00", "S01"]


# What backtrader does with such feeds, for those who trade on them


class BuysThenStops(bt.Strategy):
    """Buys the first symbol at once and stands a stop at 95 from the fill on."""

    def __init__(self):
        self.stopped = []

    def next(self):
        if len(self) == 1:
            self.buy(self.data0, size=1)

    def notify_order(self, order):
        if order.status == order.Completed and order.isbuy():
            self.sell(self.data0, size=1, exectype=bt.Order.Stop, price=95)
        elif order.status == order.Completed:
            self.stopped.append((self.datetime.date(0).day, bt.num2date(order.executed.dt).day))


@pytest.mark.parametrize(("runonce", "preload"), MODES)
def test_backtrader_tries_a_stop_against_the_old_bar_of_a_symbol_that_rests(runonce, preload):
    """The entry bar of day 2 reaches 95 before the stop exists; on day 3 another symbol's bar makes it fill there."""
    resting = from_bars([100, 100, 100, 100], [100, 100, 100, 100], wicks=np.array([[0] * 4, [0, 0.1, 0, 0]]))
    kept = resting.table.set_axis(pd.DatetimeIndex([f"2020-01-0{day}" for day in (1, 2, 5, 6)], name="time"))
    other = from_bars([10] * 6, [10] * 6, first="2020-01-01")
    universe = Universe((Prices("test", "A", "1d", kept), Prices("test", "B", "1d", other.table)))
    assert watched(universe, runonce, preload, BuysThenStops).stopped == [(3, 2)]
    assert watched(Universe(universe.markets[:1]), runonce, preload, BuysThenStops).stopped == []


class LooksTooEarly(bt.Strategy):
    """Reads the close of a feed that has not begun."""

    def __init__(self):
        self.read = None

    def prenext(self):
        if self.read is None:
            assert len(self.data1) == 0
            self.read = self.data1.close[0]


@pytest.mark.parametrize(("runonce", "preload"), MODES)
def test_a_feed_that_has_not_begun_shows_a_later_close(runonce, preload):
    universe = Universe(several_symbols(3).markets[::2])
    closes = universe.markets[1].table["close"]
    assert watched(universe, runonce, preload, LooksTooEarly).read == closes.iloc[-1 if preload else 0]
