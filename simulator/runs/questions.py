"""What an experiment will ask of its models: every distinct question, found without asking any of them, and which of
them have an answer on record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.llm.record.client import RecordingClient
from llm_strategy.llm.requests import Generation, Request, request_hash
from llm_strategy.types import Snapshot
from simulator.experiment.advisor import AdvisorConfig
from simulator.experiment.configuration import Experiment
from simulator.prices.universe import Universe
from simulator.runs.answers import advisor_of
from simulator.runs.simulation import Upcoming, upcoming


def decisions(advisor: ModelAdvisor, seen: Upcoming) -> Iterator[Snapshot]:
    """The closes at which the advisor is asked, in their order; each becomes its past behind its turn, and so does
    every close between them."""
    for snapshot in seen.snapshots:
        if seen.wants(snapshot):
            yield snapshot
        advisor.witness(snapshot)


class FoundQuestions(NamedTuple):
    """Questions with their answers on record, each once, those that have none or an unusable one, and how many of these
    are unusable."""

    known: Mapping[Request, Generation]
    missing: Sequence[Request]
    unusable: int


def look_up(advisor: ModelAdvisor, seen: Upcoming, client: RecordingClient) -> FoundQuestions:
    """What will be asked at these closes, as an estimate counts it: where an answer decides which of several questions
    is asked, one stands for them."""
    answers: dict[Request, Generation | None] = {}
    unusable = 0
    for snapshot in decisions(advisor, seen):
        first, *others = (*advisor.known_requests(snapshot), *advisor.foreseen(snapshot))
        if first not in answers:
            answers[first] = client.recorded(first)
            if answers[first] is not None and advisor.unusable_on_record(snapshot):
                answers[first] = None
                unusable += 1
            if possible := next(advisor.possible_requests(snapshot), None):
                followed = filter(None, map(client.recorded, advisor.possible_requests(snapshot)))
                answers[possible] = None if answers[first] is None else next(followed, None)
        for other in others:
            if other not in answers:
                answers[other] = client.recorded(other)
    known = {request: answer for request, answer in answers.items() if answer is not None}
    return FoundQuestions(known, [request for request, answer in answers.items() if answer is None], unusable)


class QuestionSet(NamedTuple):
    """The decisions of an advisor with these settings in an experiment on these prices."""

    experiment: Experiment
    universe: Universe
    config: AdvisorConfig


@dataclass(frozen=True)
class OpenQuestions:
    """The questions of one advisor by request hash, as they would be sent: those on record, and those that are not yet.

    What was answered may lead to further questions (a plan, an answer that broke the contract), which are found once it
    is on record. ``unusable`` counts ``decisions`` whose answers on record never met the contract.
    """

    known: Mapping[str, Request]
    missing: Mapping[str, Request]
    decisions: int
    unusable: int

    @property
    def all(self) -> dict[str, Request]:
        """Every question that was found."""
        return {**self.known, **self.missing}


def open_questions(client: RecordingClient, sets: Sequence[QuestionSet]) -> OpenQuestions:
    """Every question of these decisions to a model, in their order, all draws of an answer among them; nothing is
    asked."""
    known: dict[str, Request] = {}
    missing: dict[str, Request] = {}
    count = unusable = 0
    for experiment, universe, config in sets:
        seen = upcoming(universe, experiment, config)
        count += len(seen.decisions) * experiment.evaluation.draws
        for draw in (0, *experiment.further_draws):
            advisor = advisor_of(client, config, draw=draw)
            looked_at: set[Request] = set()
            for snapshot in decisions(advisor, seen):
                requests = (*advisor.known_requests(snapshot), *advisor.foreseen(snapshot))
                if requests[0] in looked_at and advisor.plan_options is None:  # behind one plan stand several advices
                    continue
                looked_at.add(requests[0])
                if (further := advisor.next_request(snapshot)) is not None:
                    requests = (*requests, further)
                elif advisor.unusable_on_record(snapshot):
                    unusable += 1
                for request in requests:
                    place = missing if client.recorded(request) is None else known
                    place.setdefault(request_hash(request, client.identity), request)
    return OpenQuestions(known, missing, count, unusable)
