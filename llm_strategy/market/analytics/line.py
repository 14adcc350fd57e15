"""The features of every market as an analytic, so that conditions can speak of them."""

from __future__ import annotations

from llm_strategy.market.analytics.analytic import Analytic
from llm_strategy.market.analytics.past import Past
from llm_strategy.support.condition import Quantity, Value

_OUTPUTS = {
    "trend": Quantity("fraction", "close over its long mean, minus 1", direction="mean"),
    "momentum": Quantity("fraction", "return over the last bars", direction="change"),
    "volatility": Quantity("fraction", "standard deviation of the last one-bar returns"),
    "volatility_rank": Quantity("fraction", "share of the last bars whose volatility was lower", direction="rank"),
    "drawdown": Quantity("fraction", "close over the highest close of the last bars, minus 1"),
    "range_position": Quantity("fraction", "where the close lies in the range of the last bars, 0 the lowest"),
    "volume_ratio": Quantity("ratio", "volume over its mean", direction="mean"),
}


def _measure(past: Past) -> dict[str, Value]:
    values = ((name, getattr(past.snapshot, name)) for name in _OUTPUTS)
    return {name: value if value == value else None for name, value in values}  # NaN behind a bar without prices


MARKET = Analytic("market", "the features of the market's line as figures", 0, _measure, _OUTPUTS, offered=False)
ANALYTICS = (MARKET,)
