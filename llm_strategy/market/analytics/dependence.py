"""Dependence: whether a return tells something of the next, by several tests."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from llm_strategy.market.analytics.analytic import Analytic
from llm_strategy.market.analytics.past import Floats, Past
from llm_strategy.market.analytics.series import correlation, is_still, log_returns, quotient
from llm_strategy.support.condition import Quantity, Value

_LAGS = (2, 4, 8, 16, 32)
_DECIDES = 5
_NOISE = 0.02
"""A slope of the Hurst exponent that is nearer to 0.5 than this is called random."""


def _autocorrelation(past: Past) -> dict[str, Value]:
    steps = log_returns(past.bars.close)
    if is_still(steps):
        return dict.fromkeys(_AUTOCORRELATION)
    from statsmodels.stats.diagnostic import acorr_ljungbox

    return {
        **{f"lag_{lag}": correlation(steps[lag:], steps[:-lag]) for lag in (1, 2, 5)},
        "limit": 1.96 / math.sqrt(len(steps)),
        "p_value": float(acorr_ljungbox(steps, lags=[10])["lb_pvalue"].iloc[-1]),
    }


def _variance_ratio(past: Past) -> dict[str, Value]:
    closes = np.log(past.bars.close)
    if is_still(np.diff(closes)):
        return dict.fromkeys(_VARIANCE_RATIO)
    from arch.unitroot import VarianceRatio

    found: dict[str, Value] = {}
    for bars in (_DECIDES, 20):
        test = VarianceRatio(closes, lags=bars)
        with np.errstate(all="ignore"):  # of moves that are all further apart than the lags the variance is zero
            ratio, z = float(test.vr), float(test.stat)
        known = math.isfinite(z)
        found |= {f"ratio_{bars}": ratio, f"z_{bars}": z if known else None}
        if bars == _DECIDES:
            says = "trends" if z > 1.96 else "reverts" if z < -1.96 else "random"
            found["says"] = says if known else None
    return found


def _hurst(past: Past) -> dict[str, Value]:
    closes = np.log(past.bars.close)
    spreads = [float((closes[lag:] - closes[:-lag]).std()) for lag in _LAGS]
    if min(spreads) <= 1e-12:
        return dict.fromkeys(_HURST)
    lags = np.log(_LAGS)
    sizes = np.log(spreads)
    middle = lags - lags.mean()
    exponent = float((middle * sizes).sum() / (middle * middle).sum())
    return {
        "exponent": exponent,
        "says": "trends" if exponent > 0.5 + _NOISE else "reverts" if exponent < 0.5 - _NOISE else "random",
    }


def _entropy(past: Past) -> dict[str, Value]:
    closes = past.bars.close
    orders = [_order_entropy(part) for part in (closes[-61:], closes)]
    signs = (np.diff(closes) > 0).astype(int)
    return {
        "orders_60": orders[0],
        "orders_250": orders[1],
        "signs": _entropy_of(np.bincount(signs[:-2] * 4 + signs[1:-1] * 2 + signs[2:], minlength=8)),
    }


def _order_entropy(values: Floats) -> float | None:
    """The permutation entropy of triples (Bandt and Pompe 2002), as a share of the highest."""
    if is_still(values):
        return None
    rows = np.lib.stride_tricks.sliding_window_view(values, 3).argsort(axis=1, kind="stable")
    return _entropy_of(np.bincount(rows[:, 0] * 3 + rows[:, 1], minlength=9), 6)


def _entropy_of(counts: np.ndarray[tuple[int], np.dtype[np.intp]], kinds: int = 8) -> float | None:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum() / math.log(kinds)) + 0.0


def _follow_through(past: Past) -> dict[str, Value]:
    steps = log_returns(past.bars.close)
    usual = float(steps.std())
    if usual <= 1e-12:
        return dict.fromkeys(_FOLLOW)
    before, after = steps[:-1] / usual, steps[1:]
    rises, falls = after[before > 1], after[before < -1]
    return {
        "after_big_rise": float(np.expm1(rises.mean())) if len(rises) >= 5 else None,
        "after_big_fall": float(np.expm1(falls.mean())) if len(falls) >= 5 else None,
        "turns": float(np.mean([one * other < 0 for one, other in pairwise(steps[-60:].tolist())])),
        "last_size": quotient(float(steps[-1]), usual),
    }


_AUTOCORRELATION = {
    **{f"lag_{lag}": Quantity("ratio", f"correlation of a return with that of {lag} bars before") for lag in (1, 2, 5)},
    "limit": Quantity("ratio", "what a random walk exceeds in one of twenty cases, either sign"),
    "p_value": Quantity("ratio", "p of Ljung and Box (1978) for 10 lags: low if returns depend on each other"),
}
_SAYS = ("trends", "random", "reverts")
_VARIANCE_RATIO = {
    **{
        name.format(bars): Quantity("ratio", text.format(bars))
        for bars in (_DECIDES, 20)
        for name, text in (
            ("ratio_{}", "variance of {}-bar returns over that of one-bar returns, a bar (Lo and MacKinlay 1988)"),
            ("z_{}", "its z against a random walk, robust to changing variance"),
        )
    },
    "says": Quantity("word", "what the z of 5 bars says at 5 percent", _SAYS),
}
_HURST = {
    "exponent": Quantity(
        "ratio", "how the spread of returns grows with their length: 0.5 for a random walk (Hurst 1951)"
    ),
    "says": Quantity("word", "above 0.52 trends, below 0.48 reverts", _SAYS),
}
_FOLLOW = {
    "after_big_rise": Quantity("fraction", "mean return of the bar behind a rise beyond one deviation"),
    "after_big_fall": Quantity("fraction", "the same behind a fall"),
    "turns": Quantity("fraction", "share of the last 60 bars that went against the one before"),
    "last_size": Quantity("ratio", "last return in standard deviations of 250 bars"),
}

ANALYTICS = (
    Analytic(
        "autocorrelation",
        "whether returns depend on those before: autocorrelation and the Ljung-Box test",
        251,
        _autocorrelation,
        _AUTOCORRELATION,
    ),
    Analytic(
        "variance_ratio",
        "random walk, trend or reversal: variance ratios of 5 and 20 bars with their z",
        251,
        _variance_ratio,
        _VARIANCE_RATIO,
    ),
    Analytic("hurst", "random walk, trend or reversal by the Hurst exponent of 250 bars", 251, _hurst, _HURST),
    Analytic(
        "entropy",
        "how orderly the path is: entropy of the orders of three closes and of signs, 1 if random",
        251,
        _entropy,
        {
            "orders_60": Quantity("ratio", "permutation entropy of 60 bars (Bandt and Pompe 2002), 0 to 1"),
            "orders_250": Quantity("ratio", "the same of 250 bars"),
            "signs": Quantity("ratio", "entropy of three signs in a row, 250 bars, 0 to 1"),
        },
    ),
    Analytic(
        "follow_through",
        "what followed large rises and falls in 250 bars, and the size of the last return",
        251,
        _follow_through,
        _FOLLOW,
    ),
)
