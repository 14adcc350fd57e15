"""Backend ``ensemble``: several models answer the same question, and their votes are counted.

Choices are scored where all members can: then votes have real probabilities. Other answers are JSON objects: a ballot
is what stands in the fields that are voted on, and a confidence is what a member wrote beside such a field.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

from llm_strategy.errors import BackendFailure, ConfigurationError
from llm_strategy.llm.backend import OnText
from llm_strategy.llm.backends import sections
from llm_strategy.llm.backends.ensemble.ballots import Vote
from llm_strategy.llm.backends.ensemble.poll import Ask, ask_member, count, problems
from llm_strategy.llm.backends.sections import VOTE_ON, read_section
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.concurrency.parallel import in_order
from llm_strategy.llm.loader import connect_backend
from llm_strategy.llm.reliability.client import fitting
from llm_strategy.llm.reliability.policy import Breaker
from llm_strategy.llm.requests import Generation, Health, ModelIdentity, Request
from llm_strategy.llm.settings import SETTINGS_FILE, LlmSettings
from llm_strategy.types import Event

log = logging.getLogger(__name__)


class EnsembleClient(LLMClient):
    """Members of any kind that vote.

    Where choices are scored, ``average`` is the mean of the members' probabilities, and ``majority`` the mean of those
    members alone whose likeliest choice is that of most. Choices are scored where all members can; where only some can,
    a warning names the others.

    Where answers are written, ``majority`` is the ballot (all fields together) of most members; its confidence is the
    mean of those who cast it. ``average``: for each field the confidences that the members wrote are averaged (the rest
    of each spread evenly over the other values), and of the ballots cast the most probable one wins, with that average
    for its confidence. A field that is written without a confidence, as the label of an advice is, has nothing to
    average: then the ballots are counted as a majority, which the event says. The answer is that of the first member
    that cast the winning ballot, with the confidence in place.

    Ties go to the greater confidence, then to the member that stands first. Members that fail or give no ballot do not
    vote; with less than half of them voting there is no answer. Each answer carries an event with the share of voters
    that voted otherwise.
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
        self.caveats = tuple(dict.fromkeys(caveat for member in members for caveat in member.caveats))
        self.supports_images = all(member.supports_images for member in members)

    @cached_property
    def identity(self) -> ModelIdentity:  # a remote member says only when asked who it is
        """All members' identities and the way of voting."""
        identities = [member.identity for member in self.members]
        mute = [f"{number} ({who.backend})" for number, who in enumerate(identities, 1) if not who.supports_choices]
        if mute and len(mute) < len(identities):
            log.warning(
                "The ensemble scores no choices, as these members cannot: %s. With advisor.mode auto all of them "
                "write their answers; name members that score (llama_cpp) to have probabilities.",
                ", ".join(mute),
            )
        members = [(f"member {number}", _digest(identity)) for number, identity in enumerate(identities, 1)]
        return ModelIdentity(
            backend="ensemble",
            name=" + ".join(identity.name for identity in identities),
            engine="ensemble",
            engine_version="2",
            settings=(*members, ("vote", self.vote), ("vote_on", ",".join(self.vote_on))),
            supports_forms=self.supports_forms,
            supports_choices=self.supports_choices,
        )

    @property
    def strict(self) -> bool:  # type: ignore[override]  # known once there are members
        """Whether all members are."""
        return all(member.strict for member in self.members)

    @property
    def supports_forms(self) -> bool:
        """Whether a member fills forms; the others are asked for the whole object."""
        return any(member.supports_forms for member in self.members)

    @property
    def supports_choices(self) -> bool:
        """Whether all members score."""
        return all(member.supports_choices for member in self.members)

    def complete(self, request: Request, on_delta: OnText | None = None) -> Generation:
        """Ask all members at once and count; a stream comes in one piece, once the votes are counted."""
        return self._voted(request, lambda member, asked: member.log_calls(asked, member.complete), on_delta)

    def ask(self, request: Request, *, ahead: bool = False) -> Generation:
        """The same without the members' own breakers, which count calls: an absent member is asked at each decision."""
        return self._voted(request, lambda member, asked: member.log_calls(asked, partial(member.ask, ahead=ahead)))

    def _voted(self, request: Request, ask: Ask, on_delta: OnText | None = None) -> Generation:
        heard = in_order(
            lambda member: ask_member(member, request, self.vote_on, ask), self.members, len(self.members), "llm-member"
        )
        answers = [one.answer for one in heard if one.answer is not None]
        if not answers:
            raise BackendFailure(f"No member of the ensemble answered: {problems(heard)}")
        events: tuple[Event, ...] = ()  # where nothing is counted the caller sees what is wrong, and asks again
        ballots = [one.ballot for one in heard if one.ballot is not None]
        written = next((one.answer for one in heard if one.answer and one.ballot is None), None)
        if 2 * len(ballots) < len(self.members) or not ballots:
            if written is None or request.choices:  # no other question repairs a score
                raise BackendFailure(f"Less than half of the ensemble answered: {problems(heard)}")
            chosen = written
        else:
            chosen, events = count(request, heard, self.vote, self.vote_on)
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

    def breaker(self) -> Breaker:
        """The most patient one of the members', for when the ensemble has no answer."""
        return max((member.breaker() for member in self.members), key=lambda breaker: breaker.failures)

    def prompt_tokens(self, request: Request) -> int | None:
        """Those of all members together; None where one cannot tell."""
        counts = [member.prompt_tokens(fitting(request, member)) for member in self.members]
        return None if None in counts else sum(filter(None, counts))

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
