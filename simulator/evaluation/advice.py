"""How the decisions of an arm came about, and whether its advisor reads what it is shown.

A *dead* advisor gives the same label and action whatever the prompt says; a *nearly dead* one varies one of the two. It
is held against the causal rule on the same bars: where that saw one regime alone, a constant answer may be right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from llm_strategy.regime_rule import ACTION_FOR_LABEL, causal_label
from llm_strategy.types import OF_ANSWERS, EventKind, Snapshot
from simulator.evaluation.regimes import symbol_of

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
    """Share of the advised decisions whose label, action and rationale agree."""
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


def count_advice(decisions: Sequence[dict[str, Any]]) -> AdviceCounts:
    """Count the lines of ``decisions.jsonl``."""
    advised = [decision for decision in decisions if decision["advice"] is not None]
    actions = Counter(decision["advice"]["action"]["type"] for decision in advised)
    pairs = Counter(_answer(decision) for decision in advised)
    prompts = len({decision["prompt"] for decision in advised if decision["prompt"]})
    constant = min(pairs, key=lambda pair: (-pairs[pair], pair), default=("", ""))
    asked = any(decision["request"] for decision in decisions)
    events = [event for decision in decisions for event in _events(decision)]
    dissent = [share for decision in decisions if (share := _dissent(decision)) is not None]
    builds = [(_builds(decision), decision["snapshot"]["time"]) for decision in decisions]
    first_builds = next((named for named, _ in builds if named), frozenset())
    others = [time for named, time in builds if named - first_builds]
    coherent = sum(bool(decision["policy"]["coherent"]) for decision in advised)
    return AdviceCounts(
        decisions=len(decisions),
        statuses=_ranked(decision["status"] for decision in decisions),
        abstentions=_ranked(decision["abstention"]["reason"] for decision in decisions if decision["abstention"]),
        repairs=_ranked(kind for decision in decisions for kind in _kinds(decision["repairs"])),
        verdicts=_ranked(decision["policy"]["verdict"] for decision in decisions),
        policy_reasons=_ranked(kind for decision in decisions for kind in _kinds(decision["policy"]["reasons"])),
        coherent_share=coherent / len(advised) if advised else None,
        actions=_ranked(actions.elements()),
        distinct_prompts=prompts,
        asked_of_model=asked,
        life=_life(advised, prompts) if asked else Life.UNKNOWN,
        constant_share=pairs[constant] / len(advised) if advised else None,
        constant_label=constant[0],
        constant_action=constant[1],
        events=_ranked(event["kind"] for event in events if event["kind"] not in OF_ANSWERS),
        votes=_ranked("split" if share else "unanimous" for share in dissent),
        disagreement=sum(dissent) / len(dissent) if dissent else None,
        builds=len(frozenset[str]().union(*(named for named, _ in builds))),
        other_builds=len(others),
        other_build_first=min(others, default=""),
    )


def advice_changes(decisions: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The decisions whose status, label or action differs from the one before on the same symbol, each symbol's first
    decision included."""
    changes: list[dict[str, Any]] = []
    before: dict[str, object] = {}
    for decision in decisions:
        now = (decision["status"], _answer(decision) if decision["advice"] else None)
        if now != before.get(symbol_of(decision)):
            changes.append(decision)
        before[symbol_of(decision)] = now
    return changes


def _life(advised: Sequence[dict[str, Any]], prompts: int) -> Life:
    if prompts < FEWEST_PROMPTS:
        return Life.UNKNOWN
    ours, rules = [_answer(decision) for decision in advised], [_rule_answer(decision) for decision in advised]
    if _constant(ours):
        return Life.UNKNOWN if _constant(rules) else Life.DEAD
    for part, life in ((0, Life.LABEL_CONSTANT), (1, Life.ACTION_CONSTANT)):
        if _constant([answer[part] for answer in ours]) and not _constant([answer[part] for answer in rules]):
            return life
    return Life.ALIVE


def _constant(answers: Sequence[object]) -> bool:
    return max(Counter(answers).values()) >= DEAD_SHARE * len(answers)


def _rule_answer(decision: dict[str, Any]) -> tuple[str, str]:
    label = causal_label(Snapshot(**decision["snapshot"]))
    return label, ACTION_FOR_LABEL[label]


def _events(decision: dict[str, Any]) -> list[dict[str, Any]]:
    """What happened at all questions of a decision; the key is there only where something did."""
    questions = [decision, decision.get("repair") or {}, *decision.get("further", ())]
    return [event for question in questions for event in question.get("events", ())]


def _builds(decision: dict[str, Any]) -> frozenset[str]:
    return frozenset(event["detail"] for event in _events(decision) if event["kind"] == EventKind.FINGERPRINT)


def _dissent(decision: dict[str, Any]) -> float | None:
    """The greatest share of an ensemble's members that voted otherwise, over the questions of a decision."""
    shares = [event["value"] for event in _events(decision) if event["kind"] == EventKind.DISAGREEMENT]
    return max(shares, default=None)


def _answer(decision: dict[str, Any]) -> tuple[str, str]:
    advice = decision["advice"]
    return advice["regime"]["label"], advice["action"]["type"]


def _kinds(sentences: Iterable[str]) -> set[str]:
    return {sentence.partition(":")[0].strip() for sentence in sentences}


def _ranked(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items(), key=lambda item: (-item[1], item[0])))
