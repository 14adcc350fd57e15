"""What an arm's plans came to: how often each analytic was run, in which regime, and how long what they showed was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from llm_strategy.advice.planning.question import dropped
from llm_strategy.llm.models.token_count import rough_tokens
from llm_strategy.market.view import causal_label
from llm_strategy.trading.decision_lines import Entry


@dataclass(frozen=True, slots=True)
class PlanUse:
    """Counts over the decisions of an arm that plans."""

    decisions: int
    none: int
    """Decisions without a plan: the answer about it could not be read, or none came."""
    repaired: int
    """Decisions whose plan was asked for a second time."""
    distinct: int
    """Different choices, whatever their order."""
    changes: int
    """Decisions with another choice than the one before on the same symbol."""
    run: float
    """Analytics that were run at a decision, in the mean."""
    tokens: float
    """Tokens of what they showed at a decision, in the mean and about."""
    twice: int
    """Entries of answers that stood there twice."""
    left_out: int
    """Entries of answers that did not fit the budget of tokens."""
    chosen: Mapping[str, int]
    """Decisions at which each analytic was run, the most frequent first."""
    by_causal: Mapping[str, Mapping[str, int]]
    """The same by the causal rule's label of the close."""
    by_label: Mapping[str, Mapping[str, int]]
    """The same by the label that the arm then gave."""
    causal: Mapping[str, int]
    """Decisions at closes of each causal label."""
    labels: Mapping[str, int]
    """Decisions with each label of the arm's own."""


@dataclass(slots=True)
class _Count:
    of: Counter[str] = field(default_factory=Counter)
    chosen: dict[str, Counter[str]] = field(default_factory=dict)

    def take(self, label: str, names: Iterable[str]) -> None:
        self.of[label] += 1
        self.chosen.setdefault(label, Counter()).update(names)


def plan_use(entries: Iterable[Entry]) -> PlanUse | None:
    """The counts of an arm; None for one that plans nothing."""
    plans: Counter[frozenset[str]] = Counter()
    chosen: Counter[str] = Counter()
    causal, labels = _Count(), _Count()
    last: dict[str, frozenset[str]] = {}
    none = repaired = changes = run = twice = left_out = 0
    tokens = 0.0
    for decision in (entry.decision for entry in entries):
        if decision.plan is None:
            continue
        names, symbol = frozenset(decision.plan), decision.snapshot.symbol
        none += not names
        plans[names] += 1
        changes += last.get(symbol, names) != names
        last[symbol] = names
        chosen.update(names)
        run += len(names)
        tokens += sum(rough_tokens(shown.text) for shown in decision.context if shown.source in names)
        causal.take(str(causal_label(decision.snapshot)), names)
        if decision.advice is not None:
            labels.take(str(decision.advice.regime.label), names)
        asked = [each for each in decision.exchanges if each.purpose in ("plan", "plan_repair")]
        repaired += len(asked) > 1
        if names and asked and asked[-1].answer is not None:
            with suppress(ValueError, LookupError, TypeError, AttributeError):  # a damaged journal
                more = dropped(asked[-1].answer, decision.plan)
                twice, left_out = twice + more.twice, left_out + more.left_out
    decisions = plans.total()
    if not decisions:
        return None
    return PlanUse(
        decisions,
        none,
        repaired,
        sum(1 for names in plans if names),
        changes,
        run / decisions,
        tokens / decisions,
        twice,
        left_out,
        dict(sorted(chosen.items(), key=lambda each: (-each[1], each[0]))),
        causal.chosen,
        labels.chosen,
        causal.of,
        labels.of,
    )
