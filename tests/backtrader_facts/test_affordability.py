"""What backtrader's broker lets one afford: facts 9 to 11, each shown by the broker itself."""

import backtrader as bt
import pytest
from backtrader.brokers import BackBroker
from small_broker import fill_of, flat, play, status

MARKET, STOP, LIMIT = bt.Order.Market, bt.Order.Stop, bt.Order.Limit


def states(played):
    return [status(order) for order in played.orders]


def short_bracket(player):
    return player.sell_bracket(size=100, exectype=MARKET, stopprice=110, limitprice=95)


def long_exits(player):
    stop = player.sell(size=100, exectype=STOP, price=95)
    return [stop, player.sell(size=100, exectype=LIMIT, price=110, oco=stop)]


def long_bracket(player):
    return player.buy_bracket(size=100, exectype=MARKET, stopprice=95, limitprice=110)


def test_fact_09_a_short_bracket_near_full_cash_is_cancelled_whole():
    bars = [*flat(100, bars=2), (100, 100, 94, 94)]
    assert states(play(bars, {0: short_bracket})) == ["Canceled", "Canceled", "Margin"]
    cured = play(bars, {0: short_bracket}, broker=BackBroker(checksubmit=False))
    assert states(cured) == ["Completed", "Canceled", "Completed"]


def test_fact_09_without_short_cash_a_long_near_full_cash_loses_its_exits():
    bars, steps = flat(100, bars=4), {0: lambda player: player.buy(size=100), 1: long_exits}
    unchecked = BackBroker(shortcash=False, checksubmit=False)
    played = play(bars, steps, broker=BackBroker(shortcash=False))
    assert states(played) == ["Completed", "Canceled", "Margin"]
    assert played.held[-1] == 100
    assert states(play(bars, steps, broker=unchecked)) == ["Completed", "Accepted", "Accepted"]


def test_fact_09_without_short_cash_a_long_bracket_near_full_cash_is_cancelled_whole():
    played = play(flat(100, bars=4), {0: long_bracket}, broker=BackBroker(shortcash=False))
    assert states(played) == ["Canceled", "Canceled", "Margin"]


@pytest.mark.parametrize(("checked", "state", "held"), [(True, "Margin", -100), (False, "Completed", 0)])
def test_fact_09_a_short_that_lost_more_than_the_account_cannot_be_covered(checked, state, held):
    steps = {0: lambda player: player.sell(size=100), 2: lambda player: player.close()}
    played = play([*flat(100, bars=2), *flat(210, bars=2)], steps, broker=BackBroker(checksubmit=checked))
    assert (status(played.orders[1]), played.held[-1]) == (state, held)


def test_fact_09_the_cash_check_at_the_fill_of_an_opening_order_remains():
    broker = BackBroker(checksubmit=False)
    played = play([*flat(100), *flat(101)], {0: lambda player: player.buy(size=100)}, broker=broker)
    assert states(played) == ["Margin"]


def test_fact_10_short_proceeds_are_credited_without_limit():
    played = play(flat(100, bars=2), {0: lambda player: player.sell(size=100_000)}, broker=BackBroker(cash=10_000))
    assert fill_of(played.orders[0]) == (1, -100_000, 100)
    assert played.cash[-1] == 10_010_000


def test_fact_10_there_is_no_margin_call():
    bars = [*flat(100, bars=2), *flat(200, bars=3)]
    played = play(bars, {0: lambda player: player.sell(size=1_000)}, broker=BackBroker(cash=10_000))
    assert played.held[-1] == -1_000
    assert played.broker.getvalue() == -90_000


def test_fact_11_a_reversal_in_one_order_can_end_as_margin_with_fills():
    steps = {0: lambda player: player.sell(size=50), 1: lambda player: player.buy(size=150)}
    played = play([*flat(100, bars=2), *flat(101, bars=2)], steps)
    reversal = played.orders[1]
    assert played.heard_of(reversal) == ["Submitted", "Accepted", "Partial", "Margin"]
    assert fill_of(reversal) == (2, 50, 101)
    assert played.held[-1] == 0


def test_fact_11_closing_first_and_opening_a_bar_later_goes_through():
    steps = {
        0: lambda player: player.sell(size=50),
        1: lambda player: player.close(),
        2: lambda player: player.buy(size=98),
    }
    played = play([*flat(100, bars=2), *flat(101, bars=3)], steps)
    assert states(played) == ["Completed"] * 3
    assert played.held[-1] == 98
