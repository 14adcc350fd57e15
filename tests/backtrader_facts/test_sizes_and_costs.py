"""How backtrader counts sizes and commissions: facts 20 to 22, each shown by the broker itself."""

import backtrader as bt
import pytest
from backtrader.brokers import BackBroker
from small_broker import fill_of, flat, play


def buy(size):
    return lambda player: player.buy(size=size)


def sell(size):
    return lambda player: player.sell(size=size)


def test_fact_20_fractional_sizes_fill():
    assert fill_of(play(flat(100, bars=2), {0: buy(0.25)}).orders[0]) == (1, 0.25, 100)


def test_fact_20_binary_dust_keeps_a_position_and_its_trade_open():
    played = play(flat(100, bars=5), {0: buy(0.1), 1: buy(0.2), 2: sell(0.3)})
    assert 0 < played.position.size < 1e-16
    assert played.position
    assert played.closed_trades == []


def test_fact_20_in_whole_lots_the_same_trade_closes():
    played = play(flat(100, bars=5), {0: buy(1), 1: buy(2), 2: sell(3)})
    assert not played.position
    assert len(played.closed_trades) == 1


@pytest.mark.parametrize(("price", "shares"), [(30_000, 0), (3_000, 1)])
def test_fact_20_an_order_for_a_percentage_is_cut_to_whole_shares(price, shares):
    half = {0: lambda player: player.order_target_percent(target=0.5)}
    assert play(flat(price, bars=2), half, broker=BackBroker(cash=10_000)).position.size == shares


def test_fact_21_a_size_of_zero_is_no_order():
    assert play(flat(100, bars=2), {0: buy(0)}).orders == [None]


def test_fact_21_a_negative_size_is_taken_for_a_positive_one():
    assert fill_of(play(flat(100, bars=2), {0: sell(-5)}).orders[0]) == (1, -5, 100)


def commission_on_a_thousand(broker):
    return play(flat(100, bars=2), {0: buy(10)}, broker=broker).orders[0].executed.comm


def test_fact_22_a_commission_of_one_tenth_is_ten_percent():
    broker = BackBroker()
    broker.setcommission(commission=0.1)
    assert commission_on_a_thousand(broker) == 100


def test_fact_22_in_a_bare_scheme_the_same_number_is_a_tenth_of_a_percent():
    broker = BackBroker()
    broker.addcommissioninfo(bt.CommInfoBase(commission=0.1))
    assert commission_on_a_thousand(broker) == pytest.approx(1)
