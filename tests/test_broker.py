"""The simulated broker against hand-computed figures, on the real engine, in all its modes."""

from collections import defaultdict
from itertools import product
from types import SimpleNamespace

import backtrader as bt
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markets import from_bars, random_prices, with_table

from llm_strategy.broker import SimulatedBroker, costs_of
from llm_strategy.cost_scheme import check_scheme
from llm_strategy.costs import Costs, volatility
from llm_strategy.errors import ConfigurationError
from simulator import run
from simulator.feed import make_feed
from simulator.market import Prices

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


def test_a_market_order_fills_at_the_next_open_with_commission_slippage_and_half_the_spread():
    prices = bars((100, 100, 100, 100), (110, 120, 105, 115))
    done = play(Costs(commission_per_trade=1, slippage_bps=10, spread_bps=20), prices, script=[(1, 0, 10, {})])
    (fill,) = done.fills
    assert fill.price == pytest.approx(110 * 1.002)
    assert fill.commission == pytest.approx(1 + 10 * 110 * 1.002 * 0.0005)
    assert done.rows[-1].cash == pytest.approx(100_000 - 1102.2 - fill.commission)


def test_slippage_per_share_is_taken_off_the_price_that_the_fill_is_due_at():
    prices = bars((100, 100, 100, 100), (100, 101, 80, 90), (90, 90, 90, 90))
    stop = {"exectype": bt.Order.Stop, "price": 95}
    done = play(free(slippage_per_share=0.5), prices, script=[(1, 0, 10, {}), (1, 0, -10, stop)])
    assert [fill.price for fill in done.fills] == pytest.approx([100.5, 94.5])
    gapped = play(free(slippage_per_share=0.5), flat(100, 100, 90), script=[(1, 0, 10, {}), (2, 0, -10, stop)])
    assert gapped.fills[-1].price == 90  # due at the open, kept within the bar


def test_volatility_and_impact_are_those_before_the_fill():
    closes = [100, 102, 101, 103, 99, 104]
    prices = from_bars([*closes, 104], [*closes, 400], wicks=np.full((2, 7), 0.5), volume=[1, 1, 1, 1, 1, 7, 10_000])
    costs = free(slippage_volatility=0.5, impact=1)
    done = play(costs, prices, script=[(6, 0, 100, {})])
    moved = 0.5 * volatility(closes) + volatility(closes) * (100 / 10_000) ** 0.5
    assert done.fills[0].price == pytest.approx(104 * (1 + moved), rel=1e-12)
    first = play(costs, prices, script=[(1, 0, 100, {})])
    assert first.fills[0].price == 102, "one close has no volatility"


def test_volatility_looks_back_twenty_returns():
    prices = random_prices(60, seed=5, daily=0.02)
    prices = with_table(prices, prices.table.assign(high=prices.table["high"] * 2))
    done = play(free(slippage_volatility=1), prices, script=[(40, 0, 1, {})])
    expected = volatility(prices.table["close"].tolist()[19:40])
    assert done.fills[0].price == pytest.approx(prices.table["open"].iloc[40] * (1 + expected), rel=1e-12)


@pytest.mark.parametrize("broker", [bt.brokers.BackBroker(), SimulatedBroker(free())])
def test_a_stop_is_not_matched_with_a_bar_that_was_there_before_it(broker):
    """The first feed has a bar every two days, the second every day: the broker also runs on the times between."""
    slow = bars(
        (100, 100, 100, 100), (100, 101, 80, 100), (100, 101, 99, 100), times=["2001-01-01", "2001-01-03", "2001-01-05"]
    )
    quick = flat(*[50] * 5)

    def protect(strategy, order):
        strategy.sell(data=order.data, size=order.executed.size, exectype=bt.Order.Stop, price=90)

    done = play(broker, slow, quick, script=[(1, 0, 10, {})], after_fill=protect)
    stale = [fill for fill in done.fills if fill.size < 0]
    if isinstance(broker, SimulatedBroker):
        assert not stale
        assert done.rows[-1].held == {"ABC0": 10}
    else:
        assert stale, "backtrader's own broker sells at the low of the bar of the entry"


@pytest.mark.parametrize("plain", [True, False])
def test_a_trailing_stop_is_tried_once_a_bar(plain):
    """Tried twice, it would be raised by the close and then hit by the low of the same bar."""
    slow = bars(
        (100, 100, 100, 100),
        (100, 120, 98, 120),
        (120, 121, 119, 120),
        times=["2001-01-01", "2001-01-03", "2001-01-05"],
    )
    script = [(1, 0, 10, {}), (1, 0, -10, {"exectype": bt.Order.StopTrail, "trailamount": 10})]
    done = play(bt.brokers.BackBroker() if plain else free(), slow, flat(*[50] * 5), script=script)
    assert bool([fill for fill in done.fills if fill.size < 0]) is plain


