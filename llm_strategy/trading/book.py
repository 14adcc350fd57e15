"""The book of a strategy over all its symbols: what the gate has to know of the account at a close."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import backtrader as bt

from llm_strategy.risk import Account, Holding, Limits
from llm_strategy.risk.loss_limits import DailyLoss, KillSwitch, LosingStreak
from llm_strategy.trading.bar_check import last_close
from llm_strategy.trading.journal import EquityRow
from llm_strategy.trading.ledger import DUST
from llm_strategy.trading.traded_feed import TradedFeed


@dataclass(frozen=True, slots=True)
class _Rest:
    """Positions and waiting entries by feed, those of other strategies, and the cash that all that waits may need."""

    own: Sequence[tuple[TradedFeed, Holding]]
    foreign: Sequence[Holding]
    reserved: float


_NO_REST = _Rest((), (), 0.0)


class Book:
    """Equity, exposure, losses and pending entries; ``update`` once a bar, then ``account`` for each symbol.

    What other strategies of the run hold, and what their orders that wait may come to, counts towards the exposure; it
    is found by ``owner``, the strategy whose orders are not foreign.
    """

    def __init__(self, owner: bt.Strategy, feeds: Sequence[TradedFeed], limits: Limits) -> None:
        self._owner = owner
        self._broker: bt.brokers.BackBroker = owner.broker
        self._feeds = feeds
        self._limits = limits
        self._kill_switch = KillSwitch(limits.max_drawdown, limits.rearm_after_bars)
        self._daily_loss = DailyLoss()
        self._losing_streak = LosingStreak(limits.max_losing_streak, limits.losing_streak_bars)
        self._equity = self._cash = 0.0
        self._rest: _Rest | None = None

    @property
    def equity(self) -> float:
        """Of the last close, currency."""
        return self._equity

    @property
    def killed(self) -> bool:
        """Whether the kill switch forbids every position now."""
        return self._kill_switch.killed

    @property
    def drawdown(self) -> float:
        """Loss from the highest equity since the kill switch was last armed (fraction, never negative)."""
        return self._kill_switch.drawdown

    def update(self, day: int, decided: bool) -> None:
        """Take a close; ``day`` counts days, ``decided`` tells whether a decision bar has closed with it."""
        self._equity, self._cash = self._broker.getvalue(), self._broker.getcash()
        self._rest = None
        self._daily_loss.update(day, self._equity)
        if decided:
            self._kill_switch.update(self._equity)
            self._losing_streak.update()
        else:
            self._kill_switch.watch(self._equity)

    def trade_closed(self, feed: TradedFeed, net: float, *, stopped: bool) -> None:
        """Take a round trip that has ended, with its net profit in currency and whether a stop ended it."""
        self._losing_streak.closed(net)
        if stopped:
            feed.stopped()

    def entry_sent(self) -> None:
        """Count an entry order of this day."""
        self._daily_loss.entries += 1
        self._rest = None

    def account(self, feed: TradedFeed, *, entry: bool) -> Account:
        """The account as the gate sees it from one symbol; the rest of the book is told only where an ``entry`` is to
        be judged, because it takes time."""
        rest = self._rest_of_the_book() if entry else _NO_REST
        return Account(
            equity=self._equity,
            cash=self._cash - rest.reserved,
            position=feed.position,
            entering=feed.entering,
            stop_price=feed.stop_price,
            stop_pct=feed.stop_pct,
            bars_held=feed.bars_held,
            symbol=feed.symbol,
            group=feed.group,
            others=self._others(feed, rest),
            credit=self._credit() if entry else 0.0,
            drawdown=self._kill_switch.drawdown,
            killed=self._kill_switch.killed,
            bars_since_stop=feed.bars_since_stop,
            daily_loss=self._daily_loss.loss,
            entries_today=self._daily_loss.entries,
            losing_streak=self._losing_streak.paused,
        )

    def row(self, time: str) -> EquityRow:
        """The account at this close."""
        return account_row(self._broker, time, self._equity, self._cash)

    def _credit(self) -> float:
        lent = getattr(self._broker, "credit", None)
        return float(lent()) if lent is not None else 0.0

    def _rest_of_the_book(self) -> _Rest:
        """The same for every symbol until something is sent, and so found once."""
        if self._rest is None:
            own = [
                (feed, Holding(feed.symbol, value, feed.group, firm=feed.firm))
                for feed in self._feeds
                if (value := feed.exposure)
            ]
            foreign = list(self._foreign())
            reserved = math.fsum(feed.reserved for feed in self._feeds) + math.fsum(cash for _, cash in foreign)
            self._rest = _Rest(own, [holding for holding, _ in foreign], reserved)
        return self._rest

    def _others(self, judged: TradedFeed, rest: _Rest) -> tuple[Holding, ...]:
        """What is held beside this symbol's own position."""
        own = [(feed, holding) for feed, holding in rest.own if feed is not judged]
        if self._limits.max_correlated_exposure is None:
            return (*(holding for _, holding in own), *rest.foreign)
        alike = (replace(holding, correlation=judged.correlation(feed)) for feed, holding in own)
        return (*alike, *rest.foreign)

    def _foreign(self) -> Iterator[tuple[Holding, float]]:
        """What strategies beside this one hold of each feed, and the cash that their orders that wait may need."""
        if len(self._owner.cerebro.runningstrats) == 1:
            return
        own = {feed.data: feed for feed in self._feeds}
        buying, selling = self._foreign_orders()
        for data in self._owner.datas:
            feed = own.get(data)
            held = self._broker.getposition(data).size - (feed.position if feed else 0.0)
            most, least = held + buying.get(data, 0.0), held - selling.get(data, 0.0)
            shares = most if abs(most) >= abs(least) else least
            if abs(shares) <= DUST or not len(data):
                continue
            price = last_close(data)
            opening = max(0.0, abs(shares) - abs(held)) * price * (1 + self._limits.gap_buffer)
            value = math.copysign(abs(held) * price + opening, shares)
            symbol, group = (feed.symbol, feed.group) if feed else (data._name, "")
            yield Holding(symbol, value, group, firm=False), opening

    def _foreign_orders(self) -> tuple[dict[Any, float], dict[Any, float]]:
        """Shares that orders of other strategies may still buy and sell, by feed; of one-cancels-other orders each
        counts, which can only make the gate more careful, and of a bracket the entry alone."""
        buying: dict[Any, float] = {}
        selling: dict[Any, float] = {}
        for order in self._broker.pending:
            if order is None or order.owner is self._owner or order.parent is not None or not order.alive():
                continue
            waiting = buying if order.isbuy() else selling
            waiting[order.data] = waiting.get(order.data, 0.0) + abs(order.executed.remsize)
        return buying, selling


def account_row(broker: bt.brokers.BackBroker, time: str, equity: float, cash: float) -> EquityRow:
    """The account of a broker at a close, of which equity and cash (currency) are known."""
    net = gross = 0.0
    for data, position in broker.positions.items():
        if position.size:
            close = data.lines.close[0]
            value = position.size * (close if 0 < close < math.inf else last_close(data))
            net += value
            gross += abs(value)
    return EquityRow(time, equity, cash, net, gross, float(getattr(broker, "carry", 0.0)))
