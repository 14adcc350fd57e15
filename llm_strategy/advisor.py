"""Snapshot to decision: request, model, contract, one repair attempt, policy. It knows nothing of the account."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

from llm_strategy.advice_prompt import ask_for_advice, ask_for_repair, fixed_examples
from llm_strategy.analogues import Analogues
from llm_strategy.choice_reader import ChoiceReader
from llm_strategy.contract import ParsedAnswer, parse_answer
from llm_strategy.errors import (
    AnswerTimeout,
    BackendFailure,
    BreakerOpen,
    ContractError,
    ModelChanged,
    ModelError,
    PromptTooLong,
)
from llm_strategy.llm.cache import request_hash
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.exchange import Generation, Request
from llm_strategy.policy import assess
from llm_strategy.reading import Example, Reading
from llm_strategy.rendering import View, render_snapshot
from llm_strategy.secrets import redact
from llm_strategy.types import (
    Abstention,
    AbstentionReason,
    Advice,
    Decision,
    Event,
    EventKind,
    Exchange,
    PolicyOutcome,
    PolicyVerdict,
    Purpose,
    Snapshot,
    Status,
)

FAILURES: dict[type[ModelError], AbstentionReason] = {
    AnswerTimeout: AbstentionReason.TIMEOUT,
    PromptTooLong: AbstentionReason.CONTEXT_OVERFLOW,
    BreakerOpen: AbstentionReason.BREAKER_OPEN,
    ModelChanged: AbstentionReason.MODEL_CHANGED,
    BackendFailure: AbstentionReason.BACKEND_FAILURE,
}
"""Failures of one question, a kind before its parent; every other ``ModelError`` means that no question can be asked,
and ends the run."""


_LEAST_TIME = 0.001
"""Seconds: too short for an answer, so that a question without time left fails as late and is on record."""

_Key: TypeAlias = tuple[str, tuple[Example, ...], str, str]
"""Rendered snapshot, examples, symbol, timeframe: all that decides an outcome."""


class Advisor(Protocol):
    """Anything that decides at a close: a model, or a rule."""

    def attach(self, data: Any) -> Advisor:
        """The advisor of one feed, called once for each in the strategy's ``__init__``: itself where it keeps nothing
        of a feed, or a copy with the indicators of this one."""

    def decide(self, snapshot: Snapshot) -> Decision:
        """The decision at the close of this snapshot's bar."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a question came to, whatever bar it was asked for."""

    status: Status
    advice: Advice | None
    abstention: Abstention | None
    policy: PolicyOutcome
    exchanges: tuple[Exchange, ...]
    repairs: tuple[str, ...] = ()

    @property
    def lasting(self) -> bool:
        """Whether asking again would be answered the same; a time-out or a failed server may pass."""
        makeshift = any(event.makeshift for exchange in self.exchanges for event in exchange.events)
        return not makeshift and (self.abstention is None or self.abstention.reason in _LASTING_REASONS)

    def later(self) -> _Outcome:
        """The same outcome at a later bar: what happened when the question was asked does not happen again."""
        if not any(exchange.events for exchange in self.exchanges):
            return self
        lasting = (tuple(event for event in exchange.events if event.lasting) for exchange in self.exchanges)
        kept = (replace(exchange, events=events) for exchange, events in zip(self.exchanges, lasting, strict=True))
        return replace(self, exchanges=tuple(kept))


_LASTING_REASONS = (AbstentionReason.INVALID, AbstentionReason.DENIED, AbstentionReason.CONTEXT_OVERFLOW)


