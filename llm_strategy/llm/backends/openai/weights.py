"""Whether several servers of one model serve the same weights: a few fixed questions, and what each says of itself.

Which server answers a question is chance, and must not change the answer. Greedy answers of the same weights agree but
for rounding, which differs between machines: probabilities of first tokens may differ by ``TOLERANCE``, and where none
are served one answer of ``QUESTIONS`` may be another text.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from llm_strategy.errors import BackendRefused
from llm_strategy.llm.backends.openai.replies import CutOff, NotServed, Reply
from llm_strategy.llm.requests import Message, Request

TOLERANCE = 0.1
"""Largest difference of a probability between servers of the same weights."""
MOST_OTHER_TEXTS = 1
"""Fixed questions to which servers of the same weights may answer otherwise, where no probabilities are served."""
QUESTIONS = tuple(
    Request((Message("user", text),), max_tokens=8)
    for text in (
        "Is a market that fell on most of the last days rising or falling? Answer with one word.",
        "Name a colour.",
        "Write the next word only: the price of a share went up and then it went",
    )
)
"""Short ones, of which at least one has no certain answer: where all models are sure, all agree."""

AskWith: TypeAlias = Callable[[Request, bool], Awaitable[Reply]]
"""Asks one server, with the probabilities of first tokens if that is wanted."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one server, by its ``name`` in messages, answered: the texts, and for each question the probabilities of
    the likeliest first tokens (empty where none are served). ``builds`` are the fingerprints that came with the
    answers, and ``says`` is what its list of models tells of this one, by name."""

    name: str
    texts: tuple[str, ...]
    first_tokens: tuple[Mapping[str, float], ...]
    builds: frozenset[str]
    says: Mapping[str, str]


async def take_sample(name: str, ask: AskWith, says: Mapping[str, str]) -> Sample:
    """Ask a server the fixed questions, without probabilities where it refuses them; raises as ``ask`` does."""
    texts: list[str] = []
    first: list[Mapping[str, float]] = []
    builds: set[str] = set()
    with_probabilities = True
    for question in QUESTIONS:
        try:
            try:
                reply = await ask(question, with_probabilities)
            except (NotServed, CutOff):
                raise
            except BackendRefused:
                if not with_probabilities:
                    raise
                with_probabilities = False
                reply = await ask(question, with_probabilities)
        except CutOff:  # it thinks first, and that is as good an answer
            reply = Reply()
        texts.append(reply.text.strip())
        first.append(_first_token(reply.logprobs))
        builds |= {reply.fingerprint} - {""}
    return Sample(name, tuple(texts), tuple(first), frozenset(builds), says)


def difference(one: Sample, other: Sample) -> str:
    """What shows that two servers serve different weights, as the beginning of a sentence; empty where nothing does."""
    for what in sorted(one.says.keys() & other.says.keys()):
        if one.says[what] != other.says[what]:
            return f"The {one.name} lists its model with {what} {one.says[what]!r}, the {other.name} with " + repr(
                other.says[what]
            )
    if one.builds and other.builds and one.builds.isdisjoint(other.builds):
        builds = [", ".join(sorted(sample.builds)) for sample in (one, other)]
        return f"The {one.name} names the build {builds[0]} with its answers, the {other.name} {builds[1]}"
    compared = 0
    for number, (tokens, others) in enumerate(zip(one.first_tokens, other.first_tokens, strict=True), 1):
        if tokens and others:
            compared += 1
            gap, token = max((_gap(token, tokens, others), token) for token in {**tokens, **others})
            if gap > TOLERANCE:
                return (
                    f"To fixed question {number} the {one.name} begins with {token!r} at {_share(token, tokens)} and "
                    f"the {other.name} at {_share(token, others)}, further apart than {TOLERANCE:.0%}"
                )
    differ = [number for number, pair in enumerate(zip(one.texts, other.texts, strict=True), 1) if pair[0] != pair[1]]
    if not compared and len(differ) > MOST_OTHER_TEXTS:
        at = differ[0] - 1
        return (
            f"To {len(differ)} of {len(QUESTIONS)} fixed questions the {one.name} and the {other.name} answer "
            f"otherwise ({one.texts[at]!r:.60} and {other.texts[at]!r:.60})"
        )
    return ""


def _first_token(logprobs: Any) -> dict[str, float]:
    """The probabilities of the likeliest first tokens; empty where a server tells none, or in a way of its own."""
    try:
        listed = logprobs["content"][0]["top_logprobs"]
        return {str(one["token"]): math.exp(min(float(one["logprob"]), 0.0)) for one in listed}
    except (LookupError, TypeError, ValueError):
        return {}


def _share(token: str, tokens: Mapping[str, float]) -> str:
    """The probability of a token, as far as it is known."""
    return f"{tokens[token]:.0%}" if token in tokens else f"{min(tokens.values()):.0%} or less"


def _gap(token: str, tokens: Mapping[str, float], others: Mapping[str, float]) -> float:
    """How far apart the probabilities of a token are at least: one that is not among the likeliest has at most that of
    the last of these."""
    if token in tokens and token in others:
        return abs(tokens[token] - others[token])
    known, without = (tokens, others) if token in tokens else (others, tokens)
    return max(0.0, known[token] - min(without.values()))
