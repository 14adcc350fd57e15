"""What the decisions of an arm come to, from going once through its journal: of a million lines none is kept. What the
gate did to its advice, what each symbol did and what the arm made of it, and why it traded nothing where it did so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from llm_strategy.market.view import causal_label
from llm_strategy.risk import Intent
from llm_strategy.trading.decision_lines import Entry
from llm_strategy.trading.remarks import Activity, Number, plainly, remarks
from llm_strategy.types import RegimeLabel
from simulator.evaluation.advice import AdviceCounter, AdviceCounts, ChangeFinder, events_of, outcome_of, ranked
from simulator.evaluation.metrics import NOTHING
from simulator.evaluation.regimes import BySymbol, Proposal, SymbolDecisions
from simulator.evaluation.sameness import Sameness, SamenessCounter, cut_to
from simulator.folder.prompt_options import resolved_options
from simulator.folder.record import ArmRecord


@dataclass(frozen=True)
class ArmMeasures:
    """The decisions of one arm, counted; ``decisions`` holds what they were about, in columns."""

    advice: AdviceCounts
    gate: GateCounts
    decisions: BySymbol
    changes: int
    """Decisions that differ from the one before."""
    sameness: Sameness | None
    cuts: Counter[str]
    """Entries by the limit that cut them away (``cut_to``)."""
    activity: Activity
    """Without orders and account."""


def measure(arm: ArmRecord) -> ArmMeasures:
    """What the decisions of an arm come to, read from its journal the first time."""
    if arm not in _MEASURED:
        *_, own_labels, rationale = key = _key_of(arm)
        if key not in _OF_FILE:
            found = _measured(arm.entries, own_labels=bool(own_labels), rationale=str(rationale))
            take_measures(arm, found)
        _MEASURED[arm] = _OF_FILE[key]
    return _MEASURED[arm]


def take_measures(arm: ArmRecord, measures: ArmMeasures) -> None:
    """Take what another process measured of the same journal."""
    while len(_OF_FILE) >= _MOST_FILES:
        del _OF_FILE[next(iter(_OF_FILE))]
    _MEASURED[arm] = _OF_FILE[_key_of(arm)] = measures


def _key_of(arm: ArmRecord) -> tuple[Hashable, ...]:
    rationale = (resolved_options(arm.manifest) or {}).get("rationale", "always")
    return *_identity_of(arm.decisions.path), not arm.regimes.are_usual, rationale


def _identity_of(path: Path) -> tuple[int, ...]:
    """What a journal keeps when its folder is named otherwise, and loses when anything is written into it."""
    try:
        told = path.stat()
    except OSError:
        return ()
    return told.st_dev, told.st_ino, told.st_size, told.st_mtime_ns, told.st_ctime_ns


_MEASURED: WeakKeyDictionary[ArmRecord, ArmMeasures] = WeakKeyDictionary()
_OF_FILE: dict[tuple[Hashable, ...], ArmMeasures] = {}
"""By the file: a finished run is measured for its page, and read back for the console."""
_MOST_FILES = 12


def _measured(entries: Iterable[Entry], *, own_labels: bool, rationale: str) -> ArmMeasures:
    counted, changed = _Counters(rationale), ChangeFinder()
    symbols: dict[str, SymbolDecisions] = {}
    alike: dict[Hashable, _Alike] = {}
    changes = 0
    for entry in entries:
        snapshot = entry.decision.snapshot
        label = causal_label(snapshot)
        key = _outcome_key(entry, label)
        if (same := alike.get(key)) is None:
            if len(alike) >= _MOST_ALIKE:
                counted.take(alike.values())
                alike.clear()
            same = alike[key] = _Alike(entry, own_labels=own_labels)
        same.times += 1
        if (made := symbols.get(snapshot.symbol)) is None:
            made = symbols[snapshot.symbol] = SymbolDecisions(own_labels=own_labels)
        made.add(entry.bar, snapshot, label, same.proposal)
        changes += changed.note(snapshot.symbol, same.outcome)
    counted.take(alike.values())
    return counted.measures(symbols, changes)


class _Alike:
    """Decisions that differ in bar and snapshot alone, at which the causal rule says the same: nearly all of a journal
    repeat an earlier one, which has been counted as soon as it is known how often."""

    def __init__(self, entry: Entry, *, own_labels: bool) -> None:
        self.entry = entry
        """The first of them."""
        self.times = 0
        self.proposal = Proposal.of(entry.decision, own_labels=own_labels)
        self.outcome = outcome_of(entry.decision)


_MOST_ALIKE = 4_096


def _outcome_key(entry: Entry, rule_label: RegimeLabel) -> Hashable:
    """The same for entries of the same objects; an entry at which something happened between question and answer is
    like none."""
    decision = entry.decision
    if decision.exchanges and events_of(decision):
        return id(entry)
    return (
        rule_label,
        decision.status,
        id(decision.advice),
        id(decision.abstention),
        id(decision.policy),
        id(decision.prompt),
        id(decision.exchanges),
        id(decision.repairs),
        id(decision.instead_of),
        id(entry.verdict),
    )


class _Counters:
    """What is counted over the decisions of an arm, whatever their order."""

    def __init__(self, rationale: str) -> None:
        self._advice, self._gate, self._same = AdviceCounter(rationale), GateCounter(), SamenessCounter()
        self._cuts, self._activity = Counter[str](), Activity()

    def take(self, alike: Iterable[_Alike]) -> None:
        """Count those that are alike together, in the order of the first of them."""
        for same in alike:
            self._take(same.entry, same.times)

    def _take(self, entry: Entry, times: int) -> None:
        decision, verdict = entry.decision, entry.verdict
        self._advice.take(entry, times)
        self._gate.take(entry, times)
        self._same.take(entry, times)
        if (limit := cut_to(verdict)) is not None:
            self._cuts[limit] += times
        advised, abstained = decision.advice, decision.abstention
        self._activity.decided(
            None if advised is None else advised.action.type,
            None if abstained is None else (abstained.reason, abstained.detail),
            times,
        )
        self._activity.judged(verdict.intent, [cut.limit for cut in verdict.clamps if not cut.is_flag], times)

    def measures(self, symbols: BySymbol, changes: int) -> ArmMeasures:
        """What all of them come to."""
        return ArmMeasures(
            self._advice.counts(),
            self._gate.counts(),
            dict(sorted(symbols.items())),
            changes,
            self._same.sameness(),
            self._cuts,
            self._activity,
        )


@dataclass(frozen=True, slots=True)
class SymbolStatistics:
    """One symbol in one arm."""

    symbol: str
    bars: int
    first_decision: pd.Timestamp | None
    last_bar: pd.Timestamp
    ended: bool
    """Whether its data end before the last bar of the run."""
    price_change: float | None
    """From the close of the first decision to the last close (fraction)."""
    decisions: int
    trades: int
    net_profit: float
    """Currency, after commission; a position still open is marked at the last close."""
    profit_share: float | None
    """Of the net profit of all symbols; ``None`` where there is none to share."""
    held: bool
    """Whether a position is open at its last bar."""


def symbol_table(arm: ArmRecord, prices: Mapping[str, pd.DataFrame]) -> tuple[SymbolStatistics, ...]:
    """Measure every symbol of the prices in one arm, sorted by name."""
    made = measure(arm).decisions
    end = max(table.index[-1] for table in prices.values())
    total = float(arm.trades["net"].sum())
    found = []
    for symbol, table in sorted(prices.items()):
        decisions, trades = made.get(symbol), arm.trades[arm.trades["symbol"] == symbol]
        net, last_close = float(trades["net"].sum()), table["close"].iloc[-1]
        found.append(
            SymbolStatistics(
                symbol=symbol,
                bars=len(table),
                first_decision=pd.Timestamp(decisions.times[0]) if decisions else None,
                last_bar=table.index[-1],
                ended=bool(table.index[-1] < end),
                price_change=float(last_close / decisions.closes[0] - 1) if decisions else None,
                decisions=len(decisions or ()),
                trades=len(trades),
                net_profit=net,
                profit_share=net / total if total > 0 else None,
                held=bool((trades["exit_reason"] == "open").any()),
            )
        )
    return tuple(found)


def most_traded(arm: ArmRecord, prices: Mapping[str, pd.DataFrame], number: int) -> list[str]:
    """The symbols with the most trades of an arm, ties by name; sorted by name."""
    counts = Counter(arm.trades["symbol"])
    ranked = sorted(prices, key=lambda symbol: (-counts[symbol], symbol))
    return sorted(ranked[:number])


def activity_of(arm: ArmRecord) -> Activity:
    """Decisions, verdicts, entry orders and the largest exposure of an arm."""
    seen = deepcopy(measure(arm).activity)
    for kind, status, filled in zip(arm.orders["kind"], arm.orders["status"], arm.orders["filled"], strict=True):
        seen.sent(kind, status, filled)
    seen.valued(zip(arm.equity["gross"], arm.equity["equity"], strict=True))
    return seen


def arm_remarks(
    arms: Iterable[ArmRecord], number: Callable[[str], Number] = lambda arm: plainly, *, details: bool = True
) -> list[str]:
    """A sentence for the arms that traded nothing or next to nothing for the same reason; ``number`` writes the counts
    of an arm."""
    alike: dict[tuple[str, ...], list[ArmRecord]] = {}
    for arm in arms:
        alike.setdefault(tuple(remarks(activity_of(arm), details=details)), []).append(arm)
    return [
        said
        for same in alike.values()
        for said in remarks(
            activity_of(same[0]), number(same[0].name), by=_listed([arm.name for arm in same]), details=details
        )
    ]


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


_OPENED = (Intent.ENTER_LONG, Intent.ENTER_SHORT, Intent.TIGHTEN)


@dataclass(frozen=True, slots=True)
class GateCounts:
    """What limits did, over all decisions of an arm."""

    cut: int
    """Decisions that went through smaller, or with a closer stop or target."""
    refused: int
    """Decisions that did not go through."""
    clamps: dict[str, int]
    """Cuts of entries and stops that went through smaller or closer, by limit, most frequent first."""
    refusals: dict[str, int]
    """Advice that did not go through, by the limit that refused it, most frequent first."""


@dataclass(frozen=True, slots=True)
class KillSwitchUse:
    """What the drawdown kill switch did to an account."""

    fired: pd.Timestamp | None
    """Close at which it fired first."""
    bars_out: int
    """Bars since then that closed without a position."""
    for_good: bool
    """Whether it fired and never lets entries through again."""


class GateCounter:
    """Counts the verdicts of a journal as they come.

    A refusal is named by the last limit that it ran into; an exit that the gate ordered is neither cut nor refusal.
    """

    def __init__(self) -> None:
        self._cut = 0
        self._cuts: Counter[str] = Counter()
        self._refusals: Counter[str] = Counter()

    def take(self, entry: Entry, times: int = 1) -> None:
        """Count one more, or so many of the same verdict."""
        intent, clamps = entry.verdict.intent, entry.verdict.clamps
        if intent in _OPENED:
            cuts = [clamp.limit for clamp in clamps if not clamp.is_flag]
            self._cut += times * bool(cuts)
            for limit in cuts:
                self._cuts[limit] += times
        elif intent is Intent.NONE and clamps:
            self._refusals[clamps[-1].limit] += times

    def counts(self) -> GateCounts:
        """The counts of all that came."""
        return GateCounts(self._cut, self._refusals.total(), ranked(self._cuts), ranked(self._refusals))


def kill_switch(equity: pd.DataFrame, max_drawdown: float, rearm_after_bars: int | None) -> KillSwitchUse:
    """Read the first firing from an equity table: its first close at ``max_drawdown`` (fraction) below the peak."""
    values = equity["equity"].to_numpy(dtype=np.float64)
    peaks = np.maximum.accumulate(values) if len(values) else values
    fallen = np.flatnonzero((peaks > 0) & (1 - values / np.where(peaks > 0, peaks, 1.0) >= max_drawdown))
    if not len(fallen):
        return KillSwitchUse(None, 0, for_good=False)
    first = int(fallen[0])
    gross = equity["gross"].to_numpy(dtype=np.float64)[first + 1 :]
    return KillSwitchUse(equity.index[first], int((gross <= NOTHING).sum()), for_good=rearm_after_bars is None)
