"""Parts of an experiment that may look ahead, and what each decides at every close of a history."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace

from llm_strategy.advice.rules import Rule
from llm_strategy.errors import BacktraderLLMError
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.market.context.context import Context
from llm_strategy.market.context.registry import Choice
from llm_strategy.shown import Shown
from llm_strategy.support.plugins import is_reference
from llm_strategy.trading.decision_lines import Entry
from llm_strategy.trading.gated.arm import Wish
from llm_strategy.trading.journal import Journal
from simulator.experiment.advisor import AdvisorConfig
from simulator.experiment.configuration import Experiment
from simulator.prices.universe import Universe
from simulator.runs.answers import advisor_of
from simulator.runs.simulation import simulate, upcoming
from simulator.runs.strategies.own_strategy import OwnStrategy, ask_strategy

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

        ask_strategy(universe, self._strategy, experiment, note)


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

    def __init__(self, feature: str, name: str, config: AdvisorConfig, *, own: bool) -> None:
        self.name = f"feature {name}"
        self.references = (feature,) if own else ()
        self._feature, self._config = name, config

    def decide_all(self, universe: Universe, experiment: Experiment, seen: Observation, at: Collection[str]) -> None:
        """Measure."""
        for snapshot in upcoming(universe, experiment, self._config).snapshots:
            further = dict(snapshot.extra)  # a person's own, and those of TA-Lib
            value = further[self._feature] if self._feature in further else getattr(snapshot, self._feature)
            seen.decisions[snapshot.time, snapshot.symbol] = f"{self._feature} {value:.12g}"


class ContextPart(Part):
    """A source of context: what it shows."""

    def __init__(self, advisor: str, choice: Choice, config: AdvisorConfig) -> None:
        self.name = f"context {choice.label} of {advisor}"
        self.references = (choice.name,) if is_reference(choice.name) else ()
        self._choice, self._config = choice, config

    def decide_all(self, universe: Universe, experiment: Experiment, seen: Observation, at: Collection[str]) -> None:
        """Show."""
        context = Context([self._choice.plain], self._config.unmasked).beside(self._config.view.shown).anew()
        for snapshot in upcoming(universe, experiment, self._config).snapshots:
            shown = "\n".join(part for each in context.show(snapshot) for part in _parts(each))
            seen.decisions[snapshot.time, snapshot.symbol] = shown or "nothing"
            context.take(snapshot)


def _parts(shown: Shown) -> Iterator[str]:
    """The text that is shown, and the hash of the image."""
    yield shown.text
    if shown.image is not None:
        yield f"[image] {shown.image.sha256}"


class RequestPart(Part):
    """An advisor: its first request at a close, and behind a plan that for the advice; no model is asked."""

    def __init__(self, advisor: str, config: AdvisorConfig, references: tuple[str, ...]) -> None:
        self.name = f"requests of {advisor}"
        self.references = references
        self._config = config

    def decide_all(self, universe: Universe, experiment: Experiment, seen: Observation, at: Collection[str]) -> None:
        """Write the requests at these times; the closes between are witnessed."""
        config, wanted = self._config, set(at)
        asked = [config]
        if config.planning is not None:  # behind a plan all that it may choose is shown
            asked.append(replace(config, plan=replace(config.planning, by="all")))
        advisors = [advisor_of(ScriptedClient((), supports_choices=True), each).begin() for each in asked]
        for snapshot in upcoming(universe, experiment, config).snapshots:
            said: list[str] = []
            for advisor in advisors:
                if snapshot.time in wanted:
                    request = advisor.request(snapshot)
                    said += [f"[{message.role}] {message.content}" for message in request.messages]
                    said += [f"[image] {image.sha256}" for image in request.images]
                advisor.witness(snapshot)
            seen.decisions[snapshot.time, snapshot.symbol] = "\n".join(said) or "no request"
