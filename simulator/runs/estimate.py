"""What a run will ask of its model, before it asks anything; and how fast the model then answers, told as soon as it is
known and noted for the next run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.doctor.speed import SLOW_SECONDS, read_speed, record_speed, way_of_asking
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.metering.calls import Prices as TokenPrices
from llm_strategy.llm.metering.calls import Usage
from llm_strategy.llm.models.token_count import rough_tokens
from llm_strategy.llm.record.client import RecordingClient
from llm_strategy.llm.requests import Generation, Request, Slot
from simulator.experiment.configuration import Experiment
from simulator.prices.universe import Universe
from simulator.runs.context_size import SourceTokens, source_tokens
from simulator.runs.simulation import Upcoming, upcoming

COUNTED = 64
"""Questions whose tokens are counted, evenly spread over those to ask; the others are taken to be alike."""
_MESSAGE = 4
"""Tokens around a message, about."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Questions of a run, those of all its ``draws``: a scored decision has one for the label, one for the action and,
    where it is calibrated without content, one for the prior, which many decisions share. ``tokens`` and ``cost`` are
    for those to ask; ``seconds`` is None until a speed was measured, ``cost`` where no price is configured.
    ``besides`` names what comes on top. ``asked_again`` are those to ask whose answers on record never met the
    contract.
    """

    decisions: int
    distinct: int
    on_record: int
    tokens: int
    seconds: float | None
    cost: float | None
    draws: int = 1
    besides: tuple[str, ...] = ()
    asked_again: int = 0
    sources: tuple[SourceTokens, ...] = ()
    """What each source of context shows at a decision."""

    @property
    def to_ask(self) -> int:
        """Questions that nobody has answered yet."""
        return self.distinct - self.on_record

    def as_text(self) -> str:
        """The estimate as one line, and one for each source of context."""
        return "\n".join([self._questions(), *(source.as_text() for source in self.sources)])

    def _questions(self) -> str:
        drawn = f" of {self.draws} draws" if self.draws > 1 else ""
        known = (
            f"{self.distinct:,} distinct questions in {self.decisions:,} decisions{drawn}, {self.on_record:,} on record"
        )
        if not self.to_ask:
            return f"{known}: the model is asked nothing."
        time = "time unknown until the first answers" if self.seconds is None else f"about {_duration(self.seconds)}"
        money = "unpriced" if self.cost is None else f"cost about {self.cost:,.4g}"
        besides = f"; {' and '.join(self.besides)} come on top" if self.besides else ""
        again = f"; {_never_met(self.asked_again)}" if self.asked_again else ""
        return f"{known}; {self.to_ask:,} to ask: about {self.tokens:,} tokens, {time}, {money}{besides}{again}."

    __str__ = as_text


def estimate(experiment: Experiment, universe: Universe, client: RecordingClient, money: TokenPrices) -> Estimate:
    """Look every question of the run up in the record, and count the tokens of the others.

    Tokens are those of the model's own vocabulary where it lies on this machine, else those of answers on record, else
    ``rough_tokens``. Seconds are those of answers on record, else those noted when this model was last asked so.
    """
    choice = experiment.advisor
    advisor = ModelAdvisor(
        client, view=choice.view, options=choice.options, repairs=choice.repairs, context=choice.context
    )
    seen = upcoming(universe, experiment)
    known: dict[Request, Generation] = {}
    missing: list[Request] = []
    again = 0
    for number in (0, *experiment.further_draws):
        drawn = ModelAdvisor(
            client,
            view=choice.view,
            options=choice.options,
            draw=number,
            repairs=choice.repairs,
            context=choice.context,
        )
        found, unknown, unusable = _looked_up(drawn, seen, client)
        known |= found
        missing += unknown
        again += unusable
    tokens_in, tokens_out = _tokens(missing, known, client)
    noted = read_speed(client.identity, way_of_asking(client, choice.options))
    at_once = client.concurrency if advisor.asks_ahead else 1
    if known:
        noted = fmean(answer.latency_ms for answer in known.values()) / 1000 / at_once
    return Estimate(
        decisions=len(seen.decisions) * experiment.evaluation.draws,
        distinct=len(known) + len(missing),
        on_record=len(known),
        tokens=tokens_in + tokens_out,
        seconds=None if noted is None else len(missing) * noted,
        cost=money.cost(tokens_in, tokens_out),
        draws=experiment.evaluation.draws,
        besides=tuple(_besides(advisor, explained=experiment.output.explain)),
        asked_again=again,
        sources=source_tokens(advisor, seen) if advisor.context.shows_more else (),
    )


def _never_met(count: int) -> str:
    answers, are = ("answer", "is") if count == 1 else ("answers", "are")
    return f"{count:,} {answers} on record never met the contract and {are} asked again"


def _besides(advisor: ModelAdvisor, *, explained: bool) -> Iterable[str]:
    if advisor.mode.unforeseen:
        yield advisor.mode.unforeseen
    if explained:
        yield "the questions of the explanation"


def _looked_up(
    advisor: ModelAdvisor, seen: Upcoming, client: RecordingClient
) -> tuple[dict[Request, Generation], list[Request], int]:
    """The questions of these decisions with their answers on record, each once, those that have none or an unusable
    one, and how many of these are unusable; where an answer decides which of several is asked, one stands for them."""
    answers: dict[Request, Generation | None] = {}
    unusable = 0
    for snapshot in seen.snapshots:
        if not seen.wants(snapshot):
            advisor.witness(snapshot)
            continue
        first, *others = advisor.known_requests(snapshot)
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
        advisor.witness(snapshot)
    known = {request: answer for request, answer in answers.items() if answer is not None}
    return known, [request for request, answer in answers.items() if answer is None], unusable


def _tokens(missing: Sequence[Request], known: Mapping[Request, Generation], client: LLMClient) -> tuple[int, int]:
    """Tokens to read and to write."""
    some = missing[:: max(1, len(missing) // COUNTED)]
    counts = [client.prompt_tokens(request) for request in some]
    read: list[float] = [count for count in counts if count is not None]
    if len(read) < len(some):
        read = [_rough(request) for request in some]
        if known:
            seen = sum(answer.tokens_in for answer in known.values())
            rate = seen / sum(map(_rough, known))
            read = [count * rate for count in read]
    written: list[float] = [answer.tokens_out for answer in known.values()]
    written = written or [_written(request) for request in some]
    return round(len(missing) * fmean(read or [0])), round(len(missing) * fmean(written or [0]))


def _rough(request: Request) -> float:
    said = [*(message.content for message in request.messages), request.opening, request.chosen]
    return sum(map(rough_tokens, said)) + _MESSAGE * len(request.messages)


def _written(request: Request) -> float:
    """Tokens of an answer, about: a score looks at two in the mean, slots are filled to less than half of their bounds
    (20 of 44 tokens, measured), and a free answer is as long as the last one that is shown."""
    if request.choices:
        return 2
    if request.form:
        return 0.45 * sum(part.max_tokens for part in request.form if isinstance(part, Slot))
    shown = [message.content for message in request.messages if message.role == "assistant"]
    return min(request.max_tokens, rough_tokens(shown[-1])) if shown else request.max_tokens


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


log = logging.getLogger(__name__)

FIRST_ANSWERS = 5
"""Answers after which a speed is one; the first of them is left out, as it pays for what all questions share."""
SLOW_ANSWERS = 3
"""Answers after which slow ones are told; the first alone may have waited for the model to load."""


class SpeedWatch:
    """Hears of each answer of a run that is recorded."""

    def __init__(self, experiment: Experiment, client: RecordingClient) -> None:
        self._experiment = experiment
        self._client = client
        self._before = replace(client.usage)
        self._first: Usage | None = None
        self._plan: Estimate | None = None
        self._tell: Callable[[Estimate], None] | None = None
        self._warned = False

    def tell(self, plan: Estimate, tell: Callable[[Estimate], None]) -> None:
        """Tell an estimate without a time once more when it has one."""
        if plan.seconds is None:
            self._plan, self._tell = plan, tell

    def after(self, keep: Callable[[str], None]) -> Callable[[str], None]:
        """A function to call with the key of each recorded answer: it is kept, then counted."""

        def recorded(key: str) -> None:
            keep(key)
            self._count()

        return recorded

    def note(self) -> None:
        """Keep the speed of what was asked so far."""
        if seconds := self._seconds():
            record_speed(self._client.identity, way_of_asking(self._client, self._experiment.advisor.options), seconds)

    def _count(self) -> None:
        used = self._client.usage.since(self._before)
        self._first = self._first or used
        seconds = self._seconds()
        self._warn()
        if self._plan and self._tell and seconds:
            self._tell(replace(self._plan, seconds=self._plan.to_ask * seconds))
            self._plan = None

    def _warn(self) -> None:
        """Say once that answers are slow."""
        latencies = self._client.latencies[self._before.asked :]
        if self._warned or len(latencies) < SLOW_ANSWERS or (mean := fmean(latencies)) <= SLOW_SECONDS:
            return
        self._warned = True
        log.warning(
            "Answers of %s take %.0f s in the mean: choose a smaller model or advisor.mode choices, lower "
            "LLM_MAX_TOKENS, set LLM_THREADS, or use a graphics card; 'btllm doctor' measures the speed.",
            self._client.identity.name,
            mean,
        )

    def _seconds(self) -> float | None:
        """Seconds of a question; None until there were enough."""
        used = self._client.usage.since(self._before)
        if self._first is None or used.asked - self._first.asked < FIRST_ANSWERS:
            return None
        later = used.since(self._first)
        return later.seconds / later.asked