def test_a_bar_fills_its_share_of_volume_once_for_all_orders():
    prices = flat(*[100] * 6, volume=[1000, 1000, 0, 1000, 1000, 1000])
    script = [(1, 0, 150, {}), (1, 0, 100, {})]
    done = play(free(max_fill_share=0.1), prices, flat(*[50] * 6), script=script)
    assert [(fill.bar, fill.size) for fill in done.fills] == [(2, 100), (4, 50), (4, 50), (5, 50)]


def test_a_share_of_volume_of_a_broken_size_may_be_broken():
    done = play(free(max_fill_share=0.1), flat(100, 100, 100, volume=[1, 1, 10]), script=[(1, 0, 0.5, {})])
    assert [fill.size for fill in done.fills] == pytest.approx([0.1, 0.4])
    whole = play(free(max_fill_share=0.1), flat(100, 100, 100, volume=[1, 15, 19]), script=[(1, 0, 3, {})])
    assert [fill.size for fill in whole.fills] == [1, 1]


def test_a_feed_without_any_volume_fills_without_bound():
    done = play(free(max_fill_share=0.1, impact=1), flat(100, 101, 100, 102, volume=[0] * 4), script=[(3, 0, 500, {})])
    assert [(fill.size, fill.price) for fill in done.fills] == [(500, 102)]


def test_an_experiment_whose_prices_have_no_volume_is_refused(tmp_path):
    prices = random_prices(300)
    path = tmp_path / "index.csv"
    prices.table.assign(volume=0.0).to_csv(path)
    experiment = {"data": {"source": f"csv:{path}"}, "costs": {"impact": 1}, "arms": ["buy_and_hold"]}
    with pytest.raises(ConfigurationError, match="need volumes, and the bars of index have none"):
        run(experiment | {"output": {"folder": str(tmp_path)}}, "buy_and_hold")


@pytest.mark.parametrize(
    ("costs", "words"),
    [
        (
            {"preset": "us_equities", "max_fill_share": 0.5},
            "Costs in force (preset us_equities): commission 0.005 a share, at least 1 a trade, at most 100 basis "
            "points of the value; slippage 5 basis points of the price.",
        ),
        (
            {"commission_tiers": [{"above": 0, "bps": 20}, {"above": 5000, "bps": 10}]},
            "Costs in force: commission 20 basis points of a trade worth more than 0, 10 basis points of a trade worth "
            "more than 5,000; slippage 5 basis points of the price.",
        ),
    ],
)
def test_the_report_names_every_cost_that_is_on(costs, words, tmp_path):
    wanted = {
        "data": {"source": "synthetic:cycles?bars=420&seed=5"},
        "costs": costs,
        "output": {"folder": str(tmp_path)},
    }
    result = run(wanted | {"arms": ["buy_and_hold"]}, "buy_and_hold")
    assert words in (result.folder / "report.md").read_text(encoding="utf-8")


def test_a_short_held_for_days_pays_for_each_on_the_marked_value():
    closes = [100, 100, 110, 120, 90, 90]
    days = ["2001-01-01", "2001-01-02", "2001-01-03", "2001-01-05", "2001-01-08", "2001-01-09"]
    prices = bars(*[(close, close, close, close) for close in closes], times=days)
    script = [(1, 0, -10, {}), (5, 0, 10, {})]
    for mode in MODES:
        done = play(free(borrow_rate=0.0365), prices, script=script, mode=mode)
        owed = [0, 0, 1000 * 1, 1100 * 2, 1200 * 3, 900 * 1]
        owed = [sum(owed[: bar + 1]) * 0.0365 / 365 for bar in range(6)]
        assert [row.carry for row in done.rows] == pytest.approx(owed, abs=1e-9)
        assert done.rows[-1].cash == pytest.approx(100_000 + 1000 - 900 - owed[-1], abs=1e-9)
        assert [row.equity for row in done.rows] == pytest.approx([row.cash + row.marked for row in done.rows])


def test_bars_within_a_day_are_charged_once_a_day_whatever_the_feeds():
    hours = pd.date_range("2001-01-01 10:00", periods=50, freq="h")
    hourly = bars(*[(100, 100, 100, 100)] * 50, times=hours, timeframe="1h")
    done = play(free(borrow_rate=0.365), hourly, flat(50, 50, 50), script=[(1, 0, -10, {})])
    assert done.rows[-1].carry == pytest.approx(2 * 1000 * 0.365 / 365)


