"""How backtrader's orders live and end: facts 12 to 19, each shown by the broker itself."""

from datetime import timedelta

import backtrader as bt
import pytest
from backtrader.brokers import BackBroker
from small_broker import FIRST_DAY, fill_of, flat, play, status

MARKET, STOP, LIMIT = bt.Order.Market, bt.Order.Stop, bt.Order.Limit


def buy(size):
    return lambda player: player.buy(size=size)


def bought_bracket(player):
    return player.buy_bracket(size=100, exectype=MARKET, stopprice=95, limitprice=110)


def test_fact_12_these_are_the_states():
    assert bt.Order.Status == [
        "Created",
        "Submitted",
        "Accepted",
        "Partial",
        "Completed",
        "Canceled",
        "Expired",
        "Margin",
        "Rejected",
    ]


@pytest.mark.parametrize(
    ("checked", "announced"),
    [(True, ["Submitted", "Accepted", "Completed"]), (False, ["Accepted", "Completed"])],
    ids=["with the check at submission", "without it"],
)
def test_fact_12_all_states_arrive_together_before_the_next_close(checked, announced):
    played = play(flat(100, bars=2), {0: buy(10)}, broker=BackBroker(checksubmit=checked))
    ref = played.orders[0].ref
    assert played.story == ["close of bar 0", *((ref, state) for state in announced), "close of bar 1"]


def test_fact_12_a_child_whose_parent_is_gone_is_rejected():
    steps = {
        0: lambda player: player.buy(size=1, exectype=LIMIT, price=90),
        1: lambda player: player.cancel(player.orders[0]),
        2: lambda player: player.sell(size=1, exectype=STOP, price=80, parent=player.orders[0]),
    }
    played = play(flat(100, bars=4), steps)
    parent, _, child = played.orders
    assert played.heard_of(parent) == ["Submitted", "Accepted", "Canceled"]
    assert played.heard_of(child) == ["Rejected"]


def test_fact_13_closing_beside_a_live_bracket_leaves_a_stop_that_opens_a_short():
    steps = {0: bought_bracket, 2: lambda player: player.close()}
    played = play([*flat(100, bars=4), (100, 100, 90, 92)], steps)
    assert played.held == [0, 100, 100, 0, -100]


def test_fact_13_closing_twice_in_one_bar_opens_a_short():
    steps = {0: buy(100), 2: lambda player: [player.close(), player.close()]}
    assert play(flat(100, bars=4), steps).held == [0, 100, 100, -100]


def test_fact_13_cancelling_the_exits_before_closing_leaves_nothing_behind():
    def cancel_then_close(player):
        player.cancel(player.orders[1])
        return player.close()

    played = play([*flat(100, bars=4), (100, 115, 90, 92)], {0: bought_bracket, 2: cancel_then_close})
    assert played.held == [0, 100, 100, 0, 0]
    assert [status(order) for order in played.orders] == ["Completed", "Canceled", "Canceled", "Completed"]


@pytest.mark.parametrize(("checked", "state"), [(True, "Completed"), (False, "Canceled")])
def test_fact_14_cancelling_at_the_creation_works_only_without_the_check_at_submission(checked, state):
    def change_of_mind(player):
        order = player.buy(size=10)
        player.cancel(order)
        return order

    played = play(flat(100, bars=3), {0: change_of_mind}, broker=BackBroker(checksubmit=checked))
    assert status(played.orders[0]) == state


def limit_at_90(bars, valid):
    """A limit order at 90 that is sent at the first close; its state and the bar of its end."""
    played = play(bars, {0: lambda player: player.buy(size=10, exectype=LIMIT, price=90, valid=valid)})
    order = played.orders[0]
    return status(order), fill_of(order)[0]


REACHED_AT_ONCE = [*flat(100), (100, 100, 80, 85)]
REACHED_LATE = [*flat(100, bars=20), (100, 100, 80, 85)]


def test_fact_15_valid_as_a_number_expires_at_once():
    assert limit_at_90(REACHED_AT_ONCE, valid=10.0) == ("Expired", 1)


def test_fact_15_valid_as_zero_means_never():
    assert limit_at_90(REACHED_LATE, valid=0) == ("Completed", 20)


def test_fact_15_valid_for_the_day_expires_untried_on_daily_bars():
    assert limit_at_90(REACHED_AT_ONCE, valid=bt.Order.DAY) == ("Expired", 1)


@pytest.mark.parametrize("valid", [timedelta(days=1), FIRST_DAY + timedelta(days=1)])
def test_fact_15_expiry_comes_before_matching(valid):
    assert limit_at_90([*flat(100), (100, 100, 80, 85)], valid) == ("Completed", 1)
    assert limit_at_90([*flat(100, bars=2), (100, 100, 80, 85)], valid) == ("Expired", 2)


def test_fact_16_a_market_order_ignores_valid():
    yesterday = FIRST_DAY - timedelta(days=1)
    played = play(flat(100, bars=2), {0: lambda player: player.buy(size=10, valid=yesterday)})
    assert fill_of(played.orders[0]) == (1, 10, 100)


def test_fact_17_a_bracket_enters_by_limit_unless_told_otherwise_and_misses_a_gap_up():
    steps = {0: lambda player: player.buy_bracket(size=10, stopprice=95, limitprice=130)}
    played = play([*flat(100), *flat(105, bars=10)], steps)
    entry = played.orders[0]
    assert entry.exectype == LIMIT
    assert (status(entry), played.held[-1]) == ("Accepted", 0)


def test_fact_18_a_stop_on_the_wrong_side_is_accepted_and_fires_at_once():
    steps = {0: buy(10), 1: lambda player: player.sell(size=10, exectype=STOP, price=110)}
    played = play(flat(100, bars=3), steps)
    stop = played.orders[1]
    assert played.heard_of(stop) == ["Submitted", "Accepted", "Completed"]
    assert fill_of(stop) == (2, -10, 100)


@pytest.mark.parametrize(("checked", "state"), [(True, "Submitted"), (False, "Accepted")])
def test_fact_19_an_order_of_the_last_bar_stays_pending_unannounced(checked, state):
    played = play(flat(100, bars=3), {2: buy(10)}, broker=BackBroker(checksubmit=checked))
    assert status(played.orders[0]) == state
    assert played.heard_of(played.orders[0]) == []


def test_fact_19_an_open_position_is_not_closed_at_the_end():
    played = play(flat(100, bars=3), {0: buy(10)})
    assert played.position.size == 10
    assert played.closed_trades == []
