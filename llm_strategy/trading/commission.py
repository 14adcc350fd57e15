"""Costs as backtrader's scheme of commissions, and what an order will pay under any scheme of a stock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import backtrader as bt

from llm_strategy.costs.costs import Costs
from llm_strategy.errors import ConfigurationError


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


def check_scheme(broker: bt.brokers.BackBroker, data: bt.AbstractDataBase) -> None:
    """Raise ``ConfigurationError`` for commission schemes that are not those of a stock (futures, multipliers, leverage
    of the scheme): positions under them cannot be sized by their value."""
    scheme = broker.getcommissioninfo(data)
    if not scheme.stocklike or scheme.p.mult != 1 or scheme.p.leverage != 1:
        raise ConfigurationError(
            "The broker's commission scheme is not that of a stock, and the gate cannot size positions under it: use "
            "setcommission(commission=0.001) without margin, mult or leverage, or a SimulatedBroker."
        )