def test_borrowed_cash_is_financed():
    script = [(1, 0, 1500, {}), (3, 0, -1500, {})]
    done = play(free(leverage=2, financing_rate=0.0365), flat(100, 100, 100, 100, 100), script=script)
    assert [row.cash for row in done.rows] == pytest.approx([1e5, -5e4, -5e4 - 5, 1e5 - 5 - 5.0005, 1e5 - 10.0005])
    assert done.broker.carry == pytest.approx(10.0005)


def test_the_broker_lends_up_to_its_leverage_and_not_a_share_more():
    margin = play(free(leverage=2), flat(100, 100, 100), script=[(1, 0, 2001, {})])
    assert margin.ended == ["Margin"]
    assert margin.rows[-1].cash == 100_000
    done = play(free(leverage=2), flat(100, 100, 110, 110, 110), script=[(1, 0, 1500, {}), (3, 0, 600, {})])
    # equity is 115000 after the rise, debt 50000: 65000 more are lent, the fill takes 66000
    assert done.ended == ["Margin"]
    assert done.broker.credit() == pytest.approx(65_000)
    assert play(free(), flat(100, 100), script=[]).broker.credit() == 0
    assert play(free(), flat(100, 100, 100), script=[(1, 0, 1001, {})]).ended == ["Margin"]


def test_carry_and_positions_begin_anew_in_a_second_run():
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(make_feed(flat(100, 100, 100, 100)))
    cerebro.broker = SimulatedBroker(free(borrow_rate=0.1))
    cerebro.addstrategy(Scripted, script=[(1, 0, -10, {})])
    carries = [cerebro.run()[0].broker.carry for _ in range(2)]
    assert carries[0] == carries[1] > 0


def test_a_fill_at_the_same_close_is_asked_for():
    prices = bars((100, 101, 99, 100), (110, 120, 105, 115), (80, 85, 75, 80))
    for size, price in ((10, 101), (-10, 99)):
        cerebro_broker = SimulatedBroker(free(slippage_bps=100), same_close=True)
        done = play(cerebro_broker, prices, script=[(1, 0, size, {})])
        assert done.fills[0].price == pytest.approx(price)
        assert done.fills[0].time.day == 1
    down = play(SimulatedBroker(free(slippage_bps=100), same_close=True), prices, script=[(2, 0, 10, {})])
    assert down.fills[0].price == pytest.approx(115 * 1.01), "not the high of the bar after"
    with pytest.raises(ConfigurationError, match="leave one of them out"):
        SimulatedBroker(free(max_fill_share=0.1), same_close=True)


def test_a_limit_is_kept_and_does_not_slip_below_the_bar():
    prices = bars((100, 100, 100, 100), (96, 97, 96, 97))
    sale = play(free(slippage_bps=500), prices, script=[(1, 0, -10, {"exectype": bt.Order.Limit, "price": 90})])
    assert sale.fills[0].price == 96
    prices = bars((100, 100, 100, 100), (100, 110, 99, 105))
    how = {"exectype": bt.Order.StopLimit, "price": 105, "plimit": 106}
    purchase = play(free(slippage_bps=500), prices, script=[(1, 0, 10, how)])
    assert purchase.fills[0].price == 106


class Asking(bt.Strategy):
    """Keeps what the costs of the first feed are said to be at the last close."""

    def next(self):
        self.costs = costs_of(self.broker, self.data)


def ask(broker, prices=None):
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(make_feed(prices or random_prices(50, seed=3)), name="ABC")
    cerebro.broker = broker
    cerebro.addstrategy(Asking)
    return cerebro.run()[0].costs


def test_the_gate_is_told_what_a_fill_on_the_closed_bar_would_pay():
    prices = random_prices(50, seed=3)
    costs = Costs(preset="us_equities", impact=0.5, slippage_per_share=0.01)
    told = ask(SimulatedBroker(costs), prices)
    close, volume = prices.table["close"].tolist(), prices.table["volume"].iloc[-1]
    assert told.commission(1000, 100) == 5
    assert told.slippage(1000, 100.0) == costs.slippage(1000, 100.0, volume, volatility(close[-21:]))


def test_the_gate_is_told_the_costs_of_backtraders_own_broker():
    broker = bt.brokers.BackBroker()
    broker.setcommission(commission=0.002)
    broker.set_slippage_fixed(0.5)
    told = ask(broker)
    assert (told.commission(100, 50.0), told.slippage(100, 50.0)) == (10, 0.01)
    broker.set_slippage_perc(0.003)
    broker.setcommission(commission=0.02, commtype=bt.CommInfoBase.COMM_FIXED, stocklike=True)
    told = ask(broker)
    assert (told.commission(100, 50.0), told.slippage(100, 50.0)) == (2, 0.003)


