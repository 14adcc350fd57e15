"""The simulated broker against hand-computed figures, on the real engine, in all its modes."""

from datetime import date

import backtrader as bt
import numpy as np
import pandas as pd
import pytest
from broker_script import MODES, Scripted, bars, flat, free, play
from markets import from_bars, random_prices, with_table

from llm_strategy.costs.cash_rates import CashRates
from llm_strategy.costs.costs import Costs, volatility
from llm_strategy.errors import ConfigurationError
from llm_strategy.trading.broker import SimulatedBroker, check_scheme, costs_of
from simulator import run
from simulator.prices.feed import make_feed


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


def test_cash_earns_interest_by_the_night_and_the_proceeds_of_a_short_sale_earn_nothing():
    prices = flat(*[100.0] * 6)
    idle = play(free(cash_rate=0.05), prices).broker
    assert idle.interest == pytest.approx(100_000 * ((1 + 0.05 / 365) ** 5 - 1))
    assert idle.getcash() == idle.getvalue() == pytest.approx(100_000 + idle.interest)
    short = play(free(cash_rate=0.05), prices, script=[(1, 0, -500, {})]).broker
    assert short.interest == pytest.approx(idle.interest)
    invested = play(free(cash_rate=0.05), prices, script=[(1, 0, 1000, {})]).broker
    assert 0 < invested.interest < 30
    owing = play(free(cash_rate=0.05, leverage=2), prices, script=[(1, 0, 1500, {})]).broker
    assert owing.interest == pytest.approx(100_000 * 0.05 / 365)  # one night before it bought


def test_interest_begins_on_its_day_and_has_the_rate_that_was_known_before_the_night():
    rates = CashRates({"2001-01-01": 0.01, "2001-01-04": 0.10})
    later = SimulatedBroker(free(cash_rate=rates), interest_from=date(2001, 1, 3))
    cash = 100_000 * (1 + 0.01 / 365) * (1 + 0.10 / 365) ** 2
    assert play(later, flat(*[100.0] * 6)).broker.getcash() == pytest.approx(cash)


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
