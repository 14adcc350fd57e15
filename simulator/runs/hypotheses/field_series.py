"""What the fields of hypotheses were at each close of a run, and from that the closes at which their conditions held.

A field at a close is measured from the bars and closes up to it alone (``PastReader``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from llm_strategy.market.analytics.past import PastReader
from llm_strategy.market.analytics.registry import find_analytic
from llm_strategy.support.condition import Value
from simulator.evaluation.event_study import EventSeries
from simulator.experiment.configuration import Experiment
from simulator.hypotheses.statement import Hypothesis
from simulator.prices.universe import Universe
from simulator.registers.data import DataWindow
from simulator.runs.hypotheses.window_facts import closes_until

_Times: TypeAlias = NDArray[np.datetime64]
_END = "9999"
"""Later than any close."""


@dataclass(frozen=True, eq=False)
class SymbolSeries:
    """One symbol from the first decision on: ``times`` (ISO 8601, UTC), ``closes`` (currency), and the values of each
    field, all of equal length."""

    times: tuple[str, ...]
    closes: NDArray[np.float64]
    values: Mapping[str, tuple[Value, ...]]

    def events(self, hypothesis: Hypothesis) -> NDArray[np.bool_]:
        """Whether the conditions of a hypothesis held at each close."""
        rows = zip(*(self.values[field] for field in hypothesis.fields), strict=True)
        return np.array([hypothesis.holds(dict(zip(hypothesis.fields, row, strict=True))) for row in rows], bool)


@dataclass(frozen=True, eq=False)
class FieldSeries:
    """The closes of a run with the fields that hypotheses speak of, by symbol, and the hash of each symbol's prices."""

    symbols: Mapping[str, SymbolSeries]
    prices: Mapping[str, str]

    def embargoed(self, first: str, bars: int) -> str:
        """The first time that is for every symbol at least so many closes behind ``first``."""
        begins = [
            series.times[at + bars]
            for series in self.symbols.values()
            if (at := int(np.searchsorted(np.array(series.times), first))) + bars < len(series.times)
        ]
        return max(begins, default=_END)

    def window(self, first: str, last: str) -> DataWindow:
        """The closes between two times as the register keeps them; raises ``ConfigurationError`` where there are
        none."""
        closes = {symbol: (_stamps(series.times), series.closes) for symbol, series in self.symbols.items()}
        return DataWindow.of(closes, first, last, self.prices)

    def events(self, hypothesis: Hypothesis, first: str, last: str) -> dict[str, EventSeries]:
        """The closes between two times, and at which of them the conditions held, by symbol."""
        found: dict[str, EventSeries] = {}
        for symbol, series in self.symbols.items():
            times = np.array(series.times)
            part = slice(int(np.searchsorted(times, first)), int(np.searchsorted(times, last, "right")))
            if part.start < part.stop:
                stamps, marks = _stamps(series.times[part]), series.events(hypothesis)[part]
                found[symbol] = EventSeries(stamps, series.closes[part], marks)
        return found


def field_series(universe: Universe, experiment: Experiment, fields: Iterable[str]) -> FieldSeries:
    """Measure these fields at every close of a run from the first decision on."""
    wanted = sorted(set(fields))
    analytics = [find_analytic(name) for name in dict.fromkeys(field.partition(".")[0] for field in wanted)]
    seen = closes_until(universe, experiment, [analytic.name for analytic in analytics], _END)
    times: dict[str, list[str]] = {symbol: [] for symbol in universe.symbols}
    closes: dict[str, list[float]] = {symbol: [] for symbol in universe.symbols}
    values: dict[str, list[list[Value]]] = {symbol: [] for symbol in universe.symbols}
    reader = PastReader()
    for snapshot in seen:
        past = reader.at(snapshot)
        told = {f"{each.name}.{output}": value for each in analytics for output, value in each.run(past).items()}
        times[snapshot.symbol].append(snapshot.time)
        closes[snapshot.symbol].append(snapshot.close)
        values[snapshot.symbol].append([told[field] for field in wanted])
        reader.take(snapshot)
    symbols = {
        symbol: SymbolSeries(
            tuple(times[symbol]),
            np.array(closes[symbol], float),
            dict(zip(wanted, zip(*values[symbol], strict=True), strict=True)),
        )
        for symbol in universe.symbols
        if times[symbol]
    }
    return FieldSeries(symbols, {prices.symbol: prices.sha256 for prices in universe.markets})


def _stamps(times: Iterable[str]) -> _Times:
    return np.array(list(times), "datetime64[us]")
