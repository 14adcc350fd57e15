"""Volume: at which prices it was traded, which way it leads, and what it takes to move the price."""

from __future__ import annotations

import numpy as np

from llm_strategy.market.analytics.analytic import Analytic
from llm_strategy.market.analytics.past import Floats, Past
from llm_strategy.market.analytics.series import correlation, fit_line, is_still, log_returns, quotient, rank, rolling
from llm_strategy.support.condition import Quantity, Value

_LEVELS = 24
"""Equal steps of the price range in which volume is counted."""


def _profile(past: Past) -> dict[str, Value]:
    bars = past.bars
    typical = (bars.high + bars.low + bars.close) / 3
    low, high = float(typical.min()), float(typical.max())
    if not past.has_volume or high - low <= 1e-12 * high:
        return dict.fromkeys(_PROFILE)
    volume, close = bars.volume, float(bars.close[-1])
    edges = np.linspace(low, high, _LEVELS + 1)
    traded = np.histogram(typical, edges, weights=volume)[0]
    most = int(traded.argmax())
    heart = float(edges[most] + edges[most + 1]) / 2
    floor, ceiling = _value_area(traded, most)
    average = float((typical * volume).sum() / volume.sum())
    return {
        "above_close": float(volume[typical > close].sum() / volume.sum()),
        "from_most_traded": close / heart - 1,
        "from_average": close / average - 1,
        "value_area": "above" if close > edges[ceiling + 1] else "below" if close < edges[floor] else "within",
    }


def _value_area(traded: Floats, most: int) -> tuple[int, int]:
    """The levels around the most traded one that hold 70 percent of the volume, the larger neighbour taken first."""
    floor = ceiling = most
    held, wanted = float(traded[most]), 0.7 * float(traded.sum())
    while held < wanted:
        below = float(traded[floor - 1]) if floor else -1.0
        above = float(traded[ceiling + 1]) if ceiling + 1 < len(traded) else -1.0
        if below < 0 and above < 0:
            break
        if above >= below:
            ceiling, held = ceiling + 1, held + above
        else:
            floor, held = floor - 1, held + below
    return floor, ceiling


def _trend(past: Past) -> dict[str, Value]:
    if not past.has_volume:
        return dict.fromkeys(_TREND)
    import talib

    bars = past.bars
    volume, steps = np.ascontiguousarray(bars.volume, dtype=float), log_returns(bars.close)
    usual = float(volume.mean())
    flow = fit_line(talib.OBV(bars.close, volume)[-20:] / usual)
    last, moved = volume[-20:], steps[-20:]
    return {
        "flow_t": flow.t if flow else None,
        "ratio_5_60": quotient(float(volume[-5:].mean()), usual),
        "last_rank": None if is_still(volume) else rank(volume, float(volume[-1])),
        "up_share": quotient(float(last[moved > 0].sum()), float(last.sum())),
        "with_size": correlation(volume[1:], np.abs(steps)),
    }


def _money_flow(past: Past) -> dict[str, Value]:
    bars = past.bars
    if not np.any(bars.volume[-21:] > 0):
        return dict.fromkeys(_FLOW)
    import talib

    volume = np.ascontiguousarray(bars.volume, dtype=float)
    spans = bars.high - bars.low
    places = np.where(spans > 0, 2 * bars.close - bars.high - bars.low, 0.0) / np.where(spans > 0, spans, 1.0)
    flow, traded = (places * volume)[-20:].sum(), volume[-20:].sum()
    index = float(talib.MFI(bars.high, bars.low, bars.close, volume, 14)[-1])
    return {
        "mfi": None if is_still(bars.close) else index,
        "chaikin": quotient(float(flow), float(traded)),
        "zone": None if is_still(bars.close) else "inflow" if index > 80 else "outflow" if index < 20 else "neutral",
    }


def _liquidity(past: Past) -> dict[str, Value]:
    bars = past.bars
    value = (bars.close * bars.volume)[1:]
    if not past.has_volume or (value > 0).sum() < len(value) // 2:
        return dict.fromkeys(_LIQUIDITY)
    steps = np.abs(log_returns(bars.close))
    impact = steps[value > 0] / value[value > 0]
    usual = float(impact.mean())
    recent = rolling(impact, 20).mean(axis=1)
    return {
        "impact_ratio": float(recent[-1]) / usual if usual > 0 else None,
        "impact_rank": rank(recent, float(recent[-1])) if usual > 0 else None,
        "still_share": float((steps == 0).mean()),
        "value_ratio": quotient(float(value[-20:].mean()) / float(value.mean()), 1.0),
    }


_PROFILE = {
    "above_close": Quantity("fraction", "share of the volume of 120 bars traded above the close"),
    "from_most_traded": Quantity("fraction", "close over the most traded price level, minus 1"),
    "from_average": Quantity("fraction", "close over the volume-weighted average price, minus 1"),
    "value_area": Quantity(
        "word", "close against the levels with 70 percent of the volume", ("above", "within", "below")
    ),
}
_TREND = {
    "flow_t": Quantity("ratio", "t of the slope of on-balance volume over 20 bars (Granville 1963)"),
    "ratio_5_60": Quantity("ratio", "mean volume of 5 bars over that of 60"),
    "last_rank": Quantity("fraction", "share of the last 60 volumes below this one", direction="rank"),
    "up_share": Quantity("fraction", "share of the volume of 20 bars in rising ones"),
    "with_size": Quantity("ratio", "correlation of volume with the size of returns, 60 bars"),
}
_FLOW = {
    "mfi": Quantity("ratio", "money flow index over 14 bars, 0 to 100"),
    "chaikin": Quantity("ratio", "Chaikin money flow over 20 bars, -1 to 1"),
    "zone": Quantity("word", "inflow above 80, outflow below 20", ("inflow", "neutral", "outflow")),
}
_LIQUIDITY = {
    "impact_ratio": Quantity("ratio", "return per value traded (Amihud 2002), 20 bars over 250"),
    "impact_rank": Quantity("fraction", "share of its past values that were lower: high if illiquid", direction="rank"),
    "still_share": Quantity("fraction", "share of bars without any return"),
    "value_ratio": Quantity("ratio", "mean value traded in 20 bars over that in 250"),
}

ANALYTICS = (
    Analytic(
        "volume_profile",
        "at which prices volume was traded in 120 bars, and where the close stands to it",
        120,
        _profile,
        _PROFILE,
        ("volume",),
    ),
    Analytic(
        "volume_trend",
        "which way volume leads: on-balance volume, volume against its mean, in rising bars",
        61,
        _trend,
        _TREND,
        ("volume",),
    ),
    Analytic(
        "money_flow",
        "money flow by where bars close: money flow index and Chaikin money flow",
        40,
        _money_flow,
        _FLOW,
        ("volume",),
    ),
    Analytic(
        "liquidity",
        "what it takes to move the price: Amihud's illiquidity against its past",
        251,
        _liquidity,
        _LIQUIDITY,
        ("volume",),
    ),
)
