"""What was measured where an event of a watch happened: the market at the last decision on its symbol, or the accounts.

It is what a model may choose from when it explains an alert, and is kept as JSON beside the alert, so that a watch that
goes on after a kill explains from the same figures.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from llm_strategy.market.analytics.line import MARKET
from llm_strategy.market.analytics.past import PastReader
from llm_strategy.trading.journal import EquityRow
from llm_strategy.types import Snapshot
from simulator.folder.evidence import round_digits
from simulator.reporting.brief.figures import Figure, parts_of
from simulator.reporting.explanation.parts import Part, names_of
from simulator.reporting.explanation.relations import Known
from simulator.reporting.facts.fact import FactTable
from simulator.reporting.facts.terms import ARM_TERMS
from simulator.watch.events import EventKind, WatchEvent

_OF_ACCOUNTS = (EventKind.DRAWDOWN, EventKind.KILL_SWITCH)


class Circumstances:
    """The last measurements of a watch. ``calm`` is set while nothing is decided: who explains begins nothing else
    then, so that no decision waits for it."""

    def __init__(self) -> None:
        self.calm = threading.Event()
        self.calm.set()
        self._snapshots: dict[str, Snapshot] = {}
        self._accounts: dict[str, _Account] = {}
        self._time = ""

    @contextmanager
    def deciding(self) -> Iterator[None]:
        """A close is being decided."""
        self.calm.clear()
        try:
            yield
        finally:
            self.calm.set()

    def note_decision(self, snapshot: Snapshot) -> None:
        """What was known at a decision."""
        self._snapshots[snapshot.symbol] = snapshot

    def note_account(self, arm: str, row: EquityRow) -> None:
        """An account after a close."""
        self._time = row.time
        self._accounts.setdefault(arm, _Account(row.equity)).take(row)

    def of(self, event: WatchEvent) -> str:
        """What was measured where an event happened, as JSON; empty where nothing was, as of a feed."""
        if event.kind in _OF_ACCOUNTS:
            accounts = {arm: account.figures for arm, account in self._accounts.items()}
            return json.dumps({"about": event.advisor, "time": self._time, "accounts": accounts})
        snapshot = self._snapshots.get(event.symbol)
        if snapshot is None:
            return ""
        values = MARKET.run(PastReader().at(snapshot))
        figures = [Figure("market", name, value, MARKET.outputs[name]).as_dict() for name, value in values.items()]
        return json.dumps({"about": event.symbol, "time": snapshot.time, "figures": figures})


class _Account:
    """How an account has done since the first close: its return, its largest drawdown, and how far it was invested in
    the mean."""

    def __init__(self, first: float) -> None:
        self._first = self._peak = first
        self._fall = self._exposure = 0.0
        self._closes = 0
        self._last = first

    def take(self, row: EquityRow) -> None:
        self._last = row.equity
        self._peak = max(self._peak, row.equity)
        self._closes += 1
        if row.equity > 0:
            self._fall = min(self._fall, row.equity / self._peak - 1)
            self._exposure += row.gross / row.equity

    @property
    def figures(self) -> dict[str, float]:
        """By metric, as the terms of a report."""
        figures = {
            "total_return": self._last / self._first - 1,
            "max_drawdown": -self._fall,
            "exposure": self._exposure / self._closes,
        }
        return {name: round_digits(value) for name, value in figures.items()}


def part_of(circumstances: str) -> Part:
    """The part of an explanation that the measurements of an event allow; raises as reading a damaged mapping does."""
    document: Mapping[str, Any] = json.loads(circumstances)
    if "figures" in document:
        (part,) = parts_of([Figure.from_dict(figure) for figure in document["figures"]])
        return part
    table = FactTable()
    for arm, figures in document["accounts"].items():
        for metric, value in figures.items():
            table.term(arm, metric, ARM_TERMS[metric], value)
    about = str(document["about"])
    known = Known(table.facts, table.facts)
    return Part(
        "The account", f"how the account of {about} stands", known, (), about, names_of(document["accounts"], about)
    )


def place_of(circumstances: str) -> str:
    """Of what and of when the measurements are, in words."""
    document = json.loads(circumstances)
    where = f"of {document['about']} " if "figures" in document else ""
    return f"{where}at the close of {str(document['time'])[:19].replace('T', ' ')}"
