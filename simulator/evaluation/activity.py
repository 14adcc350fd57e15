"""What an arm did, counted from its record, for the sentence where it traded nothing or next to nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy

from llm_strategy.trading.remarks import Activity, Number, plainly, remarks
from simulator.evaluation.measures import measure
from simulator.folder.record import ArmRecord


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
