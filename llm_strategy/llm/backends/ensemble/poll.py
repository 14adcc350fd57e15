"""One question put to all members of an ensemble: what each of them says, and what comes of it together."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, cast

from llm_strategy.errors import BackendFailure, ContractError, ModelError
from llm_strategy.llm.backends.ensemble.ballots import (
    Ballot,
    Vote,
    average,
    choices_of,
    disagreement,
    majority,
    missing_confidences,
    pooled,
    read_ballot,
    read_scores,
)
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.reliability.client import fitting
from llm_strategy.llm.requests import Generation, Request
from llm_strategy.llm.structured.answer_text import as_contract_error
from llm_strategy.llm.structured.probabilities import write_probabilities
from llm_strategy.llm.structured.schema_form import form_values
from llm_strategy.types import Event, EventKind


@dataclass(frozen=True, slots=True)
class MemberReply:
    """What became of one member's question: an answer or a problem, and the ballot where the answer holds one."""

    answer: Generation | None
    problem: str
    ballot: Ballot | None


Ask: TypeAlias = Callable[[LLMClient, Request], Generation]
"""How a member is asked: as a call of its own, or as a part of a decision."""


def ask_member(member: LLMClient, request: Request, vote_on: Sequence[str], ask: Ask) -> MemberReply:
    """Ask one member."""
    try:
        answer = ask(member, fitting(request, member))
    except ModelError as problem:
        return MemberReply(None, str(problem), None)
    try:
        with as_contract_error():
            if request.choices:
                return MemberReply(answer, "", read_scores(answer.text, request.choices))
            return MemberReply(answer, "", read_ballot(answer.text, vote_on, choices_of(request)))
    except (ContractError, BackendFailure) as problem:
        return MemberReply(answer, str(problem), None)


def count(
    request: Request, heard: Sequence[MemberReply], vote: Vote, vote_on: Sequence[str]
) -> tuple[Generation, tuple[Event, ...]]:
    """The answer of all together and how far they were apart; at least one member gave a ballot."""
    ballots = [one.ballot for one in heard if one.ballot is not None]
    told = "; ".join(_describe_vote(number, one, scored=bool(request.choices)) for number, one in enumerate(heard, 1))
    if request.choices:
        winner = pooled(ballots, vote)
    elif vote == "majority":
        winner = majority(ballots, vote_on)
    elif missing := missing_confidences(ballots, vote_on):
        winner = majority(ballots, vote_on)
        told = f"counted as a majority, as {' and '.join(missing)} came without a confidence; {told}"
    else:
        winner = average(ballots, vote_on, choices_of(request))
    voted = [one for one in heard if one.answer and one.ballot]
    # The mean of scores may have a likeliest choice that is no member's.
    alike = [one for one in voted if one.ballot and one.ballot.values == winner.values] or voted
    chosen = cast(Generation, alike[0].answer)
    if request.choices:
        answer = replace(chosen, text=write_probabilities(winner.document))
    else:
        text = json.dumps(winner.document, ensure_ascii=False)
        answer = replace(chosen, text=text, values=form_values(request.form, text) if request.form else {})
    absent = tuple(
        Event(EventKind.ABSENT, f"Member {number} failed: {one.problem}")
        for number, one in enumerate(heard, 1)
        if one.answer is None
    )
    return answer, (*absent, Event(EventKind.DISAGREEMENT, told, disagreement(ballots, winner)))


def problems(heard: Sequence[MemberReply]) -> str:
    """What went wrong, member by member."""
    return "; ".join(one.problem for one in heard if one.problem)


def _describe_vote(number: int, one: MemberReply, *, scored: bool) -> str:
    if one.ballot is None:
        return f"member {number} did not vote: {one.problem}"
    share = f" {one.ballot.confidence:.2f}" if scored else ""
    return f"member {number} {'/'.join(one.ballot.values).strip()}{share}"
