"""What must hold for every entry of every run: the limits of the gate, by formulas written down here a second time."""

from __future__ import annotations

import pandas as pd
import pytest
from witness import DUST

from llm_strategy.costs.costs import VOLATILITY_BARS, volatility

ROUNDING = 1 + 1e-9


def bars_until(played, symbol, close):
    """The bars of a symbol that have closed."""
    return played.universe.market(symbol).table.iloc[: close.bars[symbol]]


def worst_price(played, sent):
    """Close of the decision, moved by ``gap_buffer`` and the estimated slippage."""
    close, limits = played.closes[sent.created], played.case.limits
    bars = bars_until(played, sent.row.symbol, close)
    moves = volatility(bars["close"].tolist()[-VOLATILITY_BARS - 1 :])
    price = close.prices[sent.row.symbol]
    slip = played.case.costs.slippage(sent.row.size, price, bars["volume"].iloc[-1], moves)
    return price * (1 + limits.gap_buffer) * (1 + slip)


def side_of(sent):
    return 1 if sent.row.side == "buy" else -1


def earlier_entries(played, sent):
    """Entries that waited for their fill when this one was sent."""
    alive = {
        item.number for symbol in played.case.shapes for _, item in played.waiting(symbol, played.closes[sent.created])
    }
    return [
        other
        for other in played.orders[: sent.row.order - 1]
        if other.row.kind == "entry" and other.row.order in alive and other.row.symbol != sent.row.symbol
    ]


def book_beside(played, sent):
    """Signed value by symbol of what else is held or waits, entries at their worst price, when an entry was sent."""
    close = played.closes[sent.created]
    book = {
        symbol: size * close.prices[symbol]
        for symbol, size in close.positions.items()
        if abs(size) > DUST and symbol != sent.row.symbol
    }
    for other in earlier_entries(played, sent):
        value = side_of(other) * other.row.size * worst_price(played, other)
        book[other.row.symbol] = book.get(other.row.symbol, 0.0) + value
    return book


def correlation(played, one, other, close):
    """Of the last 60 returns of both on common bars; 1 where fewer than 20 are common or one does not move."""
    returns = [bars_until(played, name, close)["close"].pct_change().iloc[1:].iloc[-60:] for name in (one, other)]
    both = pd.concat(returns, axis=1, join="inner")
    if len(both) < 20 or not both.std(ddof=0).all():
        return 1.0
    return both.corr().iloc[0, 1]


def verdicts(played):
    return {
        (entry.decision.snapshot.symbol, entry.decision.snapshot.time): entry.verdict
        for entry in played.journal.entries
    }


def check_entries_fit_the_limits(played):
    limits, costs, seen = played.case.limits, played.case.costs, verdicts(played)
    for sent in played.orders:
        if sent.row.kind != "entry":
            continue
        row, close = sent.row, played.closes[sent.created]
        equity, price, worst = close.value, close.prices[row.symbol], worst_price(played, sent)
        value, side, verdict = row.size * worst, side_of(sent), seen[row.symbol, row.created]
        assert value <= limits.max_position_size * equity * ROUNDING
        assert row.size * price * ROUNDING >= limits.min_notional
        lots = row.size / limits.lot_step
        assert lots == pytest.approx(round(lots), abs=1e-6)

        book = book_beside(played, sent)
        assert sum(map(abs, book.values())) + value <= limits.max_gross_exposure * equity * ROUNDING
        if limits.max_net_exposure is not None:
            assert side * sum(book.values()) + value <= limits.max_net_exposure * equity * ROUNDING
        if limits.max_symbol_exposure is not None:
            assert value <= limits.max_symbol_exposure * equity * ROUNDING
        group = played.case.groups.get(row.symbol)
        if limits.max_group_exposure is not None and group:
            same = sum(abs(held) for name, held in book.items() if played.case.groups.get(name) == group)
            assert same + value <= limits.max_group_exposure * equity * ROUNDING
        if limits.max_correlated_exposure is not None:
            alike = sum(
                abs(held)
                for name, held in book.items()
                if (1 if side * held > 0 else -1) * correlation(played, row.symbol, name, close)
                >= limits.correlation_threshold + 1e-9
            )
            assert alike + value <= limits.max_correlated_exposure * equity * ROUNDING
        assert len(book) + 1 <= limits.max_positions

        bars = bars_until(played, row.symbol, close)
        if bars["volume"].any():
            assert row.size <= limits.max_participation * bars["volume"].iloc[-1] * ROUNDING

        needed = sum(cash_needed(played, one) for one in [*earlier_entries(played, sent), sent])
        credit = max(0.0, (costs.leverage - 1) * equity + min(0.0, close.cash))
        assert needed <= (close.cash + credit) * ROUNDING

        check_loss_at_the_stop(played, sent, verdict)
        check_fill(played, sent, worst)


