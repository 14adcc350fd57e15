"""The gate by hand: each limit's cut or refusal, told by its name and the offending value.

That no advice breaches any of them is in ``test_gate_properties``.
"""

import math
from dataclasses import replace

import pytest

from llm_strategy.costs.costs import Costs
from llm_strategy.errors import ConfigurationError
from llm_strategy.risk import Account, Holding, Intent, Limits, Market, judge
from llm_strategy.risk.loss_limits import DailyLoss, KillSwitch, LosingStreak
from llm_strategy.types import Action, ActionType, Advice, ClampEvent, Constraints, Regime, RegimeLabel


def advice(action=ActionType.ENTER_LONG, confidence=0.5, **constraints):
    return Advice(
        "ABC", "1d", Regime(RegimeLabel.BULL), "Calm.", Action(action, confidence, Constraints(**constraints))
    )


def names(verdict):
    return [cut.limit for cut in verdict.clamps]


def test_every_cut_is_an_event_with_limit_before_and_after():
    limits = Limits(max_position_size=0.5, max_risk_per_trade=0.02, gap_buffer=0.02)
    verdict = judge(
        advice(max_position_size=0.9, stop_loss_pct=0.5, take_profit_pct=5.0),
        Market(100),
        Account(10_000, 10_000),
        limits,
    )
    cuts = {cut.limit: (cut.before, cut.after) for cut in verdict.clamps}
    assert cuts["max_stop_pct"] == (0.5, 0.20)
    assert cuts["max_target_pct"] == (5.0, 1.0)
    assert cuts["max_position_size"] == (0.9, 0.5)
    assert cuts["max_risk_per_trade"] == (pytest.approx(0.5 * 1e4 / 102), pytest.approx(200 / 10))
    assert verdict.size == 8  # times 0.08 / 0.20, the usual stop over the one that was asked for


def test_a_stop_too_close_is_widened_and_the_size_cut_so_that_the_loss_is_what_was_asked_for():
    limits = Limits(max_position_size=1, max_risk_per_trade=1, gap_buffer=0, lot_step=0.001)
    verdict = judge(advice(max_position_size=0.8, stop_loss_pct=0.002), Market(10), Account(10_000, 10_000), limits)
    assert verdict.stop_pct == 0.01
    assert verdict.size * 10 * verdict.stop_pct == pytest.approx(10_000 * 0.8 * 0.002)
    assert "min_stop_pct" in names(verdict)


CALM = Account(1e4, 1e4)
SHORT = advice(ActionType.ENTER_SHORT)


@pytest.mark.parametrize(
    ("said", "account", "limits", "limit", "value"),
    [
        (SHORT, CALM, Limits(), "allow_short", 1),
        (advice(confidence=0.3), CALM, Limits(min_confidence=0.5), "min_confidence", 0.3),
        (advice(confidence=math.nan), CALM, Limits(), "min_confidence", 0),
        (advice(), replace(CALM, bars_since_stop=2), Limits(cooldown_bars=5), "cooldown_bars", 2),
        (advice(), replace(CALM, drawdown=0.3), Limits(max_drawdown=0.25), "max_drawdown", 0.3),
        (advice(), replace(CALM, daily_loss=0.06), Limits(max_daily_loss=0.05), "max_daily_loss", 0.06),
        (advice(), replace(CALM, entries_today=3), Limits(max_entries_per_day=3), "max_entries_per_day", 3),
        (advice(), replace(CALM, losing_streak=True), Limits(), "max_losing_streak", 1),
        (advice(), replace(CALM, others=(Holding("X", 5.0),)), Limits(max_positions=1), "max_positions", 1),
        (advice(take_profit_pct=0.04), CALM, Limits(min_reward_to_risk=1), "min_reward_to_risk", 0.5),
        (advice(), CALM, Limits(min_notional=5_000), "min_notional", 1_900),
        (advice(), Account(100, 100), Limits(), "lot_step", pytest.approx(20 / 102)),
        (advice(max_position_size=math.nan), CALM, Limits(), "constraints", 0),
        (advice(stop_loss_pct=-0.5), CALM, Limits(), "constraints", -0.5),
        (advice(take_profit_pct=0.0), CALM, Limits(), "constraints", 0),
        (advice(), Account(0, 0), Limits(), "equity", 0),
        (advice(), Account(-5, 10), Limits(), "equity", -5),
    ],
)
def test_a_refusal_names_its_limit_and_the_offending_value(said, account, limits, limit, value):
    verdict = judge(said, Market(100), account, limits)
    assert verdict.intent is Intent.NONE
    assert (verdict.clamps[-1].limit, verdict.clamps[-1].before) == (limit, value)
    assert verdict.reason.endswith(".")


