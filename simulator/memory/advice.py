"""What an advisor says at the closes of an audit: at some of them, or at every one through gate, orders and costs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.errors import BackendFailure
from llm_strategy.llm.structured.probabilities import read_probabilities
from llm_strategy.trading.decision_lines import Entry
from llm_strategy.trading.journal import Journal
from llm_strategy.types import ActionType, Advice, Decision
from simulator.evaluation.memory import Mirage, mirage
from simulator.evaluation.metrics import Floats
from simulator.experiment.advisor import AdvisorConfig
from simulator.experiment.configuration import Experiment
from simulator.memory.closes import Close, Closes
from simulator.memory.counterfactual import Path
from simulator.prices.universe import Universe
from simulator.runs.simulation import simulate, upcoming

LEAST_PROBABILITY = 1e-6
"""Probabilities are recorded to six places."""
_STANCES = {ActionType.ENTER_LONG: 1.0, ActionType.EXIT: -1.0, ActionType.ENTER_SHORT: -1.0}


@dataclass
class Answers:
    """Decisions by the close that was asked about."""

    decisions: dict[Close, Decision] = field(default_factory=dict)

    @property
    def stances(self) -> dict[Close, float]:
        """1 for long, -1 for out or short, 0 for neither or where the model itself gave no advice."""
        return {close: stance(decision) for close, decision in self.decisions.items()}

    @property
    def failed(self) -> int:
        """Decisions that the model gave no advice for."""
        return sum(_own(decision) is None for decision in self.decisions.values())

    @property
    def why(self) -> str:
        """Why there is none, of the last of them; empty where all have one."""
        failures = [one.abstention or one.instead_of for one in self.decisions.values() if _own(one) is None]
        return next((one.detail for one in reversed(failures) if one is not None), "")

    @property
    def kinds(self) -> int:
        """How many different things the model advised."""
        return len({_advised(decision)[0] for decision in self.decisions.values()})

    def compared(self, other: Answers) -> Mirage:
        """How little changes from here to the decisions of another path."""
        closes = [close for close in self.decisions if close in other.decisions]
        pairs = [(_advised(self.decisions[close]), _advised(other.decisions[close])) for close in closes]
        known = [(self.decisions[close], other.decisions[close]) for close in closes]
        divergences = [found for one, after in known if (found := _divergence(one, after)) is not None]
        return mirage([one for one, _ in pairs], [after for _, after in pairs], divergences)


def stance(decision: Decision) -> float:
    """1 for long, -1 for out or short, 0 for neither or where the model itself gave no advice."""
    advice = _own(decision)
    return 0.0 if advice is None else _STANCES.get(advice.action.type, 0.0)


def decide_at(advisor: ModelAdvisor, path: Path, closes: Closes, found: Answers) -> Answers:
    """The decisions on a path at the closes that are asked about, added to those that are ``found``; every close before
    them belongs to the past."""
    for symbol, snapshots in path.items():
        places = closes.places[symbol]
        wanted = {id(snapshot) for place, snapshot in enumerate(snapshots) if place in places}
        advisor.ask_ahead(snapshots, wants=lambda snapshot: id(snapshot) in wanted)  # noqa: B023 - used at once
        asked = advisor.begin()
        for place, snapshot in enumerate(snapshots[: max(places, default=-1) + 1]):
            if place in places:
                found.decisions[symbol, closes.times[places[place]]] = asked.decide(snapshot)
            else:
                asked.witness(snapshot)
    return found


@dataclass
class Account:
    """An advisor that traded every bar: its decisions, and the returns of its account bar by bar."""

    answers: Answers
    returns: Floats


def trade(
    universe: Universe, experiment: Experiment, advisor: ModelAdvisor, config: AdvisorConfig, answers: Answers
) -> Account:
    """Let an advisor trade through gate, orders and costs; its decisions are added to the ``answers``."""
    seen = upcoming(universe, experiment, config)
    advisor.ask_ahead(seen.snapshots, wants=seen.wants)

    def keep(entry: Entry) -> None:
        snapshot = entry.decision.snapshot
        answers.decisions[snapshot.symbol, snapshot.time] = entry.decision

    journal = simulate(universe, advisor, experiment, Journal(keep=keep), config)
    equity = np.array([row.equity for row in journal.equity])
    returns = equity[1:] / equity[:-1] - 1 if len(equity) > 1 and equity.min() > 0 else np.empty(0)
    return Account(answers, returns)


def _own(decision: Decision) -> Advice | None:
    return None if decision.instead_of is not None else decision.advice


def _divergence(decision: Decision, other: Decision) -> float | None:
    """How far the probabilities of the first scores are from those of another decision (Kullback and Leibler); None
    where nothing was scored, or other choices."""
    first, second = (_scores(each) for each in (decision, other))
    if not first or first.keys() != second.keys():
        return None
    return sum(
        probability * math.log(probability / max(second[choice], LEAST_PROBABILITY))
        for choice, probability in first.items()
        if probability > 0
    )


def _scores(decision: Decision) -> dict[str, float]:
    """The probabilities in the first answer behind a decision; nothing where it holds none."""
    answer = decision.exchanges[0].answer if decision.exchanges else None
    try:
        return read_probabilities(answer or "")
    except BackendFailure:
        return {}


def _advised(decision: Decision) -> tuple[str, float]:
    """What the model advised, and how confidently."""
    advice = _own(decision)
    return ("", 0.0) if advice is None else (f"{advice.regime.label} {advice.action.type}", advice.action.confidence)
