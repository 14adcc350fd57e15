"""A bare backtrader strategy that places the orders of a finished run and does nothing else: the floor of any run."""

from __future__ import annotations

from collections import defaultdict

import backtrader as bt

from llm_strategy import Journal
from llm_strategy.ledger import OrderRow
from simulator.broker import Costs, set_up_broker
from simulator.feed import make_feed
from simulator.market import Prices

_TYPES = {"market": bt.Order.Market, "stop": bt.Order.Stop, "limit": bt.Order.Limit}


class SameOrders(bt.Strategy):
    """Sends and cancels at each bar what was sent and cancelled there."""

    params = (("rows", ()), ("bars", None))

    def __init__(self) -> None:
        self._to_send: dict[int, list[OrderRow]] = defaultdict(list)
        self._to_cancel: dict[int, list[int]] = defaultdict(list)
        self._placed: dict[int, bt.Order] = {}
        for row in self.p.rows:
            self._to_send[self.p.bars[row.created]].append(row)
            if row.status == "canceled":
                self._to_cancel[self.p.bars[row.done]].append(row.order)

    def next(self) -> None:
        now = len(self)
        for number in self._to_cancel.get(now, ()):
            if (order := self._placed.get(number)) is not None and order.alive():
                self.cancel(order)
        for row in self._to_send.get(now, ()):
            trade = self.buy if row.side == "buy" else self.sell
            self._placed[row.order] = trade(size=row.size, exectype=_TYPES[row.type], price=row.price)


def run_same_orders(prices: Prices, journal: Journal, costs: Costs, *, own_feed: bool) -> float:
    """Run it on our feed or on backtrader's; returns the equity at the end (currency), which must be the journal's."""
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(make_feed(prices) if own_feed else bt.feeds.PandasData(dataname=prices.table))
    set_up_broker(cerebro.broker, costs)
    bars = {time.isoformat(): number for number, time in enumerate(prices.table.index, start=1)}
    cerebro.addstrategy(SameOrders, rows=journal.orders, bars=bars)
    cerebro.run()
    return float(cerebro.broker.getvalue())
