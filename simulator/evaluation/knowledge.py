"""What a model may know of the bars of a run: its stated knowledge cutoff, what it was shown that names the period, and
what its account did up to that day and behind it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import pandas as pd

from llm_strategy.types import Decision
from simulator.evaluation.cash import CashRate
from simulator.evaluation.metrics import Performance, performance
from simulator.folder.manifest import advisor_settings
from simulator.folder.record import ArmRecord, Record

SYMBOL, DATE, PRICE = "the symbol", "the date", "the price level"


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What is known of the memory of the model of an arm."""

    until: str | None
    """The last day that the model may have read about, as its maker states it (ISO date); None where none is stated."""
    share_before: float | None
    """Share of the bars from the first decision on that are not behind that day; None where none is stated."""
    identifies: tuple[str, ...]
    """What the model was shown that names the period: the symbol, the date, the price level."""


@dataclass(frozen=True, slots=True)
class Parts:
    """An account up to the stated cutoff and behind it, with the bars of each part."""

    bars_before: int
    bars_after: int
    before: Performance
    after: Performance


def stated_cutoff(arm: ArmRecord) -> pd.Timestamp | None:
    """The moment behind which the model of an arm can have read about no bar, as far as its maker says; None where no
    model advised it, or nothing is said."""
    until = None if arm.manifest["model"] is None else advisor_settings(arm.manifest).get("knowledge_until")
    return None if until is None else _end(until)


def knowledge_of(record: Record, arm: ArmRecord) -> Knowledge | None:
    """What is known of the memory of the arm's model; None where no model advised it."""
    if arm.manifest["model"] is None:
        return None
    until = advisor_settings(arm.manifest).get("knowledge_until")
    times = arm.equity.index
    share = float((times < _end(until)).mean()) if until is not None and len(times) else None
    return Knowledge(until, share, shown_identity(arm))


def account_parts(arm: ArmRecord, until: str, bars_per_year: float, cash_rate: CashRate = 0.0) -> Parts:
    """The account of an arm, measured up to the end of this day and from there on."""
    equity = arm.equity
    bars = int((equity.index < _end(until)).sum())
    # the last value of the first part is the one that the first return of the second starts from
    before, after = equity.iloc[:bars], equity.iloc[max(0, bars - 1) :]
    first, second = (performance(part, bars_per_year, cash_rate) for part in (before, after))
    return Parts(bars, len(equity) - bars, first, second)


def shown_identity(arm: ArmRecord) -> tuple[str, ...]:
    """What most prompts of an arm show that names the period, judged by the prompts themselves and not by what was
    configured; its journal is read the first time."""
    if arm not in _SHOWN:
        _SHOWN[arm] = _shown(entry.decision for entry in arm.entries)
    return _SHOWN[arm]


_SHOWN: WeakKeyDictionary[ArmRecord, tuple[str, ...]] = WeakKeyDictionary()


def _shown(decisions: Iterable[Decision]) -> tuple[str, ...]:
    found, prompts = Counter[str](), 0
    for decision in decisions:
        parts = (decision.prompt, *(part.text for part in decision.context))
        if prompt := "\n\n".join(filter(None, parts)):
            snapshot = decision.snapshot
            prompts += 1
            found[SYMBOL] += _holds(prompt, snapshot.symbol)
            found[DATE] += _holds(prompt, snapshot.time[:10])
            found[PRICE] += _holds(prompt, f"{snapshot.close:g}")
    # a rounded figure may equal the price by chance
    return tuple(what for what, times in found.items() if 2 * times > prompts)


def _end(until: str) -> pd.Timestamp:
    """The moment from which on bars are behind the cutoff."""
    return pd.Timestamp(until) + pd.Timedelta(days=1)


def _holds(text: str, word: str) -> bool:
    """Whether a word stands in a text, and not as a part of a longer word, number or percentage."""
    return word in text and re.search(rf"(?<![\w.]){re.escape(word)}(?![a-z\d%]|\.\d)", text) is not None
