"""What a model is shown before it proposes: of one window, how the fields of the analytics are spread, and how much the
close usually changes. Nothing of it tells symbol, date or price, and no bar behind the window is looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from llm_strategy.market.analytics.analytic import Analytic
from llm_strategy.market.analytics.past import PastReader
from llm_strategy.market.analytics.registry import find_analytic
from llm_strategy.market.context.registry import DEFAULT_CONTEXT
from llm_strategy.support.condition import Quantity, Value
from llm_strategy.types import Snapshot
from simulator.evaluation.event_study import fewest_closes
from simulator.experiment.advisor import AdvisorConfig
from simulator.experiment.configuration import Experiment
from simulator.prices.universe import Universe
from simulator.runs.hypotheses.windows import Window
from simulator.runs.simulation import snapshots

RANKS = (0.1, 0.25, 0.5, 0.75, 0.9)
"""The shares of closes below a threshold that is offered."""
MOST_CLOSES = 240
"""Closes of a window at which fields are measured, evenly spread over it: enough for a tenth of them to be told."""
FEWEST_VALUES = 20
"""Known values of a field below which nothing is told of it."""
HORIZONS = (5, 10, 20, 60)
"""Bars over which a change may be claimed."""
FEWEST_CHANGES = 20
"""Changes over a horizon in a window below which that horizon is not offered."""
_DIGITS = 3


@dataclass(frozen=True, slots=True)
class FieldFacts:
    """How a field is spread over a window: the ``thresholds`` by the share of closes below them (``RANKS``), or the
    share of closes with each of its ``words``."""

    quantity: Quantity
    thresholds: Mapping[float, float]
    words: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class UsualChange:
    """The change of the close over a horizon after all closes of a window: mean and standard deviation, fractions."""

    mean: float
    deviation: float


@dataclass(frozen=True)
class WindowFacts:
    """What is known of a window: the analytics that tell something of it, their fields, and the usual changes by
    horizon in bars."""

    analytics: tuple[Analytic, ...]
    fields: Mapping[str, FieldFacts]
    changes: Mapping[int, UsualChange]

    def within(self, closes: int) -> WindowFacts:
        """The same with those horizons alone that can be tested on so many closes."""
        changes = {bars: change for bars, change in self.changes.items() if fewest_closes(bars) + bars <= closes}
        return replace(self, changes=changes)

    def of(self, analytic: Analytic) -> dict[str, FieldFacts]:
        """The fields of an analytic by their names in conditions."""
        return {name: self.fields[name] for name in analytic.vocabulary if name in self.fields}


def window_facts(universe: Universe, experiment: Experiment, names: Sequence[str], window: Window) -> WindowFacts:
    """Measure these analytics on a window; one that never gives a value, or always the same, is left out."""
    analytics = [find_analytic(name) for name in names]
    seen = closes_until(universe, experiment, names, window.last)
    values = _measured(analytics, seen, window)
    fields: dict[str, FieldFacts] = {}
    for analytic in analytics:
        for name, quantity in analytic.vocabulary.items():
            if (facts := _spread(quantity, values[name])) is not None:
                fields[name] = facts
    telling = tuple(each for each in analytics if any(name in fields for name in each.vocabulary))
    return WindowFacts(telling, fields, dict(_usual_changes(seen, window)))


def closes_until(universe: Universe, experiment: Experiment, names: Sequence[str], last: str) -> list[Snapshot]:
    """The snapshots of all symbols from the first decision to the ``last`` time, in the order of time, each with as
    many bars as these analytics look back on."""
    measured = ({"analytics": {"names": list(names)}},) if names else ()
    config = AdvisorConfig(lookbacks=experiment.primary_config.lookbacks, context=(*DEFAULT_CONTEXT, *measured))
    found = [
        snapshot
        for symbol in universe.symbols
        for snapshot in snapshots(universe.decisions(symbol), experiment, config)
        if snapshot.time <= last
    ]
    return sorted(found, key=lambda snapshot: (snapshot.time, snapshot.symbol))


def _measured(analytics: Sequence[Analytic], seen: Sequence[Snapshot], window: Window) -> dict[str, list[Value]]:
    inside = [number for number, snapshot in enumerate(seen) if snapshot.time in window]
    chosen = {inside[at] for at in np.linspace(0, len(inside) - 1, min(len(inside), MOST_CLOSES)).round().astype(int)}
    values: dict[str, list[Value]] = {name: [] for analytic in analytics for name in analytic.vocabulary}
    reader = PastReader()
    for number, snapshot in enumerate(seen):
        if number in chosen:
            past = reader.at(snapshot)
            for analytic in analytics:
                for output, value in analytic.run(past).items():
                    values[f"{analytic.name}.{output}"].append(value)
        reader.take(snapshot)
    return values


def _spread(quantity: Quantity, values: Sequence[Value]) -> FieldFacts | None:
    known = [value for value in values if value is not None]
    if len(known) < FEWEST_VALUES:
        return None
    if quantity.unit == "word":
        counts = Counter(map(str, known))
        words = {word: counts[word] / len(known) for word in quantity.words if counts[word]}
        return FieldFacts(quantity, {}, words) if len(words) > 1 else None
    numbers = np.array(known, float)
    thresholds: dict[float, float] = {}
    for rank in RANKS:
        value = float(f"{np.quantile(numbers, rank):.{_DIGITS}g}") + 0.0
        below, above = bool((numbers < value).any()), bool((numbers > value).any())
        if below and above and value not in thresholds.values():
            thresholds[rank] = value
    return FieldFacts(quantity, thresholds, {}) if thresholds else None


def _usual_changes(seen: Sequence[Snapshot], window: Window) -> Iterator[tuple[int, UsualChange]]:
    closes: dict[str, list[float]] = {}
    for snapshot in seen:
        if snapshot.time in window:
            closes.setdefault(snapshot.symbol, []).append(snapshot.close)
    for horizon in HORIZONS:
        each = [np.array(prices[horizon:]) / np.array(prices[:-horizon]) - 1 for prices in closes.values()]
        changes = np.concatenate(each)
        if len(changes) >= FEWEST_CHANGES and changes.std() > 0:
            yield horizon, UsualChange(float(changes.mean()), float(changes.std()))
