"""Many accounts with decisions of their own, each behind gate, orders, broker and costs: in one pass over the bars, or
where nothing else is set than what can be computed trade by trade, without a broker.

What the market is like at a close is the same for all of them, and found once. Each account is to the last bit that of
``simulate`` with the same decisions.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Self

import backtrader as bt
import numpy as np

from llm_strategy.market.snapshot import iso_time
from llm_strategy.risk import Market
from llm_strategy.trading.advised_feed import AdvisedFeed
from llm_strategy.trading.checklist_inputs import ChecklistInputs
from llm_strategy.trading.dealer import Dealer
from llm_strategy.trading.desk_feed import DeskFeed
from llm_strategy.trading.ledger import Ledger
from llm_strategy.trading.orders import OrderDesk
from llm_strategy.trading.strategy import AdvisedStrategy
from llm_strategy.trading.traded_feed import TradedFeed
from llm_strategy.types import Decision, Snapshot
from simulator.evaluation.placebo import Choices, Made
from simulator.runs.placebos.trades import covers, trade
from simulator.runs.simulation import Conditions, add_strategy, cerebro_of, without_garbage_collection


class Accounts(NamedTuple):
    """Accounts at their common closes: times (ISO 8601), and for each of them its equity (currency)."""

    times: list[str]
    equities: list[array[float]]


def trade_accounts(conditions: Conditions, times: Sequence[str], made: Iterable[Made]) -> Accounts:
    """As ``trade_again``, without a broker where ``covers`` says that the accounts are the same."""
    if not covers(conditions, times):
        return trade_again(conditions, times, made)
    (symbol,) = conditions.universe.symbols
    equities = trade(conditions, _choices([series[symbol] for series in made]))
    return Accounts(list(times), [array("d", equity) for equity in equities])


def _choices(series: Sequence[Sequence[Decision | None]]) -> Choices:
    every = [decision for made in series for decision in made]
    _, first, places = np.unique([id(decision) for decision in every], return_index=True, return_inverse=True)
    return Choices.of([every[number] for number in first.tolist()], places.reshape(len(series), -1))


def trade_again(conditions: Conditions, times: Sequence[str], made: Iterable[Made]) -> Accounts:
    """The accounts of these series of decisions, which stand at these closes (ISO 8601)."""
    work = _Work(conditions, {time: place for place, time in enumerate(times)}, list(made))
    cerebro = cerebro_of(conditions)
    add_strategy(cerebro, _Floor, conditions, advisor=_Nobody(), work=work)
    with without_garbage_collection():
        (floor,) = cerebro.run()
    return Accounts(floor.times, [account.equity for account in floor.accounts])


class _Work(NamedTuple):
    """What the accounts of a pass decide: the place of each close in every series."""

    conditions: Conditions
    places: Mapping[str, int]
    made: Sequence[Made]


class _Nobody:
    """No advisor: what is decided is known."""

    def attach(self, data: Any) -> Self:
        return self

    def decide(self, snapshot: Snapshot) -> Decision:
        raise AssertionError("nobody is asked")


class _Floor(AdvisedStrategy):
    """Reads the market once a close, and lets every account deal on it."""

    params: Any = (("work", None),)

    def start(self) -> None:
        super().start()
        self.times: list[str] = []
        self.seen = [_Seen(feed, self.broker) for feed in self._feeds]
        self.accounts = [_Account(self, made) for made in self.p.work.made]

    def next(self) -> None:
        """The brokers' bar, then what is decided at this close."""
        for account in self.accounts:
            account.bar()
        for feed in self._counting:
            feed.count_bar()
        closed = [place for place, feed in enumerate(self._feeds) if feed.has_new_bar() and feed.ready]
        if not closed:
            return
        now = self.datetime[0]
        self.times.append(iso_time(now))
        for seen in self.seen:
            seen.forget()
        read = [self._feeds[place].read() for place in closed]
        if self._checklist is not None:
            for snapshot in filter(None, read):
                self._checklist.take(snapshot)
        places = [None if snapshot is None else self.p.work.places.get(snapshot.time) for snapshot in read]
        for account in self.accounts:
            account.deal(now, closed, places)


class _Seen:
    """What is the same for every account at a close of one symbol, found where it is asked for."""

    def __init__(self, feed: AdvisedFeed, broker: bt.brokers.BackBroker) -> None:
        self.feed = feed
        self._broker = broker
        self._markets: dict[tuple[bool, bool], Market] = {}
        self._correlations: dict[AdvisedFeed, float] = {}

    def forget(self) -> None:
        """Another close."""
        self._markets.clear()
        self._correlations.clear()

    def market(self, *, entry: bool, decided: bool) -> Market:
        """With costs for an entry."""
        found = self._markets.get((entry, decided))
        if found is None:
            found = self.feed.market_at(self._broker if entry else None, decided=decided)
            self._markets[entry, decided] = found
        return found

    def correlation(self, other: AdvisedFeed) -> float:
        """With another symbol."""
        if other not in self._correlations:
            self._correlations[other] = self.feed.correlation(other)
        return self._correlations[other]


class _PlaceboFeed(DeskFeed):
    """One symbol of an account."""

    def __init__(self, seen: _Seen, desk: OrderDesk) -> None:
        feed = seen.feed
        super().__init__(feed.data, feed.decisions, symbol=feed.symbol, group=feed.group, desk=desk)
        self._seen = seen

    @property
    def snapshot(self) -> Snapshot:
        return self._seen.feed.snapshot

    def market_at(self, broker: bt.brokers.BackBroker | None, *, decided: bool) -> Market:
        return self._seen.market(entry=broker is not None, decided=decided)

    def correlation(self, other: TradedFeed) -> float:
        return self._seen.correlation(other._seen.feed) if isinstance(other, _PlaceboFeed) else 1.0


class _Account:
    """One account: it stands in the strategy's place for its own broker, desks and book."""

    def __init__(self, floor: _Floor, made: Made) -> None:
        self.cerebro, self.datas = floor.cerebro, floor.datas
        self.broker = floor.p.work.conditions.broker()
        self.broker.cerebro = floor.cerebro
        self.broker.start()
        ledger = Ledger({seen.feed.data: seen.feed.symbol for seen in floor.seen})
        self._feeds = [
            _PlaceboFeed(seen, OrderDesk(self, seen.feed.data, ledger, floor.order_rules)) for seen in floor.seen
        ]
        own = None if floor.limits.checklist is None else ChecklistInputs(floor.limits.checklist, floor._checklist)
        self._dealer = Dealer(self, self._feeds, floor.limits, own, None)
        self._made = [made[feed.symbol] for feed in self._feeds]
        self.equity: array[float] = array("d")

    def bar(self) -> None:
        """What the broker makes of a bar."""
        broker = self.broker
        if not broker.pass_bar():
            broker.next()
        while broker.notifs:
            self._dealer.on_order(broker.notifs.popleft())

    def deal(self, now: float, closed: Sequence[int], places: Sequence[int | None]) -> None:
        """What is decided at a close on these feeds, and the account after it."""
        made = self._made
        decisions = [
            None if place is None else made[number][place] for number, place in zip(closed, places, strict=True)
        ]
        self._dealer.deal(now, [self._feeds[number] for number in closed], decisions)
        self.equity.append(self._dealer.book.equity)

    def buy(self, **order: Any) -> bt.Order:
        """As a strategy sends it."""
        return self.broker.buy(self, **order)

    def sell(self, **order: Any) -> bt.Order:
        """As a strategy sends it."""
        return self.broker.sell(self, **order)

    def cancel(self, order: bt.Order) -> None:
        """As a strategy does."""
        self.broker.cancel(order)
