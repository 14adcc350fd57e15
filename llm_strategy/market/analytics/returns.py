"""Returns: over several horizons, and how one drawdown came about."""

from __future__ import annotations

import numpy as np

from llm_strategy.market.analytics.analytic import Analytic
from llm_strategy.market.analytics.past import Past
from llm_strategy.support.condition import Quantity, Value

_HORIZONS = (5, 20, 60, 120, 250)


def _returns(past: Past) -> dict[str, Value]:
    closes = np.asarray(past.bars.close)
    return {f"bars_{bars}": float(closes[-1] / closes[-1 - bars] - 1) for bars in _HORIZONS}


def _drawdown(past: Past) -> dict[str, Value]:
    closes = np.asarray(past.bars.close)
    peak = int(closes.argmax())
    trough = peak + int(closes[peak:].argmin())
    fall = float(closes[trough] / closes[peak] - 1)
    recovered = (closes[-1] - closes[trough]) / (closes[peak] - closes[trough]) if fall < 0 else 1.0
    return {
        "depth": float(closes[-1] / closes[peak] - 1),
        "deepest": fall,
        "bars_since_peak": float(len(closes) - 1 - peak),
        "recovered": float(recovered),
    }


ANALYTICS = (
    Analytic(
        "returns_by_horizon",
        "the return over 5, 20, 60, 120 and 250 bars",
        _HORIZONS[-1] + 1,
        _returns,
        {
            f"bars_{bars}": Quantity("fraction", f"return over the last {bars} bars", direction="change")
            for bars in _HORIZONS
        },
    ),
    Analytic(
        "drawdown_anatomy",
        "how deep the close is below its peak, how deep it was, for how long, and how much is won back",
        250,
        _drawdown,
        {
            "depth": Quantity("fraction", "close over the highest close, minus 1"),
            "deepest": Quantity("fraction", "lowest close after the peak over the peak, minus 1"),
            "bars_since_peak": Quantity("bars", "bars since the highest close"),
            "recovered": Quantity("fraction", "share of the fall that is won back"),
        },
    ),
)
