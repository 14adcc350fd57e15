"""Volatility: over several horizons, from ranges, clustered, one-sided, in jumps, and pressed together."""

from __future__ import annotations

import math

import numpy as np

from llm_strategy.market.analytics.analytic import Analytic
from llm_strategy.market.analytics.past import Floats, Past
from llm_strategy.market.analytics.series import correlation, is_still, log_returns, quotient, rank, rolling
from llm_strategy.support.condition import Quantity, Value

_CONE = (5, 20, 60)


def _cone(past: Past) -> dict[str, Value]:
    steps = log_returns(past.bars.close)
    found: dict[str, Value] = {"level_20": float(steps[-20:].std())}
    for bars in _CONE:
        levels = rolling(steps, bars).std(axis=1)
        found[f"rank_{bars}"] = None if is_still(levels) else rank(levels, float(levels[-1]))
    return found | {"ratio_5_60": quotient(float(steps[-5:].std()), float(steps[-60:].std()))}


def _ranges(past: Past) -> dict[str, Value]:
    bars = past.bars
    opens, highs, lows, closes = (np.log(column[-20:]) for column in (bars.open, bars.high, bars.low, bars.close))
    spans, bodies = (highs - lows) ** 2, (closes - opens) ** 2
    parkinson = math.sqrt(spans.mean() / (4 * math.log(2)))
    plain = float(log_returns(bars.close[-21:]).std())
    return {
        "parkinson": parkinson,
        "garman_klass": math.sqrt(max(0.0, float((spans / 2 - (2 * math.log(2) - 1) * bodies).mean()))),
        "close_to_close": plain,
        "ratio": quotient(parkinson, plain),
    }


def _true_range(past: Past) -> dict[str, Value]:
    import talib

    bars = past.bars
    ranges = talib.TRANGE(bars.high, bars.low, bars.close)[1:] / bars.close[1:]
    means = rolling(ranges, 14).mean(axis=1)
    return {
        "mean_14": float(means[-1]),
        "rank": None if is_still(means) else rank(means, float(means[-1])),
        "last_to_mean": quotient(float(ranges[-1]), float(means[-1])),
        "close_in_bar": quotient(float(bars.close[-1] - bars.low[-1]), float(bars.high[-1] - bars.low[-1])),
    }


def _clustering(past: Past) -> dict[str, Value]:
    steps = log_returns(past.bars.close)
    sizes = np.abs(steps)
    if is_still(sizes):
        return dict.fromkeys(_CLUSTERING)
    from statsmodels.stats.diagnostic import acorr_ljungbox

    return {
        "lag_1": correlation(sizes[1:], sizes[:-1]),
        "lag_5": correlation(sizes[5:], sizes[:-5]),
        "p_value": float(acorr_ljungbox(sizes, lags=[10])["lb_pvalue"].iloc[-1]),
        "expected_ratio": quotient(_weighted(steps), float(np.sqrt((steps * steps).mean()))),
    }


def _weighted(steps: Floats) -> float:
    """The exponentially weighted volatility with the weight 0.94 (RiskMetrics 1996)."""
    weights = 0.94 ** np.arange(len(steps))[::-1]
    return float(np.sqrt((weights * steps * steps).sum() / weights.sum()))


def _asymmetry(past: Past) -> dict[str, Value]:
    steps = log_returns(past.bars.close)
    last = steps[-60:]
    squares = last * last
    down = float(squares[last < 0].sum())
    return {
        "down_share": quotient(down, float(squares.sum())),
        "leverage": correlation(steps[:-1], np.abs(steps[1:])),
        "after_falls": _after(steps, falls=True),
        "after_rises": _after(steps, falls=False),
    }


def _after(steps: Floats, *, falls: bool) -> float | None:
    """The mean size of a return behind a fall, or a rise, over that of all."""
    sizes = np.abs(steps[1:])
    chosen = sizes[steps[:-1] < 0] if falls else sizes[steps[:-1] > 0]
    return quotient(float(chosen.mean()), float(sizes.mean())) if len(chosen) else None


def _jumps(past: Past) -> dict[str, Value]:
    steps = log_returns(past.bars.close)
    last = steps[-60:]
    realised = float((last * last).sum())
    smooth = math.pi / 2 * float((np.abs(last[1:]) * np.abs(last[:-1])).sum()) * len(last) / (len(last) - 1)
    usual = float(np.median(np.abs(steps))) / 0.6745
    wide = np.flatnonzero(np.abs(steps) > 4 * usual) if usual > 0 else np.array([], int)
    return {
        "share": None if realised <= 0 else max(0.0, 1 - smooth / realised),
        "count": float((wide >= len(steps) - 60).sum()) if usual > 0 else None,
        "bars_since": float(len(steps) - 1 - wide[-1]) if len(wide) else None,
        "last_size": quotient(float(steps[wide[-1]]), usual) if len(wide) else None,
    }


