"""Every snapshot of a run."""

import backtrader as bt

from llm_strategy.market.snapshot import SnapshotReader
from simulator.prices.feed import make_feed


def read_all(prices, runonce=True, preload=True, measured=(), window=0):
    """Every snapshot of a run, as the strategy sees them."""

    class Watcher(bt.Strategy):
        def __init__(self):
            self.reader = SnapshotReader(self.data, measured=measured, window=window)
            self.seen = []

        def next(self):
            self.seen.append(self.reader.read())

    cerebro = bt.Cerebro(stdstats=False, runonce=runonce, preload=preload)
    cerebro.adddata(make_feed(prices))
    cerebro.addstrategy(Watcher)
    return cerebro.run()[0].seen
