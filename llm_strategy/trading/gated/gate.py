"""How much of an order of somebody else's strategy the limits allow."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import backtrader as bt

from llm_strategy.errors import ConfigurationError
from llm_strategy.market.features import DEFAULT_LOOKBACKS, Lookbacks
from llm_strategy.risk import Account, Limits, Market
from llm_strategy.risk.checklist.effects import apply
from llm_strategy.risk.refusals import first_refusal
from llm_strategy.risk.sizing import in_lots, largest_size, target_share, worst_price
from llm_strategy.risk.verdict import at_most
from llm_strategy.trading.bar_check import BarCheck
from llm_strategy.trading.book import Book
from llm_strategy.trading.broker import check_scheme, require_simulated
from llm_strategy.trading.gated.checklist import GatedChecklist
from llm_strategy.trading.gated.feed import MARKET_TYPES, GatedFeed, SentOrder
from llm_strategy.trading.parameters import check_kinds
from llm_strategy.trading.traded_feed import feed_names, symbols_of
from llm_strategy.types import Action, ActionType, Advice, ClampEvent, Regime, RegimeLabel

StopDistance = Callable[[float], float]
"""Distance of a stop (fraction) for an entry at a price (currency); not positive for a stop on the wrong side."""

_UNADVISED = Advice("", "", Regime(RegimeLabel.SIDEWAYS), "", Action(ActionType.HOLD, confidence=1.0))


class GateCut(NamedTuple):
    """One order that the gate cut, refused or withdrew, or that an item of a checklist flags: sizes are signed shares,
    of which sales are negative."""

    time: str
    """Close at which it happened, ISO 8601, UTC."""
    symbol: str
    asked: float
    allowed: float
    events: tuple[ClampEvent, ...]


@dataclass(frozen=True, slots=True)
class AskedOrder:
    """What a strategy wants to send; ``how`` are backtrader's own arguments."""

    side: int
    size: float
    how: Mapping[str, Any]
    stop: StopDistance | None

    @property
    def at_market(self) -> bool:
        """Whether it fills at the next bar in any case."""
        return self.how.get("exectype") in MARKET_TYPES


