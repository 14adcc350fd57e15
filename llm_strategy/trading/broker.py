"""The simulated broker: backtrader's own, with costs by name and without the fills that no market would give; and what
an order will pay under any broker's scheme of commissions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from operator import attrgetter
from typing import Any

import backtrader as bt

from llm_strategy.costs.cash_rates import interest
from llm_strategy.costs.costs import VOLATILITY_BARS, Costs, TradingCosts, volatility
from llm_strategy.errors import ConfigurationError, SimulationOnlyError
from llm_strategy.trading.bar_check import all_possible, last_close, possible


class CostScheme(bt.CommInfoBase):
    """The commissions of ``Costs`` as backtrader's scheme of a stock. ``p.commission`` is the part that is a fraction
    of the value."""

    def __init__(self, costs: Costs) -> None:
        self.p.commission = costs.commission_bps / 10_000
        self.p.percabs = True  # or backtrader takes the fraction for a percentage
        self.p.stocklike = True
        super().__init__()
        self.costs = costs

    def _getcommission(self, size: float, price: float, pseudoexec: bool) -> float:
        return self.costs.commission(abs(size), price) if size else 0.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """What an order will pay: commission as the broker's scheme has it, and slippage; see ``TradingCosts``."""

    scheme: bt.CommInfoBase
    adverse_move: Callable[[float, float], float]

    def commission(self, size: float, price: float) -> float:
        """Currency for so many shares at this price."""
        return float(self.scheme.getcommission(size, price))

    def slippage(self, size: float, price: float) -> float:
        """How much worse than this price the fill will be, a fraction of it."""
        return self.adverse_move(size, price)


@dataclass(frozen=True, slots=True)
class _OwnEstimate:
    """The same under the broker's own costs, without the way through backtrader's scheme."""

    costs: Costs

    def commission(self, size: float, price: float) -> float:
        return self.costs.commission(abs(size), price) if size else 0.0

    def slippage(self, size: float, price: float) -> float:
        return self.costs.slippage(size, price)


def check_scheme(broker: bt.brokers.BackBroker, data: bt.AbstractDataBase) -> None:
    """Raise ``ConfigurationError`` for commission schemes that are not those of a stock (futures, multipliers, leverage
    of the scheme): positions under them cannot be sized by their value."""
    scheme = broker.getcommissioninfo(data)
    if not scheme.stocklike or scheme.p.mult != 1 or scheme.p.leverage != 1:
        raise ConfigurationError(
            "The broker's commission scheme is not that of a stock, and the gate cannot size positions under it: use "
            "setcommission(commission=0.001) without margin, mult or leverage, or a SimulatedBroker."
        )


_DAYS_A_YEAR = 365
_DUST = 1e-9  # 0.29 of 100 shares is 29 of them, whatever the last bit says
_STOPS = (bt.Order.Stop, bt.Order.StopTrail, bt.Order.StopLimit, bt.Order.StopTrailLimit)
_size = attrgetter("size")
_WAITING = (bt.Order.Stop, bt.Order.Limit)
_WITH_LIMIT = {
    bt.Order.Limit: "price",
    bt.Order.StopLimit: "pricelimit",
    bt.Order.StopTrailLimit: "pricelimit",
}


