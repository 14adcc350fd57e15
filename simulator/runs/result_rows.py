"""Rows of the tables of a result: decisions, hypotheses, and what the answers of each advisor cost."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from llm_strategy.shown import shown_text
from llm_strategy.trading.decision_lines import Entry
from simulator.folder.record import ArmRecord
from simulator.folder.workspace import AUDIT

DECISION_TYPES = {
    **dict.fromkeys(("symbol", "status", "label", "action"), "str"),
    "confidence": "float64",
    **dict.fromkeys(("rationale", "policy", "intent"), "str"),
    **dict.fromkeys(("size", "stop_pct", "target_pct"), "float64"),
    "reason": "str",
    "close": "float64",
    **dict.fromkeys(("context", "plan"), "str"),
}
"""Columns of ``Result.decisions`` behind arm and time, in their order, and their types."""
HYPOTHESIS_COLUMNS = (
    "sentence", "proposer", "unmasked", "registered", "first", "last", "events", "runs", "effect", "low", "high", "p",
    "adjusted", "verdict", "worth_having", "rule_return", "holder_return", "last_return", "note",
)  # fmt: skip
"""Columns of ``Result.hypotheses``."""


def decision_row(arm: str, entry: Entry) -> tuple[object, ...]:
    """The cells of ``Result.decisions``."""
    decision, gate = entry.decision, entry.verdict
    snapshot, advice, abstained = decision.snapshot, decision.advice, decision.abstention
    advised = (
        (str(advice.regime.label), advice.action.type.value, advice.action.confidence, advice.rationale)
        if advice
        else (None,) * 4
    )
    return (
        arm, snapshot.time, snapshot.symbol, decision.status.value, *advised, decision.policy.verdict.value,
        gate.intent.value, gate.size, gate.stop_pct, gate.target_pct,
        f"{abstained.reason}: {abstained.detail}" if abstained else gate.reason, snapshot.close,
        shown_text(decision.context), ", ".join(decision.plan or ()),
    )  # fmt: skip


def hypothesis_row(card: Mapping[str, Any]) -> tuple[object, ...]:
    """The cells of ``Result.hypotheses``."""
    test, rule, last = (card.get(step, {}) for step in ("test", "rule", "last"))
    result, proposer, window = test.get("result", {}), card["proposer"], test.get("window", {})
    reasons = [card.get("problem"), *(step.get("refused") for step in (card["registered"], test, rule, last))]
    return (
        card["sentence"], proposer["kind"], ", ".join(proposer["unmasked"]),
        card["registered"].get("entry", {}).get("at"), window.get("first"), window.get("last"),
        *(result.get(name) for name in ("events", "runs", "effect", "low", "high", "p")),
        test.get("adjusted"), test.get("verdict"), test.get("worth_having"),
        rule.get("total_return"), rule.get("holder", {}).get("total_return"),
        last.get("result", {}).get("total_return"), " ".join(filter(None, reasons)),
    )  # fmt: skip


def answer_costs(folder: Path, arms: Sequence[ArmRecord]) -> dict[str, float | None]:
    """By arm, the cost of what its model was asked in this run, read from the audit log, in the currency of the
    configured prices.

    ``None`` where a call had no price, where the folder holds no readable log, and where several arms share an advisor,
    of whose questions the log does not say for which arm they were.
    """
    by_advisor: dict[str, float | None] = {}
    try:
        lines = (folder / AUDIT).read_text(encoding="utf-8").splitlines()
        for asked in map(json.loads, lines):
            name, cost = str(asked.get("advisor", "")), asked["cost"]
            before = by_advisor.get(name, 0.0)
            by_advisor[name] = before + float(cost) if before is not None and not isinstance(cost, str) else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return dict.fromkeys((arm.name for arm in arms), None)
    advisors = [str(arm.manifest.get("advisor") or "") for arm in arms]
    return {
        arm.name: by_advisor.get(advisor, by_advisor.get("", 0.0) if len(arms) == 1 else 0.0)
        if advisors.count(advisor) == 1
        else None
        for arm, advisor in zip(arms, advisors, strict=True)
    }
