"""The accounts of a study in less time: what gate, orders and broker make of entries and exits, trade by trade.

Each entry is judged by the gate; fills, stops and costs are computed as the broker does it, so that an account is to
the last bit the one that it makes. Only long positions in one symbol under the usual limits, orders and costs are known
here. Each study trades the account of the rule in both ways and fails where they differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llm_strategy.risk import Account, Intent, Market, Verdict, judge
from llm_strategy.risk.loss_limits import LosingStreak
from llm_strategy.types import ActionType, Decision
from simulator.evaluation.metrics import Floats
from simulator.evaluation.placebo import Made, action_of
from simulator.runs.placebos.accounts import trade_again
from simulator.runs.simulation import Conditions


class _Bars(NamedTuple):
    """Prices and volumes from the first decision on."""

    opens: Floats
    lows: Floats
    highs: Floats
    closes: Floats
    volumes: Floats


def trade_long_only(conditions: Conditions, times: Sequence[str], made: Iterable[Made]) -> list[Floats]:
    """The equity (currency) at these closes (ISO 8601) of accounts that make these decisions at them."""
    (symbol,) = conditions.universe.symbols
    table = conditions.universe.market(symbol).table.iloc[-len(times) :]
    bars = _Bars(*(table[name].to_numpy(dtype=np.float64) for name in ("open", "low", "high", "close", "volume")))
    found = []
    for series in made:
        equity = _Account(conditions, bars, series[symbol]).trade()
        worst = float((1 - equity / np.maximum.accumulate(equity)).max())
        if worst >= conditions.limits.max_drawdown:  # the kill switch is the broker's matter
            (account,) = trade_again(conditions, times, [series]).equities
            equity = np.array(account)
        found.append(equity)
    return found


class _Account:
    """One account from its first decision to the end of the bars."""

    def __init__(self, conditions: Conditions, bars: _Bars, decisions: Sequence[Decision | None]) -> None:
        self._limits, self._costs, self._bars, self._decisions = conditions.limits, conditions.costs, bars, decisions
        actions = [action_of(one) for one in decisions]
        self._enters, self._leaves = (
            np.array([place for place, action in enumerate(actions) if action is wanted])
            for wanted in (ActionType.ENTER_LONG, ActionType.EXIT)
        )
        self._cash = self._costs.starting_cash
        self._equity = np.empty(len(decisions))
        self._streak = LosingStreak(self._limits.max_losing_streak, self._limits.losing_streak_bars)
        self._streak_at = -1
        self._stopped_at: int | None = None

    def trade(self) -> Floats:
        """Its equity at each close."""
        bar, bars = 0, len(self._equity)
        while bar < bars:
            entry = self._next(self._enters, bar)
            self._equity[bar : entry + 1] = self._cash
            bar = entry + 1
            if bar < bars:
                verdict = self._judge(entry)
                if verdict.intent is Intent.ENTER_LONG and verdict.stop_pct is not None:
                    bar = self._hold(bar, verdict.size, verdict.stop_pct)
        return self._equity

    def _next(self, places: NDArray[np.int64], bar: int) -> int:
        """The first of these places from a bar on; the number of all bars where there is none."""
        found = int(places.searchsorted(bar))
        return int(places[found]) if found < len(places) else len(self._equity)

    def _judge(self, bar: int) -> Verdict:
        """What the gate says of an entry at this close, where nothing is held."""
        while self._streak.paused and self._streak_at < bar:
            self._streak.update()
            self._streak_at += 1
        before = self._equity[bar - 1] if bar else self._cash
        account = Account(
            equity=self._cash,
            cash=self._cash,
            bars_since_stop=None if self._stopped_at is None else bar - self._stopped_at,
            daily_loss=max(0.0, 1 - self._cash / before),
            losing_streak=self._streak.paused,
        )
        decision = self._decisions[bar]
        market = Market(float(self._bars.closes[bar]), self._costs, float(self._bars.volumes[bar]))
        return judge(None if decision is None else decision.advice, market, account, self._limits)

    def _hold(self, begin: int, size: float, stop_pct: float) -> int:
        """Buy in the bar ``begin`` and hold until the stop is hit, the exit is filled, or the bars end; returns the bar
        in which nothing is held any more."""
        bars, slip = self._bars, (self._costs.slippage_bps + self._costs.spread_bps / 2) / 10_000
        price = min(float(bars.opens[begin]) * (1 + slip), float(bars.highs[begin]))
        paid = self._costs.commission(size, price)
        cash = self._cash - size * price - paid
        entered = size * price / size  # the mean price of all fills, as an order keeps it
        stop, leave = entered * (1 - stop_pct), self._next(self._leaves, begin)
        hits = np.flatnonzero(bars.lows[begin + 1 : leave + 1] <= stop)
        stopped = len(hits) > 0
        end = begin + 1 + int(hits[0]) if stopped else leave + 1
        closes = bars.closes[begin:end]
        gain = size * (closes - price)
        self._equity[begin:end] = cash + ((size * closes - gain) + gain)  # as the broker adds it up
        if end >= len(self._equity):
            return end
        at = min(float(bars.opens[end]), stop) if stopped else float(bars.opens[end])
        left = max(at * (1 - slip), float(bars.lows[end]))
        fee = self._costs.commission(size, left)
        self._cash = cash + (size * price + size * (left - price)) - fee
        self._streak.closed(size * (size * left / size - entered) - (paid + fee))
        if self._streak.paused:
            self._streak_at = end - 1
        if stopped:
            self._stopped_at = end
        return end