def test_a_bar_without_trades_lets_nothing_in_and_a_feed_without_volume_everything():
    limits = Limits(max_participation=0.1)
    refused = judge(advice(), Market(100, volume=0.0), CALM, limits)
    assert refused.clamps == (ClampEvent("max_participation", 0.0, 0.0),)
    assert judge(advice(), Market(100), CALM, limits).size == 19


@pytest.mark.parametrize(
    ("market", "account", "changed", "limit", "size"),
    [
        ({}, {}, {"max_position_size": 0.5}, None, 50),
        ({}, {}, {"sizing": "equal_weight", "max_positions": 4}, None, 25),
        ({"volatility": 0.6}, {}, {"sizing": "volatility_target", "target_volatility": 0.15}, None, 25),
        ({"volatility": 0.01}, {}, {"sizing": "volatility_target"}, None, 100),
        ({}, {}, {"sizing": "volatility_target"}, None, 100),
        ({}, {}, {"max_risk_per_trade": 0.02}, "max_risk_per_trade", 25),
        ({}, {}, {"gap_buffer": 0.25}, None, 80),
        ({}, {"cash": 3_000}, {}, "cash", 30),
        ({}, {"cash": 3_000, "credit": 2_000}, {}, "cash", 50),
        ({"volume": 400}, {}, {"max_participation": 0.1}, "max_participation", 40),
        ({}, {}, {"lot_step": 30}, None, 90),
        ({}, {"others": (Holding("X", 4_000), Holding("Y", -3_000))}, {}, "max_gross_exposure", 30),
        ({}, {"others": (Holding("X", 4_000),)}, {"max_net_exposure": 0.6}, "max_net_exposure", 20),
        ({}, {"others": (Holding("X", -4_000),)}, {"max_gross_exposure": 2, "max_net_exposure": 0.6}, None, 100),
        ({}, {"others": (Holding("ABC", 1_000),)}, {"max_symbol_exposure": 0.3}, "max_symbol_exposure", 20),
        ({}, {"others": (Holding("X", 1_000),)}, {"max_symbol_exposure": 0.3}, "max_symbol_exposure", 30),
        ({}, {"others": (Holding("X", -2_000, "tech"),)}, {"max_group_exposure": 0.5}, "max_group_exposure", 30),
        ({}, {"others": (Holding("X", 2_000, "oil"),)}, {"max_group_exposure": 0.5}, "max_group_exposure", 50),
        (
            {},
            {"others": (Holding("X", 2_000, "", 0.8),)},
            {"max_correlated_exposure": 0.5},
            "max_correlated_exposure",
            30,
        ),
        (
            {},
            {"others": (Holding("X", 2_000, "", 0.6),)},
            {"max_correlated_exposure": 0.5},
            "max_correlated_exposure",
            50,
        ),
        (
            {},
            {"others": (Holding("X", -2_000, "", 0.8),)},
            {"max_correlated_exposure": 0.5},
            "max_correlated_exposure",
            50,
        ),
        (
            {},
            {"others": (Holding("X", -2_000, "", -0.8),)},
            {"max_correlated_exposure": 0.5},
            "max_correlated_exposure",
            30,
        ),
        ({"costs": Costs(commission_bps=0, slippage_bps=0, commission_per_trade=100)}, {}, {}, "cash", 99),
        ({"costs": Costs(commission_bps=0, slippage_bps=1000)}, {}, {}, None, 90),
    ],
)
def test_each_limit_cuts_the_size_by_hand(market, account, changed, limit, size):
    open_limits = {"max_position_size": 1.0, "max_risk_per_trade": 1.0, "gap_buffer": 0.0, "max_participation": 1.0}
    settings = Limits(**open_limits | changed)
    verdict = judge(
        advice(),
        Market(100, **market),
        Account(**{"equity": 1e4, "cash": 1e4, "symbol": "ABC", "group": "tech"} | account),
        settings,
    )
    assert verdict.size == size
    assert limit is None or names(verdict)[-1] == limit