class SimulatedBroker(bt.brokers.BackBroker):
    """``BackBroker`` that charges ``costs``; give it to ``cerebro.broker``.

    Fills: a market order fills at the next open, and no order is tried on a bar that its feed has had before. Market
    and stop fills slip, and so does a limit order that the open is beyond, up to its limit; a fill stays within the
    range of its bar. Volatility for slippage is that of the last 20 returns up to the bar before the fill. With
    ``max_fill_share`` all orders on a feed together fill at most that share of a bar's volume (whole shares where the
    order has whole shares), nothing on a bar without volume, and without bound on a feed that has had no volume at all.
    Nothing fills on a bar that cannot be true (NaN, zero or negative prices, a high below the low); there a position is
    worth what it was at its last close.

    Carry: at the first bar of a new calendar day on any feed, before any fill, the days since the last bar times rate
    / 365 is taken from cash, on the shorts' value at their last closes (``borrow_rate``) and on cash below zero
    (``financing_rate``) as they stood at the end of the earlier day. ``carry`` is the sum so far, currency. A position
    that is closed on its first day pays nothing; the night after the last bar is not charged. At the same bar cash
    above zero earns ``cash_rate``, at the rate that stood on the earlier day and from ``interest_from`` on, if given;
    what short sales brought in is the lender's security and earns nothing. ``interest`` is the sum so far, currency.

    Credit: an opening fill is paid for if cash stays above -(leverage - 1) * equity, equity as of the last close. There
    is no margin call, and proceeds of short sales can be spent: the limits of the risk gate bound exposure.

    With ``same_close`` market orders fill at the close of the bar that they were sent on, slippage beyond its range
    included: a fill that nobody could have had, for comparisons alone.

    Orders of type Close do not slip. The check at submission is off: it counts a stop and a target as two sales and
    loses exits near full cash.

    Raises ``ConfigurationError`` for ``same_close`` with ``max_fill_share``.
    """

    def __init__(self, costs: Costs, *, same_close: bool = False, interest_from: date | None = None) -> None:
        if same_close and costs.max_fill_share is not None:
            raise ConfigurationError(
                "costs.max_fill_share cannot hold for fills at the close of the same bar: leave one of them out."
            )
        self.costs = costs
        self._has_rates = bool(costs.borrow_rate or costs.financing_rate or costs.cash_rate)
        self._interest_from = 0 if interest_from is None else interest_from.toordinal()
        self.p.cash = costs.starting_cash
        super().__init__()
        self.addcommissioninfo(CostScheme(costs))
        self.set_slippage_perc(
            (costs.slippage_bps + costs.spread_bps / 2) / 10_000, slip_open=True, slip_match=True, slip_out=False
        )
        self.set_checksubmit(False)
        self.set_coc(same_close)
        self.set_coo(False)
        if costs.max_fill_share is not None:
            self.set_filler(self._share_of_volume)
        self.slippage_varies = bool(costs.slippage_per_share or costs.slippage_volatility or costs.impact)

    def init(self) -> None:
        """Begin anew; backtrader calls it before each run."""
        super().init()
        self.carry = self.interest = 0.0
        self._day: int | None = None
        self._short_value = 0.0
        self._trying: dict[Any, float] = {}
        self._tried: dict[Any, float] = {}
        self._sound: dict[Any, bool] = {}
        self._filled: dict[Any, float] = {}
        self._with_volume: set[Any] = set()
        self._estimates: dict[Any, TradingCosts] = {}

    def credit(self) -> float:
        """Cash that the broker still lends, currency; 0 without leverage."""
        return float(max(0.0, self._credit_line() + min(0.0, self.cash)))

    def costs_of(self, data: bt.AbstractDataBase) -> TradingCosts:
        """What an order on this feed will pay, estimated from the volume and volatility of the bar that has closed."""
        if self.costs.slippage_volatility or self.costs.impact:
            at_bar = self.costs.at_bar(data.volume[0], _volatility(data, 0))
            return Estimate(self.getcommissioninfo(data), at_bar.slippage)
        if data not in self._estimates:  # the same at every bar
            scheme = self.getcommissioninfo(data)
            own = type(scheme) is CostScheme and scheme.costs is self.costs
            self._estimates[data] = _OwnEstimate(self.costs) if own else Estimate(scheme, self.costs.slippage)
        return self._estimates[data]

    def pass_bar(self) -> bool:
        """Take a bar in which no order can fill, in place of ``next``; False where ``next`` has to look at it."""
        if self._toactivate:
            return False
        for order in self.pending:
            if not self._cannot_fill(order):
                return False
        if self._has_rates:
            self._settle_nights()
        if self._has_rates or any(map(_size, self.positions.values())):
            self._get_value()
            self._note_shorts()
        return True

    def _cannot_fill(self, order: bt.Order) -> bool:
        """Whether the bar of an order does not reach it: a stop or a limit that waits beyond the bar's range."""
        data, kind = order.data, order.exectype
        if kind not in _WAITING or not self._is_sound(data):
            return False
        lines, price = data.lines, order.created.price
        if order.isbuy() == (kind == bt.Order.Stop):
            return bool(lines.high[0] < price)
        return bool(lines.low[0] > price)

    def next(self) -> None:
        """One bar of any feed: carry and interest, then fills, then the value of the book."""
        if self._has_rates:
            self._settle_nights()
        super().next()
        if self._trying:
            self._tried.update(self._trying)
            self._trying.clear()
        self._filled.clear()
        self._note_shorts()

    def _note_shorts(self) -> None:
        if self.costs.borrow_rate or self.costs.cash_rate:
            held = ((last_close(data), position.size) for data, position in self.positions.items())
            self._short_value = sum(-size * close for close, size in held if size < 0)

    def _get_value(self, datas: Iterable[bt.AbstractDataBase] | None = None, lever: bool = False) -> float:
        """Closes that are no price stand at the last one that was, while positions are valued."""
        if datas is None and self._values_shares and not self._cash_addition and self._all_sound():
            return self._value_at_closes(lever=lever)
        no_prices = []
        for data in datas or self.positions:
            if not self._is_sound(data) and not 0 < data.close[0] < math.inf:
                no_prices.append((data, data.close[0]))
                data.close[0] = last_close(data)
        value = float(super()._get_value(datas, lever))
        for data, close in no_prices:
            data.close[0] = close
        return value

    def _value_at_closes(self, *, lever: bool) -> float:
        """What backtrader computes for shares without margin, in its order of sums, and several times as fast."""
        value = unlevered = unrealized = 0.0
        for data, position in self.positions.items():
            if not position.size:
                continue
            close = data.lines.close[0]
            held = position.size * close
            gained = position.size * (close - position.price)
            value += held
            unrealized += gained
            unlevered = unlevered + (held - gained) + gained if held > 0 else unlevered + held
        self._value = self.cash + unlevered
        self._fundval = self._value / self._fundshares
        self._valuemkt, self._valuemktlever = unlevered, value
        self._valuelever = self.cash + value
        self._leverage = value / (unlevered or 1.0)
        self._unrealized = unrealized
        return float(self._valuelever if lever else self._value)

    @property
    def _values_shares(self) -> bool:
        """Whether the account is one of plain shares under this broker's own costs."""
        return len(self.comminfo) == 1 and type(self.comminfo[None]) is CostScheme and not self._fundhist

    def _all_sound(self) -> bool:
        return all(map(self._sound.get, self.positions)) or all(map(self._is_sound, self.positions))

    def _is_sound(self, data: bt.AbstractDataBase) -> bool:
        """Whether all bars of a feed are there already and possible, so that none has to be looked at again."""
        if data not in self._sound:
            self._sound[data] = bool(len(data) and self.cerebro._dopreload) and all_possible(data)
        return self._sound[data]

    def _settle_nights(self) -> None:
        today = max(int(data.datetime[0]) for data in self.cerebro.datas if len(data))
        before = today if self._day is None else self._day
        self._day = max(today, before)
        if days := self._day - before:
            self._earn(before)
            owed = self._short_value * self.costs.borrow_rate + max(0.0, -self.cash) * self.costs.financing_rate
            charge = owed * days / _DAYS_A_YEAR
            self.carry += charge
            self.cash -= charge
            self._value -= charge

    def _earn(self, before: int) -> None:
        """Credit what cash earned since an earlier day, at the rate that was known then."""
        if self.costs.cash_rate and self._day is not None:
            first = max(before, self._interest_from)
            rate = self.costs.cash_rate_on(date.fromordinal(first))
            earned = interest(self.cash - self._short_value, rate, max(0, self._day - first))
            self.interest += earned
            self.cash += earned
            self._value += earned

    def _credit_line(self) -> float:
        return float(max(0.0, (self.costs.leverage - 1) * self._value))

    def _try_exec(self, order: bt.Order) -> None:
        data, now = order.data, order.data.datetime[0]
        if not self._at_its_close(order) and order.exectype != bt.Order.Historical:
            if now <= order.created.dt or now == self._tried.get(data) or not (self._is_sound(data) or possible(data)):
                return
            self._trying[data] = now
        if self.slippage_varies:
            self.p.slip_perc = self._slippage(order)
        super()._try_exec(order)

    def _at_its_close(self, order: bt.Order) -> bool:
        return bool(self.p.coc and order.exectype == bt.Order.Market and order.info.get("coc", True))

    def _slippage(self, order: bt.Order) -> float:
        """Of a fill on this bar, seen from what was known before it, but for its volume."""
        data, ago = order.data, 0
        price = data.open[0]
        if self._at_its_close(order):
            price, ago = order.created.pclose, 0 if data.datetime[0] == order.created.dt else -1
        elif order.exectype in _STOPS and not order.triggered:
            price = max(price, order.created.price) if order.isbuy() else min(price, order.created.price)
        size, volume = abs(order.executed.remsize), data.volume[ago]
        if self.p.filler is not None:
            size = self._share_of_volume(order, price, ago)
        return self.costs.slippage(size, price, volume, _volatility(data, ago - 1))

    def _try_exec_market(self, order: bt.Order, popen: float, phigh: float, plow: float) -> None:
        if self._at_its_close(order):
            phigh, plow = float("inf"), 0.0  # these are of the bar after, which says nothing of a price at the close
        super()._try_exec_market(order, popen, phigh, plow)

    def _execute(
        self, order: bt.Order, ago: int | None = None, price: float | None = None, *rest: Any, **how: Any
    ) -> Any:
        if ago is None or price is None:
            return super()._execute(order, ago, price, *rest, **how)
        if order.exectype in _WITH_LIMIT:
            price = _kept_to_limit(order, price)
        before, lent = order.executed.size, self._credit_line()
        self.cash += lent
        super()._execute(order, ago, price, *rest, **how)
        self.cash -= lent
        self._filled[order.data] = self._filled.get(order.data, 0.0) + abs(order.executed.size - before)
        return None

    def _share_of_volume(self, order: bt.Order, price: float, ago: int) -> float:
        """How many shares of an order a bar fills; backtrader's filler."""
        wanted = float(abs(order.executed.remsize))
        if self.costs.max_fill_share is None or not self._has_volume(order.data):
            return wanted
        volume = order.data.volume[ago]
        left = self.costs.max_fill_share * volume - self._filled.get(order.data, 0.0) if volume > 0 else 0.0
        share = max(0.0, min(wanted, left))
        return float(int(share + _DUST)) if wanted.is_integer() else share

    def _has_volume(self, data: bt.AbstractDataBase) -> bool:
        if data not in self._with_volume and any(data.volume[-back] > 0 for back in range(_bars(data))):
            self._with_volume.add(data)
        return data in self._with_volume


