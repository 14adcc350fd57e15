"""The conversation with a model behind one decision: requests are asked, their answers read, judged and remembered.

What an earlier command was answered and never met the contract is asked again, once a command.
"""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from functools import partial
from typing import NamedTuple, TypeAlias, TypeVar

from llm_strategy.advice.ahead import OnAnswer, PlanAnswer, answer_ahead, next_request
from llm_strategy.advice.known_past import KnownPast
from llm_strategy.advice.modes.mode import Mode, Question
from llm_strategy.advice.modes.planned import Planned
from llm_strategy.advice.outcome import FAILURES, Outcome, abstain, judge_answer, without_occasion
from llm_strategy.advice.planning.moment import PlanMoment
from llm_strategy.errors import BreakerOpen, ContractError, ModelError
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.reliability.policy import LEAST_TIME
from llm_strategy.llm.requests import Generation, Request, request_hash
from llm_strategy.llm.structured.answer_text import CAUSED_BY_DATA, as_contract_error, beginning
from llm_strategy.market.context.menu import Measurement
from llm_strategy.support.outside_text import encodable
from llm_strategy.support.secrets import redact
from llm_strategy.types import AbstentionReason, Event, Exchange, Purpose, Snapshot

log = logging.getLogger(__name__)

_Read = TypeVar("_Read")
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

MOST_REMEMBERED = 20_000
"""Outcomes, and answers to scores: some tens of megabytes. What was forgotten is on record, or asked again."""

Answers: TypeAlias = dict[Request, tuple[Exchange, Generation]]
"""What was answered, by the request without its time."""


class Recent(dict[_Key, _Value]):
    """A mapping that forgets its oldest entry for each one above ``MOST_REMEMBERED``."""

    def __setitem__(self, key: _Key, value: _Value) -> None:
        super().__setitem__(key, value)
        while len(self) > MOST_REMEMBERED:
            with suppress(KeyError, RuntimeError):  # another thread was quicker
                del self[next(iter(self))]


class MarketMemory(NamedTuple):
    """The past states of one market, the mode that decides its bars in order, and the moment of its last plan."""

    past: KnownPast
    mode: Mode
    moment: PlanMoment | None = None


class Memory:
    """All that an advisor keeps from one decision to the next; its copies share everything but the markets."""

    def __init__(self) -> None:
        self.outcomes: dict[Question, Outcome] = Recent()
        """What questions came to, of those whose outcome is final."""
        self.answers: Answers = Recent()
        """What was answered to scores."""
        self.ahead: dict[Question, Outcome] = {}
        """What was asked before its bar, until that has come."""
        self.last: list[tuple[Question, tuple[str, ...] | None]] = []
        """The question of the last decision, and what was planned for it."""
        self.markets: dict[tuple[str, str], MarketMemory] = {}
        """By symbol and timeframe."""
        self.latest: tuple[Snapshot, Question] | None = None
        """The last snapshot that was looked at and its question, until it belongs to the past."""

    def without_past(self) -> Memory:
        """The same answers, and no markets yet."""
        other = Memory()
        other.outcomes, other.answers, other.ahead = self.outcomes, self.answers, self.ahead
        other.last = self.last
        return other


