"""The gate around somebody else's strategy: what it cuts, what it refuses, and what it lets pass."""

import backtrader as bt
import pytest
from gated_steps import only_event, play
from small_broker import flat

from llm_strategy import Limits


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
