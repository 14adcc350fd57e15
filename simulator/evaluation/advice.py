"""How the decisions of an arm came about, and whether its advisor reads what it is shown.

A *dead* advisor gives the same label and action whatever the prompt says; a *nearly dead* one varies one of the two. It
is held against the causal rule on the same bars: where that saw one regime alone, a constant answer may be right.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from llm_strategy.market.view import ACTION_FOR_LABEL, causal_label
from llm_strategy.trading.decision_lines import Entry
from llm_strategy.types import OF_ANSWERS, Advice, Decision, Event, EventKind, Status

DEAD_SHARE = 0.99
"""Share of the advised decisions with the same answer from which an advisor counts as constant."""
FEWEST_PROMPTS = 20
"""Distinct prompts below which a constant answer may be the right one."""


class Life(StrEnum):
    """Whether an advisor's answers depend on what it is shown."""

    ALIVE = "alive"
    LABEL_CONSTANT = "label constant"
    ACTION_CONSTANT = "action constant"
    DEAD = "dead"
    UNKNOWN = "unknown"
    """A rule, or too few distinct prompts or too even a market to tell."""


@dataclass(frozen=True, slots=True)
class AdviceCounts:
    """Counts over the decisions of an arm. Kinds are counted once a decision, most frequent first."""

    decisions: int
    statuses: dict[str, int]
    abstentions: dict[str, int]
    """By reason."""
    repairs: dict[str, int]
    """By kind."""
    verdicts: dict[str, int]
    """Policy verdicts of all decisions."""
    policy_reasons: dict[str, int]
    """By kind: the words before the first colon of a reason."""
    coherent_share: float | None
    """Share of the advised decisions whose label, action and rationale agree, of those whose rationale is the
    advisor's own; ``None`` where the program wrote all of them."""
    actions: dict[str, int]
    distinct_prompts: int
    asked_of_model: bool
    life: Life
    constant_share: float | None
    """Share of the most frequent pair of label and action."""
    constant_label: str
    constant_action: str
    """That pair; empty where nothing was advised."""
    events: dict[str, int]
    """What happened between questions and answers, by kind."""
    votes: dict[str, int]
    """Decisions of an ensemble that were unanimous, and split ones; empty without an ensemble."""
    disagreement: float | None
    """Mean share of an ensemble's members that voted otherwise, of a scored decision at the question that divided them
    most; absent without an ensemble."""
    builds: int
    """Builds of the model that servers named with their answers; 0 where they name none."""
    other_builds: int
    """Decisions with an answer of a build that was not among those of the first one that named any."""
    other_build_first: str
    """Close of the first of them; empty for none."""


class AdviceCounter:
    """Counts the entries of a journal as they come; ``rationale`` is when the model was asked for one (always, changes
    or never), else the program wrote it."""

    def __init__(self, rationale: str = "always") -> None:
        self._decisions = self._coherent = self._reasoned = self._others = 0
        self._rationale = rationale
        self._asked = False
        self._prompts: set[str] = set()
        self._kinds: dict[str, Counter[str]] = defaultdict(Counter)
        self._answers: Counter[tuple[str, str]] = Counter()
        self._rule_answers: Counter[tuple[str, str]] = Counter()
        self._dissent: list[float] = []
        self._builds: set[str] = set()
        self._first_builds: frozenset[str] = frozenset()
        self._first_other = ""

    def take(self, entry: Entry, times: int = 1) -> None:
        """Count one more, or so many that differ in bar and snapshot alone, at which the causal rule says the same and
        nothing happened between question and answer."""
        decision, kinds = entry.decision, self._kinds
        self._decisions += times
        self._asked |= bool(decision.exchanges)
        kinds["statuses"][decision.status] += times
        kinds["verdicts"][decision.policy.verdict] += times
        if decision.repairs:
            kinds["repairs"].update(dict.fromkeys(_kinds(decision.repairs), times))
        if decision.policy.reasons:
            kinds["policy_reasons"].update(dict.fromkeys(_kinds(decision.policy.reasons), times))
        if decision.abstention is not None:
            kinds["abstentions"][decision.abstention.reason] += times
        if decision.advice is not None:
            answer = _answer(decision.advice)
            self._answers[answer] += times
            self._rule_answers[_rule_answer(decision)] += times
            kinds["actions"][answer[1]] += times
            if self._has_own_rationale(decision):
                self._reasoned += times
                self._coherent += times * decision.policy.coherent
            if decision.prompt:
                self._prompts.add(decision.prompt)
        if events := events_of(decision):
            self._take_events(events, decision.snapshot.time)

    def _has_own_rationale(self, decision: Decision) -> bool:
        if self._rationale == "changes":
            return any(exchange.purpose == "rationale" for exchange in decision.exchanges)
        return self._rationale == "always"

    def _take_events(self, events: list[Event], time: str) -> None:
        self._kinds["events"].update(event.kind for event in events if event.kind not in OF_ANSWERS)
        shares = [event.value or 0.0 for event in events if event.kind is EventKind.DISAGREEMENT]
        if shares:  # the question that divided the members of an ensemble most
            self._dissent.append(max(shares))
            self._kinds["votes"]["split" if max(shares) else "unanimous"] += 1
        named = frozenset(event.detail for event in events if event.kind is EventKind.FINGERPRINT)
        self._builds |= named
        self._first_builds = self._first_builds or named
        if named - self._first_builds:
            self._first_other = min(self._first_other, time) if self._others else time
            self._others += 1

    def counts(self) -> AdviceCounts:
        """The counts of all that came."""
        advised = self._answers.total()
        constant = min(self._answers, key=lambda pair: (-self._answers[pair], pair), default=("", ""))
        kinds = {name: ranked(counted) for name, counted in self._kinds.items()}
        return AdviceCounts(
            decisions=self._decisions,
            statuses=kinds.get("statuses", {}),
            abstentions=kinds.get("abstentions", {}),
            repairs=kinds.get("repairs", {}),
            verdicts=kinds.get("verdicts", {}),
            policy_reasons=kinds.get("policy_reasons", {}),
            coherent_share=self._coherent / self._reasoned if self._reasoned else None,
            actions=kinds.get("actions", {}),
            distinct_prompts=len(self._prompts),
            asked_of_model=self._asked,
            life=_life(self._answers, self._rule_answers, len(self._prompts)) if self._asked else Life.UNKNOWN,
            constant_share=self._answers[constant] / advised if advised else None,
            constant_label=constant[0],
            constant_action=constant[1],
            events=kinds.get("events", {}),
            votes=kinds.get("votes", {}),
            disagreement=sum(self._dissent) / len(self._dissent) if self._dissent else None,
            builds=len(self._builds),
            other_builds=self._others,
            other_build_first=self._first_other,
        )