class Conversation:
    """Asks a client what a decision mode wants to know, for this ``draw`` of its answers.

    Scores are put into ``answers`` and not asked for again; None remembers nothing.
    """

    def __init__(self, client: LLMClient, answers: Answers | None, draw: int = 0) -> None:
        self.client = client
        self._draw = draw
        self.answers = answers
        self.ask: Callable[[Request], Generation] = client.ask
        self.disregard: Callable[[Request], bool] = client.disregard

    @property
    def defaults(self) -> Request:
        """The request that every question starts from."""
        return replace(self.client.defaults, draw=self._draw) if self._draw else self.client.defaults

    def before_its_turn(self) -> Conversation:
        """The same, asking the model alone; what either remembers, both do."""
        bound = copy.copy(self)
        bound.ask = partial(self.client.ask, ahead=True)
        return bound

    def without_model(self, problem: BreakerOpen) -> Conversation:
        """The same, asking the client's fallbacks alone, if there are any: the model is left alone for this problem,
        whatever it answered before."""
        bound = copy.copy(self)
        bound.ask = partial(self.client.ask_fallbacks, problem=problem)
        bound.disregard = lambda _: False  # nothing is asked again while the model is left alone
        bound.answers = None
        return bound

    def unusable_on_record(self, question: Question, mode: Mode) -> tuple[Request, ...]:
        """The requests of a decision that earlier commands were answered without ever meeting the contract, so that
        they are asked again; none where the record holds an answer that meets it, or none at all."""
        unusable = mode.unusable(question, self.defaults, self._recorded)
        return tuple(filter(self.client.is_of_earlier_command, unusable))

    def unanswered(self, questions: Iterable[Question], mode: Mode) -> list[Question]:
        """Those of which something has to be asked before their bars, of equal ones the first."""
        found: dict[Request | Question, Question] = {}
        for question in questions:
            if (key := self._unanswered(question, mode)) is not None:
                found.setdefault(key, question)
        return list(found.values())

    def plan_ahead(self, questions: Mapping[Question, Snapshot], mode: Mode, on_answer: OnAnswer | None) -> None:
        """Ask for the plans of these questions, where a model makes them. In a row they have a long beginning in
        common, which a model reads once and not anew behind each question for an advice."""
        if not (isinstance(mode, Planned) and mode.asks_for_plan):
            return
        unknown: dict[Request, Question] = {}
        for question in questions:
            request = mode.requests(question, self.defaults)[0]
            if self.client.recorded(request) is None:
                unknown.setdefault(request, question)
        answer_ahead(
            unknown.values(),
            lambda question: self.plan(questions[question], question, mode),
            lambda question, plan: None,  # the client's record keeps it
            self.client.concurrency,
            on_answer,
        )

    def _unanswered(self, question: Question, mode: Mode) -> Request | Question | None:
        """What has to be asked before its bar: the first request of a decision, equal for all that it answers, or where
        more than one follows from it the question itself; None where the record holds what is needed."""
        request = mode.requests(question, self.defaults)[0]
        planned = isinstance(mode, Planned) and mode.asks_for_plan
        if self.client.recorded(request) is None or self.unusable_on_record(question, mode):
            return question if planned else request
        if not planned:
            return None
        behind = self.foreseen(question, mode)
        return question if not behind or self.client.recorded(behind[0]) is None else None

    def foreseen(self, question: Question, mode: Mode) -> tuple[Request, ...]:
        """The requests for the advice that the plan on record leads to; none where there is none."""
        return mode.behind(question, self.defaults, self._recorded) if isinstance(mode, Planned) else ()

    def next_request(self, question: Question, mode: Mode) -> Request | None:
        """The first request of a decision that has no answer on record; None where the record decides it."""
        if mode.stateless:
            return next_request(question, mode, self.defaults, self._recorded)
        requests = mode.requests(question, self.defaults)
        return next((request for request in requests if self.client.recorded(request) is None), None)

    def _recorded(self, request: Request, read: Callable[[str], object]) -> tuple[str | None, ContractError | None]:
        """What is on record for a request, and what is wrong with it."""
        answer = self.client.recorded(request)
        if answer is None:
            return None, None
        text = answer.text
        try:
            with contract_errors([Exchange(request_hash(request, self.client.identity), "")]):
                text = beginning(text)
                read(text)
        except ContractError as problem:
            return text, problem
        return text, None

    def outcome(self, snapshot: Snapshot, question: Question, mode: Mode) -> Outcome:
        """What the question comes to; raises ``ModelError`` only where none can be asked at all."""
        with self.client.decision() as decision:
            outcome = self._consult(snapshot, question, mode)
            decision.judged(outcome.status, outcome.policy.verdict, outcome.policy.reasons)
        return outcome

    def _consult(self, snapshot: Snapshot, question: Question, mode: Mode) -> Outcome:
        inquiry = Inquiry(self, snapshot, remember=mode.keeps_answers)
        outcome = self._judged(question, mode, inquiry)
        if inquiry.results is None:
            return outcome
        shown = tuple(result.result for result in inquiry.results if result.result.text)
        return replace(outcome, plan=tuple(result.name for result in inquiry.results), results=shown)

    def plan(self, snapshot: Snapshot, question: Question, mode: Planned) -> PlanAnswer:
        """What is run for a question, and the exchanges about that; nothing is run where no plan came of them."""
        inquiry = Inquiry(self, snapshot, remember=True)
        names: tuple[str, ...] = ()
        with self.client.decision(), suppress(ContractError, *FAILURES), contract_errors(inquiry.exchanges):
            names = mode.plan(question, self.defaults, inquiry)
        return PlanAnswer(names, tuple(inquiry.exchanges))

    def _judged(self, question: Question, mode: Mode, inquiry: Inquiry) -> Outcome:
        try:
            with contract_errors(inquiry.exchanges):
                parsed = mode.decide(question, self.defaults, inquiry)
                return judge_answer(parsed, inquiry.exchanges, mode.options.regimes)
        except ContractError as problem:
            return abstain(AbstentionReason.INVALID, redact(encodable(str(problem))), inquiry.exchanges)
        except tuple(FAILURES) as problem:
            reason = next(reason for kind, reason in FAILURES.items() if isinstance(problem, kind))
            return abstain(reason, redact(encodable(str(problem))), inquiry.exchanges)


