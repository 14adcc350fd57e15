"""What must hold for every run whatever the prices, limits, costs and answers: one readable check for each promise.

Each takes a ``witness.Played`` and works from what the broker did; nothing here is asked of the code that is tested.
"""

from __future__ import annotations

from itertools import pairwise

import pytest
from entry_checks import check_entries_fit_the_limits, check_entries_keep_their_times, side_of, verdicts
from witness import DUST

from llm_strategy.market.features import LONGEST_LOOKBACK


def check_cash_is_owed_only_within_credit(played):
    """Cash falls below zero by an entry within the credit line, by covering a short, by fees, and by carry alone."""
    for number, (before, after) in enumerate(pairwise(played.closes), 1):
        entered, due = False, after.carry - before.carry
        for sent in played.orders:
            for fill in sent.fills:
                if fill.close != number:
                    continue
                if sent.row.kind == "entry":
                    entered = entered or fill.size > 0
                else:
                    due += max(0.0, fill.size * fill.price + fill.commission)
                if fill.size < 0 and sent.row.kind == "entry":
                    due += fill.commission
        line = (played.case.costs.leverage - 1) * max(0.0, before.value - (after.carry - before.carry))
        floor = min(before.cash, -line) if entered else before.cash
        assert after.cash >= min(floor, before.cash) - due - 1e-6 or after.cash >= 0
        if not played.case.limits.allow_short and played.case.costs.leverage == 1:
            fees = sum(fill.commission for sent in played.orders for fill in sent.fills)
            assert after.cash >= -fees - after.carry - 1e-6


def check_positions_are_protected(played):
    """At each close a position has one stop for all of it on the right side of its fill, or one exit in flight for all
    of it; a flat symbol has at most an entry waiting; and no side is changed."""
    for number, (before, close) in enumerate(pairwise(played.closes), 1):
        for symbol in close.positions:
            size = close.positions[symbol]
            waiting = played.waiting(symbol, close)
            kinds = sorted(sent.row.kind for sent, _ in waiting)
            assert before.positions.get(symbol, 0.0) * size >= -DUST, "a position changed sides within one bar"
            if abs(size) <= DUST:
                assert kinds in ([], ["entry"]), f"a flat symbol has {kinds}"
                continue
            assert kinds in (["exit"], ["stop"], ["stop", "target"]), f"a position has {kinds}"
            assert all(item.size == pytest.approx(-size, abs=DUST) for _, item in waiting)
            entry = [sent for sent in played.of(symbol, "entry") if sent.fills and sent.created < number][-1]
            assert side_of(entry) * size > 0
            for sent, item in waiting:
                if sent.row.kind == "stop" and not tightened_since(played, sent, entry):
                    assert side_of(entry) * (entry.row.fill_price - item.price) > 0
                if sent.row.kind == "target":
                    assert side_of(entry) * (item.price - entry.row.fill_price) > 0


def tightened_since(played, stop, entry):
    """Whether this is not the first stop of the position: later ones may lock a profit in."""
    return any(entry.row.order < sent.row.order < stop.row.order for sent in played.of(stop.row.symbol, "stop"))


def check_stops_only_come_closer(played):
    """The first stop stands where the verdict put it, from the actual fill, within the bounds; later ones closer."""
    limits, seen = played.case.limits, verdicts(played)
    for symbol in played.case.shapes:
        entry, last = None, None
        for sent in played.of(symbol, "entry", "stop"):
            if sent.row.kind == "entry":
                entry, last = sent, None
                continue
            side, price = side_of(entry), sent.row.price
            if last is None:
                wanted = seen[symbol, entry.row.created].stop_pct
                assert price == pytest.approx(entry.row.fill_price * (1 - side * wanted))
                assert wanted <= limits.max_stop_pct
                if limits.max_stop_atr is None:
                    assert wanted >= limits.min_stop_pct
            else:
                assert side * price >= side * last
            last = price


