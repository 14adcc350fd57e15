"""What the market did after each label, how restless the labels are, and whether two arms see the same regimes.

A label is scored on what its symbol did next: from the close of the decision to the close of the next decision on the
same symbol. The decision itself saw nothing of that.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from sys import intern
from typing import NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from llm_strategy.market.view import causal_label
from llm_strategy.trading.decision_lines import Entry
from llm_strategy.types import Decision, RegimeLabel, Snapshot
from simulator.evaluation.entropy import label_entropy
from simulator.evaluation.metrics import volatility

LABELS = tuple(label.value for label in RegimeLabel)
"""Those of the causal rule, and of an advisor that has none of its own."""
FEWEST_MOVES = 30
"""Moves after a label below which a figure for a year would say nothing."""


@dataclass(frozen=True, slots=True)
class RegimeStatistics:
    """One label over all decisions of an arm."""

    label: str
    bars: int
    share: float
    """Of the decisions that carry a label."""
    mean_return: float | None
    """Mean return until the next decision times the decisions in a year (fraction); ``None`` with too few of them."""
    volatility: float | None
    """Annual standard deviation of these returns (fraction)."""


@dataclass(frozen=True, slots=True)
class RegimeTable:
    """``regimes`` in the order of the arm's labels, also those that never came; ``unlabelled`` counts abstentions, and
    decisions of a rule in the model's place where that has labels of its own."""

    regimes: tuple[RegimeStatistics, ...]
    unlabelled: int
    flips_per_year: float | None
    """Changes from one labelled decision to the next on the same symbol."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How two arms labelled the same bars."""

    bars: int
    """Bars that both labelled."""
    share: float | None
    """Of those with the same label."""
    kappa: float | None
    """Cohen's kappa (1960): agreement beyond chance; ``None`` where one label is all there is on both sides."""
    confusion: dict[tuple[str, str], int]
    """Bars by (label of the first, label of the second), every pair of labels present."""


class Proposal(NamedTuple):
    """What a decision proposes, as the columns of ``SymbolDecisions`` hold it."""

    label: str | None
    action: str | None
    confidence: float
    entropy: float

    @classmethod
    def of(cls, decision: Decision, *, own_labels: bool) -> Proposal:
        """That of a decision."""
        advice = decision.advice
        if advice is None or (own_labels and decision.instead_of is not None):
            return cls(None, None, math.nan, math.nan)
        label = intern(str(advice.regime.label))
        if decision.instead_of is not None:
            return cls(label, None, math.nan, math.nan)
        return cls(label, advice.action.type.value, advice.action.confidence, label_entropy(decision))


@dataclass(slots=True)
class SymbolDecisions:
    """What the decisions on one symbol were about, in columns, because a run may have a million of them. Where the
    advisor has ``own_labels``, that of a rule which decided in its place is none."""

    times: list[str] = field(default_factory=list)
    bars: array[int] = field(default_factory=lambda: array("q"))
    closes: array[float] = field(default_factory=lambda: array("d"))
    labels: list[str | None] = field(default_factory=list)
    own_labels: bool = False
    actions: list[str | None] = field(default_factory=list)
    """What the advisor itself proposed: none where it abstained, or a rule decided in its place."""
    rule_labels: list[str] = field(default_factory=list)
    """What the causal rule says at the same closes."""
    confidences: array[float] = field(default_factory=lambda: array("d"))
    """How sure the advisor itself was of its action (0 to 1); NaN where it proposed none."""
    entropies: array[float] = field(default_factory=lambda: array("d"))
    """How evenly its scores were spread over the labels (0 to 1); NaN where it scored none."""

    def __len__(self) -> int:
        return len(self.times)

    def take(self, entry: Entry) -> None:
        """Take one more."""
        proposal = Proposal.of(entry.decision, own_labels=self.own_labels)
        self.add(entry.bar, entry.decision.snapshot, causal_label(entry.decision.snapshot), proposal)

    def add(self, bar: int, snapshot: Snapshot, rule_label: RegimeLabel, proposal: Proposal) -> None:
        """Take what is proposed at a close, of which the causal rule says this."""
        self.times.append(intern(snapshot.time))  # the arms of a run see the same bars
        self.bars.append(bar)
        self.closes.append(snapshot.close)
        self.labels.append(proposal.label)
        self.rule_labels.append(intern(rule_label.value))
        self.actions.append(proposal.action)
        self.confidences.append(proposal.confidence)
        self.entropies.append(proposal.entropy)


