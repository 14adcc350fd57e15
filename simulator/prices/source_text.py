"""A source as a person writes it, in the words of errors and notes: with one more option, or without its folder."""

from __future__ import annotations

from pathlib import Path


def with_option(source: str, option: str) -> str:
    """``csv:a.csv`` and ``symbol=AAA`` as ``csv:a.csv?symbol=AAA``; further options follow an ampersand.

    An option of the same name that stands there already is replaced.
    """
    path, mark, query = source.rpartition("?")
    if not mark or "=" not in query:
        return f"{source}?{option}"
    key = option.partition("=")[0]
    kept = [pair for pair in query.split("&") if pair.partition("=")[0] != key]
    return f"{path}?{'&'.join([*kept, option])}"


def is_file(source: str) -> bool:
    """Whether the source is a file, which takes options; a DataFrame, a sample or a download takes none."""
    return source.startswith(("csv:", "parquet:"))


def or_option(source: str, option: str, words: str) -> str:
    """``, or WORDS as in csv:a.csv?OPTION`` for a file; nothing for other sources."""
    return f", or {words} as in {with_option(source, option)}" if is_file(source) else ""


def without_folder(source: str) -> str:
    """``csv:prices/a.csv?symbol=AAA`` as ``csv:a.csv``: what notes call a source, wherever its file lies."""
    kind, _, name = source.partition(":")
    path, mark, query = name.rpartition("?")
    return f"{kind}:{Path(path if mark and '=' in query else name).name}"
