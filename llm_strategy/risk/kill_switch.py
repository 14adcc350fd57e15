"""The drawdown kill switch over time: peak, firing, re-arming. Pure state."""

from __future__ import annotations


class KillSwitch:
    """Fires when equity falls ``max_drawdown`` (fraction) below its peak; re-arms after ``rearm_after_bars``, or never.

    Re-arming starts a new peak at the equity of that bar.
    """

    def __init__(self, max_drawdown: float, rearm_after_bars: int | None) -> None:
        self._max_drawdown = max_drawdown
        self._rearm_after_bars = rearm_after_bars
        self._peak = 0.0
        self._bars_since_fired: int | None = None
        self.drawdown = 0.0

    @property
    def killed(self) -> bool:
        """Whether no position may be held now."""
        return self._bars_since_fired is not None

    def update(self, equity: float) -> None:
        """Take the equity (currency) at the close of a decision bar; these bars count for re-arming."""
        if self._bars_since_fired is not None:
            self._bars_since_fired += 1
            if self._rearm_after_bars is not None and self._bars_since_fired > self._rearm_after_bars:
                self._bars_since_fired = None
                self._peak = equity
        self.watch(equity)

    def watch(self, equity: float) -> None:
        """Take the equity (currency) at a close between decisions."""
        self._peak = max(self._peak, equity)
        self.drawdown = 1 - equity / self._peak if self._peak > 0 else 0.0
        if not self.killed and self.drawdown >= self._max_drawdown:
            self._bars_since_fired = 0
