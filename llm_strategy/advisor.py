"""Snapshot to decision: request, model, contract, one repair attempt, policy. It knows nothing of the account."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

from llm_strategy.advice_prompt import ask_for_advice, ask_for_repair
from llm_strategy.contract import ParsedAnswer, parse_answer
from llm_strategy.errors import AnswerTimeout, BackendFailure, ContractError, ModelError, PromptTooLong
from llm_strategy.llm.cache import request_hash
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.exchange import Request
from llm_strategy.policy import assess
from llm_strategy.rendering import View, render_snapshot
from llm_strategy.types import (
    Abstention,
    AbstentionReason,
    Advice,
    Decision,
    Exchange,
    PolicyOutcome,
    PolicyVerdict,
    Snapshot,
    Status,
)

FAILURES: dict[type[ModelError], AbstentionReason] = {
    AnswerTimeout: AbstentionReason.TIMEOUT,
    PromptTooLong: AbstentionReason.CONTEXT_OVERFLOW,
    BackendFailure: AbstentionReason.BACKEND_FAILURE,
}
"""Failures of one question; every other ``ModelError`` means that no question can be asked, and ends the run."""


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
        passing = (AbstentionReason.TIMEOUT, AbstentionReason.BACKEND_FAILURE)
        return self.abstention is None or self.abstention.reason not in passing


class ModelAdvisor:
    """An advisor that asks a language model.

    Equal rendered snapshots are equal requests and are asked once a run (``remember``); a replay turns that off so that
    every recorded decision is read. Sampler and time-out are the client's ``defaults``.
    Raises ``ModelError`` only where no question can be asked at all (no model, no recorded answer).
    """

    def __init__(
        self,
        client: LLMClient,
        *,
        view: View = View(),  # noqa: B008 - frozen
        remember: bool = True,
    ) -> None:
        self.client = client
        self.view = view
        self._remember = remember
        self._outcomes: dict[tuple[str, str, str], _Outcome] = {}

    def attach(self, data: Any) -> ModelAdvisor:
        """Itself: the snapshot is all that a model sees."""
        return self

    def decide(self, snapshot: Snapshot) -> Decision:
        """Ask, check, repair once, and abstain with the reason where that fails."""
        prompt = render_snapshot(snapshot, self.view)
        key = (prompt, snapshot.symbol, snapshot.timeframe)
        outcome = self._outcomes.get(key)
        if outcome is None:
            outcome = self._ask(prompt, snapshot.symbol, snapshot.timeframe)
            if self._remember and outcome.lasting:
                self._outcomes[key] = outcome
        return Decision(
            snapshot=snapshot,
            status=outcome.status,
            advice=outcome.advice,
            abstention=outcome.abstention,
            policy=outcome.policy,
            prompt=prompt,
            exchanges=outcome.exchanges,
            repairs=outcome.repairs,
        )

    def request(self, prompt: str) -> Request:
        """The exact request for a rendered snapshot."""
        return ask_for_advice(prompt, with_form=self.client.supports_forms, defaults=self.client.defaults)

    def _ask(self, prompt: str, symbol: str, timeframe: str) -> _Outcome:
        exchanges: list[Exchange] = []
        request = self.request(prompt)
        try:
            answer = self._exchange(request, exchanges)
            try:
                parsed = parse_answer(answer, symbol=symbol, timeframe=timeframe)
            except ContractError as problem:
                answer = self._exchange(ask_for_repair(request, answer, str(problem)), exchanges)
                again = parse_answer(answer, symbol=symbol, timeframe=timeframe)
                parsed = ParsedAnswer(again.advice, ("second attempt", *again.repairs))
        except ContractError as problem:
            return _abstained(AbstentionReason.INVALID, str(problem), exchanges)
        except tuple(FAILURES) as problem:
            reason = next(reason for kind, reason in FAILURES.items() if isinstance(problem, kind))
            return _abstained(reason, str(problem), exchanges)
        return _judged(parsed, exchanges)

    def _exchange(self, request: Request, exchanges: list[Exchange]) -> str:
        fingerprint = request_hash(request, self.client.identity)
        exchanges.append(Exchange(fingerprint, None))
        answer = self.client.complete(request).text
        exchanges[-1] = replace(exchanges[-1], answer=answer)
        return answer


def _judged(parsed: ParsedAnswer, exchanges: list[Exchange]) -> _Outcome:
    policy = assess(parsed.advice)
    if policy.verdict is PolicyVerdict.DENY:
        return _abstained(AbstentionReason.DENIED, "; ".join(policy.reasons), exchanges, policy)
    status = Status.REPAIRED if parsed.repairs else Status.ADVISED
    return _Outcome(status, parsed.advice, None, policy, tuple(exchanges), parsed.repairs)


def _abstained(
    reason: AbstentionReason,
    detail: str,
    exchanges: list[Exchange],
    policy: PolicyOutcome = PolicyOutcome(PolicyVerdict.ALLOW),  # noqa: B008 - frozen
) -> _Outcome:
    return _Outcome(Status.ABSTAINED, None, Abstention(reason, detail), policy, tuple(exchanges))
