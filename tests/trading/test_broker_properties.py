"""Arbitrary orders under arbitrary costs: the books agree to a cent, and without ours it is backtrader's own broker."""

from collections import defaultdict

import backtrader as bt
import pandas as pd
import pytest
from broker_script import MODES, TYPES, play
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markets import random_prices

from llm_strategy.costs.costs import Costs
from llm_strategy.trading.broker import SimulatedBroker
from simulator.prices.load import Prices

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
