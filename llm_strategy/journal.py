"""The append-only record of a run: decisions as they are made, orders and trades at the end. Nothing reads it back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TextIO

from llm_strategy.contract import advice_to_document
from llm_strategy.ledger import OrderRow, TradeRow
from llm_strategy.risk import Verdict
from llm_strategy.types import Decision


class EquityRow(NamedTuple):
    """The account at a close: currency, and signed shares."""

    time: str
    close: float
    equity: float
    cash: float
    position: float


@dataclass(frozen=True, slots=True)
class Entry:
    """One decision with the gate's verdict; ``bar`` is the row of the feed, from 0."""

    bar: int
    decision: Decision
    verdict: Verdict


class Journal:
    """Keeps what happened in memory and, with ``sink``, writes each decision as a line of JSON before anything trades.

    ``on_decision`` is called with the number of decisions so far after each one.
    """

    def __init__(self, sink: TextIO | None = None, on_decision: Callable[[int], None] | None = None) -> None:
        self._sink = sink
        self._on_decision = on_decision
        self.entries: list[Entry] = []
        self.equity: list[EquityRow] = []
        self.orders: list[OrderRow] = []
        self.trades: list[TradeRow] = []

    def decided(self, bar: int, decision: Decision, verdict: Verdict) -> None:
        """Append a decision."""
        self.entries.append(Entry(bar, decision, verdict))
        if self._sink is not None:
            self._sink.write(decision_line(bar, decision, verdict))
            self._sink.flush()
        if self._on_decision is not None:
            self._on_decision(len(self.entries))

    def closed(self, row: EquityRow) -> None:
        """Append the account at a close."""
        self.equity.append(row)

    def finished(self, orders: list[OrderRow], trades: list[TradeRow]) -> None:
        """Take the books at the end of the data."""
        self.orders, self.trades = orders, trades


def decision_line(bar: int, decision: Decision, verdict: Verdict) -> str:
    """A decision as one line of JSON with a line feed: keys sorted, the same bytes for the same decision."""
    return json.dumps(_document(bar, decision, verdict), sort_keys=True, separators=(",", ":"), allow_nan=False) + "\n"


def _document(bar: int, decision: Decision, verdict: Verdict) -> dict[str, Any]:
    snapshot, abstention, exchanges = decision.snapshot, decision.abstention, decision.exchanges
    asked = [{"request": exchange.request_hash, "answer": exchange.answer} for exchange in exchanges]
    first = asked[0] if asked else {"request": "", "answer": ""}
    return {
        "bar": bar,
        "time": snapshot.time,
        "snapshot": {name: getattr(snapshot, name) for name in snapshot.__slots__},
        "prompt": decision.prompt,
        "request": first["request"],
        "answer": first["answer"],
        "repair": asked[1] if len(asked) > 1 else None,
        "status": decision.status,
        "advice": None if decision.advice is None else advice_to_document(decision.advice),
        "abstention": None if abstention is None else {"reason": abstention.reason, "detail": abstention.detail},
        "policy": {
            "verdict": decision.policy.verdict,
            "reasons": decision.policy.reasons,
            "coherent": decision.policy.coherent,
        },
        "repairs": decision.repairs,
        "verdict": {
            "intent": verdict.intent,
            "size": verdict.size,
            "stop_pct": verdict.stop_pct,
            "target_pct": verdict.target_pct,
            "reason": verdict.reason,
        },
        "clamps": [{"limit": cut.limit, "before": cut.before, "after": cut.after} for cut in verdict.clamps],
    }
