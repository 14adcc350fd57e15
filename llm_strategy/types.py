"""The frozen records that travel between the stages of a bar. Of ours they know
what a model is ``shown``.

Units, unless a field says otherwise: a *fraction* is 1.0 for 100 percent, money is in the currency of the prices,
sizes are in shares (or coins), distances in time are in bars, durations in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, TypeAlias

from llm_strategy.shown import Shown

Purpose: TypeAlias = Literal[
    "advice", "repair", "label", "prior", "action", "rationale", "check", "plan", "plan_repair"
]
"""What a question to a model was for: the whole advice, its second attempt, one part of a scored one (``check``: an
item of a checklist), or what to look at before the advice."""


class RegimeLabel(StrEnum):
    """What kind of market the last closed bars look like, as the causal rule says it; an experiment may have labels of
    its own in their place (``llm_strategy.market.regimes``)."""

    BULL = "bull"
    BEAR = "bear"
    SIDEWAYS = "sideways"
    TURBULENT = "turbulent"


class ActionType(StrEnum):
    """What an advisor may propose at the close of a bar."""

    ENTER_LONG = "enter_long"
    ENTER_SHORT = "enter_short"
    EXIT = "exit"
    HOLD = "hold"


class Status(StrEnum):
    """How a decision came about; a failure is never a hold."""

    ADVISED = "advised"
    REPAIRED = "repaired"
    FALLBACK = "fallback"
    """Another backend or a rule decided, because the model failed."""
    ABSTAINED = "abstained"


class AbstentionReason(StrEnum):
    """Why there is no advice at a bar."""

    TIMEOUT = "timeout"
    INVALID = "invalid"
    DENIED = "denied"
    CONTEXT_OVERFLOW = "context_overflow"
    BACKEND_FAILURE = "backend_failure"
    MODEL_CHANGED = "model_changed"
    BREAKER_OPEN = "breaker_open"
    BAD_BAR = "bad_bar"
    """A bar that cannot be true is in the windows of the features; the advisor was not asked."""
    MISSED_BAR = "missed_bar"
    """The bar was over for long when it came; the advisor was not asked."""


class EventKind(StrEnum):
    """What can happen between a question and its answer."""

    RETRY = "retry"
    """An attempt failed and another one was made."""
    FAILOVER = "failover"
    """An endpoint failed and another one was asked."""
    FINGERPRINT = "fingerprint"
    """The build of the model that a server named with its answer."""
    MODEL_CHANGED = "model_changed"
    """The server answered as another model than the one it named at first, and the answer was not taken."""
    BREAKER_OPENED = "breaker_opened"
    BREAKER_PROBED = "breaker_probed"
    BREAKER_CLOSED = "breaker_closed"
    FALLBACK = "fallback"
    """Another backend was asked in place of the one that failed."""
    DISAGREEMENT = "disagreement"
    """How far the members of an ensemble were of different minds."""
    REPAIRED = "repaired"
    """An answer of ``generate`` or ``chat`` was put right: what stood around its JSON was taken off, JSON that was cut
    off was closed, or a listed value was spelt otherwise."""
    LOADING = "loading"
    """The server was still loading its model."""
    ABSENT = "absent"
    """A member of an ensemble failed, so that the others voted without it."""


OF_ANSWERS = (EventKind.FINGERPRINT, EventKind.DISAGREEMENT)
"""Kinds that tell of an answer itself; the others tell of trouble on the way to it."""


class PolicyVerdict(StrEnum):
    """Whether an advice may go on to the risk gate; ``REVIEW`` goes on, marked."""

    ALLOW = "allow"
    REVIEW = "review"
    DENY = "deny"


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """The last closed bars of one feed, read when a bar closed: five columns of equal length, the oldest first and the
    bar that has just closed last, and the closes of their periods (ISO 8601, UTC)."""

    open: Sequence[float]
    high: Sequence[float]
    low: Sequence[float]
    close: Sequence[float]
    volume: Sequence[float]
    time: Sequence[str]
    known: bool = True
    """Whether every bar of it has true prices."""

    def __len__(self) -> int:
        return len(self.close)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything an advisor may see at a close: closed bars up to this one, and nothing of the account.

    ``symbol``, ``time`` and ``close`` are for the journal and for users who lift the mask; the rendered text leaves
    them out by default.
    """

    symbol: str
    timeframe: str
    time: str
    """Close of the bar, ISO 8601, UTC whatever the zone of the feed."""
    close: float
    """Price at the close."""
    trend: float
    """Close over its long mean, minus 1 (fraction). The bars behind each feature are those of ``Lookbacks``: 200 here,
    250 for rank and drawdown and 20 for the others, where nothing else is set."""
    momentum: float
    """Return over the last ``momentum_bars`` bars (fraction)."""
    volatility: float
    """Standard deviation of the last one-bar returns (fraction per bar)."""
    volatility_rank: float
    """Share of the last bars whose volatility was lower (0 to 1)."""
    drawdown: float
    """Close over the highest close of the last bars, minus 1 (fraction, never positive)."""
    range_position: float
    """Where the close lies between the lowest low (0) and the highest high (1) of the last bars."""
    volume_ratio: float
    """Volume over its mean; 1 where the feed has no volume."""
    trend_scale: float = 1.0
    """How much wider than the plain ones the thresholds of the trend are for what this market usually moves a bar."""
    drawdown_scale: float = 1.0
    """The same of the drawdown."""
    momentum_bars: int = 20
    extra: tuple[tuple[str, float], ...] = ()
    """Name and value of every feature that is measured beside these, by name."""
    window: Window | None = field(default=None, compare=False, repr=False)
    """The last closed bars, where a source of context looks back on them; no part of a journal."""

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Snapshot:
        """The snapshot that a journal holds as JSON, in which NaN is null."""
        if None not in record.values() and "extra" not in record:
            return cls(**record)
        values: dict[str, Any] = {
            name: math.nan if value is None else value for name, value in record.items() if name != "extra"
        }
        extra = {name: math.nan if value is None else value for name, value in record.get("extra", {}).items()}
        return cls(**values, extra=tuple(sorted(extra.items())))

    @property
    def known(self) -> bool:
        """Whether every feature is a number and every bar of the window true; a bar without a true price leaves NaN in
        all that look back on it."""
        features = (
            self.trend + self.momentum + self.volatility + self.volatility_rank + self.drawdown + self.range_position
        )
        return (
            features == features
            and self.volume_ratio == self.volume_ratio
            and (not self.extra or all(value == value for _, value in self.extra))
            and (self.window is None or self.window.known)
        )


