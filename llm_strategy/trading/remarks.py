"""Why nothing, or next to nothing, was traded: one sentence each, from what a run did. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from llm_strategy.risk.checklist import LIMIT_PREFIX
from llm_strategy.types import AbstentionReason

_Key = TypeVar("_Key", str, tuple[str, str])

SMALL_SHARE = 0.01
"""Of the account; below it the largest position counts as next to nothing."""
MANY_ABSTENTIONS = 0.05
"""Share of the decisions above which abstentions are told, as in ``advisor.max_failure_rate``."""

Number: TypeAlias = Callable[[str, int], str]
"""How a count is written, by its metric (``refusals.lot_step``) and value."""

_CURES = {
    "lot_step": "the allowed size was less than one lot, so set lot_step to a fraction where fractions can be bought, "
    "or begin with more cash",
    "max_participation": "the bars have too little volume for it, so look what the volumes count, or raise "
    "max_participation",
    "min_notional": "the allowed size was worth too little, so lower min_notional or begin with more cash",
    "min_confidence": "the advice was not confident enough, so lower min_confidence",
    "allow_short": "short positions are not allowed, so set allow_short or advise long ones",
    "cash": "there was not enough cash",
    "max_drawdown": "the kill switch forbade every position",
    "max_daily_loss": "the loss of the day had reached its limit",
    "cooldown_bars": "a stop had been hit too few bars before",
}
_SHRINKING = ("max_participation", "cash", "max_risk_per_trade")
"""Limits that may leave less than a lot, and are then the cause."""


@dataclass
class Activity:
    """What a run did, counted."""

    decisions: int = 0
    actions: Counter[str] = field(default_factory=Counter)
    abstentions: Counter[str] = field(default_factory=Counter)
    """By reason."""
    details: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Reason and sentence of the abstentions."""
    refusals: Counter[str] = field(default_factory=Counter)
    """Advice that did not go through, by the limit that refused it."""
    causes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Refusing limit, and the cut that left too little for it."""
    cuts: Counter[str] = field(default_factory=Counter)
    """Cuts of entries that went through, by limit."""
    entries: Counter[str] = field(default_factory=Counter)
    """Entry orders that were not filled at all, by status."""
    filled: int = 0
    """Entry orders that were filled, also in part."""
    largest: float = 0.0
    """The largest gross value of all positions, as a share of equity."""

    def decided(self, action: str | None, abstention: tuple[str, str] | None, times: int = 1) -> None:
        """Count a decision, or so many alike: what was advised, or reason and sentence of an abstention."""
        self.decisions += times
        if action is not None:
            self.actions[action] += times
        if abstention is not None:
            self.abstentions[abstention[0]] += times
            self.details[abstention] += times

    def judged(self, intent: str, limits: list[str], times: int = 1) -> None:
        """Count a verdict of the gate, or so many alike, with the limits that cut, in their order."""
        if intent in ("enter_long", "enter_short"):
            self.cuts.update(dict.fromkeys(limits, times))
        elif intent == "none" and limits:
            self.refusals[limits[-1]] += times
            for cause in reversed(limits[:-1]):
                if cause in _SHRINKING:
                    self.causes[limits[-1], cause] += times
                    break

    def sent(self, kind: str, status: str, filled: float) -> None:
        """Count an order."""
        if kind == "entry":
            self.filled += bool(filled)
            if not filled:
                self.entries[status] += 1

    def valued(self, accounts: Iterable[tuple[float, float]]) -> None:
        """Take gross value of positions and equity at each close, currency."""
        self.largest = max((gross / equity for gross, equity in accounts if equity > 0), default=0.0)


def plainly(metric: str, value: int) -> str:
    """A count as itself."""
    return f"{value:,}"


def remarks(
    activity: Activity, number: Number = plainly, *, by: str = "", details: bool = True, failures: bool = False
) -> list[str]:
    """Sentences about a run that traded nothing or next to nothing; none for most runs.

    ``by`` names who traded; ``details`` adds the sentence of the commonest abstention; ``failures`` tells abstentions
    also where something was traded.
    """
    if not activity.decisions:
        return []
    who = f" by {by}" if by else ""
    said = []
    if not activity.filled:
        said.append(f"Nothing was traded{who}: {_why_nothing(activity, number, details=details)}.")
    elif activity.largest < SMALL_SHARE and activity.cuts:
        limit, _ = _commonest(activity.cuts)
        why = f" ({cure})" if (cure := _cure(limit)) else ""
        said.append(
            f"Next to nothing was traded{who}: no position came to a hundredth of the account, cut most often by "
            f"{limit}{why}."
        )
    abstained = activity.abstentions.total()
    if failures and activity.filled and abstained > MANY_ABSTENTIONS * activity.decisions:
        said.append(f"Decisions{who} without advice: {_abstentions(activity, number, details=details)}.")
    return said


def _why_nothing(activity: Activity, number: Number, *, details: bool) -> str:
    if activity.entries:
        return f"no entry order was filled ({_listed('orders.entry', activity.entries, number)})"
    if activity.refusals:
        return _refused(activity, number)
    if activity.abstentions:
        return _abstentions(activity, number, details=details)
    return (
        f"no entry was advised in {number('decisions', activity.decisions)} decisions "
        f"({_listed('actions', activity.actions, number)})"
    )


def _refused(activity: Activity, number: Number) -> str:
    limit, count = _commonest(activity.refusals)
    behind = {cause: times for (refused, cause), times in activity.causes.items() if refused == limit}
    cause = max(behind, key=lambda name: (behind[name], name), default="")
    blamed = cause if cause and 2 * behind[cause] >= count else limit
    what = f"; {cure}" if (cure := _cure(blamed)) else ""
    after = f", after {blamed} had cut the size" if blamed != limit else ""
    often = "most often by" if len(activity.refusals) > 1 else "by"
    return (
        f"the gate refused every entry that was advised, {often} {limit} ({number(f'refusals.{limit}', count)})"
        f"{after}{what}"
    )


def _cure(limit: str) -> str:
    if limit.startswith(LIMIT_PREFIX):
        return "that item of the checklist fires at each of them, so loosen its conditions or leave it out"
    return _CURES.get(limit, "")


def _abstentions(activity: Activity, number: Number, *, details: bool) -> str:
    abstained = activity.abstentions.total()
    if abstained == activity.decisions:
        said = f"all {number('decisions', abstained)} decisions were abstentions"
    else:
        said = (
            f"{number('statuses.abstained', abstained)} of {number('decisions', activity.decisions)} decisions were "
            "abstentions"
        )
    said += f" ({_listed('abstentions', activity.abstentions, number)})"
    if not activity.filled and activity.actions:
        said += f" and no entry was advised in the others ({_listed('actions', activity.actions, number)})"
    if details:
        # An open breaker is the consequence of the failures before it.
        telling = {key: n for key, n in activity.details.items() if key[0] != AbstentionReason.BREAKER_OPEN}
        (_, sentence), _ = _commonest(telling or activity.details)
        said += f"; the commonest: {sentence.rstrip('.')}"
    return said


def _listed(metric: str, counts: Counter[str], number: Number) -> str:
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} {number(f'{metric}.{name}', count)}" for name, count in ranked if count)


def _commonest(counts: Mapping[_Key, int]) -> tuple[_Key, int]:
    return min(counts.items(), key=lambda item: (-item[1], item[0]))
