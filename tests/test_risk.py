"""The gate: for any advice whatever, size, loss at the stop, stop distance and cash stay within the limits."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_strategy.errors import ConfigurationError
from llm_strategy.kill_switch import KillSwitch
from llm_strategy.limits import Limits
from llm_strategy.risk import Account, Intent, Market, judge
from llm_strategy.types import Action, ActionType, Advice, Constraints, Regime, RegimeLabel

ENTRIES = (Intent.ENTER_LONG, Intent.ENTER_SHORT)


def advice(action=ActionType.ENTER_LONG, confidence=0.5, **constraints):
    return Advice(
        "ABC", "1d", Regime(RegimeLabel.BULL), "Calm.", Action(action, confidence, Constraints(**constraints))
    )


def names(verdict):
    return [cut.limit for cut in verdict.clamps]


anything = st.none() | st.floats() | st.sampled_from([0.0, -1.0, 1e-300, 1e300, math.nan, math.inf])
any_advice = st.none() | st.builds(
    Advice,
    symbol=st.just("ABC"),
    timeframe=st.just("1d"),
    regime=st.builds(Regime, st.sampled_from(RegimeLabel)),
    rationale=st.just("Calm."),
    action=st.builds(
        Action, st.sampled_from(ActionType), st.floats(), st.builds(Constraints, anything, anything, anything)
    ),
)
markets = st.builds(Market, st.floats(1e-4, 1e6), st.floats(0, 0.02), st.floats(0, 0.02))
accounts = st.builds(
    Account,
    equity=st.floats(0, 1e9),
    cash=st.floats(-1e6, 1e9),
    position=st.floats(-1e6, 1e6),
    other_exposure=st.floats(0, 1e9),
    drawdown=st.floats(0, 1),
    killed=st.booleans(),
    bars_since_stop=st.none() | st.integers(0, 20),
)
limits_strategy = st.builds(
    Limits,
    max_position_size=st.floats(0.01, 1),
    max_gross_exposure=st.floats(0.1, 3),
    max_risk_per_trade=st.floats(0.001, 1),
    stop_loss_pct=st.floats(0.05, 0.1),
    min_stop_pct=st.floats(0.001, 0.05),
    max_stop_pct=st.floats(0.1, 0.9),
    take_profit_pct=st.none() | st.floats(0.05, 0.5),
    min_confidence=st.floats(0, 1),
    max_drawdown=st.floats(0.05, 1),
    cooldown_bars=st.integers(0, 10),
    allow_short=st.booleans(),
    lot_step=st.sampled_from([1.0, 0.1, 0.001, 100.0]),
    gap_buffer=st.floats(0, 0.2),
)


@given(any_advice, markets, accounts, limits_strategy)
def test_no_advice_breaches_a_limit(said, market, account, limits):
    verdict = judge(said, market, account, limits)
    assert all(math.isfinite(cut.after) for cut in verdict.clamps)
    if verdict.intent not in ENTRIES:
        assert verdict.size == 0
        return
    dust = 1 + 1e-9
    worst = market.price * (1 + limits.gap_buffer) * (1 + market.slippage)
    value = verdict.size * worst
    assert verdict.size > 0
    assert value <= limits.max_position_size * account.equity * dust
    assert value + account.other_exposure <= limits.max_gross_exposure * account.equity * dust + 1e-6
    assert value * (1 + market.commission) <= account.cash * dust
    assert limits.min_stop_pct <= verdict.stop_pct <= limits.max_stop_pct
    assert value * (verdict.stop_pct + limits.gap_buffer) <= limits.max_risk_per_trade * account.equity * dust
    lots = verdict.size / limits.lot_step
    assert abs(lots - round(lots)) < 1e-6 * max(1, lots)
    assert not account.killed
    assert account.drawdown < limits.max_drawdown
    assert account.position == 0
    assert limits.allow_short or verdict.intent is Intent.ENTER_LONG
    assert said.action.confidence >= limits.min_confidence
    requested = said.action.constraints
    if requested.max_position_size is not None:
        assert value <= requested.max_position_size * account.equity * dust
    if requested.stop_loss_pct is not None and requested.max_position_size is not None:
        asked_loss = requested.max_position_size * requested.stop_loss_pct * account.equity
        assert value * verdict.stop_pct <= max(asked_loss, 0) * dust


@given(any_advice, markets, accounts, limits_strategy)
def test_the_gate_is_a_function(said, market, account, limits):
    assert judge(said, market, account, limits) == judge(said, market, account, limits)


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
    assert cuts["max_risk_per_trade"] == (0.5, pytest.approx(0.02 / 0.22))
    assert verdict.size == math.floor(10_000 * 0.02 / 0.22 / 102)


def test_a_stop_too_close_is_widened_and_the_size_cut_so_that_the_loss_is_what_was_asked_for():
    limits = Limits(max_position_size=1, max_risk_per_trade=1, gap_buffer=0, lot_step=0.001)
    verdict = judge(advice(max_position_size=0.8, stop_loss_pct=0.002), Market(10), Account(10_000, 10_000), limits)
    assert verdict.stop_pct == 0.01
    assert verdict.size * 10 * verdict.stop_pct == pytest.approx(10_000 * 0.8 * 0.002)
    assert "min_stop_pct" in names(verdict)


@pytest.mark.parametrize(
    ("said", "account", "limits", "limit"),
    [
        (advice(ActionType.ENTER_SHORT), Account(1e4, 1e4), Limits(), "allow_short"),
        (advice(confidence=0.3), Account(1e4, 1e4), Limits(min_confidence=0.5), "min_confidence"),
        (advice(confidence=math.nan), Account(1e4, 1e4), Limits(), "min_confidence"),
        (advice(), Account(1e4, 1e4, bars_since_stop=2), Limits(cooldown_bars=5), "cooldown_bars"),
        (advice(), Account(1e4, 1e4, drawdown=0.3), Limits(max_drawdown=0.25), "max_drawdown"),
        (advice(), Account(100, 100), Limits(), "lot_step"),
        (advice(max_position_size=math.nan), Account(1e4, 1e4), Limits(), "constraints"),
        (advice(), Account(0, 0), Limits(), "equity"),
    ],
)
def test_a_refusal_names_its_limit(said, account, limits, limit):
    verdict = judge(said, Market(100), account, limits)
    assert verdict.intent is Intent.NONE
    assert limit in names(verdict)
    assert verdict.reason


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
