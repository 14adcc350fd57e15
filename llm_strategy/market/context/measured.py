"""Analytics beside the market's line: the same ones at every close, as a source of context."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from llm_strategy.errors import ConfigurationError
from llm_strategy.market.analytics.past import PastReader
from llm_strategy.market.analytics.registry import find_analytic, is_own
from llm_strategy.market.context.source import ContextSource
from llm_strategy.shown import Shown
from llm_strategy.types import Snapshot


class Analytics(ContextSource):
    """The values of the analytics that are named, a line each, as ``btllm analytics`` lists them.

    Raises ``ConfigurationError`` for a name that is not found, or stands there twice.
    """

    name = "analytics"

    def __init__(self, names: Annotated[tuple[str, ...], Field(min_length=1)]) -> None:
        self._analytics = [find_analytic(name) for name in names]
        called = [analytic.name for analytic in self._analytics]
        if twice := next((name for name in called if called.count(name) > 1), None):
            raise ConfigurationError(f"analytics names {twice!r} twice: name each once.")
        self.own = tuple(name for name in names if is_own(name))
        self._past = PastReader()

    @property
    def lookback(self) -> int:
        """Bars of the one that looks back the longest."""
        return max(analytic.lookback for analytic in self._analytics)

    def take(self, snapshot: Snapshot) -> None:
        """Take a close into the past."""
        self._past.take(snapshot)

    def forget(self, symbol: str) -> None:
        """Begin the past of a symbol anew."""
        self._past.forget(symbol)

    def show(self, snapshot: Snapshot) -> Shown:
        """A line for each analytic that has something to tell."""
        past = self._past.at(snapshot)
        told = [(analytic, analytic.text(analytic.run(past))) for analytic in self._analytics]
        return Shown(self.name, "\n".join(f"{analytic.name}: {text}" for analytic, text in told if text))
