"""The advised strategy inside a person's own Cerebro: the same results whatever stands around it."""

import io
from dataclasses import replace

import backtrader as bt
import pytest
from live_broker import LiveBroker
from own_cerebro import (
    EXPECTED,
    EXPECTED_OF_A_MODEL,
    MODES,
    OTHER,
    RULE,
    SAVING,
    TABLE,
    own_cerebro,
    pandas_feed,
    run,
    scripted,
)

from llm_strategy import AdvisedStrategy, Costs, Journal, Limits, SimulatedBroker
from llm_strategy.advice.rules import BuyAndHold, SmaCross
from llm_strategy.errors import ConfigurationError, MarketDataError, SimulationOnlyError
from llm_strategy.market.features import LONGEST_LOOKBACK, Lookbacks

pytestmark = pytest.mark.slow


def test_what_is_compared_is_worth_comparing():
    for entries, orders, trades, equity in (EXPECTED, EXPECTED_OF_A_MODEL):
        assert len(entries) == len(equity) == 420 - LONGEST_LOOKBACK + 1
        assert {entry.decision.status for entry in entries} == {"advised"}
        assert len(orders) > len(trades) > 2


@pytest.mark.parametrize("mode", [*MODES, *SAVING], ids=str)
def test_the_modes_of_the_engine_and_its_memory_saving_give_the_same(mode):
    assert run(own_cerebro(**mode)) == EXPECTED
    assert run(own_cerebro(**mode), advisor=scripted()) == EXPECTED_OF_A_MODEL


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_analyzers_observers_sizers_and_writers_change_nothing(mode):
    cerebro = own_cerebro(stdstats=True, tradehistory=True, **mode)
    analyzers = [bt.analyzers.TradeAnalyzer, bt.analyzers.DrawDown, bt.analyzers.Returns, bt.analyzers.TimeReturn]
    for analyzer in [*analyzers, bt.analyzers.PyFolio, bt.analyzers.Transactions, bt.analyzers.SQN]:
        cerebro.addanalyzer(analyzer)
    for observer in (bt.observers.DrawDown, bt.observers.TimeReturn):
        cerebro.addobserver(observer)
    cerebro.addsizer(bt.sizers.FixedSize, stake=7)
    written = io.StringIO()
    cerebro.addwriter(bt.WriterFile, csv=True, out=written)
    assert run(cerebro) == EXPECTED
    (strategy,) = cerebro.runstrats[0]
    closed = [trade for trade in EXPECTED[2] if trade.exit_reason != "open"]
    assert strategy.analyzers.tradeanalyzer.get_analysis().total.closed == len(closed)
    assert strategy.analyzers.returns.get_analysis()["rtot"] != 0
    assert len(strategy.analyzers.pyfolio.get_pf_items()) == 4
    assert "AdvisedStrategy" in written.getvalue()


def test_orders_that_are_told_at_once_change_nothing():
    assert run(own_cerebro(quicknotify=True)) == EXPECTED


class PerShare(bt.CommInfoBase):
    params = (("stocklike", True), ("commtype", bt.CommInfoBase.COMM_FIXED), ("commission", 0.02))

    def _getcommission(self, size, price, pseudoexec):
        return max(1.0, abs(size) * self.p.commission)


def percent():
    broker = bt.brokers.BackBroker(cash=100_000)
    broker.setcommission(commission=0.001)
    return broker


def per_share():
    broker = bt.brokers.BackBroker(cash=100_000)
    broker.addcommissioninfo(PerShare())
    return broker


def per_share_by_name():
    broker = bt.brokers.BackBroker(cash=100_000)
    broker.addcommissioninfo(PerShare(), name="A")
    broker.set_slippage_perc(0.001)
    return broker


def preset(name):
    return lambda: SimulatedBroker(Costs(preset=name))


