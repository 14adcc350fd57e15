"""How long a bar is: ``5m``, ``1h``, ``1d``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

from llm_strategy.errors import ConfigurationError

DURATIONS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
    "mo": timedelta(days=30),
}


@dataclass(frozen=True, slots=True)
class Timeframe:
    """``count`` times ``unit``: s seconds, m minutes, h hours, d days, w weeks, mo months."""

    count: int
    unit: str

    @property
    def intraday(self) -> bool:
        """Whether bars are shorter than a day, so that their clock times matter."""
        return self.unit in ("s", "m", "h")

    @property
    def duration(self) -> timedelta:
        """Length of a bar; a month counts as 30 days."""
        return self.count * DURATIONS[self.unit]

    def __str__(self) -> str:
        return f"{self.count}{self.unit}"


def parse_timeframe(text: str, setting: str = "timeframe") -> Timeframe:
    """Read ``5m``, ``1h`` or ``1d``; ``ConfigurationError`` naming ``setting`` for anything else."""
    match = re.fullmatch(r"([1-9]\d{0,3})(s|mo|m|h|d|w)", text)
    if match is None:
        raise ConfigurationError(
            f"{setting} {text!r} is unknown: write a number and s, m, h, d, w or mo, such as 5m, 1h or 1d."
        )
    return Timeframe(int(match[1]), match[2])
