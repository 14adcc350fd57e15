"""Every snapshot of a run, and every request."""

import backtrader as bt

from llm_strategy.llm.requests import request_hash
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


def read_requests(advisor, prices, mode=(True, True)):
    """At every close of a run the last message of the advisor's request, and the hash of the whole request."""
    found = []
    for snapshot in read_all(prices, *mode, window=advisor.window):
        request = advisor.request(snapshot)
        found.append((request.messages[-1].content, request_hash(request, advisor.client.identity)))
        advisor.witness(snapshot)
    return found
