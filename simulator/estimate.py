"""What a run will ask of its model, before it asks anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from llm_strategy.advisor import ModelAdvisor
from llm_strategy.llm.audit import Prices as TokenPrices
from llm_strategy.llm.cache import RecordingClient
from llm_strategy.llm.exchange import Generation, Request
from llm_strategy.types import Snapshot
from simulator.experiment import Experiment
from simulator.universe import Universe
from simulator.upcoming import upcoming

CHARACTERS_PER_TOKEN = 4
"""Of English text; used until an answer was measured."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Questions of a run, those of all its ``draws``: a scored decision has one for the label, one for the action and,
    where it is calibrated without content, one for the prior, which many decisions share. ``tokens`` and ``cost`` are
    for those to ask; ``seconds`` is None until a speed was measured, ``cost`` where no price is configured. Repair
    attempts, rationales that are asked for on their own, and the explanation come on top."""

    decisions: int
    distinct: int
    on_record: int
    tokens: int
    seconds: float | None
    cost: float | None
    draws: int = 1

    @property
    def to_ask(self) -> int:
        """Questions that nobody has answered yet."""
        return self.distinct - self.on_record

    def as_text(self) -> str:
        """The estimate as one line."""
        drawn = f" of {self.draws} draws" if self.draws > 1 else ""
        known = (
            f"{self.distinct:,} distinct questions in {self.decisions:,} decisions{drawn}, {self.on_record:,} on record"
        )
        if not self.to_ask:
            return f"{known}: the model is asked nothing."
        time = "time unknown until the first answers" if self.seconds is None else f"about {_duration(self.seconds)}"
        money = "unpriced" if self.cost is None else f"cost about {self.cost:,.4g}"
        return f"{known}; {self.to_ask:,} to ask: about {self.tokens:,} tokens, {time}, {money}."


def estimate(experiment: Experiment, universe: Universe, client: RecordingClient, money: TokenPrices) -> Estimate:
    """Look every question of the run up in the record; tokens and seconds are means of what is found there."""
    choice = experiment.advisor
    advisor = ModelAdvisor(client, view=choice.view, reading=choice.reading)
    seen = upcoming(universe, choice)
    known, missing = _looked_up(advisor, seen, client)
    for number in experiment.further_draws:
        drawn = ModelAdvisor(client, view=choice.view, reading=choice.reading, draw=number)
        known_too, missing_too = _looked_up(drawn, seen, client)
        known, missing = known + known_too, missing + missing_too
    tokens_in, tokens_out = _tokens(missing, known)
    at_once = client.concurrency if advisor.asks_ahead else 1
    return Estimate(
        decisions=len(seen) * experiment.evaluation.draws,
        distinct=len(known) + len(missing),
        on_record=len(known),
        tokens=tokens_in + tokens_out,
        seconds=len(missing) * fmean(answer.latency_ms for answer in known) / 1000 / at_once if known else None,
        cost=money.cost(tokens_in, tokens_out),
        draws=experiment.evaluation.draws,
    )


def _looked_up(
    advisor: ModelAdvisor, seen: Sequence[Snapshot], client: RecordingClient
) -> tuple[list[Generation], list[Request]]:
    """The answers on record to the questions of these decisions, each once, and the questions that have none; where an
    answer decides which of several is asked, one stands for them."""
    answers: dict[Request, Generation | None] = {}
    for snapshot in seen:
        first, *others = advisor.known_requests(snapshot)
        if first not in answers:
            answers[first] = client.recorded(first)
            if possible := next(advisor.possible_requests(snapshot), None):
                followed = filter(None, map(client.recorded, advisor.possible_requests(snapshot)))
                answers[possible] = None if answers[first] is None else next(followed, None)
        for other in others:
            if other not in answers:
                answers[other] = client.recorded(other)
        advisor.witness(snapshot)
    known = [answer for answer in answers.values() if answer is not None]
    return known, [request for request, answer in answers.items() if answer is None]


def _tokens(missing: Sequence[Request], known: Sequence[Generation]) -> tuple[int, int]:
    if known:
        read, written = fmean(answer.tokens_in for answer in known), fmean(answer.tokens_out for answer in known)
        return round(len(missing) * read), round(len(missing) * written)
    asked = sum(len(message.content) for request in missing for message in request.messages)
    longest = sum(
        sum(part.max_tokens for part in request.form if not isinstance(part, str)) or request.max_tokens
        for request in missing
    )
    return asked // CHARACTERS_PER_TOKEN, longest


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