BySymbol: TypeAlias = Mapping[str, SymbolDecisions]
JournalEntries: TypeAlias = BySymbol | Iterable[Entry]
"""Decisions by symbol, or the entries of a journal."""


def by_symbol(decisions: JournalEntries) -> BySymbol:
    """The decisions on each symbol in their order, symbols sorted."""
    if isinstance(decisions, Mapping):
        return dict(sorted(decisions.items()))
    found: dict[str, SymbolDecisions] = defaultdict(SymbolDecisions)
    for entry in decisions:
        found[entry.decision.snapshot.symbol].take(entry)
    return dict(sorted(found.items()))


def decisions_per_year(decisions: JournalEntries, times: pd.Index, bars_per_year: float) -> float:
    """Decisions a year on one symbol, on average, where ``times`` are the bars of the account, ``bars_per_year`` of
    them a year."""
    steps = bars = 0
    for made in by_symbol(decisions).values():
        first, last = times.searchsorted([pd.Timestamp(made.times[0]), pd.Timestamp(made.times[-1])])
        steps, bars = steps + len(made) - 1, bars + int(last - first)
    return bars_per_year * steps / bars if bars else bars_per_year


def regime_table(decisions: JournalEntries, per_year: float, names: Sequence[str] = LABELS) -> RegimeTable:
    """Score the labels of one arm, which are of these ``names``, ``per_year`` decisions on a symbol being a year; the
    last decision on each symbol has no next one."""
    moves: dict[str, list[float]] = {name: [] for name in names}
    counts: Counter[str] = Counter()
    flips = steps = unlabelled = 0
    for made in by_symbol(decisions).values():
        for label, (close, following) in zip(made.labels, pairwise(made.closes), strict=False):
            if label is not None:
                moves[label].append(following / close - 1)
        labelled = [(at, label) for at, label in enumerate(made.labels) if label is not None]
        counts.update(label for _, label in labelled)
        flips += sum(before[1] != after[1] for before, after in pairwise(labelled))
        steps += labelled[-1][0] - labelled[0][0] if labelled else 0
        unlabelled += len(made) - len(labelled)
    labels = counts.total()
    regimes = tuple(
        RegimeStatistics(name, counts[name], counts[name] / max(1, labels), *_of_a_year(moves[name], per_year))
        for name in names
    )
    return RegimeTable(regimes, unlabelled, flips * per_year / steps if steps else None)


def agreement(first: JournalEntries, second: JournalEntries, names: Sequence[str] = LABELS) -> Agreement:
    """Compare the labels of two arms, both of these ``names``, on the bars, each of one symbol, that both labelled."""
    others, counts = by_symbol(second), Counter[tuple[str, str]]()
    for symbol, made in by_symbol(first).items():
        if symbol in others:
            known = dict(zip(others[symbol].bars, others[symbol].labels, strict=True))
            pairs = ((label, known.get(bar)) for bar, label in zip(made.bars, made.labels, strict=True))
            counts.update((a, b) for a, b in pairs if a is not None and b is not None)
    confusion = {(a, b): counts[a, b] for a in names for b in names}
    total = sum(confusion.values())
    if not total:
        return Agreement(0, None, None, confusion)
    same = sum(confusion[label, label] for label in names)
    return Agreement(total, same / total, kappa(confusion), confusion)


def kappa(confusion: Mapping[tuple[str, str], int]) -> float | None:
    """Cohen's kappa (1960), agreement beyond chance, of counts by (label of the first, label of the second); ``None``
    where nothing was counted, or one label is all there is on both sides."""
    total = sum(confusion.values())
    first: Counter[str] = Counter()
    second: Counter[str] = Counter()
    for (one, other), count in confusion.items():
        first[one] += count
        second[other] += count
    by_chance = sum(first[label] * second[label] for label in first)
    if by_chance == total * total:
        return None
    same, chance = sum(confusion.get((label, label), 0) for label in first) / total, by_chance / (total * total)
    return (same - chance) / (1 - chance)


def _of_a_year(moves: Sequence[float], per_year: float) -> tuple[float | None, float | None]:
    if len(moves) < FEWEST_MOVES:
        return None, None
    values = np.array(moves)
    return float(values.mean()) * per_year, volatility(values, per_year)
