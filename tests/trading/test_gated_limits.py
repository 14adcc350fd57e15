"""The limits of the gate around somebody else's strategy: kill switch, losses, pauses, caps and holding time."""

import backtrader as bt
import pandas as pd
import pytest
from gated_steps import WIDE, only_event, play
from small_broker import flat, table_of

from llm_strategy import Limits


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
