"""Candles: the patterns that TA-Lib knows at this close, and the shape of the last bar."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from llm_strategy.market.analytics.analytic import Analytic
from llm_strategy.market.analytics.past import Past
from llm_strategy.market.analytics.series import quotient
from llm_strategy.support.condition import Quantity, Value

_NAMED = {
    "CDLENGULFING": "engulfing",
    "CDLMORNINGSTAR": "morning_star",
    "CDLEVENINGSTAR": "evening_star",
    "CDL3WHITESOLDIERS": "white_soldiers",
    "CDL3BLACKCROWS": "black_crows",
    "CDLHAMMER": "hammer",
    "CDLSHOOTINGSTAR": "shooting_star",
    "CDLPIERCING": "piercing",
    "CDLDARKCLOUDCOVER": "dark_cloud",
    "CDLHARAMI": "harami",
    "CDLMARUBOZU": "marubozu",
    "CDLDOJI": "doji",
}
"""Patterns that are told by name, the weightiest first."""
_DIRECTIONLESS = {"CDLDOJI", "CDLLONGLEGGEDDOJI", "CDLHIGHWAVE", "CDLRICKSHAWMAN", "CDLSPINNINGTOP", "CDLSHORTLINE"}


@cache
def _functions() -> dict[str, Callable[..., Any]]:
    import talib

    groups: Any = talib.get_function_groups
    return {name: getattr(talib, name) for name in groups()["Pattern Recognition"]}


def _candles(past: Past) -> dict[str, Value]:
    bars = past.bars
    columns = [np.ascontiguousarray(column) for column in (bars.open, bars.high, bars.low, bars.close)]
    found = {name: measure(*columns) for name, measure in _functions().items()}
    told = {name: signs for name, signs in found.items() if name not in _DIRECTIONLESS}
    last = {name: int(signs[-1]) for name, signs in found.items()}
    recent = np.array([signs[-5:] for signs in told.values()])
    return {
        "bullish": float(sum(last[name] > 0 for name in told)),
        "bearish": float(sum(last[name] < 0 for name in told)),
        "pattern": next((word for name, word in _NAMED.items() if last[name]), "none"),
        "balance_5": float(np.sign(recent).sum()),
    }


def _shape(past: Past) -> dict[str, Value]:
    bars = past.bars
    first, high, low, last = (float(column[-1]) for column in (bars.open, bars.high, bars.low, bars.close))
    span = high - low
    return {
        "body": quotient(last - first, span),
        "upper_wick": quotient(high - max(first, last), span),
        "lower_wick": quotient(min(first, last) - low, span),
        "range_to_usual": quotient(span, float((bars.high - bars.low).mean())),
        "overlap": _overlap(bars),
    }


def _overlap(bars: Any) -> float | None:
    """How much of the last bar's range lies in that of the one before."""
    low, high = max(float(bars.low[-1]), float(bars.low[-2])), min(float(bars.high[-1]), float(bars.high[-2]))
    return quotient(max(0.0, high - low), float(bars.high[-1] - bars.low[-1]))


ANALYTICS = (
    Analytic(
        "candle_patterns",
        "candle patterns at this close: how many point up or down, and the name of the weightiest",
        60,
        _candles,
        {
            "bullish": Quantity("count", "patterns of TA-Lib that point up"),
            "bearish": Quantity("count", "patterns that point down"),
            "pattern": Quantity("word", "the weightiest of the best known", (*_NAMED.values(), "none")),
            "balance_5": Quantity("count", "patterns up minus patterns down in 5 bars"),
        },
    ),
    Analytic(
        "bar_shape",
        "shape of the last bar: body, wicks, its range against the usual, overlap with the one before",
        20,
        _shape,
        {
            "body": Quantity("fraction", "close minus open, over the range"),
            "upper_wick": Quantity("fraction", "share of the range above the body"),
            "lower_wick": Quantity("fraction", "share of the range below the body"),
            "range_to_usual": Quantity("ratio", "range over the mean range of 20 bars"),
            "overlap": Quantity("fraction", "share of the range within that of the bar before"),
        },
    ),
)