@dataclass(frozen=True, slots=True)
class Regime:
    """A label for the market, with the advisor's own confidence (0 to 1) where it gave one. The label is one of those
    that the experiment has: a ``RegimeLabel``, or a text where it has its own."""

    label: str
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Constraints:
    """Requests of the advisor, all fractions; the risk gate may tighten them and never loosens a limit for them."""

    max_position_size: float | None = None
    stop_loss_pct: float | None = None
    take_profit_pct: float | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """The proposed action with the advisor's confidence (0 to 1)."""

    type: ActionType
    confidence: float
    constraints: Constraints = Constraints()


@dataclass(frozen=True, slots=True)
class CheckAnswer:
    """What a model answered to an item of a checklist: whether it applies, and what it looked at for that."""

    item: str
    applies: bool
    field: str


@dataclass(frozen=True, slots=True)
class Advice:
    """An advice that met the contract (``contracts/advice.schema.json``)."""

    symbol: str
    timeframe: str
    regime: Regime
    rationale: str
    action: Action
    version: str = "1.0.0"
    intent: str = "propose_trade"
    checks: tuple[CheckAnswer, ...] = ()
    """Its answers to the items of a checklist that are asked of it."""


@dataclass(frozen=True, slots=True)
class Abstention:
    """Why there is no advice: the kind, and one sentence."""

    reason: AbstentionReason
    detail: str


@dataclass(frozen=True, slots=True)
class PolicyOutcome:
    """Verdict of the policy, with one reason for each thing it found; ``coherent`` says whether label, action and
    rationale agree."""

    verdict: PolicyVerdict
    reasons: tuple[str, ...] = ()
    coherent: bool = True


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened on the way to an answer, in one sentence; ``value`` is a disagreement (0 to 1)."""

    kind: EventKind
    detail: str
    value: float | None = None

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Event:
        """The event that a record or journal holds as JSON."""
        return cls(EventKind(record["kind"]), record["detail"], record.get("value"))

    def as_dict(self) -> dict[str, Any]:
        """What ``from_record`` reads; a value that is not there is absent."""
        return {"kind": self.kind, "detail": self.detail} | ({} if self.value is None else {"value": self.value})

    @property
    def belongs_to_answer(self) -> bool:
        """Whether it belongs to the answer, and not to the one occasion on which the answer was asked for."""
        return self.kind in OF_ANSWERS

    @property
    def is_substitute(self) -> bool:
        """Whether the answer is not what the model would have given, and so is not kept for later."""
        return self.kind in (EventKind.FALLBACK, EventKind.ABSENT)


def events_of_answer(events: Iterable[Event]) -> tuple[Event, ...]:
    """Those that belong to an answer, whenever it is given."""
    return tuple(event for event in events if event.belongs_to_answer)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question to a model: the fingerprint of the exact request, the raw answer (``None`` where none came), and
    what happened on the way to it, and what it was for."""

    request_hash: str
    answer: str | None
    events: tuple[Event, ...] = ()
    purpose: Purpose = "advice"


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision of an advisor at one close, with everything needed to replay it.

    Exactly one of ``advice`` and ``abstention`` is set. An advice that the policy denied is an abstention. ``prompt``
    is the bar's part of the request as the model read it; ``exchanges`` holds the questions in their order: one and,
    where there was one, the repair attempt; or those of a scored decision. Both are empty for advisors that are rules.
    """

    snapshot: Snapshot
    status: Status
    advice: Advice | None
    abstention: Abstention | None
    policy: PolicyOutcome
    prompt: str = ""
    exchanges: tuple[Exchange, ...] = ()
    repairs: tuple[str, ...] = ()
    """What had to be put right before the answer met the contract."""
    instead_of: Abstention | None = None
    """Why the model gave no advice, where a rule decided in its place."""
    context: tuple[Shown, ...] = ()
    """What the model was shown beside the market's line (``prompt``), in its order; the results of a plan last."""
    plan: tuple[str, ...] | None = None
    """The analytics that were run for it, by name; None where nothing was planned."""


@dataclass(frozen=True, slots=True)
class ClampEvent:
    """One cut of the risk gate: which limit, the value before and after. ``after`` of 0 means refused. An item of a
    checklist is the limit ``checklist.NAME``; where it only flags, both values are the same."""

    limit: str
    before: float
    after: float

    @property
    def is_flag(self) -> bool:
        """Whether it leaves what it tells of as it is."""
        return self.before == self.after > 0
