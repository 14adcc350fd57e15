"""Analytics tried on synthetic prices: how long each takes, what it gives, and whether a person's own one holds."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

from llm_strategy.errors import ConfigurationError
from llm_strategy.market.analytics.analytic import Analytic
from llm_strategy.market.analytics.past import Past
from llm_strategy.market.analytics.registry import find_analytic
from simulator.experiment.configuration import Experiment
from simulator.prices.universe import Universe, load_universe
from simulator.runs.lookahead.analytics import closes_of, pasts_at, refuse_lookahead

_CLOSES = 320
"""Closes from the first decision on: enough for what is told of other symbols and of seasons."""
_TIMED = 15
_MARKETS = {"AAA": ("cycles", 1), "BBB": ("cycles", 2), "CCC": ("crash", 3)}
_STRANGE: dict[str, dict[str, Any]] = {
    "without volume": {"volume": 0.0},
    "whose prices stand still": {"open": 50.0, "high": 50.0, "low": 50.0, "close": 50.0},
}


class AnalyticTrial:
    """Three symbols of seeded synthetic prices, and the analytics of these names or references, at their closes.

    Raises ``ConfigurationError`` for one that is not found.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.analytics: dict[str, Analytic] = {name: find_analytic(name) for name in names}
        self._bars = max(analytic.lookback for analytic in self.analytics.values())
        length = max(self._bars, Experiment().warm_up.bars) + _CLOSES
        self._experiment = Experiment.from_mapping(
            {
                "data": {
                    "sources": {
                        symbol: f"synthetic:{kind}?bars={length}&seed={seed}"
                        for symbol, (kind, seed) in _MARKETS.items()
                    }
                },
                "advisor": {"context": ["features", {"analytics": {"names": list(names)}}]},
            }
        )
        self._universe = load_universe(self._experiment.data)
        self._pasts = self._last(self._universe)

    def milliseconds(self, name: str) -> float:
        """How long one takes at a close: the median of some closes, but for the first, which imports what it needs."""
        analytic, spent = self.analytics[name], []
        for past in (self._pasts[0], *self._pasts):
            began = time.perf_counter()
            analytic.run(past)
            spent.append(time.perf_counter() - began)
        return 1000 * median(spent[1:])

    def text(self, name: str) -> str:
        """What a model reads of it at the last close."""
        analytic = self.analytics[name]
        return analytic.text(analytic.run(self._pasts[-1]))

    def refuse_lookahead(self) -> None:
        """Raise ``ConfigurationError`` where a person's own one looks ahead on these prices."""
        refuse_lookahead(self._experiment, self._universe)

    def faults(self, name: str) -> Iterator[str]:
        """What goes wrong on markets that a run may meet, a sentence each."""
        for kind, change in _STRANGE.items():
            markets = [replace(prices, table=prices.table.assign(**change)) for prices in self._universe.markets]
            try:
                for past in self._last(replace(self._universe, markets=tuple(markets))):
                    self.analytics[name].run(past)
            except ConfigurationError as problem:
                yield f"In a market {kind} a run would end: {problem}"

    def _last(self, universe: Universe) -> list[Past]:
        """The past at the last closes."""
        closes = closes_of(universe, self._experiment, self._bars)
        times = sorted({close.time for close in closes})[-_TIMED:]
        return list(pasts_at(closes, times).values())[-_TIMED:]
