"""A snapshot as short text: the bar's part of a prompt. Pure; equal market states give equal bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from llm_strategy.types import Snapshot

Style = Literal["words", "numbers"]
Unmasked = Literal["symbol", "date", "price"]

_TREND = ((-0.10, "far below"), (-0.02, "below"), (0.02, "near"), (0.10, "above"), (None, "far above"))
_MOMENTUM = ((-1.0, "falling fast"), (-0.3, "falling"), (0.3, "flat"), (1.0, "rising"), (None, "rising fast"))
_VOLATILITY = ((1 / 3, "low"), (2 / 3, "normal"), (None, "high"))
_DRAWDOWN = ((-0.20, "severe"), (-0.10, "deep"), (-0.03, "small"), (None, "none"))
_RANGE = ((1 / 3, "low"), (2 / 3, "middle"), (None, "high"))
_VOLUME = ((0.75, "light"), (1.25, "normal"), (None, "heavy"))


@dataclass(frozen=True, slots=True)
class View:
    """How much of a snapshot a model sees, and how finely.

    ``words`` puts every feature into three to five named buckets, so that twenty years of daily bars make a few hundred
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

    Masked unless ``view.unmasked`` says otherwise: no symbol, no date, no price level.
    """
    shown = _identity(snapshot, view) | (
        _words(snapshot) if view.style == "words" else _numbers(snapshot, view.decimals)
    )
    return "; ".join(f"{name}: {value}" for name, value in shown.items())


def _identity(snapshot: Snapshot, view: View) -> dict[str, str]:
    facts = {"symbol": snapshot.symbol, "date": snapshot.time, "price": f"{snapshot.close:g}"}
    return {name: facts[name] for name in ("symbol", "date", "price") if name in view.unmasked}


def _words(snapshot: Snapshot) -> dict[str, str]:
    return {
        "trend": f"{_bucket(snapshot.trend, _TREND)} long average",
        "momentum": _bucket(scaled_momentum(snapshot), _MOMENTUM),
        "volatility": _bucket(snapshot.volatility_rank, _VOLATILITY),
        "drawdown": _bucket(snapshot.drawdown, _DRAWDOWN),
        "range": _bucket(snapshot.range_position, _RANGE),
        "volume": _bucket(snapshot.volume_ratio, _VOLUME),
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
    """The 20-bar return in units of what 20 bars of the present volatility make; 0 in a market that does not move."""
    usual = snapshot.volatility * 20**0.5
    return snapshot.momentum / usual if usual > 0 else 0.0


def _bucket(value: float, buckets: tuple[tuple[float | None, str], ...]) -> str:
    return next(name for bound, name in buckets if bound is None or value < bound)
