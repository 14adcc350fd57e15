"""Which strategies the gate may stand around, beside which others, and in which modes of the engine."""

import random
from itertools import pairwise

import backtrader as bt
import pandas as pd
import pytest
from gated_steps import WIDE, Steps, play
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from live_broker import LiveBroker
from markets import random_prices
from small_broker import flat, table_of

from llm_strategy import AdvisedStrategy, Costs, Gated, Limits, SimulatedBroker
from llm_strategy.advice.rules import BuyAndHold
from llm_strategy.errors import ConfigurationError, SimulationOnlyError


class Holder(bt.Strategy):
    """Another strategy on the first feed."""

    def next(self):
        if len(self) == 1:
            self.buy(size=700)


def test_other_strategies_count_and_are_not_touched():
    def beside(cerebro):
        cerebro.addstrategy(Holder)

    steps = {2: lambda s: s.buy(size=900), 4: lambda s: s.close()}
    strategy = play(flat(100, 8), steps, WIDE, prepare=beside)
    assert strategy.made[0].size == 300
    assert strategy.made[1].size == -300
    assert strategy.held[-1] == 700


def test_it_may_wrap_strategies_of_every_kind():
    class Signals(bt.SignalStrategy):
        def __init__(self):
            self.signal_add(bt.SIGNAL_LONG, bt.ind.CrossOver(bt.ind.SMA(period=5), bt.ind.SMA(period=20)))

    class OwnBuy(bt.Strategy):
        def buy(self, *args, **how):
            return super().buy(*args, **(how | {"size": 500}))

        def next(self):
            if not self.position:
                self.buy()

    for base in (Signals, OwnBuy):
        mine = type("Mine", (Gated, base), {"limits": Limits(max_position_size=0.1)})
        cerebro = bt.Cerebro()
        cerebro.adddata(bt.feeds.PandasData(dataname=random_prices(200).table))
        cerebro.addsizer(bt.sizers.PercentSizer, percents=90)
        cerebro.addobserver(bt.observers.DrawDown)
        cerebro.addanalyzer(bt.analyzers.TradeAnalyzer)
        cerebro.addstrategy(mine)
        (strategy,) = cerebro.run()
        assert strategy.gate_log
        assert strategy.datetime.date(0) == strategy.data.datetime.date(0)


def test_an_override_in_the_class_itself_still_goes_through_the_gate():
    class Mine(Gated, bt.Strategy):
        limits = Limits(max_position_size=0.1)

        def buy(self, *args, **how):
            return super().buy(*args, **(how | {"size": 900}))

        def next(self):
            if len(self) == 1:
                self.order = self.buy()

    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(bt.feeds.PandasData(dataname=table_of(flat(100, 4))))
    cerebro.addstrategy(Mine)
    assert cerebro.run()[0].order.size < 100


def test_the_wrong_order_of_bases_is_refused():
    with pytest.raises(ConfigurationError, match=r"class Wrong\(Gated, MyStrategy\)"):
        type("Wrong", (Steps, Gated), {})


def test_brokers_schemes_and_cheating_that_it_cannot_gate_are_refused():
    with pytest.raises(SimulationOnlyError, match="LiveBroker"):
        play(flat(100, 3), {}, broker=LiveBroker())
    futures = bt.brokers.BackBroker()
    futures.setcommission(commission=2.0, margin=1000, mult=10)
    with pytest.raises(ConfigurationError, match="that of a stock"):
        play(flat(100, 3), {}, broker=futures)
    with pytest.raises(ConfigurationError, match="cheat-on-open"):
        play(flat(100, 3), {}, prepare=lambda cerebro: cerebro.broker.set_coo(True))


KINDS = [bt.Order.Market, bt.Order.Limit, bt.Order.Stop, bt.Order.StopLimit, bt.Order.StopTrail]


