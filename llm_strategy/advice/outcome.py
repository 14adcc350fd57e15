"""What a question to a model comes to, whatever bar it was asked for: advice that the policy allows, or why there is
none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from llm_strategy.advice.citations import check_citations
from llm_strategy.advice.contract import ParsedAnswer
from llm_strategy.errors import (
    AnswerTimeout,
    BackendFailure,
    BreakerOpen,
    ModelChanged,
    ModelError,
    PromptTooLong,
)
from llm_strategy.market.regimes import USUAL_REGIMES, Regimes
from llm_strategy.shown import Shown
from llm_strategy.types import (
    Abstention,
    AbstentionReason,
    ActionType,
    Advice,
    Decision,
    Event,
    EventKind,
    Exchange,
    PolicyOutcome,
    PolicyVerdict,
    RegimeLabel,
    Snapshot,
    Status,
    events_of_answer,
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
_FINAL_REASONS = (AbstentionReason.INVALID, AbstentionReason.DENIED, AbstentionReason.CONTEXT_OVERFLOW)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Advice or abstention, with the questions behind it."""

    status: Status
    advice: Advice | None
    abstention: Abstention | None
    policy: PolicyOutcome
    exchanges: tuple[Exchange, ...]
    repairs: tuple[str, ...] = ()
    plan: tuple[str, ...] | None = None
    """The analytics that were run; None where nothing was planned."""
    results: tuple[Shown, ...] = ()
    """What those of them that had something to tell came to."""

    @property
    def failed(self) -> bool:
        """Whether a question was left without an answer."""
        return self.abstention is not None and self.abstention.reason in FAILURES.values()

    @property
    def model_failed(self) -> bool:
        """Whether the model itself left a question without an answer, whatever answered in its place."""
        if self.abstention is not None:
            reason = self.abstention.reason
            if reason is AbstentionReason.CONTEXT_OVERFLOW or self.is_waiting:
                return False
            if reason in _FAILED_REASONS:
                return True
        for exchange in self.exchanges:
            for event in exchange.events:
                if event.kind is EventKind.FALLBACK:
                    return True
        return False

    @property
    def is_waiting(self) -> bool:
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
        if self.abstention:
            return self.abstention.detail
        return [event.detail for event in self._events if event.kind is EventKind.FALLBACK][-1]

    @property
    def is_final(self) -> bool:
        """Whether asking again would be answered the same; a time-out or a failed server may pass."""
        is_substitute = any(event.is_substitute for event in self._events)
        return not is_substitute and (self.abstention is None or self.abstention.reason in _FINAL_REASONS)

    @property
    def _events(self) -> Iterator[Event]:
        return (event for exchange in self.exchanges for event in exchange.events)

    def at_later_bar(self) -> Outcome:
        """The same outcome at a later bar: what happened when the question was asked does not happen again."""
        if all(event.belongs_to_answer for event in self._events):
            return self
        return replace(self, exchanges=tuple(map(without_occasion, self.exchanges)))

    def with_events(self, before: tuple[Event, ...], after: tuple[Event, ...]) -> Outcome:
        """The same with what happened before its first question and after its last one."""
        if not self.exchanges or not (before or after):
            return self
        exchanges = list(self.exchanges)
        exchanges[0] = replace(exchanges[0], events=(*before, *exchanges[0].events))
        exchanges[-1] = replace(exchanges[-1], events=(*exchanges[-1].events, *after))
        return replace(self, exchanges=tuple(exchanges))

    def decision(self, snapshot: Snapshot, prompt: str, context: tuple[Shown, ...] = ()) -> Decision:
        """The decision at this bar, for which the model was shown this beside the market's line."""
        return Decision(
            snapshot=snapshot,
            status=self.status,
            advice=self.advice,
            abstention=self.abstention,
            policy=self.policy,
            prompt=prompt,
            exchanges=self.exchanges,
            repairs=self.repairs,
            context=(*context, *self.results),
            plan=self.plan,
        )


def without_occasion(exchange: Exchange) -> Exchange:
    """The exchange at a later bar: its answer without what happened when it was asked for."""
    return replace(exchange, events=events_of_answer(exchange.events))


def judge_answer(parsed: ParsedAnswer, exchanges: Sequence[Exchange], regimes: Regimes = USUAL_REGIMES) -> Outcome:
    """What the policy makes of an answer that keeps the contract, with these labels."""
    policy = assess(parsed.advice, regimes)
    if policy.verdict is PolicyVerdict.DENY:
        return abstain(AbstentionReason.DENIED, "; ".join(policy.reasons), exchanges, policy)
    status = Status.REPAIRED if parsed.repairs else Status.ADVISED
    if any(event.kind is EventKind.FALLBACK for exchange in exchanges for event in exchange.events):
        status = Status.FALLBACK
    return Outcome(status, parsed.advice, None, policy, tuple(exchanges), parsed.repairs)


def with_citations(outcome: Outcome, context: Sequence[Shown]) -> Outcome:
    """The outcome with what is wrong with its citations, for an advisor that shows texts to be cited."""
    if outcome.advice is None:
        return outcome
    return replace(outcome, policy=check_citations(outcome.policy, outcome.advice.rationale, context))


