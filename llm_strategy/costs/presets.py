"""Named sets of trading costs, each with its source and the time it was true."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

_COMMON = MappingProxyType(
    {
        "starting_cash": 100_000.0,
        "commission_per_share": 0.0,
        "commission_per_trade": 0.0,
        "commission_bps": 5.0,
        "commission_minimum": 0.0,
        "commission_maximum_bps": None,
        "commission_tiers": (),
        "slippage_bps": 5.0,
        "slippage_per_share": 0.0,
        "slippage_volatility": 0.0,
        "impact": 0.0,
        "spread_bps": 0.0,
        "borrow_rate": 0.0,
        "financing_rate": 0.0,
        "leverage": 1.0,
        "max_fill_share": None,
    }
)

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "none": _COMMON,
        "us_equities": _COMMON
        | {
            "commission_bps": 0.0,
            "commission_per_share": 0.005,
            "commission_minimum": 1.0,
            "commission_maximum_bps": 100.0,
        },
        "crypto": _COMMON | {"commission_bps": 10.0},
    }
)
"""Named sets of defaults, which single keys override. They set commissions; all else is as with ``none``.

- ``none``: 5 bps of commission and 5 bps of slippage, no broker's schedule.
- ``us_equities``: Interactive Brokers, US stocks, fixed pricing in dollars: 0.005 a share, at least 1.00 an order, at
  most 1 percent of its value. https://www.interactivebrokers.co.uk/en/pricing/commissions-stocks.php, as it stood
  between May 2024 and May 2025 (the time of the SEC fee that it quotes). Regulatory fees on sales are left out.
- ``crypto``: Binance, spot, regular user, without a discount: 0.1 percent of the value, maker and taker alike.
  https://www.binance.com/en/fee/schedule; the regular rate of the lowest tier, not checked against the live page.
"""