@pytest.mark.parametrize("make", [percent, per_share, per_share_by_name, preset("us_equities"), preset("crypto")])
def test_commission_schemes_are_paid_and_sized_for_alike_in_all_modes(make):
    tight = Limits(max_position_size=1.0, max_risk_per_trade=1.0, gap_buffer=0.0)
    results = [run(own_cerebro(broker=make(), **mode), limits=tight) for mode in MODES]
    assert all(result == results[0] for result in results)
    _, orders, trades, equity = results[0]
    bought = [order for order in orders if order.filled]
    assert all(order.commission > 0 for order in bought)
    if make is per_share:
        assert [order.commission for order in bought] == [max(1.0, order.filled * 0.02) for order in bought]
    assert sum(trade.net for trade in trades) == pytest.approx(equity[-1].equity - 100_000)


class Trader(bt.Strategy):
    """Somebody else's strategy: buys 300 of a feed on some bars and sells them again."""

    params = (("feed", None),)

    def __init__(self):
        self.fills = []

    def next(self):
        data = self.getdatabyname(self.p.feed)
        if len(data) % 50 == 10:
            self.buy(data=data, size=300)
        elif len(data) % 50 == 40:
            self.sell(data=data, size=300)

    def notify_order(self, order):
        if order.status == order.Completed:
            self.fills.append((order.executed.dt, order.executed.size, order.executed.price))


def beside(feed, trades_first, **parameters):
    cerebro = own_cerebro(pandas_feed(), pandas_feed(OTHER, "B"))
    if trades_first:
        cerebro.addstrategy(Trader, feed=feed)
    cerebro.addstrategy(AdvisedStrategy, advisor=RULE, **parameters)
    if not trades_first:
        cerebro.addstrategy(Trader, feed=feed)
    strategies = cerebro.run()
    return strategies[not trades_first], strategies[trades_first]


@pytest.mark.parametrize("feed", ["A", "B"])
@pytest.mark.parametrize("trades_first", [True, False])
def test_beside_another_strategy_its_exposure_counts_and_its_orders_are_not_touched(feed, trades_first):
    alone = own_cerebro(pandas_feed(), pandas_feed(OTHER, "B"))
    alone.addstrategy(Trader, feed=feed)
    (undisturbed,) = alone.run()
    trader, advised = beside(feed, trades_first, limits=Limits(max_gross_exposure=0.4))
    assert trader.fills == undisturbed.fills
    cuts = [cut.limit for entry in advised.journal.entries for cut in entry.verdict.clamps]
    assert "max_gross_exposure" in cuts
    free = beside(feed, trades_first)[1].journal
    assert [row.kind for row in free.orders] == [row.kind for row in EXPECTED[1]]
    assert {row.symbol for row in advised.journal.orders} == {"A"}


class BuysOnce(bt.Strategy):
    params = (("bar", 0), ("size", 0))

    def next(self):
        if len(self) == self.p.bar:
            self.buy(size=self.p.size)


def test_an_order_of_another_strategy_that_waits_counts_before_it_fills():
    cerebro = own_cerebro()
    cerebro.addstrategy(BuysOnce, bar=LONGEST_LOOKBACK, size=300)
    cerebro.addstrategy(AdvisedStrategy, advisor=BuyAndHold(), limits=Limits(max_gross_exposure=0.5))
    _, advised = cerebro.run()
    first = advised.journal.entries[0].verdict
    close, equity = TABLE["close"].iloc[LONGEST_LOOKBACK - 1], 100_000
    assert first.clamps[0].limit == "max_gross_exposure"
    assert first.clamps[0].after == pytest.approx(0.5 - 300 * close * 1.02 / equity)
    assert max(row.gross / row.equity for row in advised.journal.equity[:3]) < 0.51


def test_two_advised_strategies_on_different_feeds_share_one_book():
    cerebro = own_cerebro(pandas_feed(), pandas_feed(OTHER, "B"))
    limits = Limits(max_position_size=0.5, max_risk_per_trade=1.0, max_gross_exposure=0.6)
    advisor = scripted()
    for name in ("A", "B"):
        cerebro.addstrategy(AdvisedStrategy, advisor=advisor, trade=[name], limits=limits)
    first, second = (strategy.journal for strategy in cerebro.run())
    assert [entry.decision for entry in first.entries] == [entry.decision for entry in EXPECTED_OF_A_MODEL[0]]
    assert {row.symbol for row in first.orders} == {"A"}
    assert {row.symbol for row in second.orders} == {"B"}
    assert max(row.gross / row.equity for row in first.equity) < 0.65


