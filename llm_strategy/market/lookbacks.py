"""How far back each feature looks, and how many bars that takes before the first decision. Pure."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, NamedTuple

from pydantic import Field

from llm_strategy.errors import ConfigurationError, shown

LEAST_BARS, MOST_BARS = 2, 10_000
_Bars = Annotated[int, Field(ge=LEAST_BARS, le=MOST_BARS)]


class WarmUp(NamedTuple):
    """Bars up to the first decision, its own included, and what they are for, as it reads in a sentence."""

    bars: int
    cause: str


@dataclass(frozen=True, slots=True)
class Lookbacks:
    """Bars behind each feature of a ``Snapshot``, by its name; ``ConfigurationError`` for a number out of range.

    ``volatility_rank`` is the stretch whose volatilities the present one is ranked in, and whose median says how much
    the market usually moves (``llm_strategy.market.features.threshold_scale``).
    """

    trend: _Bars = 200
    momentum: _Bars = 20
    volatility: _Bars = 20
    volatility_rank: _Bars = 250
    drawdown: _Bars = 250
    range_position: _Bars = 20
    volume_ratio: _Bars = 20

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
