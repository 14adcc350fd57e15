"""Limits of losses over time: the drawdown kill switch, the loss of a day, losses in a row. Pure state."""

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


class DailyLoss:
    """The loss since the last close of the day before, and the entries of the day."""

    def __init__(self) -> None:
        self._day: object = None
        self._equity = 0.0
        self._reference = 0.0
        self.loss = 0.0
        self.entries = 0

    def update(self, day: object, equity: float) -> None:
        """Take the equity (currency) of a close on this day (anything that can be compared)."""
        if day != self._day:
            self._reference = self._equity if self._day is not None else equity
            self._day = day
            self.entries = 0
        self._equity = equity
        self.loss = max(0.0, 1 - equity / self._reference) if self._reference > 0 else 0.0


class LosingStreak:
    """Losing trades in a row; after ``longest`` of them comes a pause of ``pause_bars``, and the count starts anew."""

    def __init__(self, longest: int | None, pause_bars: int) -> None:
        self._longest = longest
        self._pause_bars = pause_bars
        self._losses = 0
        self._left = 0

    @property
    def paused(self) -> bool:
        """Whether nothing may be opened now."""
        return self._left > 0

    def closed(self, net: float) -> None:
        """Take the net profit (currency) of a round trip that has ended."""
        self._losses = self._losses + 1 if net < 0 else 0
        if self._longest is not None and self._losses >= self._longest:
            self._left = self._pause_bars + 1  # the bar of the loss itself counts down first
            self._losses = 0

    def update(self) -> None:
        """A bar has closed."""
        self._left = max(0, self._left - 1)