class ModelAdvisor:
    """An advisor that asks a language model.

    What it asks is a function of the snapshots so far, which must come in order; each symbol has its own past. Equal
    requests are asked once a run (``remember``); a replay turns that off so that every recorded decision is read.
    Sampler and time-out are the client's ``defaults``; the time is for the whole decision, the repair attempt included.
    ``fallback`` is an advisor (a rule) that decides in place of a model that failed; without one such a decision is an
    abstention. Raises ``ConfigurationError`` where the client cannot do ``reading.mode``, and ``ModelError`` only where
    no question can be asked at all (no model, no recorded answer).
    """

    def __init__(
        self,
        client: LLMClient,
        *,
        view: View = View(),  # noqa: B008 - frozen
        reading: Reading = Reading(),  # noqa: B008 - frozen
        remember: bool = True,
        fallback: Advisor | None = None,
    ) -> None:
        self.client = client
        self.view = view
        self.fallback = fallback
        self.reading = reading.resolved(
            forms=client.supports_forms, choices=client.supports_choices, backend=client.identity.backend
        )
        self._remember = remember
        self._outcomes: dict[_Key, _Outcome] = {}
        self._answers: dict[Request, tuple[Exchange, Generation]] = {}
        self._past: dict[tuple[str, str], Analogues] = {}
        self._readers: dict[tuple[str, str], ChoiceReader] = {}

    def attach(self, data: Any) -> ModelAdvisor:
        """A copy with an empty past, and with the indicators of a fallback rule; answers are shared."""
        bound = copy(self)
        bound._past, bound._readers = {}, {}
        bound.fallback = None if self.fallback is None else self.fallback.attach(data)
        return bound

    def decide(self, snapshot: Snapshot) -> Decision:
        """Ask, check, repair once, and where that fails let the fallback decide, or abstain with the reason."""
        key = self._key(snapshot)
        outcome = self._outcomes.get(key)
        if outcome is None:
            outcome = self._ask(snapshot, key)
            self._keep(key, outcome)
        self.witness(snapshot)
        return self._decision(snapshot, key, outcome)

    def decide_all(self, snapshots: Sequence[Snapshot]) -> list[Decision]:
        """The decisions for all of these, in their order; up to the client's ``concurrency`` questions are under way at
        once, and equal states are asked once. The fallback must not need indicators. Where a question depends on the
        answers or states before it, they are asked one by one."""
        if self.reading.examples != "fixed" or self.reading.mode == "choices":
            return [self.decide(snapshot) for snapshot in snapshots]
        keys = [self._key(snapshot) for snapshot in snapshots]
        unknown = {key: one for key, one in zip(keys, snapshots, strict=True) if key not in self._outcomes}
        with ThreadPoolExecutor(self.client.concurrency, "advisor") as pool:
            asked = dict(zip(unknown, pool.map(lambda key: self._ask(unknown[key], key), unknown), strict=True))
        decisions = []
        for key, snapshot in zip(keys, snapshots, strict=True):
            outcome = asked.get(key) or self._outcomes[key]
            decisions.append(self._decision(snapshot, key, outcome))
            if key in asked:
                self._keep(key, outcome)
                asked[key] = outcome.later()
        return decisions

    def _key(self, snapshot: Snapshot) -> _Key:
        shown = render_snapshot(snapshot, self.view)
        return shown, self._examples(snapshot), snapshot.symbol, snapshot.timeframe

    def _keep(self, key: _Key, outcome: _Outcome) -> None:
        if self._remember and outcome.lasting and self.reading.mode != "choices":
            self._outcomes[key] = outcome.later()

    def _decision(self, snapshot: Snapshot, key: _Key, outcome: _Outcome) -> Decision:
        decision = Decision(
            snapshot=snapshot,
            status=outcome.status,
            advice=outcome.advice,
            abstention=outcome.abstention,
            policy=outcome.policy,
            prompt=key[0],
            exchanges=outcome.exchanges,
            repairs=outcome.repairs,
        )
        if self.fallback is None or outcome.abstention is None:
            return decision
        instead = self.fallback.decide(snapshot)
        return replace(
            decision,
            status=Status.FALLBACK,
            advice=instead.advice,
            abstention=None,
            policy=instead.policy,
            instead_of=outcome.abstention,
        )

    def witness(self, snapshot: Snapshot) -> None:
        """Take a bar into the past without a decision; ``decide`` does it by itself."""
        if self.reading.examples != "fixed":
            self._past_of(snapshot).take(snapshot)

    def request(self, snapshot: Snapshot) -> Request:
        """The exact (first) request for a snapshot, after those that came before."""
        prompt, examples, defaults = (
            render_snapshot(snapshot, self.view),
            self._examples(snapshot),
            self.client.defaults,
        )
        if self.reading.mode == "choices":
            return self._reader(snapshot).question(prompt, examples or fixed_examples(), defaults)
        return ask_for_advice(prompt, with_form=self.reading.mode == "slots", defaults=defaults, examples=examples)

    def _examples(self, snapshot: Snapshot) -> tuple[Example, ...]:
        if self.reading.examples == "fixed":
            return ()
        return self._past_of(snapshot).choose(snapshot, self.reading)

    def _past_of(self, snapshot: Snapshot) -> Analogues:
        key = (snapshot.symbol, snapshot.timeframe)
        if key not in self._past:
            self._past[key] = Analogues(self.view, self.reading.labels)
        return self._past[key]

    def _reader(self, snapshot: Snapshot) -> ChoiceReader:
        key = (snapshot.symbol, snapshot.timeframe)
        if key not in self._readers:
            self._readers[key] = ChoiceReader(self.reading)
        return self._readers[key]

    def _ask(self, snapshot: Snapshot, key: _Key) -> _Outcome:
        outcome = self._consult(snapshot, key[0], key[1])
        self.client.judged(outcome.status, outcome.policy.verdict, outcome.policy.reasons)
        return outcome

    def _consult(self, snapshot: Snapshot, prompt: str, examples: tuple[Example, ...]) -> _Outcome:
        exchanges: list[Exchange] = []
        try:
            if self.reading.mode == "choices":
                return _judged(ParsedAnswer(self._scored(snapshot, prompt, examples, exchanges), ()), exchanges)
            return _judged(self._asked(snapshot, prompt, examples, exchanges), exchanges)
        except ContractError as problem:
            return _abstained(AbstentionReason.INVALID, redact(str(problem)), exchanges)
        except tuple(FAILURES) as problem:
            reason = next(reason for kind, reason in FAILURES.items() if isinstance(problem, kind))
            return _abstained(reason, redact(str(problem)), exchanges)

    def _asked(
        self, snapshot: Snapshot, prompt: str, examples: tuple[Example, ...], exchanges: list[Exchange]
    ) -> ParsedAnswer:
        bar = {"symbol": snapshot.symbol, "timeframe": snapshot.timeframe}
        form, defaults = self.reading.mode == "slots", self.client.defaults
        request = ask_for_advice(prompt, with_form=form, defaults=defaults, examples=examples)
        answer = self._exchange(request, exchanges)
        try:
            return parse_answer(answer.text, **bar)
        except ContractError as problem:
            repair = ask_for_repair(_with_time_left(request, answer), answer.text, str(problem))
            again = parse_answer(self._exchange(repair, exchanges, "repair").text, **bar)
            return ParsedAnswer(again.advice, ("second attempt", *again.repairs))

    def _scored(
        self, snapshot: Snapshot, prompt: str, examples: tuple[Example, ...], exchanges: list[Exchange]
    ) -> Advice:
        def ask(request: Request, purpose: Purpose) -> str:
            return self._exchange(request, exchanges, purpose).text

        shown = examples or fixed_examples()
        return self._reader(snapshot).advice(snapshot, prompt, shown, self.client.defaults, ask)

    def _exchange(self, request: Request, exchanges: list[Exchange], purpose: Purpose = "advice") -> Generation:
        if known := self._answers.get(request):
            exchanges.append(known[0])
            return known[1]
        fingerprint = request_hash(request, self.client.identity)
        exchanges.append(Exchange(fingerprint, None, purpose=purpose))
        try:
            answer = self.client.complete(request)
        except ModelError as problem:
            exchanges[-1] = replace(exchanges[-1], events=_redacted(problem.events))
            raise
        exchanges[-1] = replace(exchanges[-1], answer=answer.text, events=_redacted(answer.events))
        if self._remember and self.reading.mode == "choices" and not any(event.makeshift for event in answer.events):
            self._answers[request] = (replace(exchanges[-1], events=()), answer)
        return answer


