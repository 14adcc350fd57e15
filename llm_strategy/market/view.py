"""A snapshot as short text: the bar's part of a prompt. Pure; equal market states give equal bytes."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from llm_strategy.errors import MarketDataError
from llm_strategy.support.outside_text import quoted, symbol_name
from llm_strategy.types import Snapshot

Unmasked = Literal["symbol", "date", "price"]
"""What a line may show beside its features; each lets a model remember the period instead of reading it."""

TELLING = ("trend", "volatility")
"""The features that the causal rule goes by."""

_UNITS = (" long average", " from", " of its range", " of its mean")


def values_of(market: str, between: str = " ") -> str:
    """The row of a line's values; symbol, date and price, where they are shown, keep their names."""
    facts = (fact.partition(": ") for fact in market.split("; "))
    return between.join(
        f"{name} {value}" if name in get_args(Unmasked) else _brief(value or name) for name, _, value in facts
    )


def telling_values(market: str) -> str:
    """The values of what the causal rule goes by."""
    facts = dict(fact.partition(": ")[::2] for fact in market.split("; "))
    return " ".join(_brief(facts[name]) for name in TELLING if name in facts)


def telling_facts(market: str) -> str:
    """The same with their names."""
    facts = (fact.replace(":", "") for fact in market.split("; ") if fact.partition(":")[0] in TELLING)
    return ", ".join(facts)


def _brief(value: str) -> str:
    for unit in _UNITS:
        value = value.removesuffix(unit)
    return value


Style = Literal["words", "numbers"]


class Buckets(NamedTuple):
    """Names for ranges of a value; ``bounds`` part them, a value on a bound belongs above it.

    Those of trend and drawdown are for a market that moves like a day of shares; in others they are as much wider or
    narrower as the snapshot's scales say (``llm_strategy.market.features.threshold_scale``)."""

    bounds: tuple[float, ...]
    names: tuple[str, ...]

    def name(self, value: float) -> str:
        """The name of the range that holds this value, which is not NaN."""
        return self.names[bisect_right(self.bounds, value)]


_TREND = Buckets((-0.10, -0.02, 0.02, 0.10), ("far below", "below", "near", "above", "far above"))
_MOMENTUM = Buckets((-0.5, 0.5), ("falling", "flat", "rising"))
_VOLATILITY = Buckets((1 / 3, 2 / 3), ("low", "normal", "high"))
_DRAWDOWN = Buckets((-0.20, -0.10, -0.03), ("severe", "deep", "small", "none"))
_RANGE = Buckets((1 / 3, 2 / 3), ("low", "middle", "high"))
_VOLUME = Buckets((1.25,), ("normal", "heavy"))


@dataclass(frozen=True, slots=True)
class View:
    """How much of a snapshot a model sees, and how finely.

    ``words`` puts every feature into two to five named buckets, so that twenty years of daily bars make a few hundred
    different requests; ``numbers`` shows percentages with ``decimals`` places, which costs a request for nearly every
    bar.
    ``unmasked`` lifts the mask: a model that knows the symbol or the date may remember the period instead of reading
    it.
    """

    style: Style = "words"
    decimals: int = 0
    unmasked: tuple[Unmasked, ...] = ()


def render_snapshot(snapshot: Snapshot, view: View = View()) -> str:
    """The text that a model reads for one bar, a line of ``name: value`` pairs.

    Masked unless ``view.unmasked`` says otherwise: no symbol, no date, no price level. Raises ``MarketDataError`` for a
    snapshot with a feature that is NaN, as a bar without a true price leaves behind it.
    """
    if not snapshot.known:
        raise MarketDataError(
            f"The snapshot of {snapshot.symbol} at {snapshot.time} has features that are not a number (NaN): a bar "
            "before it has no true price, correct that bar."
        )
    shown = (_identity(snapshot, view) if view.unmasked else {}) | (
        _words(snapshot) if view.style == "words" else _numbers(snapshot, view.decimals)
    )
    return "; ".join(f"{name}: {value}" for name, value in shown.items())


def _identity(snapshot: Snapshot, view: View) -> dict[str, str]:
    facts = {"symbol": quoted(symbol_name(snapshot.symbol)), "date": snapshot.time, "price": f"{snapshot.close:g}"}
    return {name: facts[name] for name in ("symbol", "date", "price") if name in view.unmasked}


def _words(snapshot: Snapshot) -> dict[str, str]:
    return {
        "trend": f"{_TREND.name(snapshot.trend / snapshot.trend_scale)} long average",
        "momentum": _MOMENTUM.name(scaled_momentum(snapshot)),
        "volatility": _VOLATILITY.name(snapshot.volatility_rank),
        "drawdown": _DRAWDOWN.name(snapshot.drawdown / snapshot.drawdown_scale),
        "range": _RANGE.name(snapshot.range_position),
        "volume": _VOLUME.name(snapshot.volume_ratio),
    }


def _numbers(snapshot: Snapshot, decimals: int) -> dict[str, str]:
    def percent(fraction: float) -> str:
        return f"{round(100 * fraction, decimals) + 0.0:.{decimals}f}%"  # + 0.0 turns -0 into 0

    return {
        "trend": f"{percent(snapshot.trend)} from long average",
        "momentum": percent(snapshot.momentum),
        "volatility": f"{percent(snapshot.volatility_rank)} of its range",
        "drawdown": percent(snapshot.drawdown),
        "range": f"{percent(snapshot.range_position)} of its range",
        "volume": f"{percent(snapshot.volume_ratio)} of its mean",
    }


def scaled_momentum(snapshot: Snapshot) -> float:
    """The return of the last bars in units of what so many bars of the present volatility make; 0 in a market that does
    not move."""
    usual = snapshot.volatility * snapshot.momentum_bars**0.5
    return snapshot.momentum / usual if usual > 0 else 0.0
