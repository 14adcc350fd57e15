"""Options of a file source: what a person says about a file that the file does not say itself."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from dataclasses import dataclass, field

from llm_strategy.errors import ConfigurationError, did_you_mean
from simulator.prices.sessions import Timeframe, zone_of
from simulator.prices.table import COLUMNS
from simulator.prices.volumes import VolumeKind

_CHOICES: dict[str, dict[str, object]] = {
    "adjusted": {"yes": True, "no": False},
    "dates": {"day_first": True, "month_first": False},
    "order": {"oldest_first": False, "newest_first": True},
    "separator": {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"},
    "decimal": {"point": ".", "comma": ","},
}
_NAMES = ("time", *COLUMNS)
_OF_TABLES = ("adjusted", "symbol", *_NAMES, "dates", "order", "zone")
_OF_TEXT = (*_OF_TABLES, "columns", "encoding", "separator", "decimal")


@dataclass(frozen=True, slots=True)
class FileOptions:
    """What follows the question mark of ``csv:PATH?...`` and ``parquet:PATH?...``.

    ``adjusted`` (yes, no) scales prices to the adjusted close. ``symbol`` picks one of several symbols in rows or
    columns. ``time``, ``open``, ``high``, ``low``, ``close`` and ``volume`` (``names``) name the file's own columns.
    ``dates`` (day_first, month_first) settles 1/2/2020, ``order`` (newest_first) reads rows backwards, ``zone`` is that
    of the exchange, for daily bars whose times are moments such as 14:30 UTC. Text files alone have ``columns`` (the
    names of a file without a header, separated by commas), ``encoding`` (as Python names it), ``separator`` (comma,
    semicolon, tab, bar) and ``decimal`` (point, comma). What is not said is ``None`` or the default.
    """

    adjusted: bool = False
    symbol: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    day_first: bool | None = None
    newest_first: bool = False
    zone: str | None = None
    columns: tuple[str, ...] = ()
    encoding: str | None = None
    separator: str = ","
    decimal: str | None = None


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How a file is read: its bars' length, what a person says of the file (``options``), the zone of times that have
    none (``clock``), and what its volume counts (``None``: what its name says)."""

    timeframe: Timeframe
    options: FileOptions = field(default_factory=FileOptions)
    clock: str | None = None
    volume: VolumeKind | None = None


def read_options(options: Mapping[str, str], source: str, *, text: bool) -> FileOptions:
    """The options of a file source, which is ``text`` or not; ``ConfigurationError`` names an option that is wrong."""
    known = _OF_TEXT if text else _OF_TABLES
    chosen: dict[str, object] = {}
    for key, value in options.items():
        if key not in known:
            raise ConfigurationError(f"{source} has the unknown option {key!r}{did_you_mean(key, known)}")
        if not value:
            raise ConfigurationError(f"{source}: {key} is empty: write its value behind the equals sign.")
        if key in _CHOICES:
            choices = _CHOICES[key]
            if value not in choices:
                raise ConfigurationError(f"{source}: {key} is {value!r}, it must be {' or '.join(choices)}.")
            chosen[key] = choices[value]
    if "zone" in options:
        zone_of(options["zone"], "zone")
    if "encoding" in options:
        _check_encoding(options["encoding"], source)
    return FileOptions(
        adjusted=chosen.get("adjusted") is True,
        symbol=options.get("symbol"),
        names={name: options[name] for name in _NAMES if name in options},
        day_first=None if "dates" not in chosen else bool(chosen["dates"]),
        newest_first=chosen.get("order") is True,
        zone=options.get("zone"),
        columns=tuple(name.strip() for name in options["columns"].split(",")) if "columns" in options else (),
        encoding=options.get("encoding"),
        separator=str(chosen.get("separator", ",")),
        decimal=None if "decimal" not in chosen else str(chosen["decimal"]),
    )


def _check_encoding(name: str, source: str) -> None:
    try:
        is_text = codecs.lookup(name)._is_text_encoding
    except LookupError:
        is_text = False
    if not is_text:
        raise ConfigurationError(
            f"{source}: the encoding {name!r} is unknown: write a name such as utf-16, cp1252, gb18030 or shift_jis."
        )