def test_a_scheme_that_a_person_sets_goes_before_ours():
    broker = SimulatedBroker(Costs())
    broker.setcommission(commission=0.01, name="ABC")
    assert ask(broker).commission(100, 50.0) == 50


@pytest.mark.parametrize("scheme", [{"margin": 2000.0}, {"mult": 10.0}, {"leverage": 5.0}])
def test_schemes_that_are_not_of_stocks_are_refused(scheme):
    broker = bt.brokers.BackBroker()
    broker.setcommission(commission=0.001, **scheme)
    with pytest.raises(ConfigurationError, match="not that of a stock"):
        check_scheme(broker, make_feed(random_prices(5)))


orders = st.lists(
    st.tuples(
        st.integers(1, 38),
        st.integers(0, 1),
        st.integers(-400, 400).filter(bool),
        st.sampled_from(list(TYPES)),
        st.floats(0.9, 1.1),
    ),
    max_size=12,
)
some_costs = st.builds(
    Costs,
    commission_per_share=st.sampled_from([0, 0.01]),
    commission_minimum=st.sampled_from([0, 1]),
    slippage_bps=st.sampled_from([0, 5, 300]),
    slippage_volatility=st.sampled_from([0, 1]),
    impact=st.sampled_from([0, 1]),
    spread_bps=st.sampled_from([0, 10]),
    borrow_rate=st.sampled_from([0, 0.2]),
    financing_rate=st.sampled_from([0, 0.1]),
    leverage=st.sampled_from([1, 2]),
    max_fill_share=st.sampled_from([None, 0.001]),
)


def scripted(drawn, feeds):
    for bar, feed, size, kind, distance in drawn:
        price = feeds[feed].table["close"].iloc[min(bar, len(feeds[feed].table)) - 1] * distance
        how = {} if kind == "market" else {"exectype": TYPES[kind], "price": price}
        if kind == "stop_limit":
            how["plimit"] = price * (1.02 if size > 0 else 0.98)
        if kind == "trail":
            how = {"exectype": TYPES[kind], "trailpercent": 0.05}
        yield bar, feed, size, how


def taken(fills):
    """Sizes of fills by feed and bar, with the volume of that bar."""
    sizes = defaultdict(list)
    for fill in fills:
        sizes[(fill.order.data._name, fill.bar), fill.volume].append(abs(fill.size))
    return sizes


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(orders, some_costs, st.integers(0, 1000), st.sampled_from([0.0, 0.03]))
def test_equity_is_cash_flows_costs_and_marked_positions_to_a_cent(drawn, costs, seed, gap):
    feeds = [random_prices(40, seed, daily=0.03, gap=gap), random_prices(60, seed + 1, daily=0.03, gap=gap)]
    feeds[1].table.index = pd.DatetimeIndex(
        pd.date_range("2001-01-03", periods=60, freq="11h").as_unit("us"), name="time"
    )
    feeds[1] = Prices("test", "DEF", "1h", feeds[1].table)
    feeds[0].table.loc[feeds[0].table.index[10:13], "volume"] = 0.0
    books = []
    for mode in MODES:
        done = play(costs, *feeds, script=list(scripted(drawn, feeds)), mode=mode)
        books.append([(fill.size, fill.price, fill.commission, fill.time) for fill in done.fills] + done.rows)
        last = done.rows[-1]
        paid = sum(fill.size * fill.price + fill.commission for fill in done.fills)
        assert last.equity == pytest.approx(costs.starting_cash - paid - last.carry + last.marked, abs=0.01)
        assert last.equity == pytest.approx(last.cash + last.marked, abs=0.01)
        for fill in done.fills:
            assert fill.low * (1 - 1e-12) <= fill.price <= fill.high * (1 + 1e-12)
            assert fill.commission >= costs.commission_minimum
        for (_, volume), sizes in taken(done.fills).items():
            assert costs.max_fill_share is None or sum(sizes) <= costs.max_fill_share * volume
    assert all(book == books[0] for book in books)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(orders, st.integers(0, 1000))
def test_without_credit_carry_or_second_feed_it_is_backtraders_own(drawn, seed):
    prices = random_prices(40, seed, daily=0.03, gap=0.02)
    drawn = [(bar, 0, size, kind, distance) for bar, _, size, kind, distance in drawn if kind != "stop_limit"]
    own = bt.brokers.BackBroker()
    own.setcash(100_000)
    own.setcommission(commission=0.0005)
    own.set_checksubmit(False)
    outcomes = []
    for broker in (own, SimulatedBroker(Costs(slippage_bps=0))):
        done = play(broker, prices, script=list(scripted(drawn, [prices])))
        outcomes.append(([(fill.size, fill.price, fill.commission) for fill in done.fills], done.ended, done.rows))
    assert outcomes[0] == outcomes[1]