def check_nobody_goes_short_unasked(played):
    for sent in played.orders:
        if sent.row.kind == "entry" and sent.row.side == "sell":
            assert played.case.limits.allow_short
    if not played.case.limits.allow_short:
        assert all(size >= -DUST for close in played.closes for size in close.positions.values())


def check_the_kill_switch(played):
    """From the close at which the loss is reached: no entry, an exit for each position, flat on its next bar."""
    limits = played.case.limits
    rows = {close.time: number for number, close in enumerate(played.closes)}
    peak, since = 0.0, None
    for row in played.journal.equity:
        if since is not None:
            since += 1
            if limits.rearm_after_bars is not None and since > limits.rearm_after_bars:
                since, peak = None, row.equity
        peak = max(peak, row.equity)
        if since is None and 1 - row.equity / peak >= limits.max_drawdown:
            since = 0
        if since is None:
            continue
        number = rows[row.time]
        close = played.closes[number]
        assert not [sent for sent in played.orders if sent.row.kind == "entry" and sent.created == number]
        for symbol, size in close.positions.items():
            waiting = [sent.row.kind for sent, _ in played.waiting(symbol, close)]
            assert waiting == (["exit"] if abs(size) > DUST else []), f"killed and {symbol} has {waiting}"
            later = [one for one in played.closes[number:] if one.bars[symbol] > close.bars[symbol]]
            if later and played.case.costs.max_fill_share is None:
                assert abs(later[0].positions[symbol]) <= DUST or abs(size) <= DUST


def check_accounting(played):
    """Equity, cash, fills, carry and trades add up to a cent at every close."""
    start = played.case.costs.starting_cash
    flow = [0.0] * len(played.closes)
    for sent in played.orders:
        for fill in sent.fills:
            flow[fill.close] -= fill.size * fill.price + fill.commission
    cash = start
    for close, change in zip(played.closes, flow, strict=True):
        cash += change
        net = sum(size * close.prices[symbol] for symbol, size in close.positions.items())
        assert close.cash == pytest.approx(cash - close.carry, abs=0.01)
        assert close.value == pytest.approx(close.cash + net, abs=0.01)
    seen = {close.time: close for close in played.closes}
    for row in played.journal.equity:
        close = seen[row.time]
        assert (row.equity, row.cash, row.carry) == (close.value, close.cash, close.carry)
        assert row.equity == pytest.approx(row.cash + row.net, abs=0.01)
        assert abs(row.net) <= row.gross + 0.01
    last = played.closes[-1]
    assert sum(trade.net for trade in played.journal.trades) - last.carry == pytest.approx(last.value - start, abs=0.01)


def check_everything_is_told(played):
    """Each decision once, each order with its end or pending, each trade as large as its entry."""
    for symbol in played.case.shapes:
        mine = [entry for entry in played.journal.entries if entry.decision.snapshot.symbol == symbol]
        bars = len(played.universe.market(symbol).table)
        assert [entry.bar for entry in mine] == list(range(LONGEST_LOOKBACK - 1, bars))
        entered = [sent.row.filled for sent in played.of(symbol, "entry") if sent.row.filled]
        trades = [trade for trade in played.journal.trades if trade.symbol == symbol]
        assert [trade.size for trade in sorted(trades, key=lambda trade: trade.entered)] == entered
    alive = {item.number for items in played.closes[-1].waiting.values() for item in items}
    for sent in played.orders:
        row = sent.row
        assert (row.status == "pending") == (row.order in alive)
        assert (row.done == "") == (row.status == "pending")
        assert row.filled == pytest.approx(sum(abs(fill.size) for fill in sent.fills))
        assert row.commission == pytest.approx(sum(fill.commission for fill in sent.fills))


CHECKS = (
    check_entries_fit_the_limits,
    check_entries_keep_their_times,
    check_cash_is_owed_only_within_credit,
    check_positions_are_protected,
    check_stops_only_come_closer,
    check_nobody_goes_short_unasked,
    check_the_kill_switch,
    check_accounting,
    check_everything_is_told,
)
