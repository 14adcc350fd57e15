"""The section ``watch`` of an experiment: where its bars come from as they happen, and when they are too late."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from llm_strategy.errors import ConfigurationError, did_you_mean
from llm_strategy.support.secrets import secrets_in_address
from simulator.prices.sessions import Timeframe, parse_timeframe

Missed: TypeAlias = Literal["skip", "decide_late"]
"""What becomes of a bar that was over for long when it came."""
_DURATION = r"^[1-9][0-9]{0,3}(s|m|h|d)$"
_MISSED: tuple[Missed, ...] = ("skip", "decide_late")
_LEAST_STALE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class WatchConfig:
    """How a market is watched by ``btllm watch``. Raises ``ConfigurationError`` for what contradicts."""

    feed: Annotated[str, Field(min_length=1)] = "replay:"
    """``KIND:`` and what that kind wants to know: ``replay:`` plays the prices of ``data``, ``follow:PATH`` reads a
    CSV or JSONL file that grows; ``websocket:URL``, ``yfinance:SYMBOL``, ``ccxt:EXCHANGE/SYMBOL`` and
    ``alpaca:SYMBOL`` are live."""
    speed: Annotated[float, Field(ge=0, le=1e9)] = 0.0
    """Seconds of the market in a second of a replay; 0 is as fast as it goes."""
    calendar: Annotated[str, Field(min_length=1)] | None = None
    """An exchange of ``exchange_calendars`` such as XNYS, by whose sessions bars close; by the clock if absent, within
    ``data.session`` where there is one."""
    grace: Annotated[str, Field(pattern=_DURATION, description="a count and s, m, h or d, such as 2s")] = "2s"
    """How long after its end a bar waits for ticks that are on their way."""
    stale_after: Annotated[str, Field(pattern=_DURATION, description="a count and s, m, h or d, such as 5m")] | None = (
        None
    )
    """Silence of the feed from which it counts as standing still, and lateness from which a bar counts as missed; three
    bars if absent, at least a minute."""
    missed: Missed = "skip"
    """Whether missed bars are decided late, which is marked, or not at all."""

    def __post_init__(self) -> None:
        if any("${" not in secret for secret in secrets_in_address(self.feed)):
            raise ConfigurationError(
                "watch.feed holds a key or a password, which would be written into the record: set it in the "
                "environment, and write ${NAME} in its place."
            )
        parse_timeframe(self.grace, "watch.grace")
        if self.stale_after is not None:
            parse_timeframe(self.stale_after, "watch.stale_after")
        if self.missed not in _MISSED:
            raise ConfigurationError(f"watch.missed is {self.missed!r}{did_you_mean(str(self.missed), _MISSED)}")

    @property
    def grace_s(self) -> float:
        """Seconds of ``grace``."""
        return parse_timeframe(self.grace, "watch.grace").duration.total_seconds()

    def stale_s(self, timeframe: Timeframe) -> float:
        """Seconds of ``stale_after``, for bars of this length."""
        if self.stale_after is None:
            return max(3 * timeframe.duration, _LEAST_STALE).total_seconds()
        return parse_timeframe(self.stale_after, "watch.stale_after").duration.total_seconds()
