"""What the items that fired do to the size of an entry."""

from __future__ import annotations

from collections.abc import Sequence

from llm_strategy.risk.checklist.item import Firing
from llm_strategy.risk.sizing import in_lots
from llm_strategy.types import ClampEvent


def apply(firings: Sequence[Firing], size: float, lot_step: float, cuts: list[ClampEvent]) -> tuple[float, str]:
    """The size (shares, a multiple of ``lot_step``) that is left of one that every limit allows, and one sentence where
    nothing is.

    Each firing is noted as a cut: first the flags, which leave the size as it is, then what halves it, and at last
    what refuses it; each sees what those before it left.
    """
    reason = ""
    for do in ("flag", "halve", "block"):
        for firing in firings:
            if firing.do != do:
                continue
            before = size
            if do == "block":
                size, reason = 0.0, reason or f"The item {firing.item} of the checklist refuses the entry."
            elif do == "halve":
                size = in_lots(size / 2, lot_step)
                if size <= 0 < before:
                    reason = "Half of the allowed size is less than one lot."
            cuts.append(ClampEvent(firing.limit, before, size))
    return size, reason
