"""Whether there was anything to tell apart, and anything left to trade: decisions that look alike, entries cut away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from llm_strategy.market.view import causal_label
from llm_strategy.risk import Intent, Verdict
from llm_strategy.trading.decision_lines import Entry
from llm_strategy.types import ClampEvent

FEWEST_DECISIONS = 100
"""Decisions below which their sameness says nothing: a market may go one way for some months."""
SAME_TEXT = 0.90
SAME_TREND = SAME_LABEL = 0.95
"""Shares of the decisions from which a text, the trend in it, or the causal rule's label counts as the same in all."""
CUT_AWAY = 0.90
"""Share of entries, cut to less than ``LEAST_REST`` of their size, from which the gate let nothing through."""
LEAST_REST = 0.01

_OF_ONE_TRADE = ("max_participation", "lot_step", "min_notional", "max_risk_per_trade")
"""Limits that look at the trade alone; those of the book cut away what it has no room for, as they should."""


@dataclass(frozen=True, slots=True)
class Sameness:
    """Shares of decisions: each of the most frequent value."""

    text: float | None
    """The market as the model was shown it; ``None`` where it was shown nothing."""
    trend: float | None
    """The trend in that text."""
    label: float
    """What the causal rule says of the market."""
    label_name: str


@dataclass(frozen=True, slots=True)
class ClampShare:
    """Entries that a limit of the trade itself left less than ``LEAST_REST`` of."""

    share: float
    limit: str
    """The one that did so most often."""


class SamenessCounter:
    """Tells how alike the decisions of a journal are, as they come."""

    def __init__(self) -> None:
        self._texts: Counter[str] = Counter()
        self._labels: Counter[str] = Counter()

    def take(self, entry: Entry, times: int = 1) -> None:
        """Count one more, or so many of the same text and label of the causal rule."""
        if entry.decision.prompt:
            self._texts[entry.decision.prompt] += times
        self._labels[causal_label(entry.decision.snapshot)] += times

    def sameness(self) -> Sameness | None:
        """Of all that came; ``None`` for too few of them."""
        decisions = self._labels.total()
        if decisions < FEWEST_DECISIONS:
            return None
        trends: Counter[str] = Counter()
        for text, count in self._texts.items():
            trends[_trend(text)] += count
        ((label, count),) = self._labels.most_common(1)
        return Sameness(_largest(self._texts), _largest(trends), count / decisions, str(label))


def cut_to(verdict: Verdict) -> str | None:
    """The limit of the trade itself that cut an entry away, empty where it was let through; ``None`` where no entry was
    sized."""
    limit = _decisive(verdict.clamps)
    entered = verdict.intent in (Intent.ENTER_LONG, Intent.ENTER_SHORT)
    return limit if limit in _OF_ONE_TRADE or (entered and limit == "") else None


def cut_away(found: Counter[str]) -> ClampShare | None:
    """What was cut away of the entries counted by ``cut_to``; ``None`` where nothing was."""
    cut = Counter({limit: count for limit, count in found.items() if limit})
    if not cut:
        return None
    return ClampShare(cut.total() / found.total(), min(cut, key=lambda limit: (-cut[limit], limit)))


def _largest(counts: Counter[str]) -> float | None:
    return max(counts.values()) / counts.total() if counts else None


def _trend(text: str) -> str:
    return next((fact for fact in text.split("; ") if fact.startswith("trend")), text)


def _decisive(clamps: Sequence[ClampEvent]) -> str:
    """The limit that took an entry below ``LEAST_REST`` of its size; empty where none did."""
    left = 1.0
    for clamp in clamps:
        left *= clamp.after / clamp.before if clamp.before else 0.0
        if left < LEAST_REST:
            return clamp.limit
    return ""