class Gate:
    """The gate of one strategy over all its feeds, or those that ``decisions`` names with the feed whose bars count
    time for each; ``tick_volume`` are symbols whose volume counts ticks. ``log`` holds every cut.

    ``lookbacks`` are those of the features that a checklist of the limits looks at, which takes closes into its past
    from ``first_bars`` (by name of a feed) on.
    """

    def __init__(
        self,
        strategy: bt.Strategy,
        limits: Limits,
        groups: Mapping[str, str],
        *,
        decisions: Mapping[bt.AbstractDataBase, bt.AbstractDataBase] | None = None,
        tick_volume: Collection[str] = (),
        lookbacks: Lookbacks = DEFAULT_LOOKBACKS,
        first_bars: Mapping[str, int] | None = None,
    ) -> None:
        check_kinds({"limits": limits, "groups": groups})
        require_simulated(strategy.broker)
        if strategy.broker.p.coo:
            raise ConfigurationError(
                "The gate judges orders at a close, and cheat-on-open sends them between two: switch it off."
            )
        self.log: list[GateCut] = []
        self._strategy = strategy
        self._limits = limits
        names = feed_names(strategy.datas)
        counted = {data: data for data in names} if decisions is None else decisions
        symbols = symbols_of({data: names[data] for data in counted})
        for data in symbols:
            check_scheme(strategy.broker, data)
        strategy.broker.set_checksubmit(False)
        self._feeds = {
            data: GatedFeed(
                data,
                counted[data],
                symbol=symbol,
                group=groups.get(symbol, ""),
                on_cut=self._cut,
                tick_volume=symbol in tick_volume,
            )
            for data, symbol in symbols.items()
        }
        self._checks = {data: BarCheck(data, names[data], may_abstain=False) for data in symbols}
        self._clock = self._feeds[strategy.datas[0]]
        self._book = Book(strategy, list(self._feeds.values()), limits)
        checklist = limits.checklist
        self._checklist = None if checklist is None else GatedChecklist(checklist, lookbacks, first_bars)

    def bar_closed(self) -> None:
        """Take a close, and act where a limit wants less than the strategy holds."""
        for feed in self._feeds.values():
            feed.trim_exits()
        new = [feed for feed in self._feeds.values() if feed.has_new_bar()]
        if not new:
            return
        for feed in new:
            if feed.position or feed.entering:
                self._check(feed.data)
            if self._checklist is not None:
                self._checklist.take(feed)
        self._book.update(int(self._now()), decided=self._clock in new)
        for feed in self._feeds.values():
            account, longest = self._book.account(feed, entry=False), self._limits.max_holding_bars
            if account.killed:
                self._flatten(feed, ClampEvent("max_drawdown", account.drawdown, 0.0))
            elif longest is not None and account.bars_held is not None and account.bars_held >= longest:
                self._flatten(feed, ClampEvent("max_holding_bars", float(account.bars_held), float(longest)))
            elif self._paused(account):
                feed.withdraw(entries_alone=True)

    def _check(self, data: bt.AbstractDataBase) -> None:
        """Raise ``MarketDataError`` for a bar that cannot be true on a feed that the strategy is engaged in."""
        self._checks[data].check_now()

    def booked(self, order: bt.Order) -> None:
        """Take a notification of the broker."""
        feed = self._feeds.get(order.data)
        if feed is not None and (ended := feed.book(order)):
            self._book.trade_closed(feed, ended[0], stopped=ended[1])

    def allowed(self, data: bt.AbstractDataBase, asked: AskedOrder) -> float:
        """Shares that may be sent of an order, 0 for none; a cut is logged."""
        feed = self._feeds[data]
        if len(data):
            self._check(data)
        events: list[ClampEvent] = []
        allowed = self._allowed(feed, asked, events)
        if allowed >= asked.size:
            events.clear()  # of what a larger order would have met
        if self._checklist is not None and allowed and self._opens(feed, asked):
            allowed = self._checked(self._checklist, feed, asked, allowed, events)
        if allowed < asked.size or math.isnan(asked.size) or events:
            self._cut(feed, asked.side * asked.size, asked.side * allowed if allowed else 0.0, tuple(events))
        return allowed

    def sent(self, order: bt.Order, asked: AskedOrder) -> None:
        """Keep an order that was sent."""
        feed, parent = self._feeds[order.data], asked.how.get("parent")
        opens = self._opens(feed, asked)
        market, limits = self._priced(feed, asked)
        worst = worst_price(abs(order.size), market, limits) if opens else market.price
        group = -parent.ref if parent is not None else feed.group_of(asked.how.get("oco"))
        feed.keep(SentOrder(order, worst, opens, order.ref if group is None else group))
        if opens:
            self._book.entry_sent()

    def _allowed(self, feed: GatedFeed, asked: AskedOrder, events: list[ClampEvent]) -> float:
        if math.isnan(asked.size):
            events.append(ClampEvent("size", 0.0, 0.0))
            return 0.0
        parent = asked.how.get("parent")
        if self._opens(feed, asked):
            return self._entry(feed, asked, events)
        if parent is not None:
            return _cut_to(abs(parent.size), asked.size, "position", events)
        size = _cut_to(abs(feed.position), asked.size, "close_first", events)
        room = feed.room_to_close(at_market=asked.at_market, group=feed.group_of(asked.how.get("oco")))
        return _cut_to(room, size, "resting_exits", events)

    def _opens(self, feed: GatedFeed, asked: AskedOrder) -> bool:
        parent = asked.how.get("parent")
        if parent is not None:
            return bool(parent.isbuy() == (asked.side > 0))
        return asked.side * feed.position >= 0

    def _entry(self, feed: GatedFeed, asked: AskedOrder, events: list[ClampEvent]) -> float:
        if not len(feed.data):
            events.append(ClampEvent("price", 0.0, 0.0))
            return 0.0
        account = self._book.account(feed, entry=True)
        if account.killed:
            events.append(ClampEvent("max_drawdown", account.drawdown, 0.0))
            return 0.0
        market, limits = self._priced(feed, asked)
        if refusal := first_refusal(_UNADVISED, asked.side, market, account, limits):
            events.append(refusal[0])
            return 0.0
        stop = limits.stop_loss_pct if asked.stop is None else asked.stop(market.price)
        if not 0 < stop < math.inf:
            events.append(ClampEvent("stop_price", stop if math.isfinite(stop) else 0.0, 0.0))
            return 0.0
        held, share = abs(feed.position) + feed.waiting(asked.side), target_share(market, limits)
        worth = (held + asked.size) * worst_price(asked.size, market, limits)
        at_most(worth / account.equity, share, "max_position_size", events)
        largest = largest_size(share, stop, asked.side, market, account, limits, events)
        if held:  # the addition meets the limits of cash and volume, the whole position those of share and risk
            unbound = replace(account, cash=math.inf)
            whole = largest_size(share, stop, asked.side, replace(market, volume=None), unbound, limits, events)
            worst = worst_price(whole, market, limits)
            left = min(whole - held, whole - feed.worth(asked.side) / worst)
            largest = at_most(largest, left, "position_held", events)
        size = in_lots(min(asked.size, largest), limits.lot_step)
        if size < asked.size < largest:
            events[:] = [ClampEvent("lot_step", asked.size, size)]
        if size and size * market.price < limits.min_notional:
            events.append(ClampEvent("min_notional", size * market.price, 0.0))
            return 0.0
        return size

    def _checked(
        self, checklist: GatedChecklist, feed: GatedFeed, asked: AskedOrder, size: float, events: list[ClampEvent]
    ) -> float:
        """What the items of the checklist leave of an entry that the limits allow."""
        firings = checklist.firings(feed, self._book.account(feed, entry=True), feed.price)
        left, _ = apply(firings, size, self._limits.lot_step, events)
        if 0 < left < size and left * self._priced(feed, asked)[0].price < self._limits.min_notional:
            events.append(ClampEvent("min_notional", left * self._priced(feed, asked)[0].price, 0.0))
            return 0.0
        return left

    def _priced(self, feed: GatedFeed, asked: AskedOrder) -> tuple[Market, Limits]:
        """The market at the price that an entry is sized for, and the limits with the gap that it may meet there."""
        market = feed.market(self._strategy.broker)
        price, gap = _sizing_price(asked, market.price)
        limits = self._limits if gap else replace(self._limits, gap_buffer=0.0)
        return replace(market, price=price), limits

    def _paused(self, account: Account) -> bool:
        daily = self._limits.max_daily_loss
        return account.losing_streak or (daily is not None and account.daily_loss >= daily)

    def _flatten(self, feed: GatedFeed, why: ClampEvent) -> None:
        leaving = feed.room_to_close(at_market=True, group=None) <= 0
        if feed.position and leaving:
            return
        feed.withdraw()
        if feed.position:
            side, size = (-1 if feed.position > 0 else 1), abs(feed.position)
            self._cut(feed, feed.position, 0.0, (why,))
            send = bt.Strategy.buy if side > 0 else bt.Strategy.sell
            order = send(self._strategy, feed.data, size=size)
            self.sent(order, AskedOrder(side, size, {}, None))

    def _cut(self, feed: GatedFeed, asked: float, allowed: float, events: tuple[ClampEvent, ...]) -> None:
        time = bt.num2date(self._now()).isoformat()
        self.log.append(GateCut(time, feed.symbol, float(asked), float(allowed), events))

    def _now(self) -> float:
        return float(max(data.datetime[0] for data in self._strategy.datas if len(data)))


def _cut_to(room: float, size: float, name: str, events: list[ClampEvent]) -> float:
    if size <= room:
        return size
    events.append(ClampEvent(name, size, room))
    return room


def _sizing_price(asked: AskedOrder, close: float) -> tuple[float, bool]:
    """The price to size an entry at, and whether a gap may carry the fill beyond it.

    A purchase fills no higher than its limit. A sale at a limit, and any order once its trigger is touched, may fill at
    an open far beyond: from the trigger or the close, whichever makes the position larger.
    """
    how, exectype = asked.how, asked.how.get("exectype")
    price = how.get("price") or close
    if exectype in MARKET_TYPES:
        return close, True
    trail = how.get("trailamount") or price * (how.get("trailpercent") or 0.0)
    limit, trigger = None, price + asked.side * trail
    if exectype == bt.Order.Limit:
        limit, trigger = price, close
    elif exectype in (bt.Order.StopLimit, bt.Order.StopTrailLimit):
        limit = how.get("plimit")
    if limit is not None and asked.side > 0:
        return limit, False
    if limit is not None:
        return max(limit, trigger, close), True
    return (max if asked.side > 0 else min)(trigger, close), True
