"""A source as a person writes it, with one more option: what errors offer as a cure."""

from __future__ import annotations


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
