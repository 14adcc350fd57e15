"""Pieces of Markdown: code, cells and tables, escaped so that what the code says cannot break a page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def code(text: str) -> str:
    """Text as code, whatever it holds; nothing for nothing."""
    if not text:
        return ""
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}".replace("|", "\\|")


def cell(text: str) -> str:
    """A text in one line of a table; names between double backquotes become code."""
    text = re.sub(r"``(.+?)``", r"`\1`", " ".join(text.split()))
    plain = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else part.replace("<", "&lt;") for part in plain).replace("|", "\\|")


def prose(text: str) -> str:
    """A docstring as Markdown: double backquotes become single ones, and text blocks stay."""
    return re.sub(r"``(.+?)``", r"`\1`", text, flags=re.DOTALL)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with its heads."""
    lines = ["| " + " | ".join(heads) + " |", "|" + ":--|" * len(heads)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])
