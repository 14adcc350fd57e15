"""The questions behind one decision: asked, answered, checked against the contract, repaired once.

What an earlier command was answered and never met the contract is asked again, once a command.
"""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import NamedTuple, TypeVar

from llm_strategy.advice.contract import ParsedAnswer, parse_answer
from llm_strategy.advice.lenient import Repairs
from llm_strategy.advice.options import Example, PromptOptions
from llm_strategy.advice.outcome import FAILURES, Outcome, abstained, asked_before, judged
from llm_strategy.advice.scored import ChoiceReader
from llm_strategy.advice.written_prompt import ask_for_advice, ask_for_decision, ask_for_repair, fixed_examples
from llm_strategy.errors import BreakerOpen, ContractError, ModelError
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.requests import Generation, Request, request_hash
from llm_strategy.llm.structured.answer_text import CAUSED_BY_DATA, as_contract_error, beginning
from llm_strategy.llm.structured.probabilities import probabilities_of
from llm_strategy.support.outside_text import encodable
from llm_strategy.support.secrets import redact
from llm_strategy.types import AbstentionReason, Advice, Event, Exchange, Purpose, Snapshot

log = logging.getLogger(__name__)

_Read = TypeVar("_Read")

_LEAST_TIME = 0.001
"""Seconds: too short for an answer, so that a question without time left fails as late and is on record."""


SECOND_ATTEMPT = "second attempt"
"""The kind of a repair for which the model was asked again; all others put an answer right as it is."""


class Question(NamedTuple):
    """All that decides an outcome: the market as the model reads it, the examples, and what stands in the advice."""

    market: str
    examples: tuple[Example, ...]
    symbol: str
    timeframe: str


