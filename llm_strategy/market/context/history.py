"""The last bars as compact numbers, rebased so that no price level is seen, at one or two time frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from llm_strategy.errors import ConfigurationError
from llm_strategy.market.context.source import ContextSource
from llm_strategy.shown import Shown
from llm_strategy.types import Snapshot, Window

MOST_SHOWN = 500
"""Bars of a frame: a small model reads no more."""
_BASE = 100.0
"""What the first close that is shown counts as."""
Column = Literal["open", "high", "low", "close", "volume"]


@dataclass(frozen=True, slots=True)
class Longer:
    """A longer time frame: the last ``bars`` whole periods of ``every`` decision bars, counted back from the close."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    bars: Annotated[int, Field(ge=2, le=MOST_SHOWN)] = 12
    every: Annotated[int, Field(ge=2, le=MOST_SHOWN)] = 5


class History(ContextSource):
    """The last ``bars`` bars, the oldest first: prices rebased to 100 at the first close shown, volumes in units of
    their mean, with so many ``decimals``; ``longer`` is a second line, of longer periods.

    Price levels are shown where the advisor's ``unmasked`` lists ``price``.
    """

    name = "history"

    def __init__(
        self,
        bars: Annotated[int, Field(ge=2, le=MOST_SHOWN)] = 30,
        decimals: Annotated[int, Field(ge=0, le=6)] = 1,
        columns: Annotated[
            tuple[Column, ...], Field(min_length=1, json_schema_extra={"minItems": 1, "uniqueItems": True})
        ] = ("close",),
        longer: Longer | None = None,
    ) -> None:
        if len(set(columns)) < len(columns):
            raise ConfigurationError("The context source 'history' has a column twice: name each once.")
        self.bars, self.decimals, self.columns, self.longer = bars, decimals, columns, longer

    @property
    def lookback(self) -> int:
        """Bars of the longer of its frames."""
        return max(self.bars, self.longer.bars * self.longer.every if self.longer else 0)

    def show(self, snapshot: Snapshot) -> Shown:
        """A line for each frame."""
        window = snapshot.window
        assert window is not None  # noqa: S101 - read for its lookback
        lines = [self._line(f"last {self.bars} bars", _last(window, self.bars))]
        if self.longer is not None:
            bars, every = self.longer.bars, self.longer.every
            lines.append(self._line(f"last {bars} periods of {every} bars", _periods(window, bars, every)))
        return Shown(self.name, "\n".join(lines))

    def _line(self, frame: str, bars: Window) -> str:
        level = "price" in self.unmasked
        scale = 1.0 if level else _BASE / bars.close[0]
        parts = []
        for column in self.columns:
            values: Sequence[float] = getattr(bars, column)
            if column == "volume":
                mean = sum(values) / len(values)
                shown = [value / mean if mean > 0 else 1.0 for value in values]
                told = "volume over its mean"
            else:
                shown = [value * scale for value in values]
                told = column if level else f"{column} (first close = 100)"
            parts.append(f"{told}: {' '.join(self._number(value) for value in shown)}")
        return f"{frame}, oldest first; {'; '.join(parts)}"

    def _number(self, value: float) -> str:
        return f"{round(float(value), self.decimals) + 0.0:.{self.decimals}f}"  # + 0.0 turns -0 into 0


def _last(window: Window, bars: int) -> Window:
    """The last bars of a window."""
    return Window(*(getattr(window, name)[-bars:] for name in Window.__slots__ if name != "known"))


def _periods(window: Window, bars: int, every: int) -> Window:
    """The last whole periods of ``every`` bars, the last of which ends with the last bar of the window."""
    last = _last(window, bars * every)
    starts = range(0, bars * every, every)
    return Window(
        [last.open[start] for start in starts],
        [max(last.high[start : start + every]) for start in starts],
        [min(last.low[start : start + every]) for start in starts],
        [last.close[start + every - 1] for start in starts],
        [sum(last.volume[start : start + every]) for start in starts],
        [last.time[start + every - 1] for start in starts],
    )
