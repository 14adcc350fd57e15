"""What a question to a model comes to, whatever bar it was asked for: advice that the policy allows, or why there is
none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from llm_strategy.advice.contract import ParsedAnswer
from llm_strategy.advice.policy import assess
from llm_strategy.errors import (
    AnswerTimeout,
    BackendFailure,
    BreakerOpen,
    ModelChanged,
    ModelError,
    PromptTooLong,
)
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
    Snapshot,
    Status,
    lasting,
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

_FAILED_REASONS = (AbstentionReason.TIMEOUT, AbstentionReason.BACKEND_FAILURE, AbstentionReason.MODEL_CHANGED)
_LASTING_REASONS = (AbstentionReason.INVALID, AbstentionReason.DENIED, AbstentionReason.CONTEXT_OVERFLOW)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Advice or abstention, with the questions behind it."""

    status: Status
    advice: Advice | None
    abstention: Abstention | None
    policy: PolicyOutcome
    exchanges: tuple[Exchange, ...]
    repairs: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether a question was left without an answer."""
        return self.abstention is not None and self.abstention.reason in FAILURES.values()

    @property
    def model_failed(self) -> bool:
        """Whether the model itself left a question without an answer, whatever answered in its place."""
        if self.abstention is not None:
            reason = self.abstention.reason
            if reason is AbstentionReason.CONTEXT_OVERFLOW or self.waits:
                return False
            if reason in _FAILED_REASONS:
                return True
        return any(event.kind is EventKind.FALLBACK for event in self._events)

    @property
    def waits(self) -> bool:
        """Whether it was waited in vain for a server that loads its model, which is no failure of the model."""
        if not self.failed:
            return False
        happened = [event.kind for event in self._events]
        return EventKind.LOADING in happened[-1:]

    @property
    def failure(self) -> str:
        """Why the model left a question without an answer, whatever answered in its place; empty where it did not."""
        if not self.model_failed:
            return ""
        told = [event.detail for event in self._events if event.kind is EventKind.FALLBACK]
        return self.abstention.detail if self.abstention else told[-1]

    @property
    def lasting(self) -> bool:
        """Whether asking again would be answered the same; a time-out or a failed server may pass."""
        is_substitute = any(event.is_substitute for event in self._events)
        return not is_substitute and (self.abstention is None or self.abstention.reason in _LASTING_REASONS)

    @property
    def _events(self) -> Iterator[Event]:
        return (event for exchange in self.exchanges for event in exchange.events)

    def later(self) -> Outcome:
        """The same outcome at a later bar: what happened when the question was asked does not happen again."""
        if all(event.lasting for event in self._events):
            return self
        return replace(self, exchanges=tuple(map(asked_before, self.exchanges)))

    def between(self, before: tuple[Event, ...], after: tuple[Event, ...]) -> Outcome:
        """The same with what happened before its first question and after its last one."""
        if not self.exchanges or not (before or after):
            return self
        exchanges = list(self.exchanges)
        exchanges[0] = replace(exchanges[0], events=(*before, *exchanges[0].events))
        exchanges[-1] = replace(exchanges[-1], events=(*exchanges[-1].events, *after))
        return replace(self, exchanges=tuple(exchanges))

    def decision(self, snapshot: Snapshot, prompt: str) -> Decision:
        """The decision at this bar."""
        return Decision(
            snapshot=snapshot,
            status=self.status,
            advice=self.advice,
            abstention=self.abstention,
            policy=self.policy,
            prompt=prompt,
            exchanges=self.exchanges,
            repairs=self.repairs,
        )


def asked_before(exchange: Exchange) -> Exchange:
    """The exchange at a later bar: its answer without what happened when it was asked for."""
    return replace(exchange, events=lasting(exchange.events))


def judged(parsed: ParsedAnswer, exchanges: Sequence[Exchange]) -> Outcome:
    """What the policy makes of an answer that keeps the contract."""
    policy = assess(parsed.advice)
    if policy.verdict is PolicyVerdict.DENY:
        return abstained(AbstentionReason.DENIED, "; ".join(policy.reasons), exchanges, policy)
    status = Status.REPAIRED if parsed.repairs else Status.ADVISED
    if any(event.kind is EventKind.FALLBACK for exchange in exchanges for event in exchange.events):
        status = Status.FALLBACK
    return Outcome(status, parsed.advice, None, policy, tuple(exchanges), parsed.repairs)


def abstained(
    reason: AbstentionReason,
    detail: str,
    exchanges: Sequence[Exchange],
    policy: PolicyOutcome = PolicyOutcome(PolicyVerdict.ALLOW),  # noqa: B008 - frozen
) -> Outcome:
    """No advice, for this reason."""
    return Outcome(Status.ABSTAINED, None, Abstention(reason, detail), policy, tuple(exchanges))


def instead(rule: Decision, decision: Decision) -> Decision:
    """The decision of a rule in the place of a model that gave no advice."""
    return replace(
        decision,
        status=Status.FALLBACK,
        advice=rule.advice,
        abstention=None,
        policy=rule.policy,
        instead_of=decision.abstention,
    )


def bad_bar(snapshot: Snapshot, why: str) -> Decision:
    """No advice at a close whose features rest on a bar that cannot be true; the advisor was not asked."""
    return abstained(AbstentionReason.BAD_BAR, why, ()).decision(snapshot, "")
