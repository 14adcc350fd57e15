"""What a script sees on its error stream: our log from ``LOG_LEVEL`` on, and a line that counts while a model is waited
for."""

from __future__ import annotations

import logging
import sys
import time
from functools import cache
from typing import Self, TextIO

from llm_strategy.support.outside_text import hanging, spelled_out
from llm_strategy.support.secrets import redact

LOG_FORMAT = "%(levelname)s %(name)s: %(message)s"
LOGGERS = ("llm_strategy", "simulator")
"""Ours: what other libraries have to say below a warning is theirs."""


class VisibleFormatter(logging.Formatter):
    """Lines without secrets, in which nothing that a model wrote can command the terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return hanging(spelled_out(redact(super().format(record))))


@cache
def warn_once(name: str, text: str) -> None:
    """Warn as the logger of this name, the first time that there is this to say."""
    logging.getLogger(name).warning(text)


def show_log(level: str) -> None:
    """Let our loggers speak from this level on. Where nobody listens they write to the error stream; a program that has
    handlers keeps them."""
    if level == "WARNING":  # what Python shows by itself
        return
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(level)
        if not logger.hasHandlers():
            handler = logging.StreamHandler()
            handler.setFormatter(VisibleFormatter(LOG_FORMAT))
            logger.addHandler(handler)


QUIET_S = 2.0
"""Seconds before a line is shown at all: what is quicker needs none."""
EVERY_S = 0.5


class ProgressLine:
    """``WORD DONE of TOTAL``, with the time left at the pace so far; written over itself, and taken away at the end.

    Without a terminal (``lasting``) each state is a line of its own, every ten seconds.
    """

    def __init__(self, word: str, total: int | None, out: TextIO, *, lasting: bool = False) -> None:
        self._word, self._total, self._out, self._lasting = word, total, out, lasting
        self._begun = time.monotonic()
        self._due = self._begun + QUIET_S
        self._width = 0

    @classmethod
    def if_shown(cls, word: str, total: int | None, *, wanted: bool | None = None) -> Self | None:
        """A line on stderr; if ``wanted`` is not said, on a terminal and in a notebook alone."""
        terminal = sys.stderr is not None and sys.stderr.isatty()
        if sys.stderr is None or not (wanted or (wanted is None and (terminal or in_notebook()))):
            return None
        return cls(word, total, sys.stderr, lasting=not terminal and not in_notebook())

    def show(self, done: int) -> None:
        """Tell how far it is, not more often than a person reads."""
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + (10.0 if self._lasting else EVERY_S)
        text = f"{self._word} {done:,}"
        if self._total is not None:
            left = (now - self._begun) / done * max(0, self._total - done) if done else 0.0
            text += f" of {self._total:,}, {_clock(left)} left"
        if self._lasting:
            self._out.write(f"{text}\n")
        else:
            self._out.write(f"\r{text:<{self._width}}")
            self._width = len(text)
        self._out.flush()

    def close(self) -> None:
        """Take the line away."""
        if self._width:
            self._out.write("\r" + " " * self._width + "\r")
            self._out.flush()
            self._width = 0


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def in_notebook() -> bool:
    """Whether this runs in the kernel of a notebook (Jupyter, Colab), and not in a shell."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and hasattr(shell, "kernel")
