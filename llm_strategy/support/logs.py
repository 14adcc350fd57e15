"""What a script sees of the log: ``LOG_LEVEL`` is heard without any set-up of its own."""

from __future__ import annotations

import logging

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