@pytest.mark.parametrize(
    ("asked", "changed", "stop"),
    [
        (None, {}, 0.08),
        (None, {"stop_loss_atr": 3.0}, 0.06),
        (0.5, {}, 0.2),
        (0.5, {"max_stop_atr": 5.0}, 0.1),
        (0.001, {}, 0.01),
        (0.001, {"min_stop_atr": 1.5}, 0.03),
        (0.05, {"min_stop_atr": 4.0, "max_stop_atr": 4.0}, 0.08),
        (0.05, {"min_stop_atr": 20.0}, 0.2),
    ],
)
def test_the_stop_stays_between_its_bounds_the_tighter_one_of_percent_and_range(asked, changed, stop):
    verdict = judge(
        advice(stop_loss_pct=asked), Market(100, average_range=2.0), CALM, Limits(lot_step=0.001, **changed)
    )
    assert verdict.stop_pct == pytest.approx(stop)


def test_a_loss_at_the_stop_counts_slippage_on_both_fills_fees_and_the_gap():
    limits = Limits(max_position_size=1, max_risk_per_trade=0.02, stop_loss_pct=0.1, gap_buffer=0.05, lot_step=0.001)
    costs = Costs(commission_bps=0, slippage_bps=100, commission_per_trade=5)
    size = judge(advice(), Market(100, costs), CALM, limits).size
    bought, sold = 101, 101 * 0.9
    assert size == pytest.approx((200 - 10) / (bought * 0.15 + sold * 0.01), abs=0.001)


@pytest.mark.parametrize("asked", [0.02, 0.2])
def test_asking_for_another_stop_buys_neither_more_shares_nor_a_larger_loss(asked):
    for risk in (1.0, 0.01):
        limits = Limits(max_position_size=0.5, max_risk_per_trade=risk, gap_buffer=0, lot_step=0.001)
        plain, other = (judge(said, Market(100), CALM, limits) for said in (advice(), advice(stop_loss_pct=asked)))
        assert other.stop_pct == asked
        assert other.size <= plain.size
        assert other.size * other.stop_pct <= plain.size * plain.stop_pct + 1e-3


HELD = Account(1e4, 5e3, position=10, stop_price=92.0, stop_pct=0.08, bars_held=4)


@pytest.mark.parametrize(
    ("account", "said", "price", "changed", "stop"),
    [
        (HELD, advice(stop_loss_pct=0.05), 100, {}, 95.0),
        (HELD, advice(stop_loss_pct=0.15), 100, {}, None),
        (HELD, advice(stop_loss_pct=math.nan), 100, {}, None),
        (HELD, advice(stop_loss_pct=1e-9), 100, {}, 99.0),
        (HELD, advice(ActionType.HOLD, stop_loss_pct=0.05), 100, {}, None),
        (HELD, None, 110, {"trailing_stop": True}, 101.2),
        (HELD, None, 99, {"trailing_stop": True}, None),
        (
            replace(HELD, position=-10, stop_price=108.0),
            advice(ActionType.ENTER_SHORT, stop_loss_pct=0.05),
            100,
            {},
            105.0,
        ),
        (replace(HELD, position=-10, stop_price=108.0), None, 90, {"trailing_stop": True}, 97.2),
    ],
)
def test_a_live_stop_only_ever_comes_closer(account, said, price, changed, stop):
    verdict = judge(said, Market(price), account, Limits(allow_short=True, **changed))
    assert verdict.intent is (Intent.NONE if stop is None else Intent.TIGHTEN)
    assert verdict.stop_price == (None if stop is None else pytest.approx(stop))


