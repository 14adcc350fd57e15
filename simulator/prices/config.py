"""The ``data`` section of an experiment: which prices of which symbols, in which groups, and when is decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

import pandas as pd
from pydantic import Field, WithJsonSchema

from llm_strategy.errors import ConfigurationError, did_you_mean
from llm_strategy.support.outside_text import LONGEST_SYMBOL
from simulator.prices.sessions import TradingCalendar
from simulator.prices.sources.frames import FrameSource, as_source
from simulator.prices.volumes import VOLUME_KINDS, VolumeKind

DEFAULT_SOURCE = "sample:nasdaq"
_SPAN = r"^[1-9][0-9]{0,3}(s|m|h|d|w|mo)$"
_HOURS = "^[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]$"
_Text = Annotated[str, Field(min_length=1)]
_SOURCES = {
    "description": "symbol to source, or a list of sources that name their symbols themselves",
    "type": ["object", "array", "null"],
    "additionalProperties": {"type": "string", "minLength": 1},
    "minProperties": 1,
    "items": {"type": "string", "minLength": 1},
    "minItems": 1,
    "uniqueItems": True,
}
_GROUPS = {
    "description": "group to the symbols in it",
    "type": ["object", "null"],
    "additionalProperties": {"type": "array", "items": {"type": "string"}, "minItems": 1},
}


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Which prices: ``source`` for one symbol (see ``prices.load.load_prices``), or ``sources`` for any number.

    A source is text or a pandas DataFrame, which is kept as ``FrameSource``.

    ``sources`` maps symbols to sources, or lists sources that name their symbols themselves; with it ``source`` is
    empty. ``groups`` maps names to symbols, each in one group at most. ``timeframe``, ``decide_on``, ``session`` and
    ``timezone`` are those of ``TradingCalendar``. ``start`` is the date of the first decision, for which the bars
    before it are used too, and ``end`` that of the last bar, both included. ``clock`` is the zone of files' intraday
    times that have none, and ``volume`` what volumes count, as for ``load_prices``. A contradiction raises
    ``ConfigurationError``.
    """

    source: Annotated[str | pd.DataFrame, WithJsonSchema({"type": ["string", "null"], "minLength": 1})] = ""
    symbol: Annotated[str, Field(min_length=1, max_length=LONGEST_SYMBOL)] | None = None
    timeframe: Annotated[str, Field(pattern=_SPAN, description="a count and a unit, such as 1d, 1h or 5m")] = "1d"
    start: str | None = None
    end: str | None = None
    """Date of the last bar, included; all there are if absent."""
    sources: Annotated[Mapping[str, str | pd.DataFrame] | Sequence[str] | None, WithJsonSchema(_SOURCES)] = None
    groups: Annotated[Mapping[str, Sequence[str]], WithJsonSchema(_GROUPS)] = field(default_factory=dict)
    decide_on: Annotated[
        str | None,
        Field(pattern=_SPAN, description="a count and a unit longer than timeframe, such as 1h, 1d or 1w"),
    ] = None
    session: Annotated[
        str | None,
        Field(pattern=_HOURS, description="opening and end, as in 09:30-16:00"),
    ] = None
    timezone: _Text | None = None
    clock: Annotated[str | None, Field(min_length=1, description="the zone of a file's times that have none")] = None
    volume: Annotated[
        VolumeKind | None, Field(description="nothing: shares, or ticks where a file has no other volume")
    ] = None

    def __post_init__(self) -> None:
        check_sources(self.source, self.sources)
        self._set("source", as_source(self.source))
        if self.sources is None:
            self._set("source", self.source or DEFAULT_SOURCE)
        else:
            self._check_sources(self.sources)
            self._set("sources", _normal(self.sources))
        self._set("groups", {name: tuple(sorted(self.groups[name])) for name in sorted(self.groups)})
        groups = self.group_of_symbol()
        if isinstance(self.sources, Mapping):
            check_groups(groups, self.sources)
        self.calendar()
        if self.volume is not None and self.volume not in VOLUME_KINDS:
            raise ConfigurationError(f"data.volume is {self.volume!r}{did_you_mean(self.volume, VOLUME_KINDS)}")

    def calendar(self) -> TradingCalendar:
        """Trading bars, decision bars, session and zone."""
        return TradingCalendar(self.timeframe, self.decide_on, self.session, self.timezone)

    def group_of_symbol(self) -> dict[str, str]:
        """The group of each symbol that has one."""
        found: dict[str, str] = {}
        for group, symbols in self.groups.items():
            for symbol in symbols:
                if symbol in found:
                    where = "twice" if found[symbol] == group else f"in {found[symbol]!r} and"
                    raise ConfigurationError(
                        f"data.groups: {symbol!r} stands {where} in {group!r}: a symbol has one group, name it once."
                    )
                found[symbol] = group
        return found

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)  # the one way to give a frozen instance its normal form

    def _check_sources(self, sources: Mapping[str, str | pd.DataFrame] | Sequence[str]) -> None:
        if self.source:
            raise ConfigurationError(
                f"data holds source {self.source!r} and sources: keep source for one symbol, sources for several."
            )
        if self.symbol is not None:
            raise ConfigurationError(
                f"data holds symbol {self.symbol!r} and sources: name the symbols in sources, as in sources: "
                "{SPY: 'csv:spy.csv'}."
            )
        if not sources or isinstance(sources, str):
            raise ConfigurationError(
                f"data.sources is {sources!r}: map at least one symbol to a source, or list the sources."
            )
        if isinstance(sources, Mapping):
            check_symbols(sources)


