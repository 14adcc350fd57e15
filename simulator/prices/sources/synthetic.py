"""Price paths whose true regime is known at every bar: seeded, so that equal names give equal bytes.

A path is a chain of spells. Each spell has one regime and a length drawn uniformly from half to one and a half of its
mean; a scenario lists the regimes in the order in which they return. Within a spell the log close follows a random walk
with the regime's drift and volatility; sideways spells are pulled back to the close at which they began.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import cycle

import numpy as np
import numpy.typing as npt
import pandas as pd

from llm_strategy.errors import ConfigurationError, did_you_mean
from llm_strategy.types import RegimeLabel
from simulator.prices.sessions import Timeframe
from simulator.prices.source import Source, SourceRequest
from simulator.prices.table import RawTable, make_table

FIRST_BAR = datetime(2000, 1, 3)  # noqa: DTZ001 (bars have no zone)
FIRST_PRICE = 100.0
MOST_BARS = 20_000
LONGEST = timedelta(days=900 * 365)


@dataclass(frozen=True, slots=True)
class Dynamics:
    """Mean and standard deviation of one bar's log return, and the share of the distance to the anchor undone a bar."""

    drift: float
    volatility: float
    pull: float = 0.0


DYNAMICS = {
    RegimeLabel.BULL: Dynamics(0.0009, 0.008),
    RegimeLabel.BEAR: Dynamics(-0.0011, 0.012),
    RegimeLabel.SIDEWAYS: Dynamics(0.0, 0.006, pull=0.08),
    RegimeLabel.TURBULENT: Dynamics(-0.0015, 0.028),
}

SCENARIOS: Mapping[str, tuple[tuple[RegimeLabel, int], ...]] = {
    "calm": ((RegimeLabel.BULL, 120), (RegimeLabel.SIDEWAYS, 120)),
    "cycles": (
        (RegimeLabel.BULL, 160),
        (RegimeLabel.SIDEWAYS, 80),
        (RegimeLabel.BEAR, 100),
        (RegimeLabel.TURBULENT, 20),
    ),
    "crash": ((RegimeLabel.BULL, 260), (RegimeLabel.TURBULENT, 40), (RegimeLabel.BEAR, 60), (RegimeLabel.SIDEWAYS, 80)),
}
"""Regimes and mean lengths of their spells in bars."""


def load_synthetic(request: SourceRequest) -> RawTable:
    """The path of this name; options may set ``bars`` (default 1500) and ``seed`` (default 7)."""
    name = request.name
    if name not in SCENARIOS:
        raise ConfigurationError(f"synthetic:{name} is unknown{did_you_mean(name, list(SCENARIOS))}")
    known = {"bars": (2, MOST_BARS), "seed": (0, 2**32 - 1)}
    chosen = {"bars": 1500, "seed": 7}
    for key, text in request.options.items():
        if key not in known:
            raise ConfigurationError(f"synthetic:{name} has the unknown option {key!r}{did_you_mean(key, list(known))}")
        least, most = known[key]
        if not (text.isdecimal() and len(text) <= len(str(most)) and least <= int(text) <= most):
            raise ConfigurationError(
                f"synthetic:{name}: {key} is {text!r:.40}, it must be a whole number from {least} to {most}."
            )
        chosen[key] = int(text)
    return generate(name, chosen["bars"], chosen["seed"], request.timeframe)


SOURCE = Source("synthetic", load_synthetic)


def generate(name: str, bars: int, seed: int, timeframe: Timeframe) -> RawTable:
    """``bars`` bars of the scenario: weekdays for daily bars, an unbroken row for intraday ones.

    Prices are rounded to 4 decimals, so that the last bit of a platform's exponential does not show.
    """
    if timeframe.unit in ("w", "mo"):
        raise ConfigurationError(f"synthetic:{name} has no bars of {timeframe}: set timeframe to 1d or shorter.")
    if bars * timeframe.duration > LONGEST:
        raise ConfigurationError(
            f"synthetic:{name}: {bars} bars of {timeframe} are more than 900 years: ask for fewer, or for shorter ones."
        )
    random = np.random.default_rng(seed)
    labels, log_close = _walk(SCENARIOS[name], bars, random)
    spread = np.array([DYNAMICS[label].volatility for label in labels])
    log_open = np.concatenate(([log_close[0]], log_close[:-1])) + 0.2 * spread * random.standard_normal(bars)
    log_high = np.maximum(log_open, log_close) + 0.4 * spread * np.abs(random.standard_normal(bars))
    log_low = np.minimum(log_open, log_close) - 0.4 * spread * np.abs(random.standard_normal(bars))
    busyness = np.exp(0.25 * random.standard_normal(bars)) * (spread / 0.008) ** 0.5
    prices = {"open": log_open, "high": log_high, "low": log_low, "close": log_close}
    columns: dict[str, npt.NDArray[np.float64]] = {key: np.round(np.exp(column), 4) for key, column in prices.items()}
    frequency = pd.offsets.BDay(timeframe.count) if timeframe.unit == "d" else timeframe.duration
    times = pd.date_range(FIRST_BAR, periods=bars, freq=frequency)
    table = make_table(times, {**columns, "volume": np.round(1e6 * busyness)})
    regimes = pd.Series([label.value for label in labels], index=table.index, name="regime")
    return RawTable(name.upper(), table, true_regimes=regimes)


def _walk(
    scenario: tuple[tuple[RegimeLabel, int], ...], bars: int, random: np.random.Generator
) -> tuple[list[RegimeLabel], npt.NDArray[np.float64]]:
    noise = random.standard_normal(bars)
    labels = list(_labels(scenario, bars, random))
    log_close = np.empty(bars)
    level = anchor = float(np.log(FIRST_PRICE))
    for bar, label in enumerate(labels):
        if bar and label != labels[bar - 1]:
            anchor = level
        dynamics = DYNAMICS[label]
        level += dynamics.drift - dynamics.pull * (level - anchor) + dynamics.volatility * noise[bar]
        log_close[bar] = level
    return labels, log_close


def _labels(
    scenario: tuple[tuple[RegimeLabel, int], ...], bars: int, random: np.random.Generator
) -> Iterator[RegimeLabel]:
    left = bars
    for label, mean in cycle(scenario):
        length = min(left, int(random.integers(mean // 2, mean + mean // 2, endpoint=True)))
        yield from [label] * length
        left -= length
        if not left:
            return
