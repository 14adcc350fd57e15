"""The gate around somebody else's strategy: what it cuts, what it refuses, and what it lets pass."""

import random
from itertools import pairwise
from types import MappingProxyType

import backtrader as bt
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markets import random_prices
from small_broker import flat, table_of

from llm_strategy import AdvisedStrategy, Costs, Gated, Limits, SimulatedBroker
from llm_strategy.baselines import BuyAndHold
from llm_strategy.errors import ConfigurationError, SimulationOnlyError

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


def test_an_order_within_the_limits_passes_as_it_is():
    strategy = play(flat(100, 5), {0: lambda s: s.buy(size=190)}, Limits())
    assert strategy.held[-1] == 190
    assert strategy.gate_log == []


def test_an_entry_is_cut_to_the_largest_size_and_the_cut_is_told():
    strategy = play(flat(100, 5), {0: lambda s: s.buy(size=900)}, Limits())
    assert strategy.held[-1] == 196  # a fifth of 100,000 at 102
    (cut,) = strategy.gate_log
    assert (cut.time, cut.symbol, cut.asked, cut.allowed) == ("2024-01-01T00:00:00", "A", 900, 196)
    assert (cut.events[0].limit, cut.events[0].after) == ("max_position_size", 0.2)
    assert cut.events[0].before == pytest.approx(900 * 102 / 100_000)


