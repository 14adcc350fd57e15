"""Parts of an experiment that may look ahead, and what each decides at every close of a history."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from llm_strategy.advice.rules import Rule
from llm_strategy.errors import BacktraderLLMError
from llm_strategy.trading.decision_lines import Entry
from llm_strategy.trading.gated.arm import Wish
from llm_strategy.trading.journal import Journal
from simulator.experiment.configuration import Experiment
from simulator.prices.universe import Universe
from simulator.runs.simulation import simulate, snapshots
from simulator.runs.strategies.own_strategy import OwnStrategy, simulate_strategy

Close = tuple[str, str]
"""Time (ISO 8601) and symbol."""


@dataclass(slots=True)
class Observation:
    """What a part decided at each close, as text; ``acts`` are the times at which it did something, ``failure`` the
    sentence with which it ended before the history did."""

    decisions: dict[Close, str] = field(default_factory=dict)
    acts: set[str] = field(default_factory=set)
    failure: str = ""

    @property
    def times(self) -> list[str]:
        """All times, in order."""
        return sorted({time for time, _ in self.decisions})


class Part(ABC):
    """One part; ``references`` are those of a person's code in it."""

    name: str
    references: tuple[str, ...] = ()

    @abstractmethod
    def decide_all(self, universe: Universe, experiment: Experiment, seen: Observation, at: Collection[str]) -> None:
        """Go through a history and note what is decided. Where that takes long for each close, it is done for the times
        ``at`` and some others alone."""

    def observe(self, universe: Universe, experiment: Experiment, at: Collection[str] = ()) -> Observation:
        """What is decided on a history; what the part raises ends it and is kept."""
        seen = Observation()
        try:
            self.decide_all(universe, experiment, seen, at)
        except BacktraderLLMError as problem:
            seen.failure = str(problem)
        return seen


class StrategyPart(Part):
    """A person's own strategy: the orders that it asks for, before the gate."""

    def __init__(self, strategy: OwnStrategy) -> None:
        self.name = f"strategy {strategy.name}"
        self.references = (strategy.reference,) if isinstance(strategy.reference, str) else ()
        self._strategy = strategy

    def decide_all(self, universe: Universe, experiment: Experiment, seen: Observation, at: Collection[str]) -> None:
        """Trade."""

        def note(time: str, symbol: str, wishes: list[Wish]) -> None:
            seen.decisions[time, symbol] = ", ".join(wish.text for wish in wishes) or "no order"
            if wishes:
                seen.acts.add(time)

        simulate_strategy(universe, self._strategy, experiment, Journal(keep=lambda _: None), note)


class RulePart(Part):
    """A rule: its action."""

    def __init__(self, name: str, make: Callable[[], Rule], references: tuple[str, ...] = ()) -> None:
        self.name, self.references, self._make = f"rule {name}", references, make

    def decide_all(self, universe: Universe, experiment: Experiment, seen: Observation, at: Collection[str]) -> None:
        """Trade."""
        last: dict[str, str] = {}

        def note(entry: Entry) -> None:
            decision, snapshot = entry.decision, entry.decision.snapshot
            said = "nothing" if decision.advice is None else str(decision.advice.action.type)
            seen.decisions[snapshot.time, snapshot.symbol] = said
            if last.get(snapshot.symbol, said) != said:
                seen.acts.add(snapshot.time)
            last[snapshot.symbol] = said

        simulate(universe, self._make(), experiment, Journal(keep=note))


class FeaturePart(Part):
    """A feature: its value."""

    def __init__(self, feature: str, name: str, own: bool) -> None:
        self.name = f"feature {name}"
        self.references = (feature,) if own else ()
        self._feature, self._extra = name, own

    def decide_all(self, universe: Universe, experiment: Experiment, seen: Observation, at: Collection[str]) -> None:
        """Measure."""
        for symbol in universe.symbols:
            for snapshot in snapshots(universe.decisions(symbol), experiment):
                values = dict(snapshot.extra)
                value = values[self._feature] if self._extra else getattr(snapshot, self._feature)
                seen.decisions[snapshot.time, symbol] = f"{self._feature} {value:.12g}"
