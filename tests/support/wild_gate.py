"""Arbitrary questions to the gate alone: any advice, any market, any account, any legal limits."""

from __future__ import annotations

from hypothesis import strategies as st
from wild_answers import anything, sane_wishes, wishes
from wild_limits import legal_costs, legal_limits

from llm_strategy.risk import Account, Holding, Market
from llm_strategy.types import Action, ActionType, Advice, Constraints, Regime, RegimeLabel

NOTHING = Constraints()


def advice(action=ActionType.ENTER_LONG, confidence=1.0, wanted=NOTHING):
    """A plain advice."""
    return Advice("ABC", "1d", Regime(RegimeLabel.BULL), "Calm.", Action(action, confidence, wanted))


any_advice = st.none() | st.builds(
    advice, st.sampled_from(ActionType), st.floats(), st.just(NOTHING) | sane_wishes | wishes
)
entries = st.builds(advice, st.sampled_from([ActionType.ENTER_LONG, ActionType.ENTER_SHORT]))
wished = sane_wishes | st.builds(Constraints, anything, st.none(), st.none())

_volumes = st.none() | st.floats(1, 1e10) | st.just(0.0)


@st.composite
def markets(draw):
    """A symbol at a close, with the costs of a fill."""
    price = draw(st.floats(1e-4, 1e6))
    volume = draw(_volumes)
    moves = draw(st.floats(0, 0.2))
    ranged = draw(st.none() | st.floats(0, 0.5))
    return Market(
        price,
        draw(legal_costs()).at_bar(volume, moves),
        volume,
        None if ranged is None else ranged * price,
        draw(st.none() | st.floats(0, 5)),
    )


holdings = st.builds(
    Holding,
    st.sampled_from(["ABC", "X", "Y"]),
    st.floats(-1e5, 1e5),
    st.sampled_from(["", "one", "two"]),
    st.floats(-1, 1),
)


@st.composite
def accounts(draw, free=False):
    """A book at a close; a ``free`` one holds and awaits nothing in this symbol and is under no ban."""
    equity = draw(st.floats(0, 1e9) | st.floats(1e4, 1e6))
    plain = Account(
        equity,
        cash=draw(st.just(equity) | st.floats(-1e6, 1e9)),
        symbol="ABC",
        group=draw(st.sampled_from(["", "one"])),
        others=tuple(draw(st.lists(holdings, max_size=3))),
        credit=draw(st.just(0.0) | st.floats(0, 1e6)),
    )
    if free:
        return plain
    position = draw(st.just(0.0) | st.floats(-1e6, 1e6))
    return Account(
        plain.equity,
        plain.cash,
        position=position,
        entering=0.0 if position else draw(st.just(0.0) | st.floats(-1e6, 1e6)),
        stop_price=draw(st.none() | st.floats(1e-6, 1e6)) if position else None,
        stop_pct=draw(st.floats(0.001, 0.9)) if position else None,
        bars_held=draw(st.integers(0, 20)) if position else None,
        symbol=plain.symbol,
        group=plain.group,
        others=plain.others,
        credit=plain.credit,
        drawdown=draw(st.just(0.0) | st.floats(0, 1)),
        killed=draw(st.booleans()),
        bars_since_stop=draw(st.none() | st.integers(0, 20)),
        daily_loss=draw(st.just(0.0) | st.floats(0, 1)),
        entries_today=draw(st.integers(0, 30)),
        losing_streak=draw(st.booleans()),
    )


TIGHTER = {
    "max_position_size": -1,
    "max_risk_per_trade": -1,
    "min_confidence": 1,
    "min_notional": 1,
    "max_participation": -1,
    "gap_buffer": 1,
    "max_gross_exposure": -1,
    "max_net_exposure": -1,
    "max_positions": -1,
    "max_symbol_exposure": -1,
    "max_group_exposure": -1,
    "max_correlated_exposure": -1,
    "correlation_threshold": -1,
    "allow_short": -1,
    "max_drawdown": -1,
    "max_daily_loss": -1,
    "max_entries_per_day": -1,
    "cooldown_bars": 1,
    "min_reward_to_risk": 1,
    "target_volatility": -1,
}
"""The direction in which each limit tightens; switching a limit on tightens it."""


@st.composite
def tightened(draw):
    """The name of a limit, limits, and the same limits with another value of that one."""
    name = draw(st.sampled_from(sorted(TIGHTER)))
    limits, other = draw(legal_limits()), draw(legal_limits())
    return name, limits, getattr(other, name)
