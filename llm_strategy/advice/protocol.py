"""What decides at a close, whoever it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from llm_strategy.types import Decision, Snapshot


class Advisor(Protocol):
    """Anything that decides at a close: a model, or a rule."""

    def attach(self, data: Any) -> Advisor:
        """The advisor of one feed, called once for each in the strategy's ``__init__``: itself where it keeps nothing
        of a feed, or a copy with the indicators of this one."""

    def decide(self, snapshot: Snapshot) -> Decision:
        """The decision at the close of this snapshot's bar. An advisor that keeps a past has a method ``witness`` too,
        which takes a snapshot at each bar that the schedule passes over."""


def witness_of(advisor: Advisor) -> Callable[[Snapshot], None] | None:
    """The method ``witness`` of an advisor that has a past, to be called at bars without a decision; most rules have
    none."""
    return getattr(advisor, "witness", None)


def begin_run(advisor: Advisor) -> Advisor:
    """The advisor of a new run, without a past: its copies for the feeds of that run share one. Rules keep none."""
    begin: Callable[[], Advisor] | None = getattr(advisor, "begin", None)
    return advisor if begin is None else begin()