def test_holding_times_hold_an_exit_back_or_force_it():
    leave = advice(ActionType.EXIT)
    kept = judge(leave, Market(100), HELD, Limits(min_holding_bars=5))
    assert (kept.intent, kept.clamps) == (Intent.NONE, (ClampEvent("min_holding_bars", 4.0, 5.0),))
    assert judge(leave, Market(100), replace(HELD, bars_held=5), Limits(min_holding_bars=5)).intent is Intent.EXIT
    forced = judge(None, Market(100), HELD, Limits(max_holding_bars=4))
    assert (forced.intent, forced.clamps) == (Intent.EXIT, (ClampEvent("max_holding_bars", 4.0, 4.0),))
    killed = judge(None, Market(100), replace(HELD, killed=True), Limits(min_holding_bars=50))
    assert killed.intent is Intent.EXIT


@pytest.mark.parametrize(
    ("said", "intent"),
    [(advice(ActionType.EXIT), Intent.EXIT), (SHORT, Intent.EXIT), (advice(), Intent.NONE), (None, Intent.NONE)],
)
def test_an_entry_that_waits_is_withdrawn_by_an_exit_and_not_doubled(said, intent):
    assert judge(said, Market(100), Account(1e4, 1e4, entering=10), Limits(allow_short=True)).intent is intent


def test_the_loss_of_a_day_counts_from_the_last_close_of_the_day_before():
    day = DailyLoss()
    seen = []
    for date, equity in ((1, 100), (1, 90), (2, 81), (2, 99), (3, 99)):
        day.update(date, equity)
        day.entries += 1
        seen.append((round(day.loss, 6), day.entries))
    assert seen == [(0, 1), (0.1, 2), (0.1, 1), (0, 2), (0, 1)]


def test_a_losing_streak_pauses_for_its_bars_and_counts_anew():
    streak = LosingStreak(2, 3)
    paused = []
    for net in (-1, 1, -1, -1, None, None, None, -1):
        if net is not None:
            streak.closed(net)
        streak.update()
        paused.append(streak.paused)
    assert paused == [False, False, False, True, True, True, False, False]
    never = LosingStreak(None, 3)
    for _ in range(50):
        never.closed(-1)
        never.update()
    assert not never.paused


def test_positions_are_closed_before_the_side_changes():
    verdict = judge(advice(ActionType.ENTER_SHORT), Market(100), Account(1e4, 0, position=10), Limits(allow_short=True))
    assert verdict.intent is Intent.EXIT


def test_a_position_is_not_added_to():
    assert judge(advice(), Market(100), Account(1e4, 5e3, position=10), Limits()).intent is Intent.NONE


def test_the_kill_switch_closes_without_any_advice():
    verdict = judge(None, Market(100), Account(1e4, 0, position=10, killed=True), Limits())
    assert verdict.intent is Intent.EXIT


def test_the_kill_switch_fires_stays_and_rearms_at_a_new_peak():
    switch = KillSwitch(0.2, rearm_after_bars=3)
    states = []
    for equity in (100, 110, 87, 87, 87, 87, 86, 60):
        switch.update(equity)
        states.append(switch.killed)
    assert states == [False, False, True, True, True, True, False, True]
    never = KillSwitch(0.2, rearm_after_bars=None)
    for equity in (100, 70, *[200] * 500):
        never.update(equity)
    assert never.killed


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_position_size": -0.1},
        {"max_position_size": 1.5},
        {"max_position_size": math.nan},
        {"max_position_size": 0},
        {"max_risk_per_trade": 2},
        {"min_stop_pct": 0.5},
        {"stop_loss_pct": 0.5},
        {"max_stop_pct": 1.0},
        {"min_target_pct": 2.0},
        {"take_profit_pct": 0.001},
        {"lot_step": 0},
        {"max_drawdown": 0},
        {"gap_buffer": 1.2},
    ],
)
def test_impossible_limits_are_refused_by_name(wrong):
    with pytest.raises(ConfigurationError, match=r"^risk\.") as caught:
        Limits(**wrong)
    assert str(caught.value).count("\n") == 0


def test_a_wider_stop_cuts_the_size_that_the_other_limits_left():
    limits = Limits(max_position_size=1, max_risk_per_trade=1, max_symbol_exposure=0.3, gap_buffer=0, lot_step=0.001)
    plain, wide = (judge(said, Market(100), CALM, limits) for said in (advice(), advice(stop_loss_pct=0.16)))
    assert (plain.size, wide.size) == (30, 15)