WAYS = {
    "buy": lambda s: s.buy(size=900),
    "buy by name": lambda s: s.buy("A", 900),
    "buy by the sizer": lambda s: s.buy(),
    "buy by position": lambda s: s.buy(s.data, 900, None, None, bt.Order.Market),
    "target size": lambda s: s.order_target_size(target=900),
    "target value": lambda s: s.order_target_value(target=90_000),
    "target percent": lambda s: s.order_target_percent(target=0.9),
    "limit": lambda s: s.buy(size=900, exectype=bt.Order.Limit, price=102),
    "stop": lambda s: s.buy(size=900, exectype=bt.Order.Stop, price=100),
    "stop limit": lambda s: s.buy(size=900, exectype=bt.Order.StopLimit, price=99, plimit=102),
    "bracket": lambda s: s.buy_bracket(size=900, exectype=bt.Order.Market, stopprice=96, limitprice=150)[0],
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_buy_is_gated(way):
    strategy = play(
        flat(100, 5), {0: WAYS[way]}, Limits(), prepare=lambda cerebro: cerebro.addsizer(bt.sizers.FixedSize, stake=900)
    )
    assert strategy.made[0].size == strategy.held[-1] == 196


@pytest.mark.parametrize(
    ("how", "size"),
    [
        ({"exectype": bt.Order.Limit, "price": 80}, 250),
        ({"exectype": bt.Order.Limit, "price": 125}, 160),
        ({"exectype": bt.Order.Stop, "price": 125}, 156),
        ({"exectype": bt.Order.Stop, "price": 125, "plimit": 50}, 156),
        ({"exectype": bt.Order.StopLimit, "price": 110, "plimit": 125}, 160),
        ({"exectype": bt.Order.StopTrail, "trailamount": 25}, 156),
        ({"exectype": bt.Order.StopTrail, "trailpercent": 0.25}, 156),
        ({"exectype": bt.Order.Close}, 196),
    ],
)
def test_an_entry_is_sized_at_the_worst_price_that_it_can_fill_at(how, size):
    strategy = play(flat(100, 3), {0: lambda s: s.buy(size=900, **how)}, Limits())
    assert strategy.made[0].size == size


def test_what_is_added_to_a_position_counts_with_it():
    steps = {0: lambda s: s.buy(size=150), 2: lambda s: s.buy(size=150), 4: lambda s: s.buy(size=1)}
    strategy = play(flat(100, 7), steps, Limits())
    assert strategy.held[-1] == 196
    assert [(cut.asked, cut.allowed) for cut in strategy.gate_log] == [(150, 46), (1, 0)]
    assert strategy.made[2] is None


def test_entries_that_wait_count_as_if_they_were_filled():
    def grid(s):
        return [s.buy(size=100, exectype=bt.Order.Limit, price=price) for price in (99, 98, 97)]

    strategy = play(flat(100, 2) + flat(90, 3), {0: grid}, Limits())
    assert (
        sum(order.size * price for order, price in zip(strategy.made[0], (99, 98, 97), strict=True) if order) <= 20_000
    )


def test_a_reversal_is_cut_to_the_closing_part():
    limits = Limits(max_position_size=1.0, max_risk_per_trade=1.0, allow_short=True, gap_buffer=0.0)
    steps = {0: lambda s: s.buy(size=100), 2: lambda s: s.sell(size=250), 4: lambda s: s.sell(size=150)}
    strategy = play(flat(100, 7), steps, limits)
    assert strategy.held == [0, 100, 100, 0, 0, -150, -150, -150]
    assert only_event(strategy) == "close_first"


@pytest.mark.parametrize("target", ["order_target_size", "order_target_percent", "order_target_value"])
def test_targets_on_the_other_side_close_first(target):
    goal = {"order_target_size": -50, "order_target_percent": -0.5, "order_target_value": -50_000}[target]
    steps = {0: lambda s: s.buy(size=100), 2: lambda s: getattr(s, target)(target=goal)}
    assert play(flat(100, 6), steps).held[-1] == 0


def test_short_positions_are_refused_unless_they_are_allowed():
    strategy = play(flat(100, 4), {0: lambda s: s.sell(size=10)})
    assert strategy.made == [None]
    assert strategy.held[-1] == 0
    assert only_event(strategy) == "allow_short"


def test_two_closes_in_one_bar_close_once():
    steps = {0: lambda s: s.buy(size=100), 2: lambda s: [s.close(), s.close(), s.sell(size=30)]}
    strategy = play(flat(100, 6), steps)
    assert strategy.held[-1] == 0
    assert strategy.made[1][1:] == [None, None]


def test_an_exit_at_the_market_takes_the_place_of_exits_that_rest():
    def protect(s):
        stop = s.sell(size=100, exectype=bt.Order.Stop, price=90)
        return [stop, s.sell(size=100, exectype=bt.Order.Limit, price=120, oco=stop)]

    steps = {0: lambda s: s.buy(size=100), 2: protect, 4: lambda s: s.close()}
    strategy = play(flat(100, 6) + flat(80, 2) + flat(130, 2), steps)
    assert strategy.held[-1] == 0
    assert [order.getstatusname() for order in strategy.made[1]] == ["Canceled", "Canceled"]


def test_an_exit_of_a_part_leaves_the_stop_for_the_rest():
    steps = {
        0: lambda s: s.buy(size=100),
        2: lambda s: s.sell(size=100, exectype=bt.Order.Stop, price=90),
        4: lambda s: s.sell(size=40),
    }
    strategy = play(flat(100, 6) + flat(80, 3), steps)
    assert strategy.held[5:] == [60, 0, 0, 0, 0]
    assert (strategy.made[1].executed.size, strategy.made[1].getstatusname()) == (-60, "Completed")


def test_resting_exits_together_never_exceed_the_position():
    def protect(s):
        return [
            s.sell(size=60, exectype=bt.Order.Stop, price=90),
            s.sell(size=60, exectype=bt.Order.Limit, price=110),
            s.sell(size=60, exectype=bt.Order.Limit, price=120),
        ]

    strategy = play([*flat(100, 4), (100, 130, 80, 100), *flat(100, 2)], {0: lambda s: s.buy(size=100), 2: protect})
    assert [order and order.size for order in strategy.made[1]] == [-60, -40, None]
    assert strategy.held[-1] == 0


def test_the_exits_of_a_bracket_have_its_size_and_a_refused_bracket_is_three_times_none():
    steps = {
        0: lambda s: s.buy_bracket(size=900, exectype=bt.Order.Market, stopprice=95, limitprice=110),
        5: lambda s: s.sell_bracket(size=900, exectype=bt.Order.Market, stopprice=105, limitprice=90),
    }
    strategy = play(flat(100, 3) + flat(94, 5), steps, Limits())
    assert [order.size for order in strategy.made[0]] == [196, -196, -196]
    assert strategy.held[-1] == 0
    assert strategy.made[1] == [None, None, None]


def test_the_exits_of_a_bracket_that_only_closed_open_nothing():
    steps = {
        0: lambda s: s.buy(size=100),
        2: lambda s: s.sell_bracket(size=100, price=105, stopprice=110, limitprice=90),
        3: lambda s: s.buy(size=90),
    }
    strategy = play(flat(100, 5) + flat(106, 2) + flat(111, 4), steps, Limits())
    assert strategy.held[-1] == 90
    assert [order.getstatusname() for order in strategy.made[1]] == ["Completed", "Canceled", "Canceled"]


def test_the_stop_of_a_bracket_decides_the_risk_and_a_missing_one_is_assumed():
    limits = Limits(max_position_size=1.0, gap_buffer=0.0, max_participation=1.0)
    at_stop = play(
        flat(100, 4), {0: lambda s: s.buy_bracket(size=900, price=100, stopprice=80, limitprice=150)}, limits
    )
    assert at_stop.made[0][0].size == 100  # 2 percent of 100,000 over 20 a share
    assumed = play(flat(100, 4), {0: lambda s: s.buy(size=900)}, limits)
    assert assumed.made[0].size == 250  # over 8 percent of the price
    wrong = play(flat(100, 4), {0: lambda s: s.buy_bracket(size=9, price=100, stopprice=101, limitprice=150)}, limits)
    assert wrong.made[0] == [None, None, None]
    assert only_event(wrong) == "stop_price"


def test_a_bracket_built_by_hand_has_the_size_of_its_entry():
    def bracket(s):
        entry = s.buy(size=900, transmit=False)
        stop = s.sell(size=900, exectype=bt.Order.Stop, price=95, parent=entry, transmit=False)
        return [entry, stop, s.sell(size=900, exectype=bt.Order.Limit, price=110, parent=entry)]

    strategy = play(flat(100, 4) + flat(90, 3), {0: bracket}, Limits())
    assert [order.size for order in strategy.made[0]] == [196, -196, -196]
    assert strategy.held[-1] == 0


def test_the_kill_switch_closes_cancels_and_refuses():
    def enter(s):
        return [s.buy(size=500), s.buy(size=100, exectype=bt.Order.Limit, price=50)]

    steps = {0: enter, 2: lambda s: s.sell(size=500, exectype=bt.Order.Stop, price=20)}
    steps |= {bar: lambda s: s.buy(size=10) for bar in (5, 6, 7, 8)}
    limits = Limits(max_position_size=1.0, max_risk_per_trade=1.0, max_drawdown=0.1, max_daily_loss=None, gap_buffer=0)
    strategy = play(flat(100, 4) + flat(75, 6) + flat(40, 2), steps, limits)
    assert strategy.held[4:] == [500, 0, 0, 0, 0, 0, 0, 0, 0]
    assert strategy.made[1].getstatusname() == strategy.made[0][1].getstatusname() == "Canceled"
    assert strategy.made[2:] == [None] * 4
    assert {cut.events[-1].limit for cut in strategy.gate_log} == {"max_drawdown"}


def test_the_kill_switch_arms_again_after_its_bars():
    limits = Limits(max_position_size=1.0, max_risk_per_trade=1.0, max_drawdown=0.1, rearm_after_bars=3, gap_buffer=0)
    steps = {0: lambda s: s.buy(size=500)} | {bar: lambda s: s.buy(size=10) for bar in range(4, 12)}
    strategy = play(flat(100, 3) + flat(75, 12), steps, limits)
    assert [order is not None for order in strategy.made[1:]] == [False] * 3 + [True] * 5


def test_a_daily_loss_refuses_and_withdraws_entries_until_the_next_day():
    table = table_of(flat(100, 4) + flat(90, 4) + flat(90, 4))
    table.index = pd.date_range("2024-01-01 10:00", periods=8, freq="h").append(
        pd.date_range("2024-01-02 10:00", periods=4, freq="h")
    )
    limits = Limits(max_position_size=1.0, max_risk_per_trade=1.0, gap_buffer=0.0)
    steps = {
        0: lambda s: [s.buy(size=600), s.buy(size=10, exectype=bt.Order.Limit, price=50)],
        5: lambda s: s.buy(size=10),
        9: lambda s: s.buy(size=10),
    }
    strategy = play(table, steps, limits)
    assert [made is None for made in strategy.made] == [False, True, False]
    assert strategy.made[0][1].getstatusname() == "Canceled"
    assert strategy.held[-1] == 610


def stop_out(s):
    return s.buy_bracket(size=10, exectype=bt.Order.Market, stopprice=95, limitprice=150)


@pytest.mark.parametrize(
    ("limits", "limit"),
    [
        ({"cooldown_bars": 4}, "cooldown_bars"),
        ({"max_losing_streak": 1, "losing_streak_bars": 4, "cooldown_bars": 0}, "max_losing_streak"),
    ],
)
def test_after_a_stop_or_a_loss_entries_pause(limits, limit):
    bars = flat(100, 3) + flat(90, 12)
    steps = {0: stop_out} | {bar: lambda s: s.buy(size=1) for bar in range(4, 12)}
    strategy = play(bars, steps, Limits(**limits))
    refused = [order is None for order in strategy.made[1:]]
    assert refused == sorted(refused, reverse=True)
    assert 2 <= sum(refused) <= 4
    assert {cut.events[-1].limit for cut in strategy.gate_log} == {limit}


@pytest.mark.parametrize(
    ("limits", "order", "allowed", "limit"),
    [
        ({"max_participation": 0.1}, {"size": 300}, 100, "max_participation"),
        ({"lot_step": 40}, {"size": 90}, 80, "lot_step"),
        ({"min_notional": 5_000}, {"size": 49}, None, "min_notional"),
        ({"max_gross_exposure": 0.1}, {"size": 300}, 100, "max_gross_exposure"),
        ({"max_net_exposure": 0.1}, {"size": 300}, 100, "max_net_exposure"),
        ({"max_symbol_exposure": 0.1}, {"size": 300}, 100, "max_symbol_exposure"),
        ({"max_group_exposure": 0.1}, {"size": 300}, 100, "max_group_exposure"),
        ({"sizing": "equal_weight", "max_positions": 10}, {"size": 300}, 100, "max_position_size"),
        ({}, {"size": float("inf")}, 1000, "max_position_size"),
        ({}, {"size": float("nan")}, None, "size"),
    ],
)
def test_each_limit_cuts_and_is_named(limits, order, allowed, limit):
    bars = [(100, 100, 100, 100, 1000 if limit == "max_participation" else 1e6)] * 4
    wide = {name: getattr(WIDE, name) for name in ("max_position_size", "max_risk_per_trade", "gap_buffer")}
    strategy = play(bars, {0: lambda s: s.buy(**order)}, Limits(**(wide | limits)))
    assert (strategy.made[0] and strategy.made[0].size) == allowed
    assert limit in [event.limit for event in strategy.gate_log[0].events]


def test_positions_groups_and_entries_a_day_count_over_all_feeds():
    def three(s):
        return [s.buy(name, 100) for name in "ABC"]

    feeds = {"others": [flat(100, 4), flat(100, 4)]}
    assert [bool(order) for order in play(flat(100, 4), {0: three}, Limits(max_positions=2), **feeds).made[0]] == [
        True,
        True,
        False,
    ]
    daily = play(flat(100, 4), {0: three, 1: three}, Limits(max_entries_per_day=2), **feeds)
    assert [bool(order) for made in daily.made for order in made] == [True, True, False] * 2
    group = play(flat(100, 4), {0: three}, Limits(max_group_exposure=0.15), **feeds)
    assert [order.size for order in group.made[0]] == [100, 47, 100]  # 48 shares at 102 and 4,800 less the gap of A


def test_the_longest_holding_time_closes_the_position():
    strategy = play(flat(100, 12), {0: lambda s: s.buy(size=10)}, Limits(max_holding_bars=4))
    assert strategy.held == [0, 10, 10, 10, 10, 10, 0, 0, 0, 0, 0, 0, 0]
    assert only_event(strategy) == "max_holding_bars"


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
    class LiveBroker(bt.broker.BrokerBase):
        def getvalue(self, datas=None):
            return 1.0

        def getcash(self):
            return 1.0

        def get_notification(self):
            return None

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
