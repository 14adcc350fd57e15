"""What the items of a checklist see at a close: analytics, account, calendar, advice and data, as the gate asks for
them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from llm_strategy.market.analytics.analytic import Analytic
from llm_strategy.market.analytics.past import PastReader
from llm_strategy.market.analytics.registry import find_analytic
from llm_strategy.market.features import WarmUp
from llm_strategy.risk import Account
from llm_strategy.risk.checklist import Checklist, Firing
from llm_strategy.risk.checklist.fields import account_value, calendar_value, data_value, lookback_of
from llm_strategy.risk.checklist.labels import LabelHistory
from llm_strategy.risk.checklist.presets import BAR_LENGTH, BAR_TIME
from llm_strategy.support.condition import Value
from llm_strategy.types import CheckAnswer, Decision, EventKind, Snapshot

OTHER_FIELDS = ("account", "calendar", "advice", "data")
"""Where fields come from that are no analytics."""


class ChecklistInputs:
    """The past of a run as far as a checklist looks back on it: told every close and every decision, and asked at an
    entry which items fire. The closes may be ``shared`` with others, which are told them: decisions are its own."""

    def __init__(self, checklist: Checklist, shared: ChecklistInputs | None = None) -> None:
        self._checklist = checklist
        self._analytics = analytics_of(checklist)
        self._past: PastReader | None = PastReader() if self._analytics else None
        if shared is not None:
            self._past = shared._past
        self._labels: dict[str, LabelHistory] = {}
        self.window = lookback(checklist)
        """Bars that the window of a snapshot must hold."""

    @property
    def measures(self) -> bool:
        """Whether it looks at analytics."""
        return bool(self._analytics)

    @property
    def counts_labels(self) -> bool:
        """Whether it looks at the labels of earlier decisions."""
        return any(name in self._checklist.fields for name in ("advice.label_changes_20", "advice.label_age"))

    def take(self, snapshot: Snapshot) -> None:
        """Take a close into the past."""
        if self._past is not None:
            self._past.take(snapshot)

    def forget(self, symbol: str) -> None:
        """Begin the past of a symbol anew, behind bars that cannot be true."""
        if self._past is not None:
            self._past.forget(symbol)

    def decided(self, decision: Decision) -> None:
        """Take the label of a decision."""
        if decision.advice is not None:
            self._labels.setdefault(decision.snapshot.symbol, LabelHistory()).take(decision.advice.regime.label)

    def firings(
        self, snapshot: Snapshot, account: Account, price: float, decision: Decision | None = None
    ) -> tuple[Firing, ...]:
        """The items that fire at a close, before an entry at this price (currency); without a ``decision`` nothing is
        known of an advice."""

        @cache
        def measured(name: str) -> dict[str, Value]:
            analytic, bars = self._analytics[name], 0 if snapshot.window is None else len(snapshot.window)
            if self._past is None or not snapshot.known or bars < analytic.lookback:
                return dict.fromkeys(analytic.outputs)
            return analytic.run(self._past.at(snapshot))

        def value(name: str) -> Value:
            source, _, output = name.partition(".")
            if name == BAR_TIME:
                return snapshot.time
            if name == BAR_LENGTH:
                return snapshot.timeframe
            if source == "account":
                return account_value(name, account, price)
            if source == "calendar":
                return calendar_value(name, snapshot.time)
            if source == "data":
                return data_value(name, snapshot.window)
            return self._advice(output, decision) if source == "advice" else measured(source)[output]

        answers: Iterable[CheckAnswer] = ()
        if decision is not None and decision.advice is not None:
            answers = decision.advice.checks
        return self._checklist.firings(value, answers)

    def _advice(self, output: str, decision: Decision | None) -> Value:
        if decision is None or decision.advice is None:
            return None
        if output == "confidence":
            return decision.advice.action.confidence
        if output == "disagreement":
            return _disagreement(decision)
        labels = self._labels.get(decision.snapshot.symbol)
        if labels is None:
            return None
        return labels.age if output == "label_age" else labels.changes


def analytics_of(checklist: Checklist) -> dict[str, Analytic]:
    """The analytics that its conditions speak of, by name."""
    own = {analytic.name: analytic for analytic in map(find_analytic, checklist.analytics)}
    names = dict.fromkeys(name.partition(".")[0] for name in checklist.fields)
    return {name: own.get(name) or find_analytic(name) for name in names if name not in OTHER_FIELDS}


def lookback(checklist: Checklist) -> int:
    """Bars that its items look back on; 0 where a close tells them everything."""
    bars = [analytic.lookback for analytic in analytics_of(checklist).values()]
    return max([*bars, *map(lookback_of, checklist.fields)], default=0)


def warm_up(checklist: Checklist) -> WarmUp:
    """The same as what a run needs before its first decision."""
    return WarmUp(lookback(checklist), "risk.checklist")


def _disagreement(decision: Decision) -> float | None:
    """The largest disagreement about any question of a decision; None where no ensemble answered."""
    told = [
        event.value
        for exchange in decision.exchanges
        for event in exchange.events
        if event.kind is EventKind.DISAGREEMENT and event.value is not None
    ]
    return max(told, default=None)