def abstain(
    reason: AbstentionReason,
    detail: str,
    exchanges: Sequence[Exchange],
    policy: PolicyOutcome = PolicyOutcome(PolicyVerdict.ALLOW),  # noqa: B008 - frozen
) -> Outcome:
    """No advice, for this reason."""
    return Outcome(Status.ABSTAINED, None, Abstention(reason, detail), policy, tuple(exchanges))


def decide_by_rule(rule: Decision, decision: Decision) -> Decision:
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
    return abstain(AbstentionReason.BAD_BAR, why, ()).decision(snapshot, "")


def missed_bar(snapshot: Snapshot, why: str) -> Decision:
    """No advice at a close that was known too late to decide on; the advisor was not asked."""
    return abstain(AbstentionReason.MISSED_BAR, why, ()).decision(snapshot, "")


_NO_PRICE = r"%|percent|bars?|days?|weeks?|months?|years?|sma|ema|ma\b|deviations?|times|x\b|st\b|nd\b|rd\b|th\b"
_PRICE = rf"[$€£¥]?\s?\d[\d,]*(?:\.\d+)?(?![\s-]*(?:{_NO_PRICE})|/\d|[\d,.]*\d)"
_INDICATOR = r"(?<!rsi )(?<!rank )(?<!drawdown )(?<!volatility )(?<!momentum )"
_PRICE_PREDICTION = re.compile(
    rf"[$€£¥]\s?\d"
    rf"|{_INDICATOR}\b(?:reach|hit|touch|test)\w*\s+{_PRICE}"
    rf"|{_INDICATOR}\b(?:climb|ris|fall|drop|rall|declin|slid|mov|go|trad|clos|head)\w*\s+"
    rf"(?:up\s+|down\s+)?(?:to|at|above|below|towards?)\s+{_PRICE}"
    rf"|\b(?:price\s+target|target\s+price|target|fair\s+value)\s*(?:is|of|at|:|=)?\s*{_PRICE}"
    rf"|\bprice\s+(?:is|of|at|will\s+be)\s+{_PRICE}",
    re.IGNORECASE,
)
_REAL_TRADING = re.compile(
    r"\b(?:real|live|actual)[\s-]+(?:money|orders?|trad(?:e|es|ing)|account)\b"
    r"|\bplac(?:e|ing)\s+(?:an?\s+|the\s+)?(?:\w+\s+)?orders?\b"
    r"|\bsubmit(?:ting)?\s+(?:an?\s+|the\s+)?(?:\w+\s+)?orders?\b",
    re.IGNORECASE,
)
_NEGATED = re.compile(r"\b(?:no|not|without|never|isn't|lack of|limited|little)\s+(?:\w+\s+)?\w+", re.IGNORECASE)
_UPWARD = re.compile(
    r"\b(?:up|uptrend\w*|upward\w*|rising|rises?|rally\w*|bullish|bull|gains?|climb\w*|advanc\w+)\b", re.IGNORECASE
)
_DOWNWARD = re.compile(
    r"\b(?:down|downtrend\w*|downward\w*|falling|falls?|declin\w+|bearish|bear|loss\w*|sell-?off|drop\w*|slid\w+)\b",
    re.IGNORECASE,
)


def assess(advice: Advice, regimes: Regimes = USUAL_REGIMES) -> PolicyOutcome:
    """The policy's verdict on one advice, whose label is one of these, with a reason for each thing found."""
    return _assess(advice.regime.label, advice.action.type, advice.rationale, regimes)


@lru_cache(maxsize=4096)
def _assess(label: str, action: ActionType, rationale: str, regimes: Regimes) -> PolicyOutcome:
    denials = []
    if match := _REAL_TRADING.search(rationale):
        denials.append(f"simulation only: the rationale speaks of {match[0].strip()!r}")
    if match := _PRICE_PREDICTION.search(rationale):
        denials.append(f"exact price: the rationale says {match[0].strip()!r}")
    contradictions = _contradictions(label, action, rationale, regimes)
    if denials:
        return PolicyOutcome(PolicyVerdict.DENY, (*denials, *contradictions), coherent=not contradictions)
    if contradictions:
        return PolicyOutcome(PolicyVerdict.REVIEW, contradictions, coherent=False)
    return PolicyOutcome(PolicyVerdict.ALLOW)


def _contradictions(label: str, action: ActionType, rationale: str, regimes: Regimes) -> tuple[str, ...]:
    contradictions = []
    if action not in regimes.kinds[label].actions:
        contradictions.append(f"label and action: {action} in a {label} market")
    usual = regimes.are_usual
    said = rationale if usual else re.sub(rf"\b(?:{'|'.join(regimes)})\b", " ", rationale, flags=re.IGNORECASE)
    affirmed = _NEGATED.sub(" ", said)
    upward, downward = bool(_UPWARD.search(affirmed)), bool(_DOWNWARD.search(affirmed))
    if upward and not downward:
        if usual and label == RegimeLabel.BEAR:
            contradictions.append("label and rationale: a bear market with an upward rationale")
        if action is ActionType.ENTER_SHORT:
            contradictions.append("action and rationale: enter_short with an upward rationale")
    if downward and not upward:
        if usual and label == RegimeLabel.BULL:
            contradictions.append("label and rationale: a bull market with a downward rationale")
        if action is ActionType.ENTER_LONG:
            contradictions.append("action and rationale: enter_long with a downward rationale")
    return tuple(contradictions)
