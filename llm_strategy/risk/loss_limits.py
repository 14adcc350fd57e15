"""Losses of a day and losses in a row, over time. Pure state, like the kill switch."""

from __future__ import annotations


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