def _redacted(events: Sequence[Event]) -> tuple[Event, ...]:
    return tuple(replace(event, detail=redact(event.detail)) for event in events)


def _with_time_left(request: Request, answer: Generation) -> Request:
    """The request with the time that the first answer left of the decision's."""
    if request.timeout_s is None or answer.cached:
        return request
    return replace(request, timeout_s=max(request.timeout_s - answer.latency_ms / 1000, _LEAST_TIME))


def _judged(parsed: ParsedAnswer, exchanges: list[Exchange]) -> _Outcome:
    policy = assess(parsed.advice)
    if policy.verdict is PolicyVerdict.DENY:
        return _abstained(AbstentionReason.DENIED, "; ".join(policy.reasons), exchanges, policy)
    status = Status.REPAIRED if parsed.repairs else Status.ADVISED
    if any(event.kind is EventKind.FALLBACK for exchange in exchanges for event in exchange.events):
        status = Status.FALLBACK
    return _Outcome(status, parsed.advice, None, policy, tuple(exchanges), parsed.repairs)


def _abstained(
    reason: AbstentionReason,
    detail: str,
    exchanges: list[Exchange],
    policy: PolicyOutcome = PolicyOutcome(PolicyVerdict.ALLOW),  # noqa: B008 - frozen
) -> _Outcome:
    return _Outcome(Status.ABSTAINED, None, Abstention(reason, detail), policy, tuple(exchanges))
