"""What an arm earned, risked, traded and paid, from its equity curve, trades and orders.

Fills are held against the price they were due at. Ratios are per bar inside and annualised with ``bars_per_year``;
returns are simple close-to-close returns of the account. What cannot be measured (no trades, a flat account, one bar, a
ruined account) is ``None``, never NaN.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from simulator.evaluation.cash import CashRate, cash_returns, interest_earned
from simulator.evaluation.slippage import slippage_of

Floats = NDArray[np.float64]

NOTHING = 1e-12
"""Below this a standard deviation of returns, or the value of a position, is binary dust."""
PENDING = frozenset({"created", "submitted", "accepted", "partial", "pending"})
"""Statuses of an order that the end of the data left open."""


@dataclass(frozen=True, slots=True)
class Performance:
    """Figures of an equity curve; fractions unless a field says otherwise."""

    total_return: float | None
    cagr: float | None
    """Compound annual growth rate."""
    volatility: float | None
    """Annual standard deviation of returns."""
    sharpe: float | None
    """Annual Sharpe ratio: mean over standard deviation of the returns over what cash earned."""
    sortino: float | None
    """As Sharpe, over the root mean square of the losing returns (target 0)."""
    max_drawdown: float | None
    """Largest loss from an earlier peak, positive."""
    drawdown_bars: int | None
    """Bars from that peak until it was reached again, or until the last bar."""
    calmar: float | None
    """CAGR over the largest drawdown."""
    exposure: float | None
    """Mean value of all positions, long and short added, over equity."""
    time_in_market: float | None
    """Share of bars that closed with a position."""


@dataclass(frozen=True, slots=True)
class Trading:
    """Figures of the round trips. ``trades`` counts all of them; profits and rates leave out those open at the end."""

    trades: int
    open_at_end: int
    open_profit: float | None
    """Of the trades open at the end, valued at their last close: currency, net of the commission paid so far."""
    closed_profit: float | None
    """Of all trades that ended, currency, net of commission."""
    hit_rate: float | None
    average_win: float | None
    """Currency, net of commission, as are the next ones."""
    average_loss: float | None
    """Currency, negative."""
    profit_factor: float | None
    """Sum of the wins over the sum of the losses."""
    worst_trade: float | None
    bars_held: float | None
    """Mean bars from entry to exit."""
    exits: dict[str, int]
    """Closed trades by what ended them, most frequent first."""
    stop_exits: int
    stop_planned_loss: float | None
    """Sum over the trades that a stop ended, currency, positive: what the stops allowed."""
    stop_realised_loss: float | None
    """The same sum as it came, before commission; a gap through a stop fills at the open."""
    stop_worst_overrun: float | None
    """Largest ratio of realised to planned loss."""
    entry_bar_breaches: int
    """Trades whose entry bar went through the stop, which the simulated broker cannot fill."""


@dataclass(frozen=True, slots=True)
class Dealing:
    """Figures of the orders."""

    turnover: float | None
    """Traded value a year over mean equity."""
    commission: float
    """Currency."""
    slippage: float | None
    """Currency: fills against the price they were due at. That is the open of the bar of the fill for market orders
    (where orders fill at the same close, the close at which they were sent), for stops their trigger or the open beyond
    it, for limits their price or the better open. An order that fills over several bars is measured at the last one."""
    slippage_bps: float | None
    """The same of market and stop fills, in basis points of their value at the price that they were due at."""
    without_slippage: float | None
    """Share of the market and stop fills that paid none."""
    carry: float
    """Paid for borrowed shares and borrowed cash, currency."""
    costs: float | None
    """Commission, slippage and carry, currency."""
    interest: float
    """Earned on cash, currency; no part of the costs."""
    cost_rate: float | None
    """Costs a year over mean equity."""
    pending: int
    """Orders that the last bar left open."""
    orders: dict[tuple[str, str], int]
    """Count by kind and final status."""


def returns(equity: pd.Series, cash_rate: CashRate = 0.0) -> Floats:
    """One simple return a bar after the first, over what cash earned meanwhile where that is given; empty for a ruined
    account (equity at or below zero), which has none."""
    values = equity.to_numpy(dtype=np.float64)
    if len(values) < 2 or values.min() <= 0:
        return np.empty(0)
    growth: Floats = values[1:] / values[:-1] - 1
    return growth - cash_returns(equity.index, cash_rate) if cash_rate else growth


def mean(values: Floats) -> float | None:
    """Arithmetic mean; ``None`` of no values."""
    return float(values.mean()) if len(values) else None


def volatility(bar_returns: Floats, per_year: float = 1) -> float | None:
    """Standard deviation of returns (one degree of freedom taken), ``per_year`` of which are a year."""
    return float(bar_returns.std(ddof=1)) * math.sqrt(per_year) if len(bar_returns) > 1 else None


def sharpe_ratio(bar_returns: Floats) -> float | None:
    """Mean over standard deviation, per bar."""
    spread = volatility(bar_returns)
    return None if spread is None or spread < NOTHING else float(bar_returns.mean()) / spread


def performance(equity: pd.DataFrame, bars_per_year: float, cash_rate: CashRate = 0.0) -> Performance:
    """Measure an equity table (``EQUITY_COLUMNS`` over time); ratios are of the returns over what cash earned."""
    values = equity["equity"].to_numpy(dtype=np.float64)
    bar_returns, excess = returns(equity["equity"]), returns(equity["equity"], cash_rate)
    year = math.sqrt(bars_per_year)
    ratio = sharpe_ratio(excess)
    growth = _annual_growth(values, bars_per_year)
    depth, length = _largest_drawdown(values)
    held = equity["gross"].to_numpy(dtype=np.float64)
    solvent = len(values) > 0 and values.min() > 0
    return Performance(
        total_return=float(values[-1] / values[0] - 1) if len(values) > 1 else None,
        cagr=growth,
        volatility=volatility(bar_returns, bars_per_year),
        sharpe=None if ratio is None else ratio * year,
        sortino=_sortino(excess, year),
        max_drawdown=depth,
        drawdown_bars=length,
        calmar=growth / depth if growth is not None and depth else None,
        exposure=float((held / values).mean()) if solvent else None,
        time_in_market=float((held > NOTHING).mean()) if len(held) else None,
    )


def trading(trades: pd.DataFrame) -> Trading:
    """Measure a table of round trips (``TRADE_COLUMNS``)."""
    closed = trades[trades["exit_reason"] != "open"]
    net = closed["net"].to_numpy(dtype=np.float64)
    wins, losses = net[net > 0], net[net < 0]
    stopped = closed[closed["exit_reason"] == "stop"]
    planned = np.abs(stopped["planned_loss"].to_numpy(dtype=np.float64))
    realised = -stopped["gross"].to_numpy(dtype=np.float64)
    known = planned > 0
    return Trading(
        trades=len(trades),
        open_at_end=len(trades) - len(closed),
        open_profit=float(trades["net"].sum() - net.sum()) if len(trades) > len(closed) else None,
        closed_profit=float(net.sum()) if len(net) else None,
        hit_rate=len(wins) / len(net) if len(net) else None,
        average_win=mean(wins),
        average_loss=mean(losses),
        profit_factor=float(wins.sum() / -losses.sum()) if len(losses) else None,
        worst_trade=float(net.min()) if len(net) else None,
        bars_held=mean(closed["bars_held"].to_numpy(dtype=np.float64)),
        exits={str(reason): int(count) for reason, count in closed["exit_reason"].value_counts().items()},
        stop_exits=len(stopped),
        stop_planned_loss=float(planned[known].sum()) if known.any() else None,
        stop_realised_loss=float(realised[known].sum()) if known.any() else None,
        stop_worst_overrun=float((realised[known] / planned[known]).max()) if known.any() else None,
        entry_bar_breaches=int((trades["entry_bar_breach"] == 1).sum()),
    )


def dealing(
    orders: pd.DataFrame,
    equity: pd.DataFrame,
    prices: Mapping[str, pd.DataFrame],
    bars_per_year: float,
    *,
    same_close: bool = False,
    cash_rate: CashRate = 0.0,
) -> Dealing:
    """Measure a table of orders (``ORDER_COLUMNS``) against the equity table and the prices, by symbol, of the run."""
    filled = orders[orders["filled"].astype(float).abs() > 0]
    traded = float((filled["filled"].astype(float).abs() * filled["fill_price"].astype(float)).sum())
    commission = float(orders["commission"].astype(float).sum())
    slipped = slippage_of(filled, prices, same_close=same_close)
    slippage = None if slipped is None else slipped.paid
    carry = float(equity["carry"].iloc[-1]) if len(equity) else 0.0
    costs = None if slippage is None else commission + slippage + carry
    mean_equity = float(equity["equity"].mean()) if len(equity) else 0.0
    scale = bars_per_year / (len(equity) - 1) / mean_equity if len(equity) > 1 and mean_equity > 0 else None
    statuses = orders["status"].astype(str).str.lower()
    return Dealing(
        turnover=None if scale is None else traded * scale,
        commission=commission,
        slippage=slippage,
        slippage_bps=None if slipped is None else slipped.bps,
        without_slippage=None if slipped is None else slipped.without,
        carry=carry,
        costs=costs,
        interest=interest_earned(equity, cash_rate),
        cost_rate=None if scale is None or costs is None else costs * scale,
        pending=int(statuses.isin(PENDING).sum()),
        orders=dict(sorted(Counter(zip(orders["kind"].astype(str), statuses, strict=True)).items())),
    )


def _annual_growth(values: Floats, bars_per_year: float) -> float | None:
    if len(values) < 2 or values[0] <= 0 or values[-1] <= 0:
        return None
    exponent = math.log(values[-1] / values[0]) * bars_per_year / (len(values) - 1)
    return math.expm1(exponent) if exponent < 100 else None  # minutes of data say nothing about a year


def _sortino(bar_returns: Floats, year: float) -> float | None:
    downside = math.sqrt(float(np.square(np.minimum(bar_returns, 0)).mean())) if len(bar_returns) else 0.0
    return float(bar_returns.mean()) / downside * year if downside > NOTHING else None


def _largest_drawdown(values: Floats) -> tuple[float | None, int | None]:
    """Depth as a positive fraction, and the bars from the peak to its recovery or to the end."""
    if len(values) < 2 or values[0] <= 0:
        return None, None
    peaks = np.maximum.accumulate(values)
    depths = 1 - values / peaks
    bottom = int(depths.argmax())
    if depths[bottom] <= NOTHING:
        return 0.0, 0
    peak = int(np.flatnonzero(values[: bottom + 1] == peaks[bottom])[-1])
    recovered = np.flatnonzero(values[bottom:] >= peaks[bottom])
    end = bottom + int(recovered[0]) if len(recovered) else len(values) - 1
    return float(depths[bottom]), end - peak


YEAR = pd.Timedelta(days=365.25)


def years_between(times: pd.Index) -> float:
    """Years from the first to the last of these times; 0 where there are less than two."""
    return float((times[-1] - times[0]) / YEAR) if len(times) > 1 else 0.0


def bars_per_year(times: pd.Index) -> float:
    """Bars a year of these times; 0 where there are less than two."""
    return (len(times) - 1) / years if (years := years_between(times)) else 0.0
