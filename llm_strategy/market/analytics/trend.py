"""Trend: how strong it is, where the averages stand, how straight the way was, and how far the extremes are."""

from __future__ import annotations

import numpy as np

from llm_strategy.market.analytics.analytic import Analytic
from llm_strategy.market.analytics.past import Floats, Past
from llm_strategy.market.analytics.series import fit_line, log_returns, quotient
from llm_strategy.support.condition import Quantity, Value

_SETTLED = 250
"""Bars over which smoothed values are computed anew at each close: what lies before them weighs nothing any more."""
_SLOPE_BARS = 60
_AVERAGES = (20, 50, 200)


def _strength(past: Past) -> dict[str, Value]:
    import talib

    bars = past.bars
    columns = (bars.high, bars.low, bars.close)
    up, down = (float(measure(*columns, timeperiod=14)[-1]) for measure in (talib.PLUS_DI, talib.MINUS_DI))
    fit = fit_line(np.log(bars.close[-_SLOPE_BARS:]))
    return {
        "adx": float(talib.ADX(*columns, timeperiod=14)[-1]),
        "direction": up - down,
        "slope": fit.slope * _SLOPE_BARS if fit else 0.0,
        "slope_t": fit.t if fit else None,
    }


def _averages(past: Past) -> dict[str, Value]:
    closes = past.bars.close
    close = float(closes[-1])
    short, middle, long = (float(closes[-bars:].mean()) for bars in _AVERAGES)
    order = "rising" if short > middle > long else "falling" if short < middle < long else "mixed"
    return {
        "from_20": close / short - 1,
        "from_50": close / middle - 1,
        "from_200": close / long - 1,
        "gap_50_200": middle / long - 1,
        "order": order,
    }


def _convergence(past: Past) -> dict[str, Value]:
    import talib

    closes = past.bars.close
    line, signal, histogram = talib.MACD(closes, 12, 26, 9)
    close = float(closes[-1])
    above = histogram > 0
    changes = np.flatnonzero(above[1:] != above[:-1])
    return {
        "line": float(line[-1]) / close,
        "signal": float(signal[-1]) / close,
        "side": "above" if line[-1] > signal[-1] else "below",
        "bars_since_cross": float(len(above) - 2 - changes[-1]) if len(changes) else None,
    }


def _efficiency(past: Past) -> dict[str, Value]:
    closes = past.bars.close
    steps = log_returns(closes)
    fit = fit_line(np.log(closes[-_SLOPE_BARS:]))
    return {
        "efficiency_20": _straightness(steps[-20:]),
        "efficiency_60": _straightness(steps[-_SLOPE_BARS:]),
        "explained": fit.explained if fit else None,
        "up_share": float((steps[-20:] > 0).mean()),
    }


def _straightness(steps: Floats) -> float | None:
    return quotient(abs(float(steps.sum())), float(np.abs(steps).sum()))


def _extremes(past: Past) -> dict[str, Value]:
    bars = past.bars
    close = float(bars.close[-1])
    ends = len(bars.close) - 1
    return {
        "from_high_20": close / float(bars.high[-20:].max()) - 1,
        "from_low_20": close / float(bars.low[-20:].min()) - 1,
        "from_low_250": close / float(bars.low.min()) - 1,
        "bars_since_high": float(bars.high[::-1].argmax()),
        "bars_since_low": float(min(ends, int(bars.low[::-1].argmin()))),
    }


def _swings(past: Past) -> dict[str, Value]:
    bars, reach = past.bars, 5
    highs, lows = _turns(bars.high, reach), _turns(-bars.low, reach)
    close = float(bars.close[-1])
    if len(highs) < 2 or len(lows) < 2:
        return dict.fromkeys(_SWINGS)
    higher_high, higher_low = (bars.high[highs[-1]] > bars.high[highs[-2]]), (bars.low[lows[-1]] > bars.low[lows[-2]])
    return {
        "structure": "rising" if higher_high and higher_low else "mixed" if higher_high or higher_low else "falling",
        "from_swing_high": close / float(bars.high[highs[-1]]) - 1,
        "from_swing_low": close / float(bars.low[lows[-1]]) - 1,
        "bars_since_turn": float(len(bars.close) - 1 - max(highs[-1], lows[-1])),
    }


