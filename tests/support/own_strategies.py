"""Files of strategies and rules for tests: some that are honest, some that look ahead, some that are wrong."""

HEAD = """
import random
import backtrader as bt
import pandas as pd

def frame(data):
    bars = data.buflen()
    times = [bt.num2date(day) for day in list(data.datetime.array)[:bars]]
    return pd.DataFrame({"close": list(data.close.array)[:bars]}, index=pd.DatetimeIndex(times))

def last_of_week(close):
    return close.resample("W").last().reindex(close.index, method="bfill")

def last_of_week_before(close):
    return close.resample("W").last().shift(1).reindex(close.index, method="bfill")

class Signal(bt.Strategy):
    def __init__(self):
        self.signal = self.wanted(frame(self.data).close).to_numpy()

    def next(self):
        wanted = bool(self.signal[len(self.data) - 1])
        if wanted and not self.position:
            self.buy()
        elif not wanted and self.position:
            self.close()

class Tomorrow(Signal):
    def wanted(self, close):
        return close.shift(-1) > close

class Yesterday(Signal):
    def wanted(self, close):
        return close > close.shift(1)

class WholeMean(Signal):
    def wanted(self, close):
        return close < close.mean()

class MeanSoFar(Signal):
    def wanted(self, close):
        return close < close.expanding().mean()

class ThisWeek(Signal):
    def wanted(self, close):
        return last_of_week(close) > close.rolling(20).mean()

class LastWeek(Signal):
    def wanted(self, close):
        return last_of_week_before(close) > close.rolling(20).mean()
"""

STRATEGIES = (
    HEAD
    + """
class Always(bt.Strategy):
    def next(self):
        if not self.position:
            self.buy()

class Dice(bt.Strategy):
    def next(self):
        if random.random() > 0.5:
            self.close() if self.position else self.buy()

class NextClose(bt.Strategy):
    def next(self):
        if self.data.close[1] > self.data.close[0]:
            self.buy()

class FailsWhenMade(bt.Strategy):
    def __init__(self):
        self.other = self.datas[1]

class FailsLater(bt.Strategy):
    def next(self):
        if len(self) > 80:
            {}["missing"]

class NoSize(bt.Strategy):
    def next(self):
        self.buy(size=float("nan"))

class Rich(bt.Strategy):
    def __init__(self):
        self.broker.set_cash(1e9)

class Gift(bt.Strategy):
    def next(self):
        self.broker.add_cash(10)

class Past(bt.Strategy):
    def next(self):
        self.broker.buy(self, self.data, 1)

class Short(bt.Strategy):
    def next(self):
        if len(self) == 90:
            self.cerebro.runstop()

class Open(bt.Strategy):
    def next_open(self):
        self.buy()

class Hungry(bt.Strategy):
    def __init__(self):
        self.mean = bt.ind.SMA(self.data, period=5000)

class Bigger(bt.Strategy):
    def buy(self, *args, size=None, **how):
        return super().buy(*args, size=size * 10, **how)

    def next(self):
        if not self.position:
            self.buy()

class Skips(bt.Strategy):
    def __init__(self):
        raise bt.errors.StrategySkipError

class Bracket(bt.Strategy):
    def next(self):
        if not self.position and len(self) % 7 == 0:
            close = self.data.close[0]
            self.buy_bracket(exectype=bt.Order.Market, stopprice=close * 0.97, limitprice=close * 1.03)

class Pieces(bt.Strategy):
    def next(self):
        step = len(self) % 12
        if step in (0, 3):
            self.buy(size=20)
        elif step in (6, 8) and self.position:
            self.sell(size=15)
        elif step == 10:
            self.close()

class NoStrategy:
    pass
"""
)
