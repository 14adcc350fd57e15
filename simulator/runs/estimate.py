"""What a run will ask of its models, before it asks anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.options import PromptOptions
from llm_strategy.doctor.speed import read_speed, way_of_asking
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.metering.calls import Prices as TokenPrices
from llm_strategy.llm.models.token_count import rough_tokens
from llm_strategy.llm.record.client import RecordingClient
from llm_strategy.llm.requests import Generation, Request, Slot, request_hash
from simulator.experiment.advisor import AdvisorConfig
from simulator.experiment.configuration import Experiment
from simulator.prices.universe import Universe
from simulator.runs.answers import advisor_of
from simulator.runs.context_size import SourceTokens, source_tokens
from simulator.runs.questions import QuestionSet, look_up
from simulator.runs.simulation import upcoming

if TYPE_CHECKING:
    from simulator.runs.advisors.session import AdvisorSession

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
    shared: int = 0
    """Questions that an advisor before this one asks the same model, so that it is asked them once."""
    advisor: str = ""
    """Whose questions they are, where there are several advisors."""
    parts: Mapping[str, Estimate] = field(default_factory=dict)
    """The estimates of several advisors by name, whose sum it is."""

    @property
    def to_ask(self) -> int:
        """Questions that nobody has answered yet."""
        return self.distinct - self.on_record - self.shared

    def of(self, advisor: str) -> Estimate:
        """The part of an advisor, or the whole where there is one alone."""
        return self.parts.get(advisor, self)

    def as_text(self) -> str:
        """The estimate as one line, and one for each source of context; of several advisors these of each, and a
        line for all of them."""
        if self.parts:
            return "\n".join([*(part.as_text() for part in self.parts.values()), f"In all: {self._as_line()}"])
        questions = f"{self.advisor}: {self._as_line()}" if self.advisor else self._as_line()
        return "\n".join([questions, *(source.as_text() for source in self.sources)])

    def _as_line(self) -> str:
        drawn = f" of {self.draws} draws" if self.draws > 1 else ""
        known = (
            f"{self.distinct:,} distinct questions in {self.decisions:,} decisions{drawn}, {self.on_record:,} on record"
        )
        if self.shared:
            known += f", {self.shared:,} asked by an advisor before"
        if not self.to_ask:
            return f"{known}: the model is asked nothing."
        time = "time unknown until the first answers" if self.seconds is None else f"about {_duration(self.seconds)}"
        money = "unpriced" if self.cost is None else f"cost about {self.cost:,.4g}"
        besides = f"; {_in_words(self.besides)} come on top" if self.besides else ""
        again = f"; {_never_met(self.asked_again)}" if self.asked_again else ""
        return f"{known}; {self.to_ask:,} to ask: about {self.tokens:,} tokens, {time}, {money}{besides}{again}."

    __str__ = as_text


@dataclass(frozen=True, eq=False)
class _Counted:
    """The questions of the arms of one advisor: those with an answer on record, the others, how many of these have one
    that cannot be used, and decisions in one draw."""

    advisor: ModelAdvisor
    options: PromptOptions
    known: Mapping[Request, Generation]
    missing: Sequence[Request]
    again: int
    decisions: int
    sources: tuple[SourceTokens, ...] = ()


def estimate(
    experiment: Experiment,
    universe: Universe,
    client: RecordingClient,
    money: TokenPrices,
    configs: Sequence[AdvisorConfig] = (),
) -> Estimate:
    """Look every question of the run up in the record, and count the tokens of the others.

    Tokens are those of the model's own vocabulary where it lies on this machine, else those of answers on record, else
    ``rough_tokens``. Seconds are those of answers on record, else those noted when this model was last asked so. The
    questions are those of an advisor whose arms have these ``configs``, or of the primary arm.
    """
    counted = _count(experiment, universe, client, configs or (experiment.primary_config,))
    return _estimated(experiment, counted, client, money, counted.missing)


def estimate_run(experiment: Experiment, universe: Universe, sessions: Sequence[AdvisorSession]) -> Estimate:
    """The estimate of all advisors of a run; of several with a part for each. What two of them ask the same model is
    asked by the first."""
    parts: dict[str, Estimate] = {}
    seen: set[str] = set()
    for session in sessions:
        configs = [arm.config for arm in session.arms if arm.config is not None]
        counted = _count(experiment, universe, session.model, configs)
        if len(sessions) == 1:
            return _estimated(experiment, counted, session.model, session.prices, counted.missing)
        keys = {request_hash(request, session.model.identity): request for request in counted.missing}
        to_ask = [request for key, request in keys.items() if key not in seen]
        part = _estimated(experiment, counted, session.model, session.prices, to_ask)
        parts[session.name] = replace(part, advisor=session.name)
        seen |= keys.keys()
    return _sum(parts)


class SetsEstimate(NamedTuple):
    """What many sets of questions ask: ``whole`` with each distinct question once, the ``decisions`` of each set by
    advisor, and the questions ``to_ask``, likewise."""

    whole: Estimate
    decisions: Mapping[str, list[int]]
    to_ask: Mapping[str, list[Request]]


def estimate_sets(sets: Sequence[tuple[AdvisorSession, Sequence[QuestionSet]]]) -> SetsEstimate:
    """The estimate of many experiments that share these models, as ``estimate_run`` makes that of one."""
    parts: dict[str, Estimate] = {}
    decisions: dict[str, list[int]] = {}
    asked: dict[str, list[Request]] = {}
    seen: set[str] = set()
    for session, of_it in sets:
        each = [_count(one.experiment, one.universe, session.model, (one.config,)) for one in of_it]
        known: dict[Request, Generation] = {}
        missing: dict[Request, None] = {}
        for counted in each:
            known |= counted.known
            missing |= dict.fromkeys(counted.missing)
        again = sum(counted.again for counted in each)
        made = sum(counted.decisions for counted in each)
        merged = replace(each[0], known=known, missing=list(missing), again=again, decisions=made)
        keys = {request_hash(request, session.model.identity): request for request in missing}
        to_ask = [request for key, request in keys.items() if key not in seen]
        part = _estimated(of_it[0].experiment, merged, session.model, session.prices, to_ask)
        besides = tuple(_beside_decisions(merged.advisor))  # nothing is reported on by a model
        parts[session.name] = replace(part, advisor=session.name if len(sets) > 1 else "", besides=besides)
        decisions[session.name] = [counted.decisions for counted in each]
        asked[session.name] = to_ask
        seen |= keys.keys()
    whole = next(iter(parts.values())) if len(parts) == 1 else _sum(parts)
    return SetsEstimate(whole, decisions, asked)


def _sum(parts: Mapping[str, Estimate]) -> Estimate:
    each = tuple(parts.values())
    seconds, costs = [part.seconds for part in each], [part.cost for part in each]
    return Estimate(
        decisions=sum(part.decisions for part in each),
        distinct=sum(part.distinct - part.shared for part in each),
        on_record=sum(part.on_record for part in each),
        tokens=sum(part.tokens for part in each),
        seconds=None if None in seconds else sum(filter(None, seconds)),
        cost=None if None in costs else sum(filter(None, costs)),
        draws=each[0].draws,
        besides=tuple(dict.fromkeys(more for part in each for more in part.besides)),
        asked_again=sum(part.asked_again for part in each),
        parts=parts,
    )


def _count(
    experiment: Experiment, universe: Universe, client: RecordingClient, configs: Sequence[AdvisorConfig]
) -> _Counted:
    known: dict[Request, Generation] = {}
    missing: dict[Request, None] = {}
    again = decisions = 0
    first = configs[0]
    advisor = advisor_of(client, first)
    sources: tuple[SourceTokens, ...] = ()
    for choice in configs:
        seen = upcoming(universe, experiment, choice)
        if choice is first and advisor.context.shows_more:
            sources = source_tokens(advisor, seen)
        decisions += len(seen.decisions)
        for number in (0, *experiment.further_draws):
            drawn = advisor_of(client, choice, draw=number)
            found = look_up(drawn, seen, client)
            known |= found.known
            missing |= dict.fromkeys(found.missing)
            again += found.unusable
    return _Counted(advisor, first.prompt_options, known, list(missing), again, decisions, sources)


def _estimated(
    experiment: Experiment,
    counted: _Counted,
    client: RecordingClient,
    money: TokenPrices,
    to_ask: Sequence[Request],
) -> Estimate:
    """What asking these questions takes, which are those that are missing or some of them."""
    known = counted.known
    tokens_in, tokens_out = _tokens(to_ask, known, client)
    noted = read_speed(client.identity, way_of_asking(client, counted.options))
    at_once = client.concurrency if counted.advisor.asks_ahead else 1
    if taken := [answer.latency_ms for answer in known.values() if answer.latency_ms]:  # a batch tells of none
        noted = fmean(taken) / 1000 / at_once
    return Estimate(
        decisions=counted.decisions * experiment.evaluation.draws,
        distinct=len(known) + len(counted.missing),
        on_record=len(known),
        tokens=tokens_in + tokens_out,
        seconds=None if noted is None else len(to_ask) * noted,
        cost=money.cost(tokens_in, tokens_out),
        draws=experiment.evaluation.draws,
        besides=tuple(_besides(counted.advisor, experiment)),
        asked_again=counted.again,
        shared=len(counted.missing) - len(to_ask),
        sources=counted.sources,
    )


def _never_met(count: int) -> str:
    answers, are = ("answer", "is") if count == 1 else ("answers", "are")
    return f"{count:,} {answers} on record never met the contract and {are} asked again"


def _besides(advisor: ModelAdvisor, experiment: Experiment) -> Iterable[str]:
    yield from _beside_decisions(advisor)
    if experiment.hypotheses is not None and experiment.hypotheses.propose:
        yield "the proposals of hypotheses"
    if experiment.output.explain:
        yield "the questions of the explanation"


def _beside_decisions(advisor: ModelAdvisor) -> Iterable[str]:
    if advisor.mode.unforeseen:
        yield advisor.mode.unforeseen
    if advisor.context.images:
        yield "the tokens of images, which its server alone counts,"


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


def _in_words(names: Sequence[str]) -> str:
    """The names as a list in words; one with a comma of its own stands last."""
    *before, last = sorted(names, key=lambda name: "," in name)
    return f"{', '.join(before)} and {last}" if before else last


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
