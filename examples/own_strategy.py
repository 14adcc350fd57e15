"""A strategy of one's own as an arm: ``arms: {donchian: {strategy: "examples/own_strategy.py:Donchian"}}``."""

import backtrader as bt


class Donchian(bt.Strategy):
    """Buys a new high of so many bars, and leaves at a new low of half as many; the limits say how much."""

    params = (("period", 20),)

    def __init__(self):
        self.upper = bt.ind.Highest(self.data.high(-1), period=self.p.period)
        self.lower = bt.ind.Lowest(self.data.low(-1), period=self.p.period // 2)

    def next(self):
        if not self.position and self.data.close[0] > self.upper[0]:
            self.buy()
        elif self.position and self.data.close[0] < self.lower[0]:
            self.close()