def require_simulated(broker: object) -> None:
    """Raise ``SimulationOnlyError`` for any broker but backtrader's simulated one."""
    if not isinstance(broker, bt.brokers.BackBroker):
        raise SimulationOnlyError(
            f"The broker is a {type(broker).__name__}: only backtrader's simulated BackBroker is allowed, "
            "leave cerebro.broker as it is."
        )


def costs_of(broker: bt.brokers.BackBroker, data: bt.AbstractDataBase) -> TradingCosts:
    """What trading on this feed costs at any simulated broker, seen from the bar that has closed."""
    if isinstance(broker, SimulatedBroker):
        return broker.costs_of(data)
    scheme = broker.getcommissioninfo(data)
    return Estimate(scheme, lambda size, price: broker.p.slip_perc or broker.p.slip_fixed / price)


def _kept_to_limit(order: bt.Order, price: float) -> float:
    """backtrader lets a sale slip below the bar, and a stop-limit order beyond its own limit."""
    limit = getattr(order.created, _WITH_LIMIT[order.exectype])
    return float(min(price, limit) if order.isbuy() else max(price, limit, order.data.low[0]))


def _volatility(data: bt.AbstractDataBase, ago: int) -> float:
    """Of the returns up to the bar ``ago``, fraction a bar."""
    bars = min(VOLATILITY_BARS + 1, _bars(data) + ago)
    return volatility(data.close.get(ago=ago, size=bars)) if bars > 2 else 0.0


def _bars(data: bt.AbstractDataBase) -> int:
    """Bars up to this one that are still in memory: all of them, or with ``exactbars`` those that indicators need."""
    return min(len(data), len(data.close.array))
