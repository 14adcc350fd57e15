"""Many accounts on one symbol without a broker: trade by trade, all of them at once.

Between two trades nothing can happen to an account, and within one only its stop, its target, the advice and the limits
can end it. So the first trades of all accounts are computed together over arrays, then their second ones, and so on.
Each account is to the last bit the one that gate, orders and broker make, where ``covers`` says so: whatever is
computed here is computed as they do it, in the same order of operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from simulator.evaluation.metrics import Floats
from simulator.evaluation.placebo import Choices
from simulator.prices.table import iso_times
from simulator.runs.placebos.gate import Entries, Sizes
from simulator.runs.placebos.positions import WINDOW, Bars, Flags, Places, Positions
from simulator.runs.simulation import Conditions

_NEVER = np.int64(1) << 40
"""A bar that does not come."""


def covers(conditions: Conditions, times: Sequence[str]) -> bool:
    """Whether accounts that decide at these closes (ISO 8601) can be traded here: one symbol that decides on the bars
    it trades; market orders that fill whole at the next open; no stop that trails or is measured in ranges, no size by
    volatility, no checklist; slippage that is the same at every fill; no credit and no interest."""
    universe, limits, orders, costs = conditions.universe, conditions.limits, conditions.orders, conditions.costs
    plain_limits = not (
        limits.trailing_stop
        or limits.uses_average_range
        or limits.sizing == "volatility_target"
        or limits.checklist is not None
    )
    plain_costs = not (
        costs.slippage_per_share
        or costs.slippage_volatility
        or costs.impact
        or costs.max_fill_share is not None
        or costs.cash_rate
        or costs.financing_rate
        or (costs.borrow_rate and limits.allow_short)
        or costs.leverage != 1
    )
    plain_orders = orders.entry == "market" and orders.fill == "next_open"
    if not (plain_limits and plain_costs and plain_orders and len(universe.markets) == 1 and not universe.decide_on):
        return False
    table = universe.markets[0].table
    index = table.index[max(0, conditions.warm_up - 1) :]
    if not times or iso_times(index) != list(times):
        return False
    opens, highs, lows, closes = (table[name].to_numpy(dtype=np.float64) for name in ("open", "high", "low", "close"))
    inside = (lows > 0) & (lows <= opens) & (lows <= closes) & (opens <= highs) & (closes <= highs) & (highs < np.inf)
    return bool(inside.all() and not table["volume"].isna().any())


def trade(conditions: Conditions, choices: Choices) -> Floats:
    """The equity (currency) of accounts (rows) at their closes (columns), as they choose at each."""
    return _Trading(conditions, choices).equity()


class _Trading:
    """The accounts, each at its next trade: ``_at`` is the close at which it may enter again."""

    def __init__(self, conditions: Conditions, choices: Choices) -> None:
        limits, costs = conditions.limits, conditions.costs
        (prices,) = conditions.universe.markets
        places = choices.places
        accounts, closes = places.shape
        self._limits, self._costs = limits, costs
        self._bars = Bars.of(conditions, closes)
        self._windows = self._bars.windows()
        self._sizes = Sizes(limits, costs)
        self._entries = Entries.of(choices.actions, limits, grouped=bool(conditions.universe.groups.get(prices.symbol)))
        self._places, self._closes = places, closes
        tradable = np.ones(closes, dtype=np.bool_)
        if limits.max_participation is not None:
            tradable = self._bars.volumes[:closes] != 0
        known = self._entries
        wished = ~np.isnan(known.wished_stop)
        self._opens = _found(known.opens[places] & tradable)
        self._leaves = {
            1: _found((known.exits | known.shorts)[places]),
            -1: _found((known.exits | known.longs)[places]),
        }
        self._wishes = {1: _found((known.longs & wished)[places]), -1: _found((known.shorts & wished)[places])}
        decided = np.array(choices.decided, dtype=np.bool_)
        self._decided = None if decided.all() else decided[places].cumsum(axis=1)
        self._at = np.zeros(accounts, dtype=np.int64)
        self._cash = np.full(accounts, costs.starting_cash)
        self._peak = self._cash.copy()
        self._days = _Days.of(prices.table.index[-closes:])
        self._reference = self._cash.copy()
        """Equity at the last close of the day before that on which the last trade ended."""
        self._sent = np.zeros(accounts, dtype=np.int64)
        self._sent_on = np.full(accounts, -1, dtype=np.int64)
        """Entries sent on a day, and the day (by number)."""
        self._ended = np.full(accounts, -1, dtype=np.int64)
        self._stopped = np.full(accounts, -_NEVER)
        self._killed = np.full(accounts, -1, dtype=np.int64)
        """The close at which the kill switch fired; -1 where it is armed."""
        self._losses = np.zeros(accounts, dtype=np.int64)
        self._paused_from = np.full(accounts, -_NEVER)
        """Decisions made before the close from which the pause after losses counts."""
        self._held = np.full((accounts, closes), np.nan)
        self._changes = [(np.arange(accounts) * closes, self._cash.copy())]
        """Where (place among all closes of all accounts) an account without a position is worth what."""

    def equity(self) -> Floats:
        """Trade until no account has an entry left."""
        trading = np.arange(len(self._at))
        while len(trading):
            trading = self._enter(trading)
        where = np.concatenate([places for places, _ in self._changes])
        order = np.argsort(where, kind="stable")
        flat = np.concatenate([cash for _, cash in self._changes])[order]
        lengths = np.diff(np.append(where[order], self._held.size))
        value = np.repeat(flat, lengths).reshape(self._held.shape)
        return np.where(np.isnan(self._held), value, self._held)

    def _next(self, found: Places, account: Places, close: Places) -> Places:
        """The first of these closes at or behind a close of each account; far away where there is none."""
        where = found.searchsorted(account * self._closes + np.minimum(close, self._closes))
        near = found[where] - account * self._closes
        return np.where((near < self._closes) & (close < self._closes), near, _NEVER)

    def _count(self, account: Places, close: Places) -> Places:
        """Decisions of each account up to a close, which may be -1."""
        if self._decided is None:
            return close + 1
        return np.where(close < 0, 0, self._decided[account, np.maximum(close, 0)])

    def _enter(self, account: Places) -> Places:
        """The next entry of these accounts, and what becomes of it; returns those that go on."""
        close = self._next(self._opens, account, self._at[account])
        there = close < self._closes - 1  # an entry at the last close is filled no more
        account, close = account[there], close[there]
        size, side, of, over = self._judge(account, close)
        self._at[account] = np.where(over, self._days.ends[close], close + 1)
        entered = size > 0
        if not entered.any():
            return account
        self._hold(account[entered], close[entered] + 1, size[entered], side[entered], of[entered])
        return account

    def _judge(self, account: Places, close: Places) -> tuple[Floats, Floats, Places, Flags]:
        """Sizes (0 for a refusal), sides and decisions of these entries, and where nothing is opened until the day is
        over."""
        limits = self._limits
        made, cash = self._count(account, close), self._cash[account]
        of = self._places[account, close]
        side = np.where(self._entries.longs[of], 1.0, -1.0)
        killed = self._killed[account]
        if (killed >= 0).any():
            waited = made - self._count(account, killed)
            over = np.full(len(account), False) if limits.rearm_after_bars is None else waited > limits.rearm_after_bars
            revived = (killed >= 0) & over
            self._killed[account[revived]] = -1
            self._peak[account[revived]] = cash[revived]
        fits = (self._killed[account] < 0) & (close - self._stopped[account] >= limits.cooldown_bars) & (cash > 0)
        over = self._is_over(account, close)
        fits &= ~over
        if limits.max_losing_streak is not None:
            fits &= limits.losing_streak_bars + 1 - (made - self._paused_from[account]) <= 0
        size = np.zeros(len(account))
        if fits.any():
            part = np.inf if limits.max_participation is None else limits.max_participation
            most = part * np.where(part < np.inf, self._bars.volumes[close[fits]], 1.0)
            entry, price = of[fits], self._bars.closes[close[fits]]
            share, smaller = self._entries.share[entry], self._entries.smaller[entry]
            size[fits] = self._sizes.of(side[fits], share, smaller, price, most, cash[fits])
        sent, day = size > 0, self._days.numbers[close]
        self._sent[account] = np.where(self._sent_on[account] == day, self._sent[account], 0) + sent
        self._sent_on[account] = day
        return size, side, of, over

    def _is_over(self, account: Places, close: Places) -> Flags:
        """Whether the loss or the entries of the day have reached their limit at these closes."""
        limits, day, cash = self._limits, self._days.numbers[close], self._cash[account]
        over = np.zeros(len(account), dtype=np.bool_)
        if limits.max_daily_loss is not None:
            before = self._reference[account]
            lost = np.where(before > 0, np.maximum(0.0, 1 - cash / np.where(before > 0, before, 1.0)), 0.0)
            ended = self._ended[account]
            over |= (ended >= 0) & (self._days.numbers[ended] == day) & (lost >= limits.max_daily_loss)
        if limits.max_entries_per_day is not None:
            over |= (self._sent_on[account] == day) & (self._sent[account] >= limits.max_entries_per_day)
        return over

    def _hold(self, account: Places, begin: Places, size: Floats, side: Floats, of: Places) -> None:
        """Fill entries in the bar ``begin`` and hold them to their end."""
        opened, slip = self._bars.opens[begin], self._sizes.slip
        up, down = opened * (1 + slip), opened * (1 - slip)
        price = np.where(side > 0, np.minimum(up, self._bars.highs[begin]), np.maximum(down, self._bars.lows[begin]))
        paid = self._sizes.commission(size, price)
        cash = self._cash[account] - side * size * price - paid
        stop, target = self._entries.stop[of], self._entries.target[of]
        held = Positions.filled(account, begin, side, size, price, paid, cash, stop, target).of(cash >= 0)
        self._leave(*self._end(held))

    def _end(self, held: Positions) -> tuple[Positions, Places, Flags, Flags]:
        """Write what accounts are worth at each close of their positions; returns these as they end, the bar in which
        each is left (the number of all bars where it is held to the end), and whether its stop or its target was hit
        there."""
        limits, account = self._limits, held.account
        last = self._by_side(self._leaves, account, held.begin + limits.min_holding_bars, held.side)
        if limits.max_holding_bars is not None:
            last = np.minimum(last, held.begin + limits.max_holding_bars)
        last = np.minimum(last, self._closes - 1)
        wish = self._by_side(self._wishes, account, held.begin, held.side)
        at, left = held.begin.copy(), np.arange(len(account))
        end = np.zeros(len(account), dtype=np.int64)
        stopped, won = np.zeros(len(account), dtype=np.bool_), np.zeros(len(account), dtype=np.bool_)
        while len(left):
            one, first, row = account[left], at[left], np.arange(len(left))
            seen = held.of(left).look(self._windows, first, self._peak[one])
            killed = 1 - seen.equity / seen.peak >= limits.max_drawdown
            hit = seen.stopped | seen.won
            final, asked = seen.bars == last[left][:, None], seen.bars == wish[left][:, None]
            event = hit | killed | final | asked
            place = event.argmax(axis=1)
            some = event[row, place]
            ends = some & hit[row, place]
            leaves = some & ~ends & (killed | final)[row, place]
            kept = np.where(some, np.where(ends, place, place + 1), WINDOW)
            inside = np.arange(WINDOW) < kept[:, None]
            self._held.reshape(-1)[(one[:, None] * self._closes + seen.bars)[inside]] = seen.equity[inside]
            self._peak[one] = np.where(kept > 0, seen.peak[row, kept - 1], self._peak[one])
            at[left] = first + kept
            fatal = leaves & killed[row, place]
            self._killed[one[fatal]] = (first + place)[fatal]
            end[left] = at[left]
            stopped[left], won[left] = ends & seen.stopped[row, place], ends & ~seen.stopped[row, place]
            again = left[some & ~ends & ~leaves]
            if len(again):
                held.stop[again] = self._tightened(held.of(again), at[again] - 1)
                wish[again] = self._by_side(self._wishes, account[again], at[again], held.side[again])
            left = left[~(ends | leaves)]
        return held, end, stopped, won

    def _by_side(self, found: dict[int, Places], account: Places, close: Places, side: Floats) -> Places:
        """The next of these closes for longs or shorts."""
        long = self._next(found[1], account, close)
        return np.where(side > 0, long, self._next(found[-1], account, close)) if self._limits.allow_short else long

    def _tightened(self, held: Positions, close: Places) -> Floats:
        """Stops that wishes at a close bring nearer."""
        limits, side = self._limits, held.side
        nearest, farthest = min(limits.min_stop_pct, limits.max_stop_pct), limits.max_stop_pct
        asked = self._entries.wished_stop[self._places[held.account, close]]
        wanted = self._bars.closes[close] * (1 - side * np.minimum(np.maximum(asked, nearest), farthest))
        return np.where(side * wanted > side * held.stop, wanted, held.stop)

    def _leave(self, held: Positions, end: Places, stopped: Flags, won: Flags) -> None:
        """End positions in the bar ``end``, and note what the limits have to know of it."""
        there = end < self._closes
        self._at[held.account[~there]] = self._closes
        held, end, stopped, won = held.of(there), end[there], stopped[there], won[there]
        account, size, price = held.account, held.size, held.price
        left = held.exit_price(self._bars, end, stopped, won, self._sizes.slip)
        fee, shares = self._sizes.commission(size, left), held.side * size
        cash = held.cash + (shares * price + shares * (left - price)) - fee
        mean = size * (size * left / size) / size  # of the exit, as the ledger keeps it
        net = held.side * size * (mean - size * price / size) - (held.paid + fee)
        self._note_reference(account, end)
        self._cash[account], self._ended[account], self._at[account] = cash, end, end
        self._changes.append((account * self._closes + end, cash))
        self._stopped[account[stopped]] = end[stopped]
        self._peak[account] = peak = np.maximum(self._peak[account], cash)
        fell = (self._killed[account] < 0) & (1 - cash / peak >= self._limits.max_drawdown)
        self._killed[account[fell]] = end[fell]
        self._pause(account, net)

    def _note_reference(self, account: Places, end: Places) -> None:
        """Keep what accounts were worth at the last close of the day before, if no trade has ended on this day yet:
        held then, or cash as it was before the trade that ends now."""
        day, first = self._days.numbers[end], self._days.begins[end]
        last = self._ended[account]
        fresh = (last < 0) | (self._days.numbers[last] != day)
        account, first = account[fresh], first[fresh]
        held = np.where(first > 0, self._held[account, first - 1], np.nan)
        self._reference[account] = np.where(np.isnan(held), self._cash[account], held)

    def _pause(self, account: Places, net: Floats) -> None:
        """Let accounts wait as the limits want after trades that came to this net profit (currency)."""
        limits = self._limits
        self._losses[account] = np.where(net < 0, self._losses[account] + 1, 0)
        if limits.max_losing_streak is not None:
            paused = account[self._losses[account] >= limits.max_losing_streak]
            self._losses[paused] = 0
            self._paused_from[paused] = self._count(paused, self._ended[paused] - 1)
            self._at[paused] += limits.losing_streak_bars
        self._at[account] = np.maximum(self._at[account], self._stopped[account] + limits.cooldown_bars)
        killed = account[self._killed[account] >= 0]
        rest = _NEVER if limits.rearm_after_bars is None else self._killed[killed] + limits.rearm_after_bars + 1
        self._at[killed] = np.maximum(self._at[killed], rest)


class _Days(NamedTuple):
    """The days (UTC) of some closes: for each close the number of its day, the place of the first close of that day,
    and the place behind its last one."""

    numbers: Places
    begins: Places
    ends: Places

    @classmethod
    def of(cls, closes: pd.Index) -> _Days:
        """Those of closes in their order."""
        dates = pd.DatetimeIndex(closes).normalize()
        first = np.flatnonzero(np.append(True, dates[1:] != dates[:-1]))
        lengths = np.diff(np.append(first, len(dates)))
        ends = first + lengths
        return cls(np.repeat(np.arange(len(first)), lengths), np.repeat(first, lengths), np.repeat(ends, lengths))


def _found(wanted: Flags) -> Places:
    """The places of what is wanted among all closes of all accounts, and behind them one that is never reached."""
    return np.append(np.flatnonzero(wanted), _NEVER)
