"""A person's strategy as an arm of a comparison: behind the gate, on books, and beginning with the other arms."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import backtrader as bt

from llm_strategy.errors import ConfigurationError, MarketDataError
from llm_strategy.market.features import DEFAULT_LOOKBACKS, Lookbacks
from llm_strategy.market.snapshot import iso_time
from llm_strategy.risk import Limits
from llm_strategy.trading.gated.books import StrategyLedger
from llm_strategy.trading.gated.feed import STOP_TYPES, GatedFeed
from llm_strategy.trading.gated.gate import AskedOrder, Gate
from llm_strategy.trading.gated.strategy import Gated
from llm_strategy.trading.journal import EquityRow
from llm_strategy.trading.ledger import DUST, ExitReason, OrderKind
from llm_strategy.trading.traded_feed import feed_names
from llm_strategy.types import ClampEvent


@dataclass(frozen=True, slots=True)
class ArmTerms:
    """The terms on which a strategy trades as an arm, the same for every arm of an experiment.

    ``first_bars`` is by name of a feed the number of its bars up to the first decision; ``decisions`` names for each
    traded feed the one whose bars count time, often itself. ``subject`` begins every sentence on the strategy.
    """

    subject: str
    limits: Limits
    first_bars: Mapping[str, int]
    decisions: Mapping[str, str]
    groups: Mapping[str, str] = field(default_factory=dict)
    tick_volume: tuple[str, ...] = ()
    lookbacks: Lookbacks = DEFAULT_LOOKBACKS


@dataclass(frozen=True, slots=True)
class Wish:
    """An order that a strategy asked for (``side`` 1 to buy, -1 to sell; sizes in shares), and how much of it the gate
    let through."""

    side: int
    size: float
    allowed: float
    opens: bool
    at_market: bool
    text: str
    """The order in words, with its price where it has one."""
    clamps: tuple[ClampEvent, ...] = ()


class RecordingGate(Gate):
    """A gate that keeps the books, and what was asked at each close."""

    def __init__(self, strategy: bt.Strategy, terms: ArmTerms) -> None:
        by_name = {name: data for data, name in feed_names(strategy.datas).items()}
        decisions = {by_name[traded]: by_name[counted] for traded, counted in terms.decisions.items()}
        super().__init__(
            strategy,
            terms.limits,
            terms.groups,
            decisions=decisions,
            tick_volume=terms.tick_volume,
            lookbacks=terms.lookbacks,
            first_bars=terms.first_bars,
        )
        self.ledger = StrategyLedger({data: feed.symbol for data, feed in self._feeds.items()})
        self._subject = terms.subject
        self._wishes: dict[str, list[Wish]] = {}
        self._forced: dict[str, ClampEvent] = {}
        self._why = ""
        self.last_allowed = 0.0
        """Shares of the order that was judged last."""

    def take_wishes(self, symbol: str) -> tuple[list[Wish], ClampEvent | None]:
        """What was asked for a symbol since the last call, and why the gate itself closed its position, if it did."""
        return self._wishes.pop(symbol, []), self._forced.pop(symbol, None)

    def traded(self, data: bt.AbstractDataBase) -> GatedFeed:
        """The feed as the gate sees it; raises ``ConfigurationError`` for one that is there to be looked at alone."""
        if data not in self._feeds:
            raise ConfigurationError(
                f"{self._subject} sends an order for {data._name}, the bars of its decisions: trade the symbol itself."
            )
        return self._feeds[data]

    def usual_size(self, data: bt.AbstractDataBase, asked: AskedOrder) -> float:
        """Shares of an order that says none: of an exit the whole position, of an entry what the limits allow, or where
        they allow nothing what all equity would buy, so that the refusal is on record."""
        feed, parent = self._feeds[data], asked.how.get("parent")
        if not self._opens(feed, asked):
            return float(abs(feed.position if parent is None else parent.size))
        whole = self._book.account(feed, entry=False).equity / feed.price
        return self._allowed(feed, replace(asked, size=whole), []) or whole

    def allowed(self, data: bt.AbstractDataBase, asked: AskedOrder) -> float:
        """As of any gate, kept as a wish."""
        feed = self._feeds[data]
        opens, before = self._opens(feed, asked), len(self.log)
        self.last_allowed = size = super().allowed(data, asked)
        clamps = tuple(event for cut in self.log[before:] if cut.symbol == feed.symbol for event in cut.events)
        self._wishes.setdefault(feed.symbol, []).append(
            Wish(asked.side, asked.size, size, opens, asked.at_market, _in_words(asked, feed.symbol), clamps)
        )
        return size

    def sent(self, order: bt.Order, asked: AskedOrder) -> None:
        """As of any gate, booked."""
        kind = OrderKind.EXIT
        if self._opens(self._feeds[order.data], asked):
            kind = OrderKind.ENTRY
        elif order.exectype in STOP_TYPES:
            kind = OrderKind.STOP
        elif order.exectype == bt.Order.Limit:
            kind = OrderKind.TARGET
        super().sent(order, asked)
        self.ledger.sent(order, kind, self._why)

    def booked(self, order: bt.Order) -> None:
        """As of any gate; an order that passed it by is refused."""
        if self.ledger.kind_of(order) is None:
            raise ConfigurationError(
                f"{self._subject} sends an order to the broker itself, past the gate: use buy, sell, close and the "
                "order_target methods of the strategy."
            )
        self.ledger.update(order)
        super().booked(order)

    def row(self, time: str) -> EquityRow:
        """The account at this close."""
        return self._book.row(time)

    def _flatten(self, feed: GatedFeed, why: ClampEvent) -> None:
        if feed.position:
            self._forced[feed.symbol] = why
        self._why = ExitReason.KILL_SWITCH if why.limit == "max_drawdown" else ExitReason.TIME
        super()._flatten(feed, why)
        self._why = ""


class GatedArm(Gated):
    """Put before a strategy by ``type(name, (GatedArm, strategy), {"terms": ..., "after_bar": ...})``.

    Beyond ``Gated``: ``next`` is first called when every symbol has had its first decision bar, and orders for a symbol
    before its own are not sent. An order without a size is one of the size that the limits give an entry, or closes the
    position, unless the strategy sets a sizer. Sizes that are no numbers, orders past the gate and for feeds of
    decisions raise ``ConfigurationError``. ``after_bar`` is called with the strategy when it is through with a bar.
    """

    terms: ArmTerms
    after_bar: ClassVar[Callable[..., None]]
    gate: RecordingGate
    _first: dict[Any, int]
    _minperiods: list[int]

    def __init__(self, *args: Any, **keywords: Any) -> None:
        self._given_sizer = self.getsizer()  # backtrader's own, of one share
        super().__init__(*args, **keywords)

    def _new_gate(self) -> Gate:
        self.gate = RecordingGate(self, self.terms)
        return self.gate

    def _periodset(self) -> None:
        """A strategy begins with the other arms, or later where its indicators need more bars."""
        super()._periodset()
        names, periods = feed_names(self.datas), []
        self._first = {data: self.terms.first_bars[name] for data, name in names.items()}
        for data, own in zip(self.datas, self._minperiods, strict=True):
            if self.cerebro._dopreload and data.buflen() < own:
                raise MarketDataError(
                    f"{self.terms.subject} needs {own} bars of {names[data]} before its first, and there are "
                    f"{data.buflen()}: give it more bars, or shorter indicators."
                )
            periods.append(max(own, self._first[data]))
        self._minperiods = periods

    def _send(self, side: int, data: Any, size: float | None, how: dict[str, Any]) -> bt.Order | None:
        data = self.getdatabyname(data) if isinstance(data, str) else self.datas[0] if data is None else data
        feed, gate = self.gate.traded(data), self.gate
        if len(data) < self._first[data]:
            return None
        if size is None and self.getsizer() is self._given_sizer:
            size = gate.usual_size(data, AskedOrder(side, math.inf, how, self._bracket_stop))
        if size is None:
            size = self.getsizing(data, isbuy=side > 0)
        if not math.isfinite(size):
            raise ConfigurationError(
                f"{self.terms.subject} asks for {size} shares of {feed.symbol} at {iso_time(data.datetime[0])}: "
                "correct its size there."
            )
        order = super()._send(side, data, size, how)
        if order is not None and abs(order.size) > gate.last_allowed + DUST:
            raise ConfigurationError(
                f"{self.terms.subject} overrides buy or sell and sends more than the gate allows: leave the size as it "
                "is given there."
            )
        return order

    def _next_analyzers(self, minperstatus: int, once: bool = False) -> None:
        self.after_bar()
        super()._next_analyzers(minperstatus, once=once)


def _in_words(asked: AskedOrder, symbol: str) -> str:
    kind = bt.Order.ExecTypes[asked.how.get("exectype") or bt.Order.Market].lower()
    price = asked.how.get("price")
    at = "" if price is None else f" at {price:.10g}"
    return f"{'buy' if asked.side > 0 else 'sell'} {asked.size:.10g} {symbol} {kind}{at}"
