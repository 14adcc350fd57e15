"""When an advisor is asked: at every bar, at some of them, or where what it would be shown has changed."""

from __future__ import annotations

from llm_strategy.errors import ConfigurationError
from llm_strategy.market.view import View, render_snapshot
from llm_strategy.types import Snapshot


class Schedule:
    """Wants a decision at every ``every``-th bar and, with a ``changed_view``, only where the text that this view
    renders differs from that of the last decision."""

    def __init__(self, every: int = 1, changed_view: View | None = None) -> None:
        if every < 1:
            raise ConfigurationError(f"decide_every is {every}: it must be a whole number of bars from 1 upwards.")
        self._every = every
        self._changed_view = changed_view
        self._bar = -1
        self._shown = ""

    def wants(self, snapshot: Snapshot) -> bool:
        """Whether the advisor is asked about this bar."""
        if not self.due():
            return False
        if self._changed_view is None:
            return True
        shown = render_snapshot(snapshot, self._changed_view)
        changed, self._shown = shown != self._shown, shown
        return changed

    def due(self) -> bool:
        """Count a bar; whether its turn has come, whatever it shows."""
        self._bar += 1
        return self._bar % self._every == 0
