"""Several symbols: breadth, correlation and beta, relative strength, and dispersion.

Of other symbols only what had closed strictly before this close is known, so returns are compared up to the last close
that all of the two have.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from llm_strategy.errors import ConfigurationError
from llm_strategy.market.analytics.analytic import Analytic
from llm_strategy.market.analytics.past import Closes, Floats, Past
from llm_strategy.market.analytics.series import correlation, deviation, is_still, log_returns, quotient, rank
from llm_strategy.support.condition import Quantity, Value

_FEWEST = 20
_STALE = 6
"""Bars after which a symbol without a close counts as one that has ended."""
_LONG, _SHORT = 120, 20


def _breadth(past: Past) -> dict[str, Value]:
    others = [closes.prices for closes in _alive(past) if len(closes.prices) > 50]
    if not others:
        return dict.fromkeys(_BREADTH)
    return {
        "above_mean_50": float(np.mean([prices[-1] > prices[-50:].mean() for prices in others])),
        "rising_20": float(np.mean([prices[-1] > prices[-21] for prices in others])),
        "rising_1": float(np.mean([prices[-1] > prices[-2] for prices in others])),
        "at_high_50": float(np.mean([prices[-1] >= prices[-50:].max() for prices in others])),
        "symbols": float(len(others)),
    }


def _alive(past: Past) -> list[Closes]:
    """The closes of the other symbols that were still traded at one of the last bars."""
    since = past.closes.times[-_STALE:][0]
    return [closes for closes in past.others.values() if closes.times[-1] >= since]


def _pair(own: Closes, other: Closes, bars: int) -> tuple[Floats, Floats] | None:
    """The last returns of both over the closes that both have; None where they are too few."""
    places = np.searchsorted(other.times, own.times)
    known = places < len(other.times)
    known[known] = other.times[places[known]] == own.times[known]
    if known.sum() <= _FEWEST:
        return None
    mine, its = own.prices[known][-bars - 1 :], other.prices[places[known]][-bars - 1 :]
    return log_returns(mine), log_returns(its)


def _with_mean(past: Past) -> dict[str, Value]:
    tail = Closes(past.closes.times[-2 * _LONG :], past.closes.prices[-2 * _LONG :])
    pairs = [pair for other in _alive(past) if (pair := _pair(tail, other, _LONG))]
    if not pairs:
        return dict.fromkeys(_CORRELATION)
    least = min(len(mine) for mine, _ in pairs)
    mean = np.mean([its[-least:] for _, its in pairs], axis=0)
    singles = [found for mine, its in pairs if (found := correlation(mine, its)) is not None]
    return _linked(pairs[0][0][-least:], mean) | {"pairs": float(np.mean(singles)) if singles else None}


def _linked(mine: Floats, its: Floats) -> dict[str, Value]:
    beta = None if is_still(its) else float(((mine - mine.mean()) * (its - its.mean())).mean() / its.var())
    return {
        "correlation": correlation(mine, its),
        "correlation_20": correlation(mine[-_SHORT:], its[-_SHORT:]),
        "beta": beta,
        "excess": None if beta is None else float(np.expm1((mine - beta * its)[-_SHORT:].sum())),
    }


def correlation_to(symbol: str, name: str = "") -> Analytic:
    """The correlation and beta to ONE other symbol of the run, for a file of one's own: ``TO_QQQ =
    correlation_to("QQQ", "correlation_to_tech")``.

    The model reads the ``name``, which holds the symbol where none is given. Raises ``ConfigurationError`` for what is
    no name of a symbol, or of an analytic.
    """
    if not isinstance(symbol, str) or not symbol.strip():
        raise ConfigurationError(f"correlation_to was given {symbol!r:.40}: give the name of a symbol of the run.")

    def measure(past: Past) -> dict[str, Value]:
        other = past.others.get(symbol)
        tail = Closes(past.closes.times[-2 * _LONG :], past.closes.prices[-2 * _LONG :])
        pair = None if other is None else _pair(tail, other, _LONG)
        return dict.fromkeys(_TO_ONE) if pair is None else _linked(*pair)

    called = name or f"correlation_to_{re.sub(r'[^a-z0-9]+', '_', symbol.lower()).strip('_')}"[:40]
    text = "correlation and beta to one other symbol, and the return beyond it"
    return Analytic(called, text, 0, measure, _TO_ONE, ("symbols",))


def _strength(past: Past) -> dict[str, Value]:
    own, alive = past.closes.prices, _alive(past)
    found: dict[str, Value] = {}
    for bars in (20, 60):
        others = [_return(closes.prices, bars) for closes in alive]
        known = np.array([each for each in others if each is not None])
        mine = _return(own, bars)
        found[f"rank_{bars}"] = rank(known, mine) if mine is not None and len(known) else None
        found[f"excess_{bars}"] = mine - float(known.mean()) if mine is not None and len(known) else None
    return found


def _return(prices: Floats, bars: int) -> float | None:
    return float(prices[-1] / prices[-1 - bars] - 1) if len(prices) > bars else None


def _dispersion(past: Past) -> dict[str, Value]:
    closes = [closes.prices[-_LONG - 1 :] for closes in _alive(past) if len(closes.prices) > 60]
    if len(closes) < 2:
        return dict.fromkeys(_DISPERSION)
    bars = min(map(len, closes)) - 1
    steps = np.array([log_returns(prices[-bars - 1 :]) for prices in closes])
    spreads = steps.std(axis=0, ddof=1)
    sums = np.array([each[-_SHORT:].sum() for each in steps])
    whole = float(steps.std(axis=1).mean())
    return {
        "spread_1": float(spreads[-1]),
        "spread_20": deviation(sums),
        "rank": None if is_still(spreads) else rank(spreads, float(spreads[-1])),
        "together": quotient(float(steps.mean(axis=0).std()), whole),
    }


_BREADTH = {
    "above_mean_50": Quantity("fraction", "share of the other symbols above their mean of 50 closes"),
    "rising_20": Quantity("fraction", "share that rose over 20 bars"),
    "rising_1": Quantity("fraction", "share that rose at their last close"),
    "at_high_50": Quantity("fraction", "share at their highest close of 50"),
    "symbols": Quantity("count", "symbols that are counted"),
}
_TO_ONE = {
    "correlation": Quantity("ratio", "correlation of one-bar returns over 120 closes that both have"),
    "correlation_20": Quantity("ratio", "the same over the last 20"),
    "beta": Quantity("ratio", "what this symbol moved for 1 of the other"),
    "excess": Quantity("fraction", "return of the last 20 closes beyond what the beta explains"),
}
_CORRELATION = {**_TO_ONE, "pairs": Quantity("ratio", "mean correlation with each other symbol")}
_STRENGTH = {
    name.format(bars): Quantity("fraction", text.format(bars))
    for bars in (20, 60)
    for name, text in (
        ("rank_{}", "share of the other symbols whose {}-bar return was lower"),
        ("excess_{}", "its {}-bar return minus the mean of the others"),
    )
}
_DISPERSION = {
    "spread_1": Quantity("fraction", "standard deviation of the last return across the other symbols"),
    "spread_20": Quantity("fraction", "the same of 20-bar returns"),
    "rank": Quantity("fraction", "share of past one-bar spreads that were lower", direction="rank"),
    "together": Quantity("ratio", "volatility of their mean over the mean of theirs: 1 if they move as one"),
}
_Measure = Callable[[Past], dict[str, Value]]

ANALYTICS = (
    Analytic(
        "breadth",
        "how many of the other symbols rise, and stand above their means",
        0,
        _breadth,
        _BREADTH,
        ("symbols",),
    ),
    Analytic(
        "correlation",
        "correlation and beta to the mean of the other symbols, and the return beyond it",
        0,
        _with_mean,
        _CORRELATION,
        ("symbols",),
    ),
    Analytic(
        "relative_strength",
        "return of 20 and 60 bars against the other symbols: rank and excess",
        0,
        _strength,
        _STRENGTH,
        ("symbols",),
    ),
    Analytic(
        "dispersion",
        "how far the other symbols move apart, now and against their past",
        0,
        _dispersion,
        _DISPERSION,
        ("symbols",),
    ),
)
