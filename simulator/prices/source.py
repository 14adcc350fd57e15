"""A source of prices: ``kind:name?options``, what a kind must be able to do, and where kinds are found.

A kind of this package is a file in ``simulator/prices/sources/`` with a ``Source``; nothing else names it. A person's
own is a function that returns a DataFrame: ``package.module:function`` or ``FILE.py:function``, or a kind that an
installed package names in the entry point group ``backtrader_llm.price_sources``.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from llm_strategy.errors import ConfigurationError, did_you_mean
from llm_strategy.support.plugins import find_plugin, load_reference
from simulator.prices import sources
from simulator.prices.sessions import Timeframe
from simulator.prices.table import RawTable
from simulator.prices.volumes import VolumeKind

ENTRY_POINTS = "backtrader_llm.price_sources"
_OWN = re.compile(r"(?P<function>(?:.+?\.py|[A-Za-z_][\w.]*):\w*)(?::(?P<name>.*))?", re.DOTALL)


@dataclass(frozen=True)
class SourceRequest:
    """What is asked of a source: ``name`` and ``options`` as they stand in ``source``, and the bars that are wanted.

    ``start`` and ``end`` are dates, both included. A source may give more bars than these, which are cut.
    """

    source: str
    name: str
    options: Mapping[str, str]
    timeframe: Timeframe
    start: date | None
    end: date | None
    cache_folder: Path
    clock: str | None
    volume: VolumeKind | None
    folder: Path | None
    """The experiment's, in which a relative path is looked for first."""
    early: bool = False
    """Whether bars before ``start`` are wanted too, from ``earlier`` on (None: all that there are)."""
    earlier: date | None = None

    def refuse_options(self) -> None:
        """Raise ``ConfigurationError`` where options are set, for a source that takes none."""
        if self.options:
            raise ConfigurationError(f"{self.source} takes no options: leave out what follows the question mark.")


@dataclass(frozen=True, slots=True)
class Source:
    """A kind of sources. ``load`` reads the bars, which are then cut and judged for it; it raises
    ``ConfigurationError`` for a wrong name or option and ``MarketDataError`` for what cannot be read."""

    kind: str
    load: Callable[[SourceRequest], RawTable]
    takes_clock: bool = False
    """Whether times may come without a zone, so that ``data.clock`` can name one."""


@cache
def known_sources() -> dict[str, Source]:
    """The sources of this package by kind, the one that needs no file and no network first."""
    names = (f"{sources.__name__}.{module.name}" for module in pkgutil.iter_modules(sources.__path__))
    parts = (part for name in names for part in vars(importlib.import_module(name)).values())
    kinds = (part for part in parts if isinstance(part, Source))
    return {part.kind: part for part in sorted(kinds, key=lambda part: part.kind != "sample")}


def takes_clock(source: str) -> bool:
    """Whether ``data.clock`` may say the zone of this source's times; a person's own is taken for one."""
    known = known_sources().get(source.partition(":")[0])
    return known is None or known.takes_clock


def find_source(text: str, folder: Path | None = None) -> tuple[Source, str, dict[str, str]]:
    """The source that a text means, its name and its options; ``ConfigurationError`` where it has no kind that is
    known, no name, or a function that is not there. A relative ``FILE.py`` is looked for in ``folder`` first."""
    if len(text.splitlines()) > 1:
        raise ConfigurationError(f"The source {text!r} has several lines: write the path of a file on one line.")
    plain, options = _split_options(text)
    kind, colon, _ = plain.partition(":")
    known = known_sources()
    if colon and kind in known:
        name = plain[len(kind) + 1 :]
        if not name:
            raise ConfigurationError(
                f"The source {text!r} names nothing: write the name behind the colon, as in sample:sp500."
            )
        return known[kind], name, options
    from simulator.prices.sources.frames import source_of_function

    installed = sorted(entry_points(group=ENTRY_POINTS).names)
    if kind in installed:
        function = find_plugin("price source", kind, ENTRY_POINTS, {})
        return source_of_function(kind, function), plain[len(kind) + 1 :], options
    own = _OWN.fullmatch(plain)
    if own is not None and ("." in own["function"] or _is_module(kind)):
        function = load_reference("price source", own["function"], folder)
        return source_of_function(own["function"], function), own["name"] or "", options
    if plain.endswith(".py"):
        load_reference("price source", plain)  # raises
    suffix = Path(text).suffix[1:].lower()
    if suffix in ("csv", "parquet"):
        raise ConfigurationError(f"The source {text!r} names no kind, did you mean '{suffix}:{text}'?")
    raise ConfigurationError(f"The kind of the source {text!r} is unknown{did_you_mean(kind, [*known, *installed])}")


def _is_module(name: str) -> bool:
    try:
        return name.isidentifier() and importlib.util.find_spec(name) is not None
    except ValueError:
        return False


def _split_options(source: str) -> tuple[str, dict[str, str]]:
    path, query = _split_query(source)
    options: dict[str, str] = {}
    for pair in query.split("&") if query else ():
        key, _, value = pair.partition("=")
        if key in options:
            raise ConfigurationError(f"{source} has the option {key!r} twice: name it once.")
        options[key] = value
    return path, options


def _split_query(source: str) -> tuple[str, str]:
    """What stands before and behind the question mark; one without an equals sign behind it belongs to a path."""
    path, mark, query = source.rpartition("?")
    return (path, query) if mark and "=" in query else (source, "")


def with_option(source: str, option: str) -> str:
    """``csv:a.csv`` and ``symbol=AAA`` as ``csv:a.csv?symbol=AAA``; further options follow an ampersand.

    An option of the same name that stands there already is replaced.
    """
    path, query = _split_query(source)
    key = option.partition("=")[0]
    kept = [pair for pair in query.split("&") if query and pair.partition("=")[0] != key]
    return f"{path}?{'&'.join([*kept, option])}"


def is_file(source: str) -> bool:
    """Whether the source is a file, which takes options; a DataFrame, a sample or a download takes none."""
    return source.startswith(("csv:", "parquet:"))


def or_option(source: str, option: str, words: str) -> str:
    """``, or WORDS as in csv:a.csv?OPTION`` for a file; nothing for other sources."""
    return f", or {words} as in {with_option(source, option)}" if is_file(source) else ""


def origin(source: str) -> str:
    """A source without the folders of a file's path: what identifies it wherever the file lies."""
    path, query = _split_query(source)
    kind, _, name = path.partition(":")
    before, own, rest = path.partition(".py:")
    if kind in ("csv", "parquet"):
        path = f"{kind}:{Path(name).name}"
    elif own:
        path = f"{Path(before).name}{own}{rest}"
    return f"{path}?{query}" if query else path


def without_folder(source: str) -> str:
    """``csv:prices/a.csv?symbol=AAA`` as ``csv:a.csv``: what notes call a source, wherever its file lies."""
    return _split_query(origin(source))[0]