def test_one_rule_given_to_several_strategies_keeps_nothing_between_them():
    rule = SmaCross(5, 20)
    alone = [
        run(own_cerebro(pandas_feed(table, name)), advisor=SmaCross(5, 20))
        for table, name in ((TABLE, "A"), (OTHER, "B"))
    ]
    cerebro = own_cerebro(pandas_feed(), pandas_feed(OTHER, "B"))
    for name in ("A", "B"):
        cerebro.addstrategy(AdvisedStrategy, advisor=rule, trade=[name])
    together = cerebro.run()
    for strategy, (entries, *_) in zip(together, alone, strict=True):
        assert [entry.decision for entry in strategy.journal.entries] == [entry.decision for entry in entries]


def test_one_journal_for_two_strategies_is_refused():
    cerebro, journal = own_cerebro(), Journal()
    for _ in range(2):
        cerebro.addstrategy(AdvisedStrategy, advisor=RULE, journal=journal)
    with pytest.raises(ConfigurationError, match="journal belongs to another"):
        cerebro.run()


@pytest.mark.parametrize("advisor", [BuyAndHold(), SmaCross(50, 300)])
@pytest.mark.parametrize("mode", [*MODES, *SAVING], ids=str)
def test_too_few_bars_for_a_decision_are_one_sentence(mode, advisor):
    feeds = [pandas_feed(), pandas_feed(OTHER.iloc[:200], "B")]
    with pytest.raises(MarketDataError, match="B has 200 bars to decide on and its indicators need"):
        run(own_cerebro(*feeds, **mode), advisor=advisor, trade="all")


def test_a_live_broker_is_refused_before_anything_is_decided():
    advisor = scripted()
    with pytest.raises(SimulationOnlyError, match="LiveBroker"):
        run(own_cerebro(broker=LiveBroker()), advisor=advisor)
    assert advisor.client.requests == []


def test_memory_saving_that_would_cut_the_history_short_is_refused():
    cerebro = own_cerebro(exactbars=1)
    cerebro.addstrategy(AdvisedStrategy, advisor=RULE)
    cerebro.addstrategy(BuysOnce)
    with pytest.raises(ConfigurationError, match="add AdvisedStrategy after the others"):
        cerebro.run()
    after = own_cerebro(exactbars=1)
    after.addstrategy(BuysOnce)
    assert run(after) == EXPECTED


@pytest.mark.parametrize(
    ("costs", "how"),
    [
        (Costs(slippage_volatility=0.3), {}),
        (Costs(), {"trade": "all", "limits": Limits(max_correlated_exposure=0.3, max_risk_per_trade=0.3)}),
        (Costs(impact=0.5), {"decide_on": {"A": "B"}}),
    ],
)
def test_saving_memory_changes_no_cost_and_no_correlation_where_features_look_back_less(costs, how):
    short = Lookbacks(10, 3, 5, 12, 12, 6, 4)
    results = [
        run(
            own_cerebro(pandas_feed(), pandas_feed(OTHER, "B"), broker=SimulatedBroker(costs), **mode),
            lookbacks=short,
            **how,
        )
        for mode in ({}, *SAVING)
    ]
    assert all(result == results[0] for result in results)


def test_limits_of_a_strategy_are_its_own():
    cerebro = own_cerebro()
    for limits in (Limits(max_position_size=0.05), replace(Limits(), max_position_size=0.1)):
        cerebro.addstrategy(AdvisedStrategy, advisor=BuyAndHold(), limits=limits)
    small, large = (strategy.journal.entries[0].verdict.size for strategy in cerebro.run())
    assert large == pytest.approx(2 * small, abs=2)
