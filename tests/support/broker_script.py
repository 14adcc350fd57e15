"""A strategy that sends what a test lists, and the bars for it."""

from itertools import product
from types import SimpleNamespace

import backtrader as bt
import pandas as pd
from markets import from_bars

from llm_strategy.costs.costs import Costs
from llm_strategy.trading.broker import SimulatedBroker
from simulator.prices.feed import make_feed
from simulator.prices.load import Prices

MODES = list(product((True, False), repeat=2))


TYPES = {
    "market": bt.Order.Market,
    "stop": bt.Order.Stop,
    "limit": bt.Order.Limit,
    "stop_limit": bt.Order.StopLimit,
    "trail": bt.Order.StopTrail,
}


def free(**keys):
    return Costs(**({"commission_bps": 0, "slippage_bps": 0} | keys))


class Scripted(bt.Strategy):
    """Sends what ``script`` lists: (bar of its feed counted from 1, feed, signed size, how)."""

    params = (("script", ()), ("after_fill", None))

    def __init__(self):
        self.fills, self.rows, self.ended, self.seen = [], [], [], [0] * len(self.datas)

    def next(self):
        for number, data in enumerate(self.datas):
            if len(data) == self.seen[number]:
                continue
            self.seen[number] = len(data)
            for bar, feed, size, how in self.p.script:
                if feed == number and bar == len(data):
                    self.send(data, size, **how)
        book = [(data, position.size) for data, position in self.broker.positions.items()]
        self.rows.append(
            SimpleNamespace(
                bars=tuple(len(data) for data in self.datas),
                cash=self.broker.getcash(),
                equity=self.broker.getvalue(),
                carry=getattr(self.broker, "carry", 0.0),
                held={data._name: size for data, size in book},
                marked=sum(size * data.close[0] for data, size in book),
            )
        )

    def send(self, data, size, **how):
        return (self.buy if size > 0 else self.sell)(data=data, size=abs(size), **how)

    def notify_order(self, order):
        if order.status in (order.Partial, order.Completed):
            bit = order.executed.exbits[-1]
            self.fills.append(
                SimpleNamespace(
                    order=order,
                    size=bit.size,
                    price=bit.price,
                    commission=bit.closedcomm + bit.openedcomm,
                    bar=len(order.data),
                    time=bt.num2date(bit.dt),
                    low=order.data.low[0],
                    high=order.data.high[0],
                    volume=order.data.volume[0],
                )
            )
            if self.p.after_fill and order.status == order.Completed and order.exectype == order.Market:
                self.p.after_fill(self, order)
        elif not order.alive():
            self.ended.append(order.getstatusname())


def play(broker, *feeds, script=(), after_fill=None, mode=(True, True)):
    cerebro = bt.Cerebro(stdstats=False, runonce=mode[0], preload=mode[1])
    for number, prices in enumerate(feeds):
        feed = make_feed(prices)
        cerebro.adddata(feed, name=f"{prices.symbol}{number}")
    cerebro.broker = SimulatedBroker(broker) if isinstance(broker, Costs) else broker
    cerebro.addstrategy(Scripted, script=script, after_fill=after_fill)
    return cerebro.run()[0]


def flat(*closes, volume=None, first="2001-01-01"):
    return from_bars(closes, closes, volume=volume, first=first)


def bars(*rows, times=None, timeframe="1d", volume=1e5):
    """Bars from (open, high, low, close)."""
    table = pd.DataFrame(rows, columns=["open", "high", "low", "close"], dtype=float)
    table["volume"] = volume
    index = pd.date_range("2001-01-01", periods=len(rows), freq="D") if times is None else pd.DatetimeIndex(times)
    table.index = pd.DatetimeIndex(index.as_unit("us"), name="time")
    return Prices("test", "ABC", timeframe, table)
