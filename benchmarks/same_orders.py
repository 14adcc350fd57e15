"""A bare backtrader strategy that places the orders of a finished run and does nothing else: the floor of any run."""

from __future__ import annotations

import functools
from collections import defaultdict
from itertools import pairwise

import backtrader as bt
import pandas as pd

from llm_strategy import Journal
from llm_strategy.costs.costs import Costs
from llm_strategy.market.snapshot import iso_time
from llm_strategy.trading.broker import SimulatedBroker
from llm_strategy.trading.ledger import OrderRow
from simulator.prices.feed import make_feed
from simulator.prices.universe import Universe

_TYPES = {"market": bt.Order.Market, "stop": bt.Order.Stop, "limit": bt.Order.Limit}


class SameOrders(bt.Strategy):
    """Sends and cancels at each bar what was sent and cancelled there; a cancellation is told a bar after it was sent.

    ``before`` is the time of the bar before each time.
    """

    params = (("rows", ()), ("before", None))

    def __init__(self) -> None:
        self._to_send: dict[str, list[OrderRow]] = defaultdict(list)
        self._to_cancel: dict[str, list[int]] = defaultdict(list)
        self._placed: dict[int, bt.Order] = {}
        for row in self.p.rows:
            self._to_send[row.created].append(row)
            if row.status == "canceled":
                self._to_cancel[self.p.before[row.done]].append(row.order)

    def next(self) -> None:
        now = iso_time(self.datetime[0])
        for row in self._to_send.get(now, ()):
            trade = self.buy if row.side == "buy" else self.sell
            data = self.getdatabyname(row.symbol)
            self._placed[row.order] = trade(data=data, size=row.size, exectype=_TYPES[row.type], price=row.price)
        for number in self._to_cancel.get(now, ()):
            if (order := self._placed[number]).alive():
                self.cancel(order)


def run_same_orders(universe: Universe, journal: Journal, costs: Costs, *, own_feed: bool) -> float:
    """Run it on our feeds or on backtrader's; returns the equity at the end (currency), which must be the journal's."""
    cerebro = bt.Cerebro(stdstats=False)
    for prices in universe.markets:
        feed = make_feed(prices) if own_feed else bt.feeds.PandasData(dataname=prices.table)
        cerebro.adddata(feed, name=prices.symbol)
    cerebro.broker = SimulatedBroker(costs)
    times = functools.reduce(pd.Index.union, (prices.table.index for prices in universe.markets))
    before = {after.isoformat(): time.isoformat() for time, after in pairwise(times)}
    cerebro.addstrategy(SameOrders, rows=journal.orders, before=before)
    cerebro.run()
    return float(cerebro.broker.getvalue())
