"""What backtrader's broker does when it fills: facts 1 to 8, each shown by the broker itself."""

import math

import backtrader as bt
import pytest
from backtrader.brokers import BackBroker
from small_broker import fill_of, flat, play, status

MARKET = bt.Order.Market


def buy(size):
    return lambda player: player.buy(size=size)


def bought_bracket(player):
    """100 shares at the market, a stop at 95 and a target at 110."""
    return player.buy_bracket(size=100, exectype=MARKET, stopprice=95, limitprice=110)


def test_fact_01_an_order_decided_at_a_close_fills_at_the_next_open():
    played = play([*flat(100), (103, 105, 102, 104)], {0: buy(10)})
    assert fill_of(played.orders[0]) == (1, 10, 103)


@pytest.mark.parametrize("checked", [True, False])
def test_fact_01_all_in_before_a_gap_up_ends_as_margin_never_as_a_smaller_fill(checked):
    played = play([*flat(100), *flat(101)], {0: buy(100)}, broker=BackBroker(cash=10_000, checksubmit=checked))
    assert status(played.orders[0]) == "Margin"
    assert (played.orders[0].executed.size, played.cash[-1]) == (0, 10_000)


@pytest.mark.parametrize("checked", [True, False])
def test_fact_01_all_in_with_any_commission_ends_as_margin(checked):
    broker = BackBroker(cash=10_000, checksubmit=checked)
    broker.setcommission(commission=0.0001)
    played = play(flat(100, bars=3), {0: buy(100)}, broker=broker)
    assert status(played.orders[0]) == "Margin"
    assert (played.orders[0].executed.size, played.cash[-1]) == (0, 10_000)


def test_fact_01_a_size_that_foresees_gap_and_commission_fills():
    broker = BackBroker(cash=10_000)
    broker.setcommission(commission=0.001)
    size = int(10_000 / (100 * 1.02 * 1.001))
    played = play([*flat(100), *flat(102)], {0: buy(size)}, broker=broker)
    assert fill_of(played.orders[0]) == (1, 97, 102)


def test_fact_02_a_gap_through_a_stop_fills_at_the_open():
    steps = {0: buy(10), 1: lambda player: player.sell(size=10, exectype=bt.Order.Stop, price=95)}
    played = play([*flat(100, bars=2), (90, 97, 85, 96)], steps)
    assert fill_of(played.orders[1]) == (2, -10, 90)


@pytest.mark.parametrize("opened", [100, 112], ids=["opened between them", "opened beyond the target"])
def test_fact_03_stop_and_target_in_one_bar_the_stop_wins(opened):
    played = play([*flat(100, bars=2), (opened, 115, 90, 100)], {0: bought_bracket})
    _, stop, target = played.orders
    assert fill_of(stop) == (2, -100, 95)
    assert status(target) == "Canceled"


def test_fact_03_the_stop_wins_only_because_it_was_sent_first():
    def target_first(player):
        target = player.sell(size=100, exectype=bt.Order.Limit, price=110)
        return [target, player.sell(size=100, exectype=bt.Order.Stop, price=95, oco=target)]

    played = play([*flat(100, bars=2), (100, 115, 90, 100)], {0: buy(100), 1: target_first})
    _, target, stop = played.orders
    assert fill_of(target) == (2, -100, 110)
    assert status(stop) == "Canceled"


def test_fact_04_the_bar_of_the_entry_cannot_stop_the_entry():
    played = play([*flat(100), (100, 100, 80, 99), *flat(99), (99, 99, 94, 97)], {0: bought_bracket})
    entry, stop, _ = played.orders
    assert fill_of(entry) == (1, 100, 100)
    assert played.held == [0, 100, 100, 0]
    assert fill_of(stop) == (3, -100, 95)


def test_fact_04_a_stop_sent_at_the_fill_is_live_as_early_as_a_child_of_a_bracket():
    def protect(player, order):
        if order.isbuy() and order.status == bt.Order.Completed:
            player.keep(player.sell(size=100, exectype=bt.Order.Stop, price=95))

    bars = [*flat(100), (100, 100, 80, 99), (99, 99, 94, 97)]
    child = play(bars, {0: bought_bracket}).orders[1]
    sent_at_the_fill = play(bars, {0: buy(100)}, on_order=protect).orders[1]
    assert fill_of(sent_at_the_fill) == fill_of(child) == (2, -100, 95)


def test_fact_05_a_bracket_filled_in_part_stands_unprotected():
    broker = BackBroker(cash=10_000, filler=bt.fillers.FixedBarPerc(perc=10))
    bars = [(100, 100, 100, 100, 100)] * 3 + [(80, 80, 80, 80, 100)] * 3
    played = play(bars, {0: bought_bracket}, broker=broker)
    entry, stop, _ = played.orders
    assert played.held == [0, 10, 20, 30, 40, 50]
    assert status(entry) == "Partial"
    assert (status(stop), stop.executed.size) == ("Accepted", 0)


def test_fact_05_without_a_filler_any_size_fills_on_any_volume():
    played = play([(100, 100, 100, 100, 1_000)] * 2, {0: buy(100_000)}, broker=BackBroker(cash=1e8))
    assert fill_of(played.orders[0]) == (1, 100_000, 100)


def test_fact_06_cheat_on_close_fills_at_the_old_close_and_back_dates_it():
    played = play([*flat(100), *flat(120)], {0: buy(10)}, broker=BackBroker(coc=True))
    assert fill_of(played.orders[0]) == (0, 10, 100)
    assert played.held == [0, 10]


def test_fact_07_slip_open_is_off_by_parameter_and_on_by_the_setter():
    bars = [*flat(100), (100, 105, 95, 100)]
    by_setter = BackBroker()
    by_setter.set_slippage_perc(0.01)
    assert fill_of(play(bars, {0: buy(10)}, broker=BackBroker(slip_perc=0.01)).orders[0]) == (1, 10, 100)
    assert fill_of(play(bars, {0: buy(10)}, broker=by_setter).orders[0]) == (1, 10, 101)


def test_fact_07_by_parameter_a_stop_within_the_bar_slips_all_the_same():
    steps = {0: buy(10), 1: lambda player: player.sell(size=10, exectype=bt.Order.Stop, price=95)}
    played = play([*flat(100, bars=2), (100, 100, 90, 92)], steps, broker=BackBroker(slip_perc=0.01))
    assert fill_of(played.orders[1]) == (2, -10, pytest.approx(94.05))


def test_fact_07_a_slipped_fill_stays_within_the_bar():
    broker = BackBroker()
    broker.set_slippage_perc(0.01)
    played = play([*flat(100), (100, 100.5, 99, 100)], {0: buy(10)}, broker=broker)
    assert fill_of(played.orders[0]) == (1, 10, 100.5)


def test_fact_07_a_limit_filled_within_the_bar_does_not_slip():
    broker = BackBroker()
    broker.set_slippage_perc(0.01)
    steps = {0: lambda player: player.buy(size=10, exectype=bt.Order.Limit, price=95)}
    played = play([*flat(100), (100, 100, 90, 92)], steps, broker=broker)
    assert fill_of(played.orders[0]) == (1, 10, 95)


def test_fact_08_an_open_that_is_no_number_fills_and_poisons_the_cash():
    played = play([*flat(100), (math.nan, 101, 99, 100), *flat(100)], {0: buy(10)})
    assert status(played.orders[0]) == "Completed"
    assert math.isnan(played.orders[0].executed.price)
    assert math.isnan(played.cash[-1])
    assert math.isnan(played.broker.getvalue())
