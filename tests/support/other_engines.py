"""One plan of signals, sizes and costs through three engines: ours, backtesting.py and vectorbt.

All access to our journal is in ``ours``; the other engines are told what was decided and what size was ordered, never
what was filled.
"""

import warnings
from dataclasses import dataclass
from typing import NamedTuple

import backtesting
import numpy as np
import pandas as pd
import vectorbt
from listed_advice import FREE, ROOMY, Listed, play

from llm_strategy import Costs
from llm_strategy.market.features import LONGEST_LOOKBACK
from llm_strategy.types import ActionType

LONG, SHORT, EXIT, HOLD = ActionType.ENTER_LONG, ActionType.ENTER_SHORT, ActionType.EXIT, ActionType.HOLD
FIRST = LONGEST_LOOKBACK - 1
"""Row of the first decision."""


class RoundTrip(NamedTuple):
    """Shares and currency; a position still open at the end has no exit."""

    side: str
    size: float
    entered: pd.Timestamp
    entry_price: float
    exited: pd.Timestamp | None
    exit_price: float | None


class Run(NamedTuple):
    """What an engine made of a plan: round trips, oldest first, and equity (currency) at each close."""

    trades: list[RoundTrip]
    equity: pd.Series


@dataclass(frozen=True)
class Plan:
    """What an engine is told. ``actions`` and ``sizes`` (shares) stand at the close at which they were decided."""

    table: pd.DataFrame
    actions: list[ActionType]
    sizes: list[float]
    costs: Costs
    stop_pct: float
    target_pct: float | None

    @property
    def bars(self):
        """The bars from the first decision on."""
        return self.table.iloc[FIRST:]


def ours(prices, actions, limits=ROOMY, costs=FREE):
    """Our whole path, and the plan that tells the other engines to do the same."""
    journal = play(prices, Listed(actions), limits, costs)
    trades = [
        RoundTrip(
            row.side,
            row.size,
            pd.Timestamp(row.entered),
            row.entry_price,
            None if row.exit_reason == "open" else pd.Timestamp(row.exited),
            None if row.exit_reason == "open" else row.exit_price,
        )
        for row in journal.trades
    ]
    equity = pd.Series({pd.Timestamp(row.time): row.equity for row in journal.equity})
    ordered = {pd.Timestamp(row.created): row.size for row in journal.orders if row.kind == "entry"}
    # Where our gate ordered nothing the size is 1, so that an entry of the other engine's own shows as a difference.
    sizes = [ordered.get(time, 1.0) for time in equity.index]
    actions = [*actions, *[HOLD] * len(sizes)][: len(sizes)]
    return Run(trades, equity), Plan(prices.table, actions, sizes, costs, limits.stop_loss_pct, limits.take_profit_pct)


class Follow(backtesting.Strategy):
    """Does what a plan says. With ``bracket`` the stop goes with the entry, measured from the close of the decision;
    without, it is set at the close of the entry's bar, measured from the fill. With ``reverse`` an opposite entry pays
    for the open position too."""

    plan: Plan = None
    bracket = False
    reverse = False

    def init(self):
        """Nothing to compute ahead."""

    def next(self):
        """One close."""
        step = len(self.data) - 2
        side = {LONG: 1, SHORT: -1}.get(self.plan.actions[step], 0)
        held = self.position.size
        for trade in self.trades:
            self._protect(trade)
        if held and (self.plan.actions[step] is EXIT or (side * held < 0 and not self.reverse)):
            self.position.close()
        elif side and side * held <= 0:
            stop = self.data.Close[-1] * (1 - side * self.plan.stop_pct) if self.bracket else None
            (self.buy if side > 0 else self.sell)(size=abs(held) + self.plan.sizes[step], sl=stop)

    def _protect(self, trade):
        side = 1 if trade.is_long else -1
        if trade.sl is None:
            trade.sl = trade.entry_price * (1 - side * self.plan.stop_pct)
            if self.plan.target_pct is not None:
                trade.tp = trade.entry_price * (1 + side * self.plan.target_pct)


def through_backtesting(plan, *, bracket=False, reverse=False):
    """The plan through backtesting.py: market orders at the next open, integer sizes, commission a fraction.

    Slippage becomes its ``spread``; for ``bracket`` and ``reverse`` see ``Follow``.
    """
    bars = plan.table.iloc[FIRST - 1 :].rename(columns=str.capitalize)  # it decides from its second bar on
    engine = backtesting.Backtest(
        bars,
        Follow,
        cash=plan.costs.starting_cash,
        commission=plan.costs.commission_bps / 1e4,
        spread=plan.costs.slippage_bps / 1e4,
    )
    with warnings.catch_warnings():  # the first is how our runs end too, the second the engine's own old spelling
        warnings.filterwarnings("ignore", "Some trades remain open", UserWarning)
        warnings.filterwarnings("ignore", "DatetimeIndex.dayofweek", DeprecationWarning, "backtesting")
        stats = engine.run(plan=plan, bracket=bracket, reverse=reverse)
    strategy = stats["_strategy"]
    trades = [
        RoundTrip(
            "long" if trade.is_long else "short",
            abs(trade.size),
            trade.entry_time,
            trade.entry_price,
            trade.exit_time,
            trade.exit_price,
        )
        for trade in [*strategy.closed_trades, *strategy.trades]
    ]
    return Run(trades, stats["_equity_curve"]["Equity"].iloc[1:])


def through_vectorbt(plan, **settings):
    """The plan through vectorbt; ``settings`` of ``Portfolio.from_signals`` replace those that match our rules.

    A signal stands at the bar of its fill. On the bar of an exit, vectorbt sees the open alone: by its own rule a stop
    inside the bar would come before the exit at the open.
    """
    bars = plan.bars
    due = np.array([HOLD, *plan.actions[:-1]], dtype=object)
    exits = due == EXIT
    matching = {
        "price": bars["open"],
        "high": bars["high"].mask(exits, bars["open"]),
        "low": bars["low"].mask(exits, bars["open"]),
        "sl_stop": plan.stop_pct,
        "tp_stop": np.nan if plan.target_pct is None else plan.target_pct,
        "stop_entry_price": "fillprice",
        "stop_exit_price": "stopmarket",
        "upon_opposite_entry": "close",
        "allow_partial": False,
    }
    portfolio = vectorbt.Portfolio.from_signals(
        bars["close"],
        entries=due == LONG,
        exits=exits,
        short_entries=due == SHORT,
        short_exits=exits,
        size=np.array([1.0, *plan.sizes[:-1]]),
        open=bars["open"],
        fees=plan.costs.commission_bps / 1e4,
        slippage=plan.costs.slippage_bps / 1e4,
        init_cash=plan.costs.starting_cash,
        **(matching | settings),
    )
    trades = []
    for row in portfolio.positions.records.itertuples():
        closed = row.status == 1
        trades.append(
            RoundTrip(
                "long" if row.direction == 0 else "short",
                row.size,
                bars.index[row.entry_idx],
                row.entry_price,
                bars.index[row.exit_idx] if closed else None,
                row.exit_price if closed else None,
            )
        )
    return Run(trades, portfolio.value())
