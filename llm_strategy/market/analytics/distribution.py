"""Distribution: shape and tails of returns, streaks of closes, and gaps between bars."""

from __future__ import annotations

import math

import numpy as np

from llm_strategy.market.analytics.analytic import Analytic
from llm_strategy.market.analytics.past import Floats, Past
from llm_strategy.market.analytics.series import is_still, log_returns, quotient, rank
from llm_strategy.support.condition import Quantity, Value


def _shape(past: Past) -> dict[str, Value]:
    steps = log_returns(past.bars.close)
    if is_still(steps):
        return dict.fromkeys(_SHAPE)
    skew, excess = _moments(steps)
    return {
        "skew": skew,
        "excess_kurtosis": excess,
        "normal_p": math.exp(-len(steps) / 12 * (skew * skew + excess * excess / 4)),
        "last_rank": rank(steps, float(steps[-1])),
        "median_to_mean": float(np.median(steps) - steps.mean()),
    }


def _moments(values: Floats) -> tuple[float, float]:
    """Skewness and excess kurtosis, as ``scipy.stats`` has them, in a tenth of its time."""
    middle = values - values.mean()
    squares = middle * middle
    variance = float(squares.mean())
    skew = float((squares * middle).mean()) / variance**1.5
    return skew, float((squares * squares).mean()) / variance**2 - 3


def _tails(past: Past) -> dict[str, Value]:
    returns = np.expm1(log_returns(past.bars.close))
    low, high = (float(np.quantile(returns, share)) for share in (0.05, 0.95))
    return {
        "var_5": low,
        "shortfall_5": float(returns[returns <= low].mean()),
        "worst": float(returns.min()),
        "best": float(returns.max()),
        "tail_ratio": quotient(high, -low),
    }


def _streaks(past: Past) -> dict[str, Value]:
    signs = np.sign(np.diff(past.bars.close))
    lengths = _runs(signs)
    now = float(lengths[-1])
    as_long = np.flatnonzero(lengths[:-1] == now) if now else np.array([], int)
    onward = signs[as_long + 1] == np.sign(now)
    return {
        "length": now,
        "longest_up": max(0.0, float(lengths.max())),
        "longest_down": max(0.0, float(-lengths.min())),
        "went_on": float(onward.mean()) if len(onward) >= 5 else None,
        "seen": float(len(as_long)),
    }


def _runs(signs: Floats) -> Floats:
    """For each sign how many equal ones in a row end there, negative for falls, 0 where nothing moved."""
    places = np.arange(len(signs))
    begins = np.where(np.append(True, signs[1:] != signs[:-1]), places, 0)
    lengths: Floats = (places - np.maximum.accumulate(begins) + 1) * signs
    return lengths


def _gaps(past: Past) -> dict[str, Value]:
    bars = past.bars
    gaps = bars.open[1:] / bars.close[:-1] - 1
    ranges = (bars.high[1:] - bars.low[1:]) / bars.close[:-1]
    usual = float(np.abs(gaps).mean())
    wide = np.flatnonzero(np.abs(gaps) > 2 * usual) if usual > 1e-6 else np.array([], int)
    filled = np.where(gaps > 0, bars.low[1:] <= bars.close[:-1], bars.high[1:] >= bars.close[:-1])[wide]
    return {
        "last": float(gaps[-1]),
        "last_to_usual": quotient(float(gaps[-1]), usual) if usual > 1e-6 else None,
        "to_range": quotient(usual, float(ranges.mean())),
        "wide": float(len(wide)),
        "filled": float(filled.mean()) if len(wide) >= 5 else None,
    }


def _overnight(past: Past) -> dict[str, Value]:
    bars = past.bars
    between = np.log(bars.open[1:] / bars.close[:-1])
    within = np.log(bars.close[1:] / bars.open[1:])
    variances = float(between.var()), float(within.var())
    return {
        "between_60": float(np.expm1(between[-60:].sum())),
        "within_60": float(np.expm1(within[-60:].sum())),
        "between_variance": quotient(variances[0], sum(variances)) if sum(variances) > 1e-12 else None,
        "same_direction": _agreement(between, within),
    }


def _agreement(between: Floats, within: Floats) -> float | None:
    moved = (between != 0) & (within != 0)
    return float((np.sign(between) == np.sign(within))[moved].mean()) if moved.sum() >= 20 else None


_SHAPE = {
    "skew": Quantity("ratio", "skewness of one-bar returns: negative if large falls are more usual"),
    "excess_kurtosis": Quantity("ratio", "kurtosis minus 3: above 0 for fat tails"),
    "normal_p": Quantity("ratio", "p of Jarque and Bera (1987) that returns are normal"),
    "last_rank": Quantity("fraction", "share of returns below the last one", direction="rank"),
    "median_to_mean": Quantity("fraction", "median minus mean of one-bar returns"),
}

ANALYTICS = (
    Analytic(
        "return_shape",
        "shape of returns of 250 bars: skew, kurtosis, whether normal, rank of the last",
        251,
        _shape,
        _SHAPE,
    ),
    Analytic(
        "tails",
        "tails of returns of 250 bars: value at risk, expected shortfall, worst, best",
        251,
        _tails,
        {
            "var_5": Quantity("fraction", "return that one bar in twenty falls short of"),
            "shortfall_5": Quantity("fraction", "mean of the returns up to that (Acerbi and Tasche 2002)"),
            "worst": Quantity("fraction", "lowest one-bar return"),
            "best": Quantity("fraction", "highest one-bar return"),
            "tail_ratio": Quantity("ratio", "95th over 5th percentile of returns, without sign"),
        },
    ),
    Analytic(
        "streaks",
        "closes in a row in one direction, the longest such runs, and how often runs this long went on",
        251,
        _streaks,
        {
            "length": Quantity("count", "closes in a row that rose, negative if they fell"),
            "longest_up": Quantity("count", "longest rise in 250 bars"),
            "longest_down": Quantity("count", "longest fall in 250 bars"),
            "went_on": Quantity("fraction", "share of runs as long as this that went on"),
            "seen": Quantity("count", "how many such runs there were"),
        },
    ),
    Analytic(
        "gaps",
        "gaps from a close to the next open: the last, the usual, wide ones and how many were filled",
        251,
        _gaps,
        {
            "last": Quantity("fraction", "open over the close before, minus 1"),
            "last_to_usual": Quantity("ratio", "last gap over the mean size of gaps"),
            "to_range": Quantity("fraction", "mean size of gaps over the mean range of bars"),
            "wide": Quantity("count", "gaps wider than twice the usual"),
            "filled": Quantity("fraction", "share of wide gaps that their own bar closed"),
        },
    ),
    Analytic(
        "between_and_within_bars",
        "return between bars (close to open) against within bars (open to close)",
        121,
        _overnight,
        {
            "between_60": Quantity("fraction", "return from closes to opens, 60 bars", direction="change"),
            "within_60": Quantity("fraction", "return from opens to closes, 60 bars", direction="change"),
            "between_variance": Quantity("fraction", "share of the variance between bars, 120 bars"),
            "same_direction": Quantity("fraction", "share of bars that went on in the direction of their gap"),
        },
    ),
)