def check_sources(source: object, sources: object) -> None:
    """Raise ``ConfigurationError`` where DataFrames or several symbols stand in a form that has no place for them."""
    if isinstance(source, Mapping):
        raise ConfigurationError(
            "data.source maps several symbols: write them under sources, as in sources: {SPY: 'csv:spy.csv'}."
        )
    if isinstance(source, pd.Series):
        raise ConfigurationError(
            "data.source is a Series, one value a bar: give a DataFrame with open, high, low, close."
        )
    frames = (pd.DataFrame, FrameSource)
    if isinstance(sources, frames):
        raise ConfigurationError("data.sources is one DataFrame: write it under source, or map it to its symbol.")
    if isinstance(sources, list | tuple) and len(sources) > 1 and any(isinstance(one, frames) for one in sources):
        raise ConfigurationError(
            "data.sources lists DataFrames, which do not say their symbols: map them, as in {'SPY': frame}."
        )


def _normal(sources: Mapping[str, str | pd.DataFrame] | Sequence[str]) -> dict[str, str] | tuple[str, ...]:
    if isinstance(sources, Mapping):
        return {symbol: as_source(source) for symbol, source in sorted(sources.items())}
    return tuple(as_source(source) for source in sources)


FORMULA_SIGNS = ("=", "+", "-", "@")
"""With which a cell of a CSV file begins that a spreadsheet would compute."""


def check_symbols(symbols: Iterable[str]) -> None:
    """Raise ``ConfigurationError`` for a symbol that is empty, too long, holds what cannot be printed, or would be a
    formula in the tables of a run."""
    for symbol in symbols:
        if symbol.startswith(FORMULA_SIGNS):
            raise ConfigurationError(
                f"{symbol!r} is no symbol: a spreadsheet takes what begins with {' '.join(FORMULA_SIGNS)} for a "
                "formula, name it otherwise."
            )
        if not (0 < len(symbol) <= LONGEST_SYMBOL and symbol.isprintable()):
            raise ConfigurationError(
                f"{symbol!r} is no symbol: use 1 to {LONGEST_SYMBOL} printable characters, such as SPY."
            )


def check_groups(group_of_symbol: Mapping[str, str], symbols: Iterable[str]) -> None:
    """Raise ``ConfigurationError`` where a group holds a symbol that is not among ``symbols``."""
    known = list(symbols)
    for symbol, group in group_of_symbol.items():
        if symbol not in known:
            raise ConfigurationError(
                f"data.groups: {group!r} holds the unknown symbol {symbol!r}{did_you_mean(symbol, known)}"
            )
