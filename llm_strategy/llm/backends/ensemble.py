"""Backend ``ensemble``: several models answer the same question, and their votes are counted.

It is for answers that are JSON objects. A ballot is what stands in the fields that are voted on; where a confidence
stands beside such a field, it weighs ties and averages.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias

from llm_strategy.config import SETTINGS_FILE, LlmSettings
from llm_strategy.errors import BackendFailure, ConfigurationError, ContractError, ModelError
from llm_strategy.llm.backends import sections
from llm_strategy.llm.backends.ballots import Ballot, average, choices_of, disagreement, majority, read_ballot
from llm_strategy.llm.backends.section import read_section
from llm_strategy.llm.backends.sections import VOTE_ON
from llm_strategy.llm.client import LLMClient, OnDelta
from llm_strategy.llm.exchange import Generation, Health, ModelIdentity, Request
from llm_strategy.llm.fallback import fitting
from llm_strategy.llm.form_schema import form_values
from llm_strategy.llm.loader import connect_backend
from llm_strategy.types import Event, EventKind

Vote: TypeAlias = Literal["majority", "average"]


@dataclass(frozen=True, slots=True)
class _Heard:
    """What became of one member's question: an answer or a problem, and the ballot where the answer holds one."""

    answer: Generation | None
    problem: str
    ballot: Ballot | None


