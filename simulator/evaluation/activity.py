"""What an arm did, counted from its record, for the sentence where it traded nothing or next to nothing."""

from __future__ import annotations

from llm_strategy.remarks import Activity
from simulator.record import ArmRecord


def activity_of(arm: ArmRecord) -> Activity:
    """Decisions, verdicts, entry orders and the largest exposure of an arm."""
    seen = Activity()
    for decision in arm.decisions:
        advice, abstention = decision["advice"], decision["abstention"]
        seen.decided(
            None if advice is None else advice["action"]["type"],
            None if abstention is None else (abstention["reason"], abstention["detail"]),
        )
        seen.judged(decision["verdict"]["intent"], [cut["limit"] for cut in decision["clamps"]])
    for kind, status, filled in zip(arm.orders["kind"], arm.orders["status"], arm.orders["filled"], strict=True):
        seen.sent(kind, status, filled)
    seen.valued(zip(arm.equity["gross"], arm.equity["equity"], strict=True))
    return seen
