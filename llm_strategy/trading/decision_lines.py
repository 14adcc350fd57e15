"""A decision as one line of ``decisions.jsonl``, and the line as a decision again: what one writes the other reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Any, TypeAlias

from llm_strategy.advice.contract import advice_to_document, checks_from_document
from llm_strategy.market.regimes import as_label
from llm_strategy.risk import Intent, Verdict
from llm_strategy.shown import Image, Shown
from llm_strategy.types import (
    Abstention,
    AbstentionReason,
    Action,
    ActionType,
    Advice,
    ClampEvent,
    Constraints,
    Decision,
    Event,
    Exchange,
    PolicyOutcome,
    PolicyVerdict,
    Purpose,
    Regime,
    Snapshot,
    Status,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One decision with the gate's verdict; ``bar`` is the row of the feed, from 0."""

    bar: int
    decision: Decision
    verdict: Verdict


def write_decision(entry: Entry) -> str:
    """A decision as one line of JSON with a line feed: keys sorted, the same bytes for the same decision."""
    decision, snapshot = entry.decision, entry.decision.snapshot
    before_bar, after_clamps, status = _parts_of(decision)
    clamps, gate = _parts_of_verdict(entry.verdict)
    return (
        f'{{{before_bar},"bar":{entry.bar},"clamps":{clamps},{after_clamps},"snapshot":{_snapshot_part(snapshot)},{status},'
        f'"time":"{snapshot.time}","verdict":{gate}}}\n'
    )


_Parts: TypeAlias = tuple[str, str, str]
_outcomes: dict[tuple[int, ...], tuple[Decision, _Parts]] = {}
_MOST_OUTCOMES = 256
_outcome = attrgetter(
    "status", "advice", "abstention", "policy", "prompt", "exchanges", "repairs", "instead_of", "context", "plan"
)


def _parts_of(decision: Decision) -> _Parts:
    """What was written of a decision that consists of the same objects, or else of one that is equal: most decisions
    repeat an earlier one, and to compare all that is in them takes longer than to write them."""
    outcome = _outcome(decision)
    key = tuple(map(id, outcome))
    known = _outcomes.get(key)
    if known is None:
        if len(_outcomes) >= _MOST_OUTCOMES:
            _outcomes.clear()
        # as long as the decision is kept, its ids are its own
        known = _outcomes[key] = decision, _outcome_parts(*outcome)
    return known[1]


_PLANNING: tuple[Purpose, ...] = ("plan", "plan_repair")
"""Purposes of the questions that come before those for the advice."""
_json = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


_snapshots: dict[int, tuple[Snapshot, str]] = {}
_MOST_SNAPSHOTS = 65536


def _snapshot_part(snapshot: Snapshot) -> str:
    """Kept, because the arms of a run see the same bars."""
    known = _snapshots.get(id(snapshot))
    if known is None:
        if len(_snapshots) >= _MOST_SNAPSHOTS:
            _snapshots.clear()
        known = _snapshots[id(snapshot)] = snapshot, _write_snapshot(snapshot)
    return known[1]


_NUMBERS = tuple(sorted(set(Snapshot.__slots__) - {"symbol", "timeframe", "time", "extra", "window", "momentum_bars"}))
_numbers = attrgetter(*_NUMBERS)


def _write_snapshot(snapshot: Snapshot) -> str:
    """The snapshot as JSON. ``_json`` writes a float as its ``repr``, too, so that one of usual values can be filled in
    in a fraction of the time."""
    numbers = _numbers(snapshot)
    total = sum(numbers)
    if not snapshot.extra and total - total == 0 and set(map(type, numbers)) == {float}:
        return _form_of(snapshot.symbol, snapshot.timeframe, snapshot.momentum_bars) % (
            *numbers[:_PLACE],
            snapshot.time,
            *numbers[_PLACE:],
        )
    values = {name: getattr(snapshot, name) for name in Snapshot.__slots__ if name not in ("extra", "window")}
    known: dict[str, Any] = _without_nan(values)
    return _json(known | {"extra": _without_nan(dict(snapshot.extra))} if snapshot.extra else known)


_PLACE = sum(name < "time" for name in _NUMBERS)
"""Numbers that stand before the time."""


@lru_cache(maxsize=256)
def _form_of(symbol: str, timeframe: str, momentum_bars: int) -> str:
    """The JSON of a snapshot with places for its numbers and its time."""
    texts = {"symbol": _json(symbol), "timeframe": _json(timeframe), "momentum_bars": _json(momentum_bars)}
    values = dict.fromkeys(_NUMBERS, "%r") | {name: text.replace("%", "%%") for name, text in texts.items()}
    values["time"] = '"%s"'
    return "{" + ",".join(f'"{name}":{values[name]}' for name in sorted(values)) + "}"


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
    context: tuple[Shown, ...],
    plan: tuple[str, ...] | None,
) -> tuple[str, str, str]:
    """What equal outcomes have in common, in the places where the sorted keys put it; it is most of a line.

    ``events`` and ``instead_of`` are written only where something happened, ``context`` where something was shown, and
    ``plan`` where something was planned: the analytics that were run, and the questions about them.
    """
    planning = [exchange for exchange in exchanges if exchange.purpose in _PLANNING]
    exchanges = tuple(exchange for exchange in exchanges if exchange.purpose not in _PLANNING)
    asked = list(map(_asked, exchanges))
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
        **({"context": [_shown(each) for each in context]} if context else {}),
        **happened,
        **stood_in,
        **({"further": further} if further else {}),
        **({} if plan is None else {"plan": {"chosen": plan, "asked": list(map(_asked, planning))}}),
        "policy": {"verdict": policy.verdict, "reasons": policy.reasons, "coherent": policy.coherent},
        "prompt": prompt,
        "repair": asked[1] if "repair" in purposes else None,
        "repairs": repairs,
        "request": first["request"],
    }
    return _json(before_bar)[1:-1], _json(after_clamps)[1:-1], _json({"status": status})[1:-1]


