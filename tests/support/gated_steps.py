"""A gated strategy that does at each bar what a test tells it."""

from types import MappingProxyType

import backtrader as bt
import pandas as pd
from small_broker import table_of

from llm_strategy import Costs, Gated, Limits, SimulatedBroker

FREE = Costs(commission_bps=0, slippage_bps=0)


WIDE = Limits(
    max_position_size=1.0,
    max_risk_per_trade=1.0,
    max_drawdown=1.0,
    max_daily_loss=None,
    max_losing_streak=None,
    cooldown_bars=0,
    gap_buffer=0.0,
)


class Steps(bt.Strategy):
    """Does at each bar (from 0) what it was told; it calls no method of its base, as strategies do."""

    params = (("steps", None), ("limits", None))

    def __init__(self):
        self.made, self.held, self.heard = [], [], []

    def start(self):
        pass

    def next(self):
        self.held.append(self.position.size)
        step = self.p.steps.get(len(self) - 1)
        if step:
            self.made.append(step(self))

    def notify_order(self, order):
        self.heard.append((order.ref, order.getstatusname()))

    def stop(self):
        self.held.append(self.position.size)


class GatedSteps(Gated, Steps):
    groups = MappingProxyType({"A": "tech", "B": "tech"})


def play(bars, steps, limits=WIDE, *, others=(), broker=None, strategy=GatedSteps, prepare=None, **engine):
    cerebro = bt.Cerebro(stdstats=False, **engine)
    for name, table in zip("ABC", [bars, *others], strict=False):
        table = table if isinstance(table, pd.DataFrame) else table_of(table)
        cerebro.adddata(bt.feeds.PandasData(dataname=table, name=name))
    cerebro.broker = broker or SimulatedBroker(FREE)
    if prepare:
        prepare(cerebro)
    cerebro.addstrategy(strategy, steps=steps, limits=limits)
    return cerebro.run()[-1]


def only_event(strategy):
    (cut,) = strategy.gate_log
    return cut.events[-1].limit