class Inquiry:
    """The requests of one decision as a mode asks them (``modes.mode.Ask``), and their exchanges; the time of the
    client's defaults is for all of them together."""

    def __init__(self, conversation: Conversation, snapshot: Snapshot, *, remember: bool) -> None:
        self.exchanges: list[Exchange] = []
        self.results: Sequence[Measurement] | None = None
        """What a plan came to; None where nothing was planned."""
        self._seconds: list[float] = []  # that each of them took now
        self._conversation = conversation
        self._snapshot = snapshot
        self._answers = conversation.answers if remember else None

    def __call__(self, request: Request, purpose: Purpose, read: Callable[[str], _Read]) -> _Read:
        """What is read in the answer, remembered or asked for."""
        answer = self._exchange(self._with_time_left(request), purpose)
        self._seconds[-1] = 0.0 if answer.cached else answer.latency_ms / 1000
        with contract_errors(self.exchanges):
            return read(answer.text)

    @property
    def answer(self) -> str | None:
        """The text of the last answer; None where the last request has none."""
        return self.exchanges[-1].answer if self.exchanges else None

    def note_plan(self, results: Sequence[Measurement]) -> None:
        """Note what was run, which stays where the advice behind it fails."""
        self.results = results

    def disregard(self, requests: Sequence[Request]) -> bool:
        """Drop the answers to the last requests where an earlier command was given one of them; whether there was."""
        answered_earlier = [self._conversation.disregard(request) for request in requests]
        if not any(answered_earlier):
            return False
        del self.exchanges[-len(requests) :], self._seconds[-len(requests) :]
        if self._answers is not None:
            for request in requests:
                self._answers.pop(_untimed(request), None)
        return True

    def _exchange(self, request: Request, purpose: Purpose) -> Generation:
        client, snapshot = self._conversation.client, self._snapshot
        untimed = None if self._answers is None else _untimed(request)
        self._seconds.append(0.0)
        if self._answers is not None and untimed and (known := self._answers.get(untimed)):  # in one step: threads
            exchange, answer = known
            self.exchanges.append(exchange)
            _log_answer(snapshot, purpose, answer)
            return answer
        self.exchanges.append(Exchange(request_hash(request, client.identity), None, purpose=purpose))
        try:
            answer = self._conversation.ask(request)
        except ModelError as problem:
            self.exchanges[-1] = replace(self.exchanges[-1], events=_redacted(problem.events))
            log.info("%s %s %s: no answer: %s", snapshot.time, snapshot.symbol, purpose, redact(str(problem)))
            raise
        if not client.replays and (begun := beginning(answer.text)) != answer.text:
            answer = replace(answer, text=begun)
        self.exchanges[-1] = Exchange(
            self.exchanges[-1].request_hash, answer.text, _redacted(answer.events), purpose=purpose
        )
        _log_answer(snapshot, purpose, answer)
        if self._answers is not None and untimed and not any(event.is_substitute for event in answer.events):
            self._answers[untimed] = (without_occasion(self.exchanges[-1]), replace(answer, cached=True))
        return answer

    def _with_time_left(self, request: Request) -> Request:
        spent = sum(self._seconds)
        if request.timeout_s is None or not spent:
            return request
        return replace(request, timeout_s=max(request.timeout_s - spent, LEAST_TIME))


def contract_errors(exchanges: Sequence[Exchange]) -> AbstractContextManager[None]:
    """Whatever the last answer does to our own code in here breaks the contract, with a line in the log."""

    def warn(problem: Exception) -> None:
        answered = bool(exchanges) and exchanges[-1].answer is not None
        if not exchanges or not (answered or isinstance(problem, CAUSED_BY_DATA)):
            raise problem  # no answer is behind it, but a caller's own callback, or the machine
        key = exchanges[-1].request_hash[:12]
        text = "The answer to request %s cannot be read (%s) and is no advice. It is removed by: btllm forget %s"
        log.warning(text, key, type(problem).__name__, key, exc_info=log.isEnabledFor(logging.DEBUG))

    return as_contract_error(warn)


def _untimed(request: Request) -> Request:
    return replace(request, timeout_s=None)


def _log_answer(snapshot: Snapshot, purpose: Purpose, answer: Generation) -> None:
    """Log a question: what was asked now at level INFO, what came from the record at DEBUG."""
    level = logging.DEBUG if answer.cached else logging.INFO
    if log.isEnabledFor(level):
        log.log(
            level,
            "%s %s %s: %s; %d tokens in, %d out, %.2f s, %s",
            snapshot.time,
            snapshot.symbol,
            purpose,
            redact(_gist(answer.text)),
            answer.tokens_in,
            answer.tokens_out,
            answer.latency_ms / 1000,
            "from the record" if answer.cached else "asked now",
        )


def _gist(text: str) -> str:
    """What an answer comes to: label and action, the likeliest choice, or else its beginning."""
    try:
        document = json.loads(text)
        if all(isinstance(share, float | int) for share in document.values()):
            likeliest = max(document, key=document.__getitem__)
            return f"{likeliest.strip()} ({document[likeliest]:.2f})"
        return f"{document['regime']['label']}, {document['action']['type']}"
    except CAUSED_BY_DATA:
        return repr(text[:80])


def _redacted(events: Sequence[Event]) -> tuple[Event, ...]:
    return tuple(replace(event, detail=redact(encodable(event.detail))) for event in events)