def cash_needed(played, sent):
    """Currency that an entry may need at its worst price."""
    price = played.closes[sent.created].prices[sent.row.symbol] * (1 + played.case.limits.gap_buffer)
    return sent.row.size * worst_price(played, sent) + played.case.costs.commission(sent.row.size, price)


def check_loss_at_the_stop(played, sent, verdict):
    """Bought at the close with slippage, sold at the stop with slippage and a gap: within the risk of a trade."""
    limits, costs, close = played.case.limits, played.case.costs, played.closes[sent.created]
    bars, size = bars_until(played, sent.row.symbol, close), sent.row.size
    moves, volume = volatility(bars["close"].tolist()[-VOLATILITY_BARS - 1 :]), bars["volume"].iloc[-1]
    price, side = close.prices[sent.row.symbol], side_of(sent)
    stopped = price * (1 - side * verdict.stop_pct)
    slipped = price * costs.slippage(size, price, volume, moves) * verdict.stop_pct
    slipped += stopped * costs.slippage(size, stopped, volume, moves)
    fees = costs.commission(size, price) + costs.commission(size, stopped)
    loss = size * (price * (verdict.stop_pct + limits.gap_buffer) + slipped) + fees
    assert loss <= limits.max_risk_per_trade * close.value * ROUNDING + 1e-9


def check_fill(played, sent, worst):
    """At the first bar after the decision, inside its range; value beyond the limit only as far as the price jumped."""
    limits, equity = played.case.limits, played.closes[sent.created].value
    for fill in sent.fills:
        close = played.closes[fill.close]
        bar = bars_until(played, sent.row.symbol, close).iloc[-1]
        assert fill.close > sent.created
        if played.case.rules.fill == "next_open":
            assert bar["low"] * (1 - 1e-9) <= fill.price <= bar["high"] * ROUNDING
        if sent.row.price is not None:
            assert side_of(sent) * (fill.price - sent.row.price) <= 1e-9 * fill.price
        waited = close.bars[sent.row.symbol] - played.closes[sent.created].bars[sent.row.symbol]
        at_once = played.case.rules.fill == "same_close"  # booked at the next bar of any symbol
        assert (0 if at_once else 1) <= waited <= played.case.rules.entry_bars
        value = abs(fill.size) * fill.price
        assert value <= limits.max_position_size * equity * max(1.0, fill.price / worst) * ROUNDING


def check_entries_keep_their_times(played):
    """Entries a day, daily loss, pause after a stop, and the holding times."""
    limits, rows = played.case.limits, played.journal.equity
    entries = [sent for sent in played.orders if sent.row.kind == "entry"]
    if limits.max_entries_per_day is not None and entries:
        days = pd.Series([sent.row.created[:10] for sent in entries])
        assert days.value_counts().max() <= limits.max_entries_per_day
    for sent in entries:
        close = played.closes[sent.created]
        before = [row.equity for row in rows if row.time[:10] < close.time[:10]]
        if limits.max_daily_loss is not None and before:
            assert 1 - close.value / before[-1] < limits.max_daily_loss
        if limits.min_confidence and not played.case.answers:
            assert any(step[2] >= limits.min_confidence for step in played.case.plans[sent.row.symbol])
    for trade in played.journal.trades:
        index = played.universe.market(trade.symbol).table.index
        after = [sent for sent in played.of(trade.symbol, "entry") if sent.row.created >= trade.exited]
        if trade.exit_reason == "stop" and after:
            waited = index.get_loc(after[0].row.created) - index.get_loc(trade.exited)
            assert waited >= limits.cooldown_bars
        if trade.exit_reason == "advice":
            earlier = played.case.rules.fill == "same_close"  # booked at the next bar of any symbol
            assert trade.bars_held + earlier > limits.min_holding_bars
        if limits.max_holding_bars is not None and played.case.costs.max_fill_share is None:
            assert trade.bars_held <= limits.max_holding_bars + 1
