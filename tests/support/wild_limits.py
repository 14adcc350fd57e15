"""Legal limits, costs and order rules, each setting drawn on and off."""

from __future__ import annotations

from itertools import count

from hypothesis import strategies as st

from llm_strategy.costs.costs import CommissionTier, Costs
from llm_strategy.risk import Limits
from llm_strategy.trading.orders import OrderRules


def _chooser(draw):
    """Takes the first of some values, the harmless one, but for a few settings that are drawn from all of them."""
    drawn = draw(st.sets(st.integers(0, 32), max_size=14))
    numbers = count()

    def one(*values):
        return draw(st.sampled_from(values)) if next(numbers) in drawn else values[0]

    return one


@st.composite
def legal_limits(draw, leverage=2.5):
    """Limits that do not contradict each other, each one drawn on and off, for a broker of this leverage."""

    one = _chooser(draw)

    nearest, farthest = one(0.01, 0.001, 0.05), one(0.2, 0.08, 0.95)
    stop = one(0.08, 0.05, farthest)
    low_atr, high_atr = one(None, 0.5, 2.0), one(None, 2.0, 6.0)
    stop_atr = one(None, 2.0)
    target, reward = one(None, 0.02, 0.1, 1.0), one(0.0, 0.5, 2.0)
    if target is not None and stop_atr is None:
        reward = min(reward, target / stop)
    gross = min(leverage, one(1.0, 0.4, 2.5))
    shortest, longest = one(0, 3), one(None, 3, 7)
    return Limits(
        max_position_size=one(0.55, 1.0, 0.2, 0.05),
        sizing=one("fixed_fraction", "equal_weight", "volatility_target"),
        target_volatility=one(0.15, 0.6),
        max_risk_per_trade=one(1.0, 0.02, 0.1),
        stop_loss_pct=stop,
        stop_loss_atr=stop_atr,
        min_stop_pct=nearest,
        max_stop_pct=farthest,
        min_stop_atr=low_atr,
        max_stop_atr=high_atr,
        trailing_stop=one(False, True),
        take_profit_pct=target,
        min_reward_to_risk=reward,
        min_confidence=one(0.0, 0.5),
        lot_step=one(0.001, 1.0, 100.0),
        min_notional=one(0.0, 500.0),
        max_participation=one(1.0, 0.1, 0.001),
        gap_buffer=one(0.02, 0.0, 0.2),
        max_gross_exposure=gross,
        max_net_exposure=one(None, gross, 0.5 * gross),
        max_positions=one(20, 2, 1),
        max_symbol_exposure=one(None, 0.3),
        max_group_exposure=one(None, 0.3, 0.7),
        max_correlated_exposure=one(None, 0.3, 0.7),
        correlation_threshold=one(0.7, 0.0, 0.3),
        allow_short=one(True, False),
        max_drawdown=one(1.0, 0.25, 0.02),
        rearm_after_bars=one(None, 1, 4),
        max_daily_loss=one(None, 0.05, 0.005),
        max_losing_streak=one(None, 6, 1),
        losing_streak_bars=one(3, 0, 20),
        cooldown_bars=one(0, 1, 5),
        max_entries_per_day=one(None, 20, 1),
        min_holding_bars=shortest,
        max_holding_bars=longest,
    )


@st.composite
def legal_costs(draw):
    """Costs with every item drawn on and off."""

    one = _chooser(draw)

    tiers = one((), (CommissionTier(0, 10), CommissionTier(5_000, 2)), (CommissionTier(0, 1), CommissionTier(2_000, 9)))
    return Costs(
        starting_cash=one(100_000.0, 10_000.0),
        commission_per_share=one(0.0, 0.005),
        commission_per_trade=one(0.0, 1.0),
        commission_bps=0.0 if tiers else one(0.0, 10.0, 100.0),
        commission_tiers=tiers,
        commission_minimum=one(0.0, 2.0),
        commission_maximum_bps=one(None, 100.0),
        slippage_bps=one(0.0, 5.0, 200.0),
        slippage_per_share=one(0.0, 0.01),
        slippage_volatility=one(0.0, 0.2),
        impact=one(0.0, 0.7),
        spread_bps=one(0.0, 20.0),
        borrow_rate=one(0.0, 0.5),
        financing_rate=one(0.0, 0.5),
        leverage=one(1.0, 2.0),
        max_fill_share=one(None, 0.1, 1e-5),
    )


market_rules = st.builds(OrderRules, entry_bars=st.sampled_from([1, 3]))
limit_rules = st.builds(
    OrderRules,
    entry=st.just("limit"),
    limit_offset_pct=st.sampled_from([0.005, 0.0, 0.05]),
    entry_bars=st.sampled_from([1, 4]),
)