def _turns(values: Floats, reach: int) -> list[int]:
    """Where a value is the highest of ``reach`` before and behind it, all of which are known."""
    rows = np.lib.stride_tricks.sliding_window_view(values, 2 * reach + 1)
    found = np.flatnonzero((rows.argmax(axis=1) == reach) & (rows[:, reach] - rows.min(axis=1) > 0))
    return [int(place) + reach for place in found]


_SWINGS = {
    "structure": Quantity("word", "last two swing highs and lows", ("rising", "mixed", "falling")),
    "from_swing_high": Quantity("fraction", "close over the last swing high, minus 1"),
    "from_swing_low": Quantity("fraction", "close over the last swing low, minus 1"),
    "bars_since_turn": Quantity("bars", "bars since the last swing, which shows 5 bars later"),
}

ANALYTICS = (
    Analytic(
        "trend_strength",
        "strength and direction of the trend: ADX, directional movement, and slope with its t",
        _SETTLED,
        _strength,
        {
            "adx": Quantity("ratio", "average directional index over 14 bars, 0 to 100 (Wilder 1978)"),
            "direction": Quantity("ratio", "positive minus negative directional indicator, -100 to 100"),
            "slope": Quantity(
                "fraction", "rise of the line through the last 60 log closes, over 60 bars", direction="change"
            ),
            "slope_t": Quantity("ratio", "t of that slope, as if closes were independent"),
        },
    ),
    Analytic(
        "moving_averages",
        "the close against its means of 20, 50 and 200 bars, and in which order these stand",
        _AVERAGES[-1],
        _averages,
        {
            "from_20": Quantity("fraction", "close over its mean of 20 bars, minus 1", direction="mean"),
            "from_50": Quantity("fraction", "close over its mean of 50 bars, minus 1", direction="mean"),
            "from_200": Quantity("fraction", "close over its mean of 200 bars, minus 1", direction="mean"),
            "gap_50_200": Quantity("fraction", "mean of 50 bars over that of 200, minus 1"),
            "order": Quantity(
                "word", "rising: 20 above 50 above 200; falling the reverse", ("rising", "mixed", "falling")
            ),
        },
    ),
    Analytic(
        "macd",
        "convergence of averages (MACD 12, 26, 9): its line against its signal, and the last cross",
        _SETTLED,
        _convergence,
        {
            "line": Quantity("fraction", "exponential mean of 12 minus 26 bars, over the close"),
            "signal": Quantity("fraction", "exponential mean of 9 bars of the line, over the close"),
            "side": Quantity("word", "line against signal", ("above", "below")),
            "bars_since_cross": Quantity("bars", "bars since line and signal crossed"),
        },
    ),
    Analytic(
        "trend_quality",
        "how straight the way was: efficiency ratio, share explained by a line, share of rising bars",
        _SLOPE_BARS + 1,
        _efficiency,
        {
            "efficiency_20": Quantity("fraction", "way made over way walked in 20 bars (Kaufman 1995)"),
            "efficiency_60": Quantity("fraction", "the same over 60 bars"),
            "explained": Quantity("fraction", "variance of the last 60 log closes that a line explains"),
            "up_share": Quantity("fraction", "share of rising closes among the last 20"),
        },
    ),
    Analytic(
        "extremes",
        "distance to the highs and lows of 20 and 250 bars, and how long ago they were",
        250,
        _extremes,
        {
            "from_high_20": Quantity("fraction", "close over the highest high of 20 bars, minus 1"),
            "from_low_20": Quantity("fraction", "close over the lowest low of 20 bars, minus 1"),
            "from_low_250": Quantity("fraction", "close over the lowest low of 250 bars, minus 1"),
            "bars_since_high": Quantity("bars", "bars since the highest high of 250"),
            "bars_since_low": Quantity("bars", "bars since the lowest low of 250"),
        },
    ),
    Analytic(
        "swings",
        "whether swing highs and lows rise or fall, and how far the last ones are",
        120,
        _swings,
        _SWINGS,
    ),
)
