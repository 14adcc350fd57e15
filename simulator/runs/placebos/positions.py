"""Positions in one symbol, one in each of many accounts: what they are worth, what they end by, and at which price.

Fills and values are those of ``SimulatedBroker``, to the last bit: its operations in its order, over arrays.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from simulator.evaluation.metrics import Floats
from simulator.runs.simulation import Conditions

Flags = NDArray[np.bool_]
Places = NDArray[np.int64]

WINDOW = 64
"""Bars of a position that are looked at together."""


class Bars(NamedTuple):
    """Prices (currency) from the first decision on, and shares traded, infinite where they are not known; each with
    ``WINDOW`` further bars without a price."""

    opens: Floats
    highs: Floats
    lows: Floats
    closes: Floats
    volumes: Floats

    @classmethod
    def of(cls, conditions: Conditions, closes: int) -> Bars:
        """The last bars of the one symbol there is."""
        (prices,) = conditions.universe.markets
        columns = [prices.table[name].to_numpy(dtype=np.float64) for name in ("open", "high", "low", "close")]
        volume = prices.table["volume"].to_numpy(dtype=np.float64)
        known = np.maximum.accumulate(volume > 0) & (prices.volume != "ticks")
        columns.append(np.where(known, volume, np.inf))
        padding = np.full(WINDOW, np.nan)
        return cls(*(np.concatenate([column[-closes:], padding]) for column in columns))

    def windows(self) -> Bars:
        """Of each bar the bars that begin with it."""
        return Bars(*(sliding_window_view(column, WINDOW) for column in self))


class Looks(NamedTuple):
    """Some bars (columns) of positions (rows): their numbers, the equity (currency) at their closes and its highest so
    far, and whether the stop or the target is reached in them."""

    bars: Places
    equity: Floats
    peak: Floats
    stopped: Flags
    won: Flags


class Positions(NamedTuple):
    """The position of each of these accounts. Prices are in currency, sizes in shares."""

    account: Places
    begin: Places
    """The bar of the fill."""
    side: Floats
    """1 for long, -1 for short."""
    size: Floats
    price: Floats
    """Of the fill."""
    paid: Floats
    """Commission, currency."""
    cash: Floats
    """Beside the position, currency."""
    stop: Floats
    target: Floats
    """NaN where there is none."""

    @classmethod
    def filled(
        cls, account: Places, begin: Places, side: Floats, size: Floats, price: Floats, paid: Floats, cash: Floats,
        stop_pct: Floats, target_pct: Floats,
    ) -> Positions:  # fmt: skip
        """Those of these fills, with stops and targets at these distances (fractions)."""
        mean = size * price / size  # of all fills, as an order keeps it
        target = mean * (1 + side * target_pct)
        return cls(
            account, begin, side, size, price, paid, cash, mean * (1 - side * stop_pct),
            np.where(target > 0, target, np.nan),
        )  # fmt: skip

    def of(self, rows: Places | Flags) -> Self:
        """Those of these rows."""
        return self._replace(**{name: column[rows] for name, column in self._asdict().items()})

    def look(self, windows: Bars, first: Places, peak: Floats) -> Looks:
        """The bars from ``first`` on, where equity had its highest value (currency) so far at ``peak``."""
        closes, long = windows.closes[first], self.side[:, None] > 0
        held = (self.side * self.size)[:, None]
        value = held * closes
        gain = held * (closes - self.price[:, None])
        equity = self.cash[:, None] + np.where(long, (value - gain) + gain, value)  # as the broker adds it up
        highest = np.maximum.accumulate(np.maximum(equity, peak[:, None]), axis=1)
        lows, highs = windows.lows[first], windows.highs[first]
        stop, target = self.stop[:, None], self.target[:, None]
        bars = first[:, None] + np.arange(WINDOW)
        live = bars > self.begin[:, None]
        stopped = np.where(long, lows <= stop, highs >= stop) & live
        won = np.where(long, highs >= target, lows <= target) & live
        return Looks(bars, equity, highest, stopped, won)

    def exit_price(self, bars: Bars, end: Places, stopped: Flags, won: Flags, slip: float) -> Floats:
        """The price at which each is left in the bar ``end``: of its stop, of its target, or of the open."""
        opened, high, low, long = bars.opens[end], bars.highs[end], bars.lows[end], self.side > 0
        down, up = 1 - slip, 1 + slip
        beyond = np.where(long, np.minimum(opened, self.stop), np.maximum(opened, self.stop))
        at = np.where(stopped, beyond, opened)
        found = np.where(long, np.maximum(at * down, low), np.minimum(at * up, high))
        if won.any():
            sold = np.where(opened >= self.target, np.maximum(np.maximum(opened * down, self.target), low), self.target)
            bought = np.where(
                opened <= self.target, np.minimum(np.minimum(opened * up, high), self.target), self.target
            )
            found = np.where(won, np.where(long, sold, bought), found)
        return found
