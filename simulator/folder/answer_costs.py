"""What the answers of a run cost, read from its audit log."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from simulator.folder.record import ArmRecord
from simulator.folder.workspace import AUDIT


def answer_costs(folder: Path, arms: Sequence[ArmRecord]) -> dict[str, float | None]:
    """The cost of what the model of each arm was asked in this run, in the currency of the configured prices, by arm.

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