def _compression(past: Past) -> dict[str, Value]:
    import talib

    bars = past.bars
    closes = bars.close
    levels = rolling(closes, 20)
    means, widths = levels.mean(axis=1), levels.std(axis=1)
    relative = widths / means
    spans = bars.high - bars.low
    true_range = float(talib.ATR(bars.high, bars.low, closes, 20)[-1])
    still = is_still(relative)
    inside = bool(bars.high[-1] < bars.high[-2] and bars.low[-1] > bars.low[-2])
    return {
        "width_rank": None if still else rank(relative, float(relative[-1])),
        "place": quotient(float(closes[-1] - means[-1] + 2 * widths[-1]), float(4 * widths[-1])),
        "squeeze": None if still else "yes" if 2 * widths[-1] < 1.5 * true_range else "no",
        "narrowest_of": float(_narrowest(spans)),
        "bar": "inside" if inside else "outside" if _is_outside(bars) else "plain",
    }


def _is_outside(bars: object) -> bool:
    high, low = bars.high, bars.low  # type: ignore[attr-defined]
    return bool(high[-1] > high[-2] and low[-1] < low[-2])


def _narrowest(spans: Floats) -> int:
    """Of how many bars the last one has the narrowest range, 1 where the one before was as narrow."""
    narrower = np.flatnonzero(spans[:-1] <= spans[-1])
    return int(len(spans) - 1 - narrower[-1]) if len(narrower) else len(spans)


_CLUSTERING = {
    "lag_1": Quantity("ratio", "correlation of the size of a return with that of the one before"),
    "lag_5": Quantity("ratio", "the same at a distance of 5 bars"),
    "p_value": Quantity("ratio", "p of Ljung and Box (1978) for 10 lags of these sizes: low if they cluster"),
    "expected_ratio": Quantity("ratio", "exponentially weighted volatility over that of 250 bars"),
}

ANALYTICS = (
    Analytic(
        "volatility_cone",
        "volatility over 5, 20 and 60 bars, each ranked in its own past",
        251,
        _cone,
        {
            "level_20": Quantity("fraction", "standard deviation of the last 20 one-bar returns"),
            **{
                f"rank_{bars}": Quantity(
                    "fraction", f"share of past {bars}-bar volatilities that were lower", direction="rank"
                )
                for bars in _CONE
            },
            "ratio_5_60": Quantity("ratio", "volatility of 5 bars over that of 60"),
        },
    ),
    Analytic(
        "range_volatility",
        "volatility from highs and lows, 20 bars: Parkinson, Garman-Klass, against that of closes",
        21,
        _ranges,
        {
            "parkinson": Quantity("fraction", "from highs and lows, a bar (Parkinson 1980)"),
            "garman_klass": Quantity("fraction", "from open, high, low and close, a bar (Garman and Klass 1980)"),
            "close_to_close": Quantity("fraction", "standard deviation of one-bar returns"),
            "ratio": Quantity("ratio", "Parkinson over close to close: low if bars open away from the last close"),
        },
    ),
    Analytic(
        "true_range",
        "mean true range of 14 bars with its rank, the last bar against it, and where that closed",
        250,
        _true_range,
        {
            "mean_14": Quantity("fraction", "mean true range of 14 bars over the close"),
            "rank": Quantity("fraction", "share of its last values that were lower", direction="rank"),
            "last_to_mean": Quantity("ratio", "range of the last bar over that mean"),
            "close_in_bar": Quantity("fraction", "where the close lies in its own bar, 0 the low"),
        },
    ),
    Analytic(
        "volatility_clustering",
        "whether large moves follow large ones: autocorrelation of their sizes",
        251,
        _clustering,
        _CLUSTERING,
    ),
    Analytic(
        "volatility_asymmetry",
        "whether falls move the market more than rises, and what follows each",
        251,
        _asymmetry,
        {
            "down_share": Quantity("fraction", "share of falls in the variance of 60 bars"),
            "leverage": Quantity("ratio", "correlation of a return with the size of the next"),
            "after_falls": Quantity("ratio", "mean size of a return after a fall, over that of all"),
            "after_rises": Quantity("ratio", "the same after a rise"),
        },
    ),
    Analytic(
        "jumps",
        "jumps: their share in the variance, how many there were, when the last was and how large",
        251,
        _jumps,
        {
            "share": Quantity(
                "fraction", "part of the variance of 60 bars in jumps (Barndorff-Nielsen and Shephard 2004)"
            ),
            "count": Quantity("count", "returns among the last 60 beyond 4 usual deviations"),
            "bars_since": Quantity("bars", "bars since the last of them in 250"),
            "last_size": Quantity("ratio", "its size in usual deviations"),
        },
    ),
    Analytic(
        "compression",
        "narrow ranges: Bollinger width with its rank, place in the bands, squeeze, inside bars",
        250,
        _compression,
        {
            "width_rank": Quantity(
                "fraction", "share of past Bollinger widths (20, 2) that were narrower", direction="rank"
            ),
            "place": Quantity("fraction", "where the close lies between the bands, 0 the lower"),
            "squeeze": Quantity("word", "bands inside 1.5 mean true ranges of 20 bars", ("yes", "no")),
            "narrowest_of": Quantity("bars", "of how many bars the last has the narrowest range"),
            "bar": Quantity("word", "inside or outside the bar before", ("inside", "outside", "plain")),
        },
    ),
)
