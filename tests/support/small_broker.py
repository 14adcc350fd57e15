"""Plain backtrader with nothing of ours in it: a few bars, what to do at which of them, and what became of it."""

from datetime import datetime

import backtrader as bt
import pandas as pd

FIRST_DAY = datetime(2024, 1, 1)  # noqa: DTZ001  backtrader's times have no zone


def flat(price, bars=1):
    """Bars that do not move."""
    return [(price, price, price, price)] * bars


def table_of(bars):
    """Daily bars from tuples (open, high, low, close) or (open, high, low, close, volume)."""
    index = pd.date_range(FIRST_DAY, periods=len(bars), freq="D")
    rows = [(*bar, 1e6)[:5] for bar in bars]
    return pd.DataFrame(rows, index, ["open", "high", "low", "close", "volume"], dtype=float)


class Player(bt.Strategy):
    """Does at each bar (counted from 0) what it was told, and remembers everything.

    ``orders`` are those that the steps returned, ``story`` is every call of the engine in its order, ``held`` and
    ``cash`` are position (shares) and cash (currency) at each close, ``closed_trades`` are those that were announced as
    closed.
    """

    params = (("steps", None), ("on_order", None))

    def __init__(self):
        self.orders, self.story, self.held, self.cash, self.closed_trades = [], [], [], [], []

    def next(self):
        bar = len(self) - 1
        self.story.append(f"close of bar {bar}")
        self.held.append(self.position.size)
        self.cash.append(self.broker.getcash())
        if bar in self.p.steps:
            self.keep(self.p.steps[bar](self))

    def keep(self, made):
        self.orders.extend(made if isinstance(made, list) else [made])

    def notify_order(self, order):
        self.story.append((order.ref, order.getstatusname()))
        if self.p.on_order:
            self.p.on_order(self, order)

    def notify_trade(self, trade):
        if trade.isclosed:
            self.closed_trades.append(trade)

    def heard_of(self, order):
        """The states of an order that were announced."""
        return [entry[1] for entry in self.story if entry[0] == order.ref]


def play(bars, steps, *, broker=None, on_order=None, **engine):
    """Run ``steps`` (bar to function of the player) over ``bars``; returns the player."""
    return play_table(table_of(bars), steps, broker=broker, on_order=on_order, **engine)


def play_table(table, steps, *, broker=None, on_order=None, **engine):
    """The same over a table, as it is."""
    cerebro = bt.Cerebro(stdstats=False, **engine)
    cerebro.adddata(bt.feeds.PandasData(dataname=table))
    if broker:
        cerebro.setbroker(broker)
    cerebro.addstrategy(Player, steps=steps, on_order=on_order)
    return cerebro.run()[0]


def status(order):
    """The state that an order is in, by name."""
    return order.getstatusname()


def fill_of(order):
    """Bar, signed size and price of what was filled."""
    return (bt.num2date(order.executed.dt) - FIRST_DAY).days, order.executed.size, order.executed.price
