"""What a run is doing, stage by stage, so that nothing is silent: on a terminal, in a log, in a notebook."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from llm_strategy.support.outside_text import hanging, spelled_out


class Surface(Protocol):
    """Where progress is shown."""

    every: float
    """Seconds from one look at the running stage to the next."""

    def open(self) -> None:
        """Begin."""

    def line(self, text: str) -> None:
        """A line that stays."""

    def live(self, text: str, share: float | None = None) -> None:
        """What is being done just now, and which share of it is done (0 to 1) where that is known; it takes the place
        of what was told before, where that can be."""

    def close(self) -> None:
        """End; what was told of the moment goes."""


class TimeLeft:
    """Seconds until a count reaches its total, by the rate over the whole of it: it does not jump with a slow answer.

    The first one is left out, since it also pays for what is done once, such as loading a model.
    """

    FEWEST = 3

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first: tuple[float, int] | None = None
        self._last: tuple[float, int] | None = None

    def seconds(self, done: int, total: int) -> float | None:
        """None until a few are done."""
        now = self._clock()
        if done and self._first is None:
            self._first = (now, done)
        if self._last is None or done != self._last[1]:
            self._last = (now, done)
        if self._first is None or done - self._first[1] < self.FEWEST or done >= total:
            return None
        since, before = self._first
        each = (self._last[0] - since) / (done - before)
        return max(0.0, (total - done) * each - (now - self._last[0]))


class Stage:
    """One thing that a run does: how far it is, of how much, and since when."""

    def __init__(self, name: str, total: int | None, count: Callable[[], int] | None, unit: str) -> None:
        self.name = name
        self.unit = unit
        self.done = 0
        self.total = total
        self.beside = ""
        self._count = count
        self._begun = time.monotonic()
        self._left = TimeLeft()

    def summary(self) -> str:
        """Name, count, time so far and time left as one line."""
        self._look()
        parts = [self.name]
        if self.total:
            parts[0] += f" {self.done:,}/{max(self.done, self.total):,}"
        elif self.done:
            parts[0] += f" {self.done:,}"
        parts += [self.beside] if self.beside else []
        parts.append(duration(time.monotonic() - self._begun))
        left = self._left.seconds(self.done, self.total) if self.total else None
        if left is not None:
            parts.append(f"about {duration(left)} left")
        return ", ".join(parts)

    @property
    def share(self) -> float | None:
        """How much of it is done, 0 to 1, as of the last ``summary``; ``None`` where nobody knows of how much."""
        return min(1.0, self.done / self.total) if self.total else None

    def ended(self, outcome: str = "") -> str:
        """What is told of it when it is over."""
        self._look()
        so_much = outcome or (f"{self.done:,} {self.unit}" if self.done else "done")
        return f"{self.name}: {so_much}, {duration(time.monotonic() - self._begun)}"

    def _look(self) -> None:
        if self._count is not None:
            self.done = self._count()


class Progress:
    """Stages of a run, one at a time; with no surface it says nothing.

    Lines are held back until ``release``, so that a command that cannot even begin says why and nothing else; where
    that takes long they are told all the same.
    """

    def __init__(self, surface: Surface | None = None) -> None:
        self._surface = surface
        self._stage: Stage | None = None
        self._held: list[str] | None = []
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._ticker: threading.Thread | None = None
        self._told = time.monotonic()
        self._head = ""

    def __enter__(self) -> Self:
        if self._surface is not None and self._ticker is None:
            self._surface.open()
            self._told = time.monotonic()
            self._ticker = threading.Thread(target=self._tick, name="progress", daemon=True)
            self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._surface is None or self._ticker is None:
            return
        self._over.set()
        self._ticker.join(2)
        with self._lock:
            if kind is None:
                self.end()
            self._surface.close()
        self._ticker = None

    @property
    def shows(self) -> bool:
        """Whether anybody sees it."""
        return self._surface is not None

    def head(self, text: str) -> None:
        """The first line; said once, whoever says it first."""
        if not self._head:
            self._head = text
            self.note(text)

    def begin(
        self, name: str, total: int | None = None, count: Callable[[], int] | None = None, unit: str = "steps"
    ) -> None:
        """End what was done so far and begin a stage of ``total`` steps, each a ``unit``; ``count`` says how many are
        done, where ``at`` is not called. A stage of the same name goes on."""
        with self._lock:
            if self._stage is not None and self._stage.name == name:
                return
            self.end()
            self._stage = Stage(name, total, count, unit)

    def at(self, done: int, total: int | None = None) -> None:
        """How many steps of the stage are done, and of how many."""
        stage = self._stage
        if stage is not None:
            stage.done, stage.total = done, total or stage.total

    def beside(self, text: str) -> None:
        """What goes on beside the count of the stage."""
        if self._stage is not None:
            self._stage.beside = text

    def rename(self, name: str) -> None:
        """The stage under another name."""
        if self._stage is not None:
            self._stage.name = name

    def end(self, outcome: str = "") -> None:
        """The stage is over; ``outcome`` is told in place of its count."""
        with self._lock:
            if self._stage is not None:
                stage, self._stage = self._stage, None
                self.note(stage.ended(outcome))

    def drop(self) -> None:
        """The stage is over and there is nothing to tell of it."""
        self._stage = None

    def note(self, text: str) -> None:
        """A line that stays."""
        with self._lock:
            if self._held is not None:
                self._held.append(text)
            elif self._surface is not None:
                self._surface.line(hanging(spelled_out(text)))
                self._told = time.monotonic()

    def release(self) -> None:
        """The run has begun: tell what was held back, and hold nothing more."""
        with self._lock:
            held, self._held = self._held or [], None
            for text in held:
                self.note(text)

    def _tick(self) -> None:
        """Tell the running stage again and again, also while the main thread waits for a model."""
        assert self._surface is not None  # noqa: S101 - only started with one
        while not self._over.wait(min(0.25, self._surface.every)):
            with self._lock:
                if self._stage is not None and time.monotonic() - self._told >= self._surface.every:
                    if self._held:
                        self.release()
                    self._surface.live(spelled_out(self._stage.summary()), self._stage.share)
                    self._told = time.monotonic()


SILENT = Progress()
"""Says nothing."""


def duration(seconds: float) -> str:
    """``48 s``, ``12 min`` or ``3.1 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
