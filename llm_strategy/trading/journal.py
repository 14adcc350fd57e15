"""The append-only record of a run: decisions as they are made, orders and trades at the end. Nothing reads it back."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from llm_strategy.advice.contract import advice_to_document
from llm_strategy.errors import ConfigurationError
from llm_strategy.risk import Verdict
from llm_strategy.trading.ledger import OrderRow, TradeRow
from llm_strategy.trading.remarks import Activity
from llm_strategy.types import Abstention, Advice, Decision, Exchange, PolicyOutcome, Snapshot, Status

if TYPE_CHECKING:
    from llm_strategy.trading.frames import Frames


class EquityRow(NamedTuple):
    """The account at a close, in currency: positions netted and added up, and what borrowing has cost so far."""

    time: str
    equity: float
    cash: float
    net: float
    gross: float
    carry: float


@dataclass(frozen=True, slots=True)
class Entry:
    """One decision with the gate's verdict; ``bar`` is the row of the feed, from 0."""

    bar: int
    decision: Decision
    verdict: Verdict


class Journal:
    """Keeps what happened in memory and, with ``sink``, writes each decision as a line of JSON before anything trades.

    ``on_decision`` is called with the number of decisions so far after each one. With ``keep`` a decision is given to
    it in place of being kept in ``entries``, so that a long run needs no memory for them.
    """

    def __init__(
        self,
        sink: TextIO | None = None,
        on_decision: Callable[[int], None] | None = None,
        *,
        keep: Callable[[Entry], None] | None = None,
    ) -> None:
        self._sink = sink
        self._on_decision = on_decision
        self._flushed: set[int] = set()
        self._begun = False
        self._seen = Activity()
        self.entries: list[Entry] = []
        self._keep = keep
        self.equity: list[EquityRow] = []
        self.orders: list[OrderRow] = []
        self.trades: list[TradeRow] = []

    def frames(self) -> Frames:
        """Decisions, orders, trades and equity as DataFrames; the columns stand with ``trading.frames.Frames``."""
        from llm_strategy.trading.frames import frames_of  # pandas is not needed by a run

        return frames_of(self.entries, self.orders, self.trades, self.equity)

    @property
    def decisions(self) -> int:
        """How many there were so far."""
        return self._seen.decisions

    @property
    def activity(self) -> Activity:
        """What happened so far, counted."""
        seen = deepcopy(self._seen)
        for order in self.orders:
            seen.sent(order.kind, order.status, order.filled)
        seen.valued((row.gross, row.equity) for row in self.equity)
        return seen

    def begin(self) -> None:
        """Called once; raises ``ConfigurationError`` where another strategy or run has written here."""
        if self._begun:
            raise ConfigurationError(
                "The journal belongs to another strategy or an earlier run: give each a Journal() of its own, or none "
                "and read strategy.journal."
            )
        self._begun = True

    def decided(self, bar: int, decision: Decision, verdict: Verdict) -> None:
        """Append a decision."""
        advice, abstention = decision.advice, decision.abstention
        action = None if advice is None else str(advice.action.type)
        self._seen.decided(action, None if abstention is None else (str(abstention.reason), abstention.detail))
        self._seen.judged(verdict.intent, [cut.limit for cut in verdict.clamps])
        if self._sink is not None:
            self._sink.write(decision_line(bar, decision, verdict))
            if decision.exchanges and (asked := hash(decision.exchanges)) not in self._flushed:
                self._flushed.add(asked)
                self._sink.flush()  # an answer of the model outlives the process
        (self._keep or self.entries.append)(Entry(bar, decision, verdict))
        if self._on_decision is not None:
            self._on_decision(self.decisions)

    def closed(self, row: EquityRow) -> None:
        """Append the account at a close."""
        self.equity.append(row)

    def finished(self, orders: list[OrderRow], trades: list[TradeRow]) -> None:
        """Take the books at the end of the data."""
        self.orders, self.trades = orders, trades


