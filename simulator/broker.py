"""The one place where the simulated broker's switches are set."""

from __future__ import annotations

from dataclasses import dataclass

import backtrader as bt

from llm_strategy.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Costs:
    """What a trade costs, in basis points of its value (1 is 0.01 percent), and the cash to begin with (currency)."""

    commission_bps: float = 5.0
    slippage_bps: float = 5.0
    """Adverse move of a market or stop fill, within the range of the bar."""
    starting_cash: float = 100_000.0

    def __post_init__(self) -> None:
        for name in ("commission_bps", "slippage_bps", "starting_cash"):
            object.__setattr__(self, name, float(getattr(self, name)))  # 5 and 5.0 are the same experiment
        for name in ("commission_bps", "slippage_bps"):
            if not 0 <= getattr(self, name) <= 1_000:
                raise ConfigurationError(f"costs.{name} is {getattr(self, name)}: it must be 0 to 1000 basis points.")
        if not 0 < self.starting_cash < float("inf"):
            raise ConfigurationError(f"costs.starting_cash is {self.starting_cash}: it must be above 0.")


def set_up_broker(broker: bt.brokers.BackBroker, costs: Costs) -> None:
    """Next-open fills, slippage on every market and stop fill, commission as a fraction, no check at submission.

    The check at submission counts a stop and a target as two sales and loses exits near full cash; the check at the
    fill stays on, and the risk gate owns affordability.
    """
    broker.setcash(costs.starting_cash)
    broker.setcommission(commission=costs.commission_bps / 10_000, percabs=True)
    broker.set_slippage_perc(costs.slippage_bps / 10_000, slip_open=True, slip_match=True, slip_out=False)
    broker.set_checksubmit(False)
    broker.set_coc(False)
    broker.set_coo(False)
