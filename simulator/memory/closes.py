"""The closes that an audit asks about: what an advisor sees at them, and what the market did afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from llm_strategy.errors import ConfigurationError
from llm_strategy.types import Snapshot
from simulator.evaluation.memory import FEWEST_DATES
from simulator.evaluation.metrics import Floats
from simulator.experiment.advisor import AdvisorConfig
from simulator.experiment.configuration import Experiment
from simulator.prices.universe import Universe
from simulator.runs.simulation import upcoming

Close = tuple[str, str]
"""Symbol and time of a decision."""


@dataclass(frozen=True)
class Closes:
    """All closes of a run by symbol, in order, the returns over the ``horizon`` bars behind each of them, and the times
    at which questions are asked, so far apart that no two outcomes share a bar."""

    snapshots: Mapping[str, tuple[Snapshot, ...]]
    outcomes: Mapping[Close, float]
    """Without those that the data do not reach."""
    times: tuple[str, ...]
    horizon: int

    @classmethod
    def of(cls, universe: Universe, experiment: Experiment, config: AdvisorConfig, dates: int, horizon: int) -> Closes:
        """The closes of an experiment and so many of their dates, over all symbols; raises ``ConfigurationError`` where
        there are too few."""
        seen = upcoming(universe, experiment, config)
        snapshots: dict[str, list[Snapshot]] = {symbol: [] for symbol in universe.symbols}
        for snapshot in seen.snapshots:
            snapshots[snapshot.symbol].append(snapshot)
        outcomes = {}
        for symbol in universe.symbols:
            table = universe.decisions(symbol).table
            closes = table["close"].to_numpy()
            for at in range(len(closes) - horizon):
                outcomes[symbol, table.index[at].isoformat()] = float(closes[at + horizon] / closes[at] - 1)
        wanted = sorted({each.time for each in seen.decisions if (each.symbol, each.time) in outcomes})
        apart = wanted[::horizon]
        count = min(len(apart), max(FEWEST_DATES, dates // len(snapshots)))
        if count < FEWEST_DATES:
            raise ConfigurationError(
                f"The window has {len(apart)} dates that are {horizon} bars apart, and the audit needs "
                f"{FEWEST_DATES}: give the experiment a longer window, or --horizon fewer bars."
            )
        chosen = np.linspace(0, len(apart) - 1, count).round().astype(int)
        return cls(
            {symbol: tuple(each) for symbol, each in snapshots.items() if each},
            outcomes,
            tuple(apart[at] for at in chosen),
            horizon,
        )

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols, a column each in what is measured."""
        return tuple(self.snapshots)

    @cached_property
    def places(self) -> dict[str, dict[int, int]]:
        """By symbol: the row of each of the ``times`` by its place among the snapshots, where it has that close."""
        rows = {time: row for row, time in enumerate(self.times)}
        return {
            symbol: {place: rows[one.time] for place, one in enumerate(each) if one.time in rows}
            for symbol, each in self.snapshots.items()
        }

    @cached_property
    def every_time(self) -> tuple[str, ...]:
        """The times of all closes whose outcome is known."""
        return tuple(sorted({time for _, time in self.outcomes} & {one.time for one in self.all}))

    @property
    def all(self) -> Sequence[Snapshot]:
        """The snapshots of all symbols."""
        return [snapshot for each in self.snapshots.values() for snapshot in each]

    def table(self, values: Mapping[Close, float], times: Sequence[str] | None = None) -> Floats:
        """A row for each of the times at which questions are asked, or of these, and a column a symbol; NaN where there
        is no value."""
        return np.array(
            [
                [values.get((symbol, time), np.nan) for symbol in self.symbols]
                for time in (self.times if times is None else times)
            ]
        )
