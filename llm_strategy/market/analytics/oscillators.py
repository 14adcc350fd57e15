"""Oscillators: where the close stands among the last ones, on fixed scales."""

from __future__ import annotations

import numpy as np

from llm_strategy.market.analytics.analytic import Analytic
from llm_strategy.market.analytics.past import Past
from llm_strategy.market.analytics.series import is_still, log_returns, quotient, rank
from llm_strategy.support.condition import Quantity, Value

_WARM = 40
"""Values at the beginning of a smoothed series that the bars before it would still change."""


def _relative_strength(past: Past) -> dict[str, Value]:
    import talib

    closes = past.bars.close
    if is_still(closes):
        return dict.fromkeys(_RSI)
    slow = talib.RSI(closes, 14)
    value = float(slow[-1])
    return {
        "rsi_14": value,
        "rsi_2": float(talib.RSI(closes, 2)[-1]),
        "change_5": value - float(slow[-6]),
        "rank": rank(slow[14 + _WARM :], value),
        "zone": "overbought" if value > 70 else "oversold" if value < 30 else "neutral",
    }


def _stochastic(past: Past) -> dict[str, Value]:
    import talib

    bars = past.bars
    if is_still(np.append(bars.high[-20:], bars.low[-20:])):
        return dict.fromkeys(_STOCHASTIC)
    fast, slow = talib.STOCH(bars.high, bars.low, bars.close, 14, 3, slowd_period=3)
    return {
        "k": float(fast[-1]),
        "d": float(slow[-1]),
        "side": "above" if fast[-1] > slow[-1] else "below",
        "cci": float(talib.CCI(bars.high, bars.low, bars.close, 20)[-1]),
    }


def _stretch(past: Past) -> dict[str, Value]:
    closes = np.log(past.bars.close)
    long, short = closes[-60:], closes[-20:]
    before = closes[:-1] - closes[:-1].mean()
    steps = np.diff(closes)
    pull = quotient(-float((before * (steps - steps.mean())).sum()), float((before * before).sum()))
    return {
        "z_20": quotient(float(short[-1] - short.mean()), float(short.std())),
        "z_60": quotient(float(long[-1] - long.mean()), float(long.std())),
        "half_life": float(np.log(2) / -np.log1p(-pull)) if pull is not None and 0.003 < pull < 1 else None,
    }


def _reward(past: Past) -> dict[str, Value]:
    closes = past.bars.close
    steps = log_returns(closes)
    falls = 1 - closes / np.maximum.accumulate(closes)
    down = float(np.sqrt((np.minimum(steps, 0) ** 2).mean()))
    return {
        "t_60": quotient(float(steps[-60:].mean()), float(steps[-60:].std()) / 60**0.5),
        "t_250": quotient(float(steps.mean()), float(steps.std()) / len(steps) ** 0.5),
        "sortino": quotient(float(steps.mean()), down),
        "ulcer": float(np.sqrt((falls * falls).mean())),
    }


_RSI = {
    "rsi_14": Quantity("ratio", "relative strength index over 14 bars, 0 to 100 (Wilder 1978)"),
    "rsi_2": Quantity("ratio", "the same over 2 bars"),
    "change_5": Quantity("ratio", "change of the 14-bar index over the last 5 bars", direction="change"),
    "rank": Quantity("fraction", "share of its last values that were lower", direction="rank"),
    "zone": Quantity("word", "overbought above 70, oversold below 30", ("overbought", "neutral", "oversold")),
}
_STOCHASTIC = {
    "k": Quantity("ratio", "where the close lies in the range of 14 bars, smoothed over 3, 0 to 100"),
    "d": Quantity("ratio", "mean of the last 3 of these"),
    "side": Quantity("word", "k against d", ("above", "below")),
    "cci": Quantity("ratio", "commodity channel index over 20 bars"),
}

ANALYTICS = (
    Analytic(
        "rsi",
        "relative strength index of 14 and 2 bars, its change, zone and rank in its past",
        200,
        _relative_strength,
        _RSI,
    ),
    Analytic(
        "stochastic",
        "stochastic oscillator of 14 bars with its signal, and the commodity channel index",
        40,
        _stochastic,
        _STOCHASTIC,
    ),
    Analytic(
        "mean_reversion",
        "how far the close is from its means in standard deviations, and how soon such gaps closed",
        121,
        _stretch,
        {
            "z_20": Quantity("ratio", "log close minus its mean of 20 bars, in their standard deviations"),
            "z_60": Quantity("ratio", "the same over 60 bars"),
            "half_life": Quantity(
                "bars", "bars in which half of a gap to the mean of 120 bars closed; none if it did not"
            ),
        },
    ),
    Analytic(
        "reward_to_risk",
        "mean return against its risk: t over 60 and 250 bars, Sortino ratio, ulcer index",
        251,
        _reward,
        {
            "t_60": Quantity("ratio", "t of the mean one-bar return of 60 bars"),
            "t_250": Quantity("ratio", "the same over 250 bars"),
            "sortino": Quantity("ratio", "mean return over the deviation of falls, a bar, 250 bars (Sortino 1994)"),
            "ulcer": Quantity("fraction", "root mean square of the drawdown over 251 bars (Martin 1987)"),
        },
    ),
)