def _asked(exchange: Exchange) -> dict[str, Any]:
    return {"request": exchange.request_hash, "answer": exchange.answer} | _events(exchange)


def _shown(shown: Shown) -> dict[str, Any]:
    image = {} if shown.image is None else {"image": shown.image.sha256}
    return {"source": shown.source, "text": shown.text} | ({"ids": shown.ids} if shown.ids else {}) | image


def _abstention(abstention: Abstention | None) -> dict[str, str] | None:
    return None if abstention is None else {"reason": abstention.reason, "detail": abstention.detail}


def _events(exchange: Exchange) -> dict[str, Any]:
    return {"events": [event.as_dict() for event in exchange.events]} if exchange.events else {}


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


_verdicts: dict[int, tuple[Verdict, tuple[str, str]]] = {}
_MOST_VERDICTS = 1024


def _parts_of_verdict(verdict: Verdict) -> tuple[str, str]:
    """What was written of the same verdict, or else of one that is equal: most verdicts are that nothing changes."""
    known = _verdicts.get(id(verdict))
    if known is None:
        if len(_verdicts) >= _MOST_VERDICTS:
            _verdicts.clear()
        known = _verdicts[id(verdict)] = verdict, _verdict_parts(verdict)
    return known[1]


def read_decision(line: str) -> Entry:
    """The entry behind a line of ``write_decision``; ``write_decision`` makes the same line of it.

    A line does not say what its first question was for: that is ``label`` where other questions of a scored decision
    follow, else ``advice``. Raises ``ValueError``, ``LookupError``, ``TypeError`` or ``AttributeError`` for any other.
    """
    return entry_of(json.loads(line))


def entry_of(row: Mapping[str, Any]) -> Entry:
    """The entry behind a line that is read as JSON; raises as ``read_decision``."""
    advice, policy, verdict, snapshot = row["advice"], row["policy"], row["verdict"], row["snapshot"]
    decision = Decision(
        Snapshot.from_record(snapshot),
        Status(row["status"]),
        None if advice is None else _advice_of(advice),
        _abstention_of(row["abstention"]),
        _policy_of(policy["verdict"], tuple(policy["reasons"]), policy["coherent"]),
        row["prompt"],
        exchanges_of(row),
        tuple(row["repairs"]),
        _abstention_of(row.get("instead_of")),
        tuple(map(_shown_of, row.get("context", ()))),
        tuple(row["plan"]["chosen"]) if "plan" in row else None,
    )
    clamps = tuple([ClampEvent(cut["limit"], cut["before"], cut["after"]) for cut in row["clamps"]])
    gate = Verdict(
        Intent(verdict["intent"]),
        verdict["size"],
        verdict["stop_pct"],
        verdict["target_pct"],
        verdict["stop_price"],
        verdict["reason"],
        clamps,
    )
    return Entry(row["bar"], decision, gate)


def _shown_of(row: Mapping[str, Any]) -> Shown:
    image = Image(row["image"]) if "image" in row else None
    return Shown(row["source"], row["text"], tuple(row.get("ids", ())), image)


def _advice_of(document: Mapping[str, Any]) -> Advice:
    """As the contract writes it; it met the contract when it was written."""
    regime, action = document["regime"], document["action"]
    constraints = action.get("constraints")
    return Advice(
        document["symbol"],
        document["timeframe"],
        _regime_of(regime["label"], regime.get("confidence")),
        document["rationale"],
        Action(
            ActionType(action["type"]), action["confidence"], Constraints(**constraints) if constraints else _NO_WISHES
        ),
        document["version"],
        document["intent"],
        checks_from_document(document.get("checks", {})),
    )


_NO_WISHES = Constraints()


@lru_cache(maxsize=64, typed=True)
def _regime_of(label: str, confidence: float | None) -> Regime:
    return Regime(as_label(label), confidence)


@lru_cache(maxsize=64, typed=True)
def _policy_of(verdict: str, reasons: tuple[str, ...], coherent: bool) -> PolicyOutcome:
    return PolicyOutcome(PolicyVerdict(verdict), reasons, coherent)


def _abstention_of(row: Mapping[str, str] | None) -> Abstention | None:
    return None if row is None else Abstention(AbstentionReason(row["reason"]), row["detail"])


def exchanges_of(row: Mapping[str, Any]) -> tuple[Exchange, ...]:
    """The questions of a line that is read as JSON, those about a plan first; raises as ``read_decision``."""
    planning = row["plan"]["asked"] if "plan" in row else ()
    plan = tuple(_exchange_of(question, purpose) for question, purpose in zip(planning, _PLANNING, strict=False))
    if not row["request"]:
        return plan
    repair, further = row.get("repair"), row.get("further", ())
    return (
        *plan,
        _exchange_of(row, "label" if further else "advice"),
        *(() if repair is None else (_exchange_of(repair, "repair"),)),
        *(_exchange_of(question, question["purpose"]) for question in further),
    )


def _exchange_of(row: Mapping[str, Any], purpose: Purpose) -> Exchange:
    return Exchange(row["request"], row["answer"], tuple(map(Event.from_record, row.get("events", ()))), purpose)
