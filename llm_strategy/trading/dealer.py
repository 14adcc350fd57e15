"""What becomes of the decisions of a close: gate, order desks and book, whoever decided."""

from __future__ import annotations

from collections.abc import Sequence

import backtrader as bt

from llm_strategy.market.snapshot import iso_time
from llm_strategy.risk import Intent, Limits, Verdict, judge
from llm_strategy.risk.checklist import Firing
from llm_strategy.risk.judge import UNCHANGED, WITHOUT_ADVICE, keeps, stays_out
from llm_strategy.trading.book import Book
from llm_strategy.trading.checklist_inputs import ChecklistInputs
from llm_strategy.trading.desk_feed import DeskFeed
from llm_strategy.trading.journal import Journal
from llm_strategy.trading.ledger import ExitReason
from llm_strategy.trading.orders import Stage
from llm_strategy.types import ActionType, Advice, Decision

_ENTRIES = (ActionType.ENTER_LONG, ActionType.ENTER_SHORT)


class Dealer:
    """Deals for one account: ``deal`` once a close, ``on_order`` with each word of the broker. ``owner`` has the broker
    and sends the orders of the desks. Without a ``journal`` nothing is written down, and what cannot change the account
    is not judged."""

    def __init__(
        self,
        owner: bt.Strategy,
        feeds: Sequence[DeskFeed],
        limits: Limits,
        checklist: ChecklistInputs | None,
        journal: Journal | None,
    ) -> None:
        self.book = Book(owner, feeds, limits)
        self._broker: bt.brokers.BackBroker = owner.broker
        self._feeds = feeds
        self._of_data = {feed.data: feed for feed in feeds}
        self._limits = limits
        self._checklist = checklist
        self._journal = journal

    def deal(self, now: float, closed: Sequence[DeskFeed], decisions: Sequence[Decision | None]) -> None:
        """One close: for each symbol with a new bar its decision, verdict and orders; then the account. ``now`` is
        backtrader's time."""
        book = self.book
        book.update(int(now), decided=any(decision is not None for decision in decisions))
        killed = book.killed  # as long as this close lasts
        for feed, decision in zip(closed, decisions, strict=True):
            if feed.desk.stage is Stage.ENTERING:
                feed.desk.bar_closed()
            self._judge(feed, decision, killed=killed)
        if killed:
            for feed in self._feeds:
                if feed not in closed and feed.desk.stage is not Stage.FLAT:
                    self._judge(feed, None, killed=True)  # no bar of its own now, and it must leave on its next one
        if self._journal is not None:
            self._journal.closed(book.row(iso_time(now)))

    def on_order(self, order: bt.Order) -> None:
        """Hand the broker's word to the order desk of its symbol."""
        feed = self._of_data.get(order.data)
        if feed is None:
            return
        before, trade = feed.desk.stage, feed.desk.last_closed
        feed.desk.on_order(order)
        if before is Stage.ENTERING and feed.desk.position:
            feed.entered()
        if feed.desk.last_closed is not trade and feed.desk.last_closed is not None:
            closed = feed.desk.last_closed
            self.book.trade_closed(feed, closed.net, stopped=closed.exit_reason == ExitReason.STOP)

    def _judge(self, feed: DeskFeed, decision: Decision | None, *, killed: bool) -> None:
        advice, journal = None if decision is None else decision.advice, self._journal
        entry = advice is not None and feed.desk.stage is Stage.FLAT and advice.action.type in _ENTRIES
        watched = None if journal is None else journal.on_firings
        if self._checklist is not None and decision is not None:
            self._checklist.decided(decision)
        if watched is None and (unchanged := self._unchanged(feed, advice, killed=killed, entry=entry)):
            if journal is not None and decision is not None:
                journal.decided(feed.bars - 1, decision, unchanged)
            return
        account = self.book.account(feed, entry=entry or watched is not None)
        market = feed.market_at(self._broker if entry else None, decided=decision is not None)
        firings: tuple[Firing, ...] = ()
        if self._checklist is not None and decision is not None and (entry or watched):
            fired = self._checklist.firings(feed.snapshot, account, market.price, decision)
            if watched is not None:
                watched(feed.snapshot, fired, entry)
            firings = fired if entry else ()
        verdict = judge(advice, market, account, self._limits, firings)
        if decision is not None and journal is not None:
            journal.decided(feed.bars - 1, decision, verdict)
        if verdict.intent is Intent.NONE:
            return
        if verdict.intent in (Intent.ENTER_LONG, Intent.ENTER_SHORT):
            self.book.entry_sent()
            feed.entry_sent(verdict.size, market, self._limits)
        feed.desk.act(verdict, self._exit_reason(verdict))

    def _unchanged(self, feed: DeskFeed, advice: Advice | None, *, killed: bool, entry: bool) -> Verdict | None:
        """The verdict that nothing changes, where it is that one whatever market and account are like."""
        desk = feed.desk
        if killed:
            out = desk.stage is Stage.FLAT and not (entry and self._checklist is not None)
            return stays_out(advice, self.book.drawdown) if out else None
        if entry:
            return None
        if desk.stage is Stage.FLAT or (desk.stage is Stage.OPEN and keeps(advice, desk.position, self._limits)):
            return WITHOUT_ADVICE if advice is None else UNCHANGED
        return None

    def _exit_reason(self, verdict: Verdict) -> ExitReason:
        if self.book.killed:
            return ExitReason.KILL_SWITCH
        timed = any(cut.limit == "max_holding_bars" for cut in verdict.clamps)
        return ExitReason.TIME if timed else ExitReason.ADVICE