class EnsembleClient(LLMClient):
    """Members of any kind that vote.

    ``majority``: the ballot (all fields together) of most members; ties go to the greater confidence, then to the
    member that stands first. ``average``: for each field the members' probabilities are averaged (a confidence for the
    chosen value, the rest spread evenly over the others), and of the ballots cast the most probable one wins. Its
    confidence is the mean of those who cast it, or the averaged probability.

    The answer is that of the first member that cast the winning ballot, with that confidence in place. Members that
    fail or write no ballot do not vote; with less than half of them voting there is no answer. Each answer carries an
    event with the share of voters that voted otherwise.
    """

    counts_calls = True

    def __init__(
        self, members: Sequence[LLMClient], *, vote: Vote = "majority", vote_on: Sequence[str] = VOTE_ON
    ) -> None:
        if len(members) < 2:
            raise ConfigurationError(f"An ensemble of {len(members)} cannot vote: name at least two members.")
        self.members = tuple(members)
        self.vote = vote
        self.vote_on = tuple(vote_on)
        self.concurrency = min(member.concurrency for member in members)

    @cached_property
    def identity(self) -> ModelIdentity:  # type: ignore[override]  # a remote member says only when asked who it is
        """All members' identities and the way of voting."""
        identities = [member.identity for member in self.members]
        members = [(f"member {number}", _digest(identity)) for number, identity in enumerate(identities, 1)]
        return ModelIdentity(
            backend="ensemble",
            name=" + ".join(identity.name for identity in identities),
            engine="ensemble",
            engine_version="1",
            settings=(*members, ("vote", self.vote), ("vote_on", ",".join(self.vote_on))),
            supports_forms=self.supports_forms,
        )

    @property
    def strict(self) -> bool:  # type: ignore[override]  # known once there are members
        """Whether all members are."""
        return all(member.strict for member in self.members)

    @property
    def supports_forms(self) -> bool:
        """Whether a member fills forms; the others are asked for the whole object."""
        return any(member.supports_forms for member in self.members)

    def complete(self, request: Request, on_delta: OnDelta | None = None) -> Generation:
        """Ask all members at once and count; a stream comes in one piece, once the votes are counted."""
        with ThreadPoolExecutor(len(self.members), "ensemble") as pool:
            heard = list(pool.map(lambda member: self._hear(member, request), self.members))
        answers = [one.answer for one in heard if one.answer is not None]
        if not answers:
            raise BackendFailure(f"No member of the ensemble answered: {'; '.join(one.problem for one in heard)}")
        events: tuple[Event, ...] = ()  # where nothing is counted the caller sees what is wrong, and asks again
        ballots = [one.ballot for one in heard if one.ballot is not None]
        written = next((one.answer for one in heard if one.answer and one.ballot is None), None)
        if 2 * len(ballots) < len(self.members) or not ballots:
            if written is None:
                raise BackendFailure(f"Less than half of the ensemble answered: {_problems(heard)}")
            chosen = written
        else:
            chosen, events = self._count(request, heard, ballots)
        if on_delta is not None:
            on_delta(chosen.text)
        return replace(
            chosen,
            tokens_in=sum(answer.tokens_in for answer in answers),
            tokens_out=sum(answer.tokens_out for answer in answers),
            latency_ms=max(answer.latency_ms for answer in answers),
            cached=False,
            events=(*(event for answer in answers for event in answer.events), *events),
        )

    def without_breaker(self) -> EnsembleClient:
        """The members without their breakers."""
        bound = copy.copy(self)
        bound.members = tuple(member.without_breaker() for member in self.members)
        return bound

    def answered_ahead(self) -> None:
        """Tell the members."""
        for member in self.members:
            member.answered_ahead()

    def healthcheck(self) -> Health:
        """Whether every member is well."""
        healths = [member.healthcheck() for member in self.members]
        sick = [health.detail for health in healths if not health.ok]
        detail = "; ".join(sick) if sick else f"{len(healths)} members answer."
        return Health(not sick, detail, max(health.latency_ms for health in healths))

    def close(self) -> None:
        """Close the members."""
        for member in self.members:
            member.close()

    def _hear(self, member: LLMClient, request: Request) -> _Heard:
        try:
            answer = member.ask(fitting(request, member))
        except ModelError as problem:
            return _Heard(None, str(problem), None)
        try:
            return _Heard(answer, "", read_ballot(answer.text, self.vote_on, choices_of(request.form)))
        except ContractError as problem:
            return _Heard(answer, str(problem), None)

    def _count(
        self, request: Request, heard: Sequence[_Heard], ballots: Sequence[Ballot]
    ) -> tuple[Generation, tuple[Event, ...]]:
        count = majority if self.vote == "majority" else average
        winner = count(ballots, self.vote_on, choices_of(request.form))
        chosen = next(one.answer for one in heard if one.answer and one.ballot and one.ballot.values == winner.values)
        text = json.dumps(winner.document, ensure_ascii=False)
        told = "; ".join(
            f"member {number} {'/'.join(one.ballot.values) if one.ballot else 'did not vote: ' + one.problem}"
            for number, one in enumerate(heard, 1)
        )
        absent = tuple(
            Event(EventKind.ABSENT, f"Member {number} failed: {one.problem}")
            for number, one in enumerate(heard, 1)
            if one.answer is None
        )
        event = Event(EventKind.DISAGREEMENT, told, disagreement(ballots, winner))
        values = form_values(request.form, text) if request.form else {}
        return replace(chosen, text=text, values=values), (*absent, event)


def _problems(heard: Sequence[_Heard]) -> str:
    return "; ".join(one.problem for one in heard if one.problem)


def _digest(identity: ModelIdentity) -> str:
    return hashlib.sha256(json.dumps(identity.as_dict(), sort_keys=True).encode()).hexdigest()


def connect(settings: LlmSettings) -> EnsembleClient:
    """The ensemble that ``ensemble:`` in ``configs/llm.yaml`` describes."""
    options = read_section(settings, "ensemble", sections.Ensemble)
    members = [_member(entry, settings) for entry in options.members]
    return EnsembleClient(members, vote=options.vote, vote_on=options.vote_on)


def _member(entry: str | dict[str, Any], settings: LlmSettings) -> LLMClient:
    special = {"backend": entry} if isinstance(entry, str) else entry
    backend = special.get("backend")
    if not isinstance(backend, str) or backend == "ensemble":
        raise ConfigurationError(f"{SETTINGS_FILE} has an ensemble member without a backend of its own: {entry!r}.")
    own = settings.sections.get(backend, {}) | {name: value for name, value in special.items() if name != "backend"}
    return connect_backend(backend, settings.model_copy(update={"sections": {**settings.sections, backend: own}}))