class Conversation:
    """Asks a client for advice, in the manner of ``PromptOptions``, for this ``draw`` of its answers. With ``remember``
    scores that were given before are not asked for again. ``repairs`` says whether values that break the contract may
    be put right."""

    def __init__(
        self, client: LLMClient, reading: PromptOptions, *, remember: bool, draw: int = 0, repairs: Repairs = "strict"
    ) -> None:
        self.client = client
        self._draw = draw
        self._repairs: Repairs = repairs
        self._reading = reading
        self._remember = remember
        self._answers: dict[Request, tuple[Exchange, Generation]] = {}
        self._ask: Callable[[Request], Generation] = client.ask
        self._disregard: Callable[[Request], bool] = client.disregard

    @property
    def _defaults(self) -> Request:
        return replace(self.client.defaults, draw=self._draw) if self._draw else self.client.defaults

    def before_its_turn(self) -> Conversation:
        """The same, asking the model alone; what either remembers, both do."""
        bound = copy.copy(self)
        bound._ask = partial(self.client.ask, ahead=True)
        return bound

    def without_model(self, problem: BreakerOpen) -> Conversation:
        """The same, asking the client's fallbacks alone, if there are any: the model is left alone for this problem,
        whatever it answered before."""
        bound = copy.copy(self)
        bound._ask = partial(self.client.ask_fallbacks, problem=problem)
        bound._disregard = lambda _: False  # nothing is asked again while the model is left alone
        bound._answers = {}
        return bound

    def request(self, question: Question, reader: ChoiceReader) -> Request:
        """The exact (first) request."""
        defaults = self._defaults
        if self._reading.mode == "choices":
            return reader.question(question.market, question.examples or fixed_examples(), defaults)
        if self._reading.mode == "slots" and self._reading.rationale == "never":
            return ask_for_decision(question.market, defaults, question.examples)
        form = self._reading.mode == "slots"
        return ask_for_advice(question.market, with_form=form, defaults=defaults, examples=question.examples)

    def known_requests(self, question: Question, reader: ChoiceReader) -> tuple[Request, ...]:
        """The requests that depend on no answer."""
        if self._reading.mode != "choices":
            return (self.request(question, reader),)
        return reader.known_questions(question.market, question.examples or fixed_examples(), self._defaults)

    def possible_requests(self, question: Question, reader: ChoiceReader) -> Iterator[Request]:
        """The requests of which the answers to those decide that one is made."""
        if self._reading.mode == "choices":
            shown = question.examples or fixed_examples()
            yield from reader.possible_actions(question.market, shown, self._defaults)

    def unusable_on_record(self, question: Question, reader: ChoiceReader) -> tuple[Request, ...]:
        """The requests of a decision that earlier commands were answered without ever meeting the contract, so that
        they are asked again; none where the record holds an answer that meets it, or none at all."""
        if self._reading.mode == "choices":
            asked = self.known_requests(question, reader)
            bad = [request for request in asked if self._recorded(question, request)[1]]
            return tuple(filter(self.client.is_of_earlier_command, bad))
        request = self.request(question, reader)
        answer, problem = self._recorded(question, request)
        if answer is None or problem is None:
            return ()
        again = self._repair(question, request, answer, problem)
        repair, problem = self._recorded(question, again)
        if repair is not None and problem is None:
            return ()
        found = [request] if repair is None else [request, again]
        return tuple(filter(self.client.is_of_earlier_command, found))

    def outcome(self, snapshot: Snapshot, question: Question, reader: ChoiceReader) -> Outcome:
        """What the question comes to; raises ``ModelError`` only where none can be asked at all."""
        with self.client.decision() as decision:
            outcome = self._consult(snapshot, question, reader)
            decision.judged(outcome.status, outcome.policy.verdict, outcome.policy.reasons)
        return outcome

    def _consult(self, snapshot: Snapshot, question: Question, reader: ChoiceReader) -> Outcome:
        exchanges: list[Exchange] = []
        try:
            with self._read(exchanges):
                if self._reading.mode == "choices":
                    return judged(ParsedAnswer(self._scored(snapshot, question, reader, exchanges), ()), exchanges)
                return judged(self._asked(snapshot, question, reader, exchanges), exchanges)
        except ContractError as problem:
            return abstained(AbstentionReason.INVALID, redact(encodable(str(problem))), exchanges)
        except tuple(FAILURES) as problem:
            reason = next(reason for kind, reason in FAILURES.items() if isinstance(problem, kind))
            return abstained(reason, redact(encodable(str(problem))), exchanges)

    def _asked(
        self, snapshot: Snapshot, question: Question, reader: ChoiceReader, exchanges: list[Exchange]
    ) -> ParsedAnswer:
        asked: list[Request] = []
        try:
            return self._attempted(snapshot, question, reader, exchanges, asked)
        except ContractError:
            heard = [self._disregard(request) for request in asked]  # each of them
            if not any(heard):
                raise
        exchanges.clear()
        return self._attempted(snapshot, question, reader, exchanges, [])

    def _attempted(
        self,
        snapshot: Snapshot,
        question: Question,
        reader: ChoiceReader,
        exchanges: list[Exchange],
        asked: list[Request],
    ) -> ParsedAnswer:
        """The advice in the answer, or in that to its repair; what was asked is added to ``asked``."""
        asked.append(self.request(question, reader))
        answer = self._exchange(snapshot, asked[0], exchanges)
        try:
            return self._parsed(question, answer, exchanges)
        except ContractError as problem:
            repair = self._repair(question, asked[0], answer, problem)
        asked.append(_with_time_left(repair, [answer]))
        parsed = self._parsed(question, self._exchange(snapshot, asked[1], exchanges, "repair"), exchanges)
        return ParsedAnswer(parsed.advice, (SECOND_ATTEMPT, *parsed.repairs))

    def _recorded(self, question: Question, request: Request) -> tuple[Generation | None, ContractError | None]:
        """What is on record for a request, and what is wrong with it."""
        answer = self.client.recorded(request)
        if answer is None:
            return None, None
        exchanges = [Exchange(request_hash(request, self.client.identity), "")]
        try:
            with self._read(exchanges):
                answer = replace(answer, text=beginning(answer.text))
                if request.choices:
                    probabilities_of(request.choices, answer.text)
                else:
                    self._parsed(question, answer, exchanges)
        except ContractError as problem:
            return answer, problem
        return answer, None

    def _parsed(self, question: Question, answer: Generation, exchanges: Sequence[Exchange]) -> ParsedAnswer:
        with self._read(exchanges):
            about = {"symbol": question.symbol, "timeframe": question.timeframe}
            return parse_answer(answer.text, **about, repairs=self._repairs)

    def _read(self, exchanges: Sequence[Exchange]) -> AbstractContextManager[None]:
        """Whatever the last answer does to our own code in here breaks the contract, with a line in the log."""

        def tell(problem: Exception) -> None:
            answered = bool(exchanges) and exchanges[-1].answer is not None
            if not exchanges or not (answered or isinstance(problem, CAUSED_BY_DATA)):
                raise problem  # no answer is behind it, but a caller's own callback, or the machine
            key = exchanges[-1].request_hash[:12]
            told = "The answer to request %s cannot be read (%s) and is no advice. It is removed by: btllm forget %s"
            log.warning(told, key, type(problem).__name__, key, exc_info=log.isEnabledFor(logging.DEBUG))

        return as_contract_error(tell)

    def _repair(self, question: Question, request: Request, answer: Generation, problem: ContractError) -> Request:
        told = f"{problem.field}: {problem.problem}"
        return self._other_way(question) or ask_for_repair(request, answer.text, told)

    def _other_way(self, question: Question) -> Request | None:
        """The question with the fixed examples, where others led astray: a small model that is shown the slots it
        filled wrongly fills them so again."""
        if self._reading.mode != "slots" or not question.examples:
            return None
        return ask_for_advice(question.market, with_form=True, defaults=self._defaults)

    def _scored(
        self, snapshot: Snapshot, question: Question, reader: ChoiceReader, exchanges: list[Exchange]
    ) -> Advice:
        answers: list[Generation] = []

        def ask(request: Request, purpose: Purpose, read: Callable[[str], _Read]) -> _Read:
            def answered() -> _Read:
                answers.append(self._exchange(snapshot, _with_time_left(request, answers), exchanges, purpose))
                with self._read(exchanges):
                    return read(answers[-1].text)

            try:
                return answered()
            except ContractError:
                if not self._disregard(request):
                    raise
            exchanges.pop()
            self._answers.pop(replace(request, timeout_s=None), None)
            return answered()

        shown = question.examples or fixed_examples()
        return reader.advice(snapshot, question.market, shown, self._defaults, ask)

    def _exchange(
        self, snapshot: Snapshot, request: Request, exchanges: list[Exchange], purpose: Purpose = "advice"
    ) -> Generation:
        question = replace(request, timeout_s=None)
        if known := self._answers.get(question):
            exchanges.append(known[0])
            _tell(snapshot, purpose, known[1])
            return known[1]
        fingerprint = request_hash(request, self.client.identity)
        exchanges.append(Exchange(fingerprint, None, purpose=purpose))
        try:
            answer = self._ask(request)
        except ModelError as problem:
            exchanges[-1] = replace(exchanges[-1], events=_redacted(problem.events))
            log.info("%s %s %s: no answer: %s", snapshot.time, snapshot.symbol, purpose, redact(str(problem)))
            raise
        if not self.client.replays:
            answer = replace(answer, text=beginning(answer.text))
        exchanges[-1] = replace(exchanges[-1], answer=answer.text, events=_redacted(answer.events))
        _tell(snapshot, purpose, answer)
        if (
            self._remember
            and self._reading.mode == "choices"
            and not any(event.is_substitute for event in answer.events)
        ):
            self._answers[question] = (asked_before(exchanges[-1]), replace(answer, cached=True))
        return answer


def _tell(snapshot: Snapshot, purpose: Purpose, answer: Generation) -> None:
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


def _with_time_left(request: Request, answers: Sequence[Generation]) -> Request:
    """The request with the time that the answers before it left of the decision's."""
    spent = sum(answer.latency_ms for answer in answers if not answer.cached) / 1000
    if request.timeout_s is None or not spent:
        return request
    return replace(request, timeout_s=max(request.timeout_s - spent, _LEAST_TIME))
