"""The features of every market: what each measures, over how many bars, and how a model reads it.

Bar by bar and all bars at once use the same correctly rounded sums, so that the four modes of the engine agree to the
last bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from itertools import pairwise
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from llm_strategy.errors import ConfigurationError, shown
from llm_strategy.market.feature import MOST_BARS, Bars, Feature
from llm_strategy.types import Snapshot

RANGE_BARS = 14
"""Bars behind the mean of the true ranges, by which stops are set."""

PLAIN_VOLATILITY = (0.005, 0.02)
"""A market whose bars usually move (standard deviation, fraction) within these is judged by the plain thresholds: from
half to double the one percent of a day of shares."""
_LEAST_SCALE = 0.001


LEAST_BARS = 2
_BarCount = Annotated[int, Field(ge=LEAST_BARS, le=MOST_BARS)]


class WarmUp(NamedTuple):
    """Bars up to the first decision, its own included, and what they are for, as it reads in a sentence."""

    bars: int
    cause: str


@dataclass(frozen=True, slots=True)
class Lookbacks:
    """Bars behind each feature of a ``Snapshot``, by its name; ``ConfigurationError`` for a number out of range.

    ``volatility_rank`` is the stretch whose volatilities the present one is ranked in, and whose median says how much
    the market usually moves (``threshold_scale``).
    """

    trend: _BarCount = 200
    momentum: _BarCount = 20
    volatility: _BarCount = 20
    volatility_rank: _BarCount = 250
    drawdown: _BarCount = 250
    range_position: _BarCount = 20
    volume_ratio: _BarCount = 20

    def __post_init__(self) -> None:
        for field in fields(self):
            bars = getattr(self, field.name)
            if not LEAST_BARS <= bars <= MOST_BARS or bars != int(bars):
                raise ConfigurationError(
                    f"lookbacks.{field.name} is {shown(bars)}: give a whole number of bars from {LEAST_BARS} to "
                    f"{MOST_BARS}."
                )
            object.__setattr__(self, field.name, int(bars))  # 20.0 is a whole number in YAML, too

    @property
    def longest(self) -> WarmUp:
        """What every feature needs before it has a value."""
        needs = (
            WarmUp(
                self.volatility + self.volatility_rank,
                f"lookbacks.volatility of {self.volatility} and volatility_rank of {self.volatility_rank}",
            ),
            WarmUp(self.momentum + 1, f"lookbacks.momentum of {self.momentum}"),
            *(
                WarmUp(getattr(self, name), f"lookbacks.{name} of {getattr(self, name)}")
                for name in ("trend", "drawdown", "range_position", "volume_ratio")
            ),
        )
        return max(needs, key=lambda need: need.bars)


DEFAULT_LOOKBACKS = Lookbacks()
LONGEST_LOOKBACK = DEFAULT_LOOKBACKS.longest.bars
"""Bars after which every feature has a value where nothing else is set; the slowest is the rank of the volatility."""


_TREND = ((-0.10, "far below"), (-0.02, "below"), (0.02, "near"), (0.10, "above"), (math.inf, "far above"))
_MOMENTUM = ((-0.5, "falling"), (0.5, "flat"), (math.inf, "rising"))
_VOLATILITY = ((1 / 3, "low"), (2 / 3, "normal"), (math.inf, "high"))
_DRAWDOWN = ((-0.20, "severe"), (-0.10, "deep"), (-0.03, "small"), (math.inf, "none"))
_RANGE = ((1 / 3, "low"), (2 / 3, "middle"), (math.inf, "high"))
_VOLUME = ((1.25, "normal"), (math.inf, "heavy"))


@lru_cache(maxsize=64)
def market_features(bars: Lookbacks = DEFAULT_LOOKBACKS) -> tuple[Feature, ...]:
    """What is measured of every market, each behind what it looks back on; what the values are is told with the fields
    of ``Snapshot``, and the last is the upper median of the volatilities that the rank looks at. Those without buckets
    are not shown: rules, sizes and thresholds go by them."""
    past, noun = bars.volatility_rank, " long average"
    return (
        Feature(
            "trend",
            bars.trend,
            _trend,
            _TREND,
            f"% from{noun}",
            noun=noun,
            scaled=scaled_trend,
            description="the close against the mean of many closes before it",
        ),
        Feature(
            "momentum",
            bars.momentum + 1,
            _momentum,
            _MOMENTUM,
            "%",
            scaled=scaled_momentum,
            description="the return over the last bars",
        ),
        Feature("volatility", bars.volatility + 1, _volatility, all_bars=_volatilities),
        Feature(
            "volatility_rank",
            past,
            _rank,
            _VOLATILITY,
            "% of its range",
            label="volatility",
            of="volatility",
            all_bars=_ranks,
            description="how much returns vary, against how much they did before",
        ),
        Feature(
            "drawdown",
            bars.drawdown,
            _drawdown,
            _DRAWDOWN,
            "%",
            scaled=scaled_drawdown,
            all_bars=_drawdowns,
            description="how far the close lies below the highest one before it",
        ),
        Feature(
            "range_position",
            bars.range_position,
            _place,
            _RANGE,
            "% of its range",
            label="range",
            all_bars=_places,
            description="where the close lies between the lowest and the highest price of the last bars",
        ),
        Feature(
            "volume_ratio",
            bars.volume_ratio,
            _volume_ratio,
            _VOLUME,
            "% of its mean",
            label="volume",
            description="what was traded, against its mean",
        ),
        Feature("usual_volatility", past, _upper_median, of="volatility", all_bars=_upper_medians),
    )


def threshold_scale(usual_volatility: float) -> float:
    """How much wider than the plain ones a market's thresholds are, from how much its bars usually move.

    1 within ``PLAIN_VOLATILITY``; below and above in proportion to the nearer end, so that the scale has no steps:
    an hour of currencies that usually moves by 0.1 percent has a fifth of the plain thresholds. Never 0, also where
    prices stand still.
    """
    low, high = PLAIN_VOLATILITY
    return max(_LEAST_SCALE, min(usual_volatility / low, 1.0), usual_volatility / high)


def scaled_trend(snapshot: Snapshot) -> float:
    """The trend in a market that moves like a day of shares; elsewhere thresholds are as much wider or narrower as
    ``threshold_scale`` says."""
    return snapshot.trend / snapshot.trend_scale


def scaled_drawdown(snapshot: Snapshot) -> float:
    """The same of the drawdown."""
    return snapshot.drawdown / snapshot.drawdown_scale


def scaled_momentum(snapshot: Snapshot) -> float:
    """The return of the last bars in units of what so many bars of the present volatility make; 0 in a market that does
    not move."""
    usual = snapshot.volatility * snapshot.momentum_bars**0.5
    return snapshot.momentum / usual if usual > 0 else 0.0


def _trend(bars: Bars) -> float:
    close: Sequence[float] = bars.close
    return close[-1] / _mean(close) - 1


def _momentum(bars: Bars) -> float:
    close: Sequence[float] = bars.close
    return close[-1] / close[0] - 1


def _volatility(bars: Bars) -> float:
    return _deviation(_changes(bars.close))


def _volatilities(bars: Bars, lookback: int) -> Iterable[float]:
    changes, window = _changes(bars.close), lookback - 1
    return (_deviation(changes[end - window : end]) for end in range(window, len(changes) + 1))


def _rank(values: Sequence[float]) -> float:
    now = values[-1]
    return sum(value < now for value in values) / len(values)


def _ranks(values: Sequence[float], lookback: int) -> Iterable[float]:
    past = _windows(values, lookback)
    ranks: Iterable[float] = (past < past[:, -1:]).sum(axis=1) / lookback
    return ranks


def _upper_median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


def _upper_medians(values: Sequence[float], lookback: int) -> Iterable[float]:
    import numpy as np

    return np.partition(_windows(values, lookback), lookback // 2, axis=1)[:, lookback // 2]


def _drawdown(bars: Bars) -> float:
    close: Sequence[float] = bars.close
    return _fall(close[-1], max(close))


def _fall(close: float, peak: float) -> float:
    return close / peak - 1


def _drawdowns(bars: Bars, lookback: int) -> Iterable[float]:
    return map(_fall, bars.close[lookback - 1 :], _windows(bars.close, lookback).max(axis=1).tolist())


def _place(bars: Bars) -> float:
    return _position(bars.close[-1], min(bars.low), max(bars.high))


def _places(bars: Bars, lookback: int) -> Iterable[float]:
    lows = _windows(bars.low, lookback).min(axis=1).tolist()
    highs = _windows(bars.high, lookback).max(axis=1).tolist()
    return map(_position, bars.close[lookback - 1 :], lows, highs)


def _position(close: float, low: float, high: float) -> float:
    return (close - low) / (high - low) if high > low else 0.5


def _volume_ratio(bars: Bars) -> float:
    volume: Sequence[float] = bars.volume
    usual = _mean(volume)
    return volume[-1] / usual if usual > 0 else 1.0


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _changes(closes: Sequence[float]) -> list[float]:
    return [after / before - 1 for before, after in pairwise(closes)]


def _deviation(changes: list[float]) -> float:
    mean = _mean(changes)
    return math.sqrt(_mean([(change - mean) ** 2 for change in changes]))


def _windows(values: Sequence[float], length: int) -> Any:
    """The last ``length`` values at each bar that has so many."""
    import numpy as np  # the command line starts without it
    from numpy.lib.stride_tricks import sliding_window_view

    return sliding_window_view(np.asarray(values), length)


FURTHER_FEATURES: tuple[Feature, ...] = ()
"""Features that are measured only where they are shown: a new one is added here."""

FEATURES = {feature.label: feature for feature in (*market_features(), *FURTHER_FEATURES) if feature.buckets}
"""What a view can show, by the name that stands in its line."""