def decision_line(bar: int, decision: Decision, verdict: Verdict) -> str:
    """A decision as one line of JSON with a line feed: keys sorted, the same bytes for the same decision."""
    snapshot = decision.snapshot
    before_bar, after_clamps, status = _outcome_parts(
        decision.status,
        decision.advice,
        decision.abstention,
        decision.policy,
        decision.prompt,
        decision.exchanges,
        decision.repairs,
        decision.instead_of,
    )
    clamps, gate = _verdict_parts(verdict)
    return (
        f'{{{before_bar},"bar":{bar},"clamps":{clamps},{after_clamps},"snapshot":{_snapshot_part(snapshot)},{status},'
        f'"time":"{snapshot.time}","verdict":{gate}}}\n'
    )


_json = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


@lru_cache(maxsize=65536)
def _snapshot_part(snapshot: Snapshot) -> str:
    """Kept, because the arms of a run see the same bars."""
    values = {name: getattr(snapshot, name) for name in Snapshot.__slots__ if name != "extra"}
    known: dict[str, Any] = _without_nan(values)
    return _json(known | {"extra": _without_nan(dict(snapshot.extra))} if snapshot.extra else known)


def _without_nan(values: dict[str, float]) -> dict[str, float | None]:
    return {name: None if value != value else value for name, value in values.items()}  # JSON has no NaN


@lru_cache(maxsize=4096)
def _outcome_parts(
    status: Status,
    advice: Advice | None,
    abstention: Abstention | None,
    policy: PolicyOutcome,
    prompt: str,
    exchanges: tuple[Exchange, ...],
    repairs: tuple[str, ...],
    instead_of: Abstention | None,
) -> tuple[str, str, str]:
    """What equal outcomes have in common, in the places where the sorted keys put it; it is most of a line.

    ``events`` and ``instead_of`` are written only where something happened.
    """
    asked = [
        {"request": exchange.request_hash, "answer": exchange.answer} | _events(exchange) for exchange in exchanges
    ]
    first: dict[str, Any] = asked[0] if asked else {"request": "", "answer": ""}
    purposes = [exchange.purpose for exchange in exchanges]
    further = [
        {"purpose": purpose, **question}
        for purpose, question in zip(purposes[1:], asked[1:], strict=True)
        if purpose != "repair"
    ]
    before_bar = {
        "abstention": _abstention(abstention),
        "advice": None if advice is None else advice_to_document(advice),
        "answer": first["answer"],
    }
    happened = {"events": first["events"]} if "events" in first else {}
    stood_in = {} if instead_of is None else {"instead_of": _abstention(instead_of)}
    after_clamps = {
        **happened,
        **stood_in,
        **({"further": further} if further else {}),
        "policy": {"verdict": policy.verdict, "reasons": policy.reasons, "coherent": policy.coherent},
        "prompt": prompt,
        "repair": asked[1] if "repair" in purposes else None,
        "repairs": repairs,
        "request": first["request"],
    }
    return _json(before_bar)[1:-1], _json(after_clamps)[1:-1], _json({"status": status})[1:-1]


def _abstention(abstention: Abstention | None) -> dict[str, str] | None:
    return None if abstention is None else {"reason": abstention.reason, "detail": abstention.detail}


def _events(exchange: Exchange) -> dict[str, Any]:
    told = [
        {"kind": event.kind, "detail": event.detail} | ({} if event.value is None else {"value": event.value})
        for event in exchange.events
    ]
    return {"events": told} if told else {}


@lru_cache(maxsize=1024)
def _verdict_parts(verdict: Verdict) -> tuple[str, str]:
    clamps = [{"limit": cut.limit, "before": cut.before, "after": cut.after} for cut in verdict.clamps]
    gate = {
        "intent": verdict.intent,
        "size": verdict.size,
        "stop_pct": verdict.stop_pct,
        "target_pct": verdict.target_pct,
        "stop_price": verdict.stop_price,
        "reason": verdict.reason,
    }
    return _json(clamps), _json(gate)