class Wild(bt.Strategy):
    """Sends anything at all."""

    params = (("seed", 0), ("limits", None))

    def __init__(self):
        self.source = random.Random(self.p.seed)
        self.orders, self.entered = [], []

    def next(self):
        source, close = self.source, self.data.close[0]
        near = [close * source.uniform(0.95, 1.05) for _ in range(3)]
        for _ in range(source.randrange(3)):
            size, side = source.choice([1, 50, 300, 5_000]), source.choice([self.buy, self.sell])
            kind = source.choice(KINDS)
            how = {"trailpercent": 0.02} if kind == bt.Order.StopTrail else {"price": near[0], "plimit": near[1]}
            oco = source.choice([None, *self.orders[-2:]])
            bracket = source.choice([self.buy_bracket, self.sell_bracket])
            action = source.choice(["order", "order", "bracket", "close", "target", "cancel"])
            if action == "order":
                self.keep(side(size=size, exectype=kind, oco=oco if oco and oco.alive() else None, **how))
            elif action == "bracket":
                for order in bracket(size=size, price=near[0], stopprice=near[1], limitprice=near[2]):
                    self.keep(order)
            elif action == "close":
                self.keep(self.close())
            elif action == "target":
                self.keep(self.order_target_percent(target=source.uniform(-2, 2)))
            elif self.orders:
                self.cancel(source.choice(self.orders))

    def keep(self, order):
        if order is not None:
            self.orders.append(order)


class GatedWild(Gated, Wild):
    pass


def wild(table, advised=False, **engine):
    cerebro = bt.Cerebro(stdstats=False, **engine)
    for name in "AB":
        cerebro.adddata(bt.feeds.PandasData(dataname=table, name=name))
    cerebro.broker = SimulatedBroker(Costs())
    if advised:
        cerebro.addstrategy(AdvisedStrategy, advisor=BuyAndHold(), trade=["B"])
    cerebro.addstrategy(GatedWild, seed=5, limits=Limits(allow_short=True))
    strategy = cerebro.run()[-1]
    fills = [(order.executed.dt, order.executed.size, order.executed.price) for order in strategy.orders]
    return strategy.gate_log, fills, cerebro.broker.getvalue()


@pytest.mark.parametrize("advised", [False, True])
def test_the_modes_of_the_engine_give_the_same(advised):
    table = random_prices(350, 5, daily=0.01).table
    modes = [{"runonce": once, "preload": preload} for once in (True, False) for preload in (True, False)]
    results = [wild(table, advised, **mode) for mode in [*modes, *({"exactbars": saving} for saving in (-1, -2))]]
    assert all(result == results[0] for result in results)
    assert len(results[0][0]) > 50


def test_it_runs_in_an_optimisation():
    cerebro = bt.Cerebro(maxcpus=1, optreturn=False)
    cerebro.adddata(bt.feeds.PandasData(dataname=random_prices(150, 5).table, name="A"))
    cerebro.optstrategy(GatedWild, seed=5, limits=[Limits(max_position_size=size) for size in (0.1, 0.2)])
    small, large = (strategy.gate_log for (strategy,) in cerebro.run())
    assert small
    assert large
    assert small != large


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 100_000), st.booleans(), st.sampled_from([None, 0.001]), st.booleans())
def test_arbitrary_orders_on_arbitrary_prices_stay_within_the_limits(seed, allow_short, max_fill_share, quick):
    limits = Limits(allow_short=allow_short, max_position_size=0.3, max_risk_per_trade=1.0, max_participation=1.0)
    cerebro = bt.Cerebro(stdstats=False, quicknotify=quick)
    table = random_prices(150, seed, daily=0.01).table
    cerebro.adddata(bt.feeds.PandasData(dataname=table, name="A"))
    cerebro.broker = SimulatedBroker(Costs(max_fill_share=max_fill_share))
    cerebro.addstrategy(GatedWild, seed=seed, limits=limits)
    seen = []

    class Watch(bt.Analyzer):
        def next(self):
            seen.append((self.strategy.position.size, self.strategy.broker.getvalue()))

    cerebro.addanalyzer(Watch)
    (strategy,) = cerebro.run()
    held = [0.0, *(size for size, _ in seen)]
    lowest, richest = table["low"].cummin(), pd.Series([value for _, value in seen]).cummax()
    for bar, (before, after) in enumerate(pairwise(held)):
        assert before * after >= 0, "a position changed sides within one bar"
        assert allow_short or after >= 0
        if abs(after) > abs(before):
            assert abs(after) * lowest.iloc[bar] <= limits.max_position_size * richest.iloc[bar]
        assert float(after).is_integer()
    assert strategy.broker.getcash() > 0