def valid_share(counts: AdviceCounts) -> float | None:
    """The share of the decisions with a valid advice of the model, repaired or not; ``None`` without decisions."""
    valid = counts.statuses.get(Status.ADVISED, 0) + counts.statuses.get(Status.REPAIRED, 0)
    return valid / counts.decisions if counts.decisions else None


class ChangeFinder:
    """Finds the decisions whose status, label or action differs from the one before on the same symbol, each symbol's
    first decision included, as they come."""

    def __init__(self) -> None:
        self._before: dict[str, object] = {}

    def take(self, entry: Entry) -> bool:
        """Whether this one differs."""
        return self.note(entry.decision.snapshot.symbol, outcome_of(entry.decision))

    def note(self, symbol: str, outcome: object) -> bool:
        """Whether this outcome (``outcome_of``) differs from that of the decision before on the symbol."""
        differs = outcome != self._before.get(symbol)
        self._before[symbol] = outcome
        return differs


def outcome_of(decision: Decision) -> tuple[Status, tuple[str, str] | None]:
    """Status, and label and action where there is advice."""
    return decision.status, _answer(decision.advice) if decision.advice else None


def events_of(decision: Decision) -> list[Event]:
    """What happened between the questions and the answers of a decision."""
    return [event for exchange in decision.exchanges for event in exchange.events]


def _life(ours: Counter[tuple[str, str]], rules: Counter[tuple[str, str]], prompts: int) -> Life:
    if prompts < FEWEST_PROMPTS:
        return Life.UNKNOWN
    if _constant(ours):
        return Life.UNKNOWN if _constant(rules) else Life.DEAD
    for part, life in ((0, Life.LABEL_CONSTANT), (1, Life.ACTION_CONSTANT)):
        if _constant(_parts(ours, part)) and not _constant(_parts(rules, part)):
            return life
    return Life.ALIVE


def _constant(answers: Counter[Any]) -> bool:
    return max(answers.values()) >= DEAD_SHARE * answers.total()


def _parts(answers: Counter[tuple[str, str]], part: int) -> Counter[str]:
    """The labels or actions alone."""
    found: Counter[str] = Counter()
    for answer, count in answers.items():
        found[answer[part]] += count
    return found


def _rule_answer(decision: Decision) -> tuple[str, str]:
    label = causal_label(decision.snapshot)
    return label, ACTION_FOR_LABEL[label]


def _answer(advice: Advice) -> tuple[str, str]:
    return str(advice.regime.label), advice.action.type.value


def _kinds(sentences: Iterable[str]) -> set[str]:
    return {sentence.partition(":")[0].strip() for sentence in sentences}


def ranked(counts: Counter[str]) -> dict[str, int]:
    """The counts as plain data, most frequent first, ties by name."""
    return {str(name): count for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))}
